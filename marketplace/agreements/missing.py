"""Units that are missing from under an agreement: what became of them, who bears it, and what is owed.

Two causes and no third: the holder used, sold, scrapped or gave units away (breach), or they were lost or destroyed without
anybody wanting it (loss). Paid is only for units missing from the minimum to keep, and for each of them once: a unit that was
missing before is not missing again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Final, NamedTuple

from marketplace.agreements import phrases
from marketplace.agreements.facts import Facts
from marketplace.agreements.holder_acts import loss_outcome
from marketplace.agreements.reach import newly_below, reason
from marketplace.agreements.remedies import CountResult, breach_of_minimum, count_result, default_from
from marketplace.agreements.terms import Party, Terms
from marketplace.agreements.title import kept_by
from marketplace.kit.clock import local_day
from marketplace.kit.money import Money


class Became(StrEnum):
    """What became of units that are not where they were kept."""

    USED = "used"
    INSTALLED = "installed"
    SCRAPPED = "scrapped"
    SOLD = "sold"
    GIVEN_AWAY = "given_away"
    """Out of the holder's hands in any other way, or nobody has said."""
    LOST = "lost"
    DESTROYED = "destroyed"
    FOUND = "found"
    MOVED = "moved"
    """At another site of the holder's own."""


BECAME_WORDS: Mapping[Became, str] = {
    Became.USED: "used up",
    Became.INSTALLED: "fitted into a machine",
    Became.SCRAPPED: "scrapped",
    Became.SOLD: "sold",
    Became.GIVEN_AWAY: "out of our hands in another way",
    Became.LOST: "lost",
    Became.DESTROYED: "damaged beyond use",
    Became.FOUND: "found again",
    Became.MOVED: "at another of our sites",
}
LEFT_WORDS: Mapping[Became, str] = {
    became: "" if became is Became.GIVEN_AWAY else f": {words}" for became, words in BECAME_WORDS.items()
}
"""After 'left the holder's hands without leave'."""
TAKEN_WORDS: Mapping[Became, str] = {
    Became.USED: "used up",
    Became.INSTALLED: "fitted into a machine",
    Became.SCRAPPED: "scrapped",
    Became.SOLD: "sold",
    Became.GIVEN_AWAY: "gone in another way",
}
"""How units that stayed the manufacturer's turn out to have been taken out, to either side."""
LOSSES = frozenset({Became.LOST, Became.DESTROYED})
COUNTING: Final = "10.2"
"""The section on counts: the same number in every clause of the second library (a test compares), as those that follow."""
BREACH: Final = "11.4"
LOSS: Final = "12.2"
TAKEN_OUT: Final = "6.3"
"""Of title-kept alone: what was used, sold or scrapped without leave counts as taken out, and its price is owed."""
STILL_THERE = frozenset({Became.FOUND, Became.MOVED})
BREACHES = frozenset(Became) - LOSSES - STILL_THERE


class Owed(NamedTuple):
    """What follows from missing units. ``kind``: of the settlement line ('breach', 'loss_compensation'), None where nothing
    is owed; ``below``: how many of them are missing from the minimum to keep; ``bearer``: of a loss."""

    kind: str | None
    below: int
    amount: Money
    bearer: Party | None
    terms: Terms
    term: str
    words: str


class Shortage(NamedTuple):
    """What a count says under the clause that is strictest about it, and what would be owed if the units that are missing
    from the minimum were gone without leave."""

    terms: Terms
    result: CountResult
    at_stake: Money


def owed_for(
    clauses: Sequence[Terms], facts: Facts, became: Became, quantity: int, on: date, charged: Money | None = None
) -> Owed:
    """What is owed for ``quantity`` of the ``facts.remaining`` units. Of several clauses the one that gives most speaks: they
    are about the same units. ``charged``: what was owed for breach before, which counts towards the cap. Raises
    ``loss.quantity``."""
    placed = kept_by(clauses) is not None
    answers = [_owed(terms, facts, became, quantity, on, charged, placed=placed) for terms in clauses]
    return max(answers, key=lambda o: (o.amount.amount, o.below))


def owed_for_a_sale_with_leave(clauses: Sequence[Terms], facts: Facts) -> Owed:
    """Nothing, also where units of the minimum were offered first and let go."""
    nothing = Money(facts.sale_price.amount * 0, facts.sale_price.currency)
    return Owed(None, 0, nothing, None, clauses[0], "resale", "Sold as the agreement lets the holder: nothing is owed.")


def _owed(
    terms: Terms, facts: Facts, became: Became, quantity: int, on: date, charged: Money | None, *, placed: bool = False
) -> Owed:
    """``placed``: the units stayed the manufacturer's until they are taken out, so that their price is another matter."""
    nothing = Money(facts.sale_price.amount * 0, facts.sale_price.currency)
    if became in STILL_THERE:
        return Owed(None, 0, nothing, None, terms, "count_tolerance_bp", "Nothing is owed: the units are there.")
    if became in LOSSES:
        lost = loss_outcome(terms, facts, quantity, on)
        kind = "loss_compensation" if lost.compensation.amount else None
        words = f"{lost.words} {_rests_on(terms, LOSS)}".rstrip()
        return Owed(kind, lost.units_short, lost.compensation, lost.bearer, terms, "loss_compensation_bp", words)
    below = newly_below(terms, facts, quantity, on)
    if not below:
        words = f"None of them is missing from the minimum to keep: nothing is owed{' for that' if placed else ''}."
        return Owed(None, 0, nothing, None, terms, "minimum_to_keep", words)
    if terms.generation == 1:
        words = f"{phrases.count(below, 'unit')} missing from the minimum to keep; the clause states no amount for it."
        return Owed(None, below, nothing, None, terms, "minimum_to_keep", words)
    damages = breach_of_minimum(terms, facts, below, charged)
    kind = "breach" if damages.amount.amount else None
    words = f"{damages.words} {_rests_on(terms, BREACH)}"
    return Owed(kind, below, damages.amount, None, terms, "breach_share_bp", words)


def _rests_on(terms: Terms, section: str) -> str:
    """The section that an amount rests on; the first library names none."""
    return f"({terms.clause}/v{terms.version}, section {section})." if terms.generation == 2 else ""


def shortage(
    clauses: Sequence[Terms], facts: Facts, missing: int, now: datetime, charged: Money | None = None
) -> Shortage | None:
    """What a count says that finds ``missing`` units fewer than recorded, by the strictest clause: one that calls it a breach
    before one that does not. None where no clause says anything about counts."""
    found: list[Shortage] = []
    for terms in clauses:
        if terms.generation == 1:
            continue
        result = count_result(terms, facts, max(facts.remaining - missing, 0), now)
        stake = Money(facts.sale_price.amount * 0, facts.sale_price.currency)
        if result.missing:
            on = local_day(now, facts.zone)
            gone = min(result.missing, facts.remaining)
            stake = _owed(terms, facts, Became.GIVEN_AWAY, gone, on, charged).amount
            if terms.clause == "title-kept":
                # What left without leave counts as taken out: its price is owed beside.
                stake += facts.sale_price * gone
        found.append(Shortage(terms, result, stake))
    return max(found, key=lambda s: (s.result.breach, s.at_stake.amount, s.result.below_minimum), default=None)


def concluded_from(clauses: Sequence[Terms], facts: Facts, explain_by: datetime) -> datetime:
    """From when the manufacturer may conclude that units nobody has explained are gone without leave: the date for it, and the
    time to make good, of the clause that leaves the holder most of it."""
    return max((default_from(t, facts, explain_by) for t in clauses if t.generation == 2), default=explain_by)


def told(known: Shortage) -> str:
    """The finding in words: what the count says, by which section, and how much is at stake."""
    words = reason(known.terms, "count_tolerance_bp", known.result.words).words
    stake = f" At stake, if the holder took them out of the minimum: {known.at_stake}." if known.at_stake.amount else ""
    if known.terms.clause == "title-kept":
        stake = (
            f" At stake, if they left without leave: {known.at_stake}, the price of what then counts as taken out included "
            f"(section {TAKEN_OUT})."
        )
    return f"{words.removesuffix('.')} ({known.terms.clause}/v{known.terms.version}, section {COUNTING}).{stake}"
