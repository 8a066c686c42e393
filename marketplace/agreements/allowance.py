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
from marketplace.agreements.title import kept_by
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


def sold_with_leave(
    clauses: Sequence[Terms], facts: Facts, wanted: int, sold_at: datetime
) -> tuple[int, Notice | None]:
    """How many of ``wanted`` units the holder could sell at ``sold_at`` to a buyer that joins no agreement, and the notice that
    cleared them: None where they are sold freely. Where the right stays on the unit, or it is still the manufacturer's, no such
    sale has leave."""
    if kept_by(clauses) is not None:
        return 0, None
    notices = facts.circumstances.notices
    allowed, _ = most_allowed(clauses, facts, Act.RESELL, wanted, sold_at, notices)
    answer = holder_act(clauses, facts, Act.RESELL, allowed, sold_at).answer if allowed else None
    if isinstance(answer, Free):
        return allowed, None
    stays = any(t.generation == 2 and t.runs_with_the_unit for t in clauses)
    if not isinstance(answer, AfterNotice) or answer.accession_required or stays:
        return 0, None
    return allowed, cleared_by(still_about(clauses, facts, notices, sold_at), Act.RESELL, allowed, sold_at)


def _against(
    clauses: Sequence[Terms], facts: Facts, act: Act, quantity: int, now: datetime, notices: Sequence[Notice]
) -> Refused | AfterNotice | None:
    answer = holder_act(clauses, facts, act, quantity, now).answer
    if isinstance(answer, Free):
        return None
    if isinstance(answer, AfterNotice) and cleared_by(notices, act, quantity, now) is not None:
        return None
    return answer
