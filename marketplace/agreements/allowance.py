"""How many units a holder may do something with: what an act proposes before it is decided unit by unit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from marketplace.agreements.combined import holder_act
from marketplace.agreements.facts import Facts
from marketplace.agreements.notice import Notice, Standing, cleared_by
from marketplace.agreements.outcomes import Act, AfterNotice, Free, Refused
from marketplace.agreements.reach import declining_day, still_about, usable
from marketplace.agreements.terms import Terms
from marketplace.agreements.use_allowance import allowance_on
from marketplace.kit.clock import local_day


def most_allowed(
    clauses: Sequence[Terms], facts: Facts, act: Act, wanted: int, now: datetime, notices: Sequence[Notice] = ()
) -> tuple[int, Refused | AfterNotice | None]:
    """The most of ``wanted`` units that ``act`` may be done with now, and what stands against the others (None when
    all may). A notice clears units up to its own number; notices are not added up."""
    notices = still_about(clauses, facts, notices, now)
    first = _against(clauses, facts, act, wanted, now, notices)
    if first is None:
        return wanted, None
    unreserved = facts.remaining - facts.held
    # What could be allowed instead, most first: the clauses limit by the minimum, by reservations, by transit, by period.
    fewer = {
        unreserved,
        unreserved - facts.in_transit,
        unreserved - facts.in_transit - facts.withdrawn,
        facts.remaining - facts.circumstances.unpaid,
        *(usable(terms, facts, declining_day(terms, facts, now)) for terms in clauses),
        *(
            allowance_on(terms.use_allowance, facts, local_day(now, facts.zone)).left
            for terms in clauses
            if terms.generation == 2 and terms.use_allowance is not None
        ),
        *(n.left for n in notices if n.act is act and n.standing(now) is Standing.CLEARED),
    }
    for quantity in sorted(fewer, reverse=True):
        if 0 < quantity < wanted and _against(clauses, facts, act, quantity, now, notices) is None:
            return quantity, first
    return 0, first


def _against(
    clauses: Sequence[Terms], facts: Facts, act: Act, quantity: int, now: datetime, notices: Sequence[Notice]
) -> Refused | AfterNotice | None:
    answer = holder_act(clauses, facts, act, quantity, now).answer
    if isinstance(answer, Free):
        return None
    if isinstance(answer, AfterNotice) and cleared_by(notices, act, quantity, now) is not None:
        return None
    return answer
