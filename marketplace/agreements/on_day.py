"""What an agreement would give on a chosen day, if everything else stayed as it is now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import NamedTuple

from marketplace.agreements.combined import best_call, holder_act
from marketplace.agreements.deadlines import window
from marketplace.agreements.facts import Facts
from marketplace.agreements.outcomes import Act, AfterNotice, Entitled, Free
from marketplace.agreements.reach import split
from marketplace.agreements.terms import Terms
from marketplace.kit.clock import end_of_day
from marketplace.kit.money import Money


class ActOn(NamedTuple):
    """One thing the holder might do with one unit: 'free', 'notice' or 'no', and why in words."""

    act: Act
    answer: str
    words: str


class OnDay(NamedTuple):
    """``callable`` units at ``unit_price`` (None where none could be called), with the evaluator's words; and what the
    holder might do."""

    callable: int
    unit_price: Money | None
    words: tuple[str, ...]
    acts: tuple[ActOn, ...]


def noon_of(day: date, zone: str) -> datetime:
    """A moment on that day in the zone: half a day before its end, which daylight saving never moves off the day."""
    return end_of_day(day, zone) - timedelta(hours=12)


def rights_on(clauses: Sequence[Terms], facts: Facts, day: date) -> OnDay:
    """The right and the holder's freedom on ``day`` under these clauses, counted with the units as they stand now."""
    moment = noon_of(day, facts.zone)
    asked = replace(facts, requested=1, notice_at=None)
    best = best_call(clauses, asked, moment)
    answer, terms = best.answer, next(t for t in clauses if t.clause == best.clause)
    if isinstance(answer, Entitled):
        price = answer.replacement.purchase_price if answer.replacement else answer.unit_price
        there, words = answer.callable, tuple(reason.words for reason in answer.reasons)
    else:
        price, there, words = None, split(terms, asked, moment).callable, (answer.words, answer.until_words)
    acts = []
    for act in (Act.USE, Act.INSTALL, Act.SCRAP, Act.RESELL) if facts.remaining else ():
        may = holder_act(clauses, facts, act, 1, moment).answer
        kind = "free" if isinstance(may, Free) else "notice" if isinstance(may, AfterNotice) else "no"
        acts.append(ActOn(act, kind, may.words))
    return OnDay(there, price, words, tuple(acts))


def days_that_matter(terms: Terms, facts: Facts, today: date) -> tuple[tuple[str, date], ...]:
    """Days worth a look, by name: today, when the right opens, its last day, the day after."""
    span = window(terms, facts)
    return (
        ("Today", today), ("The right opens", span.first_day), ("Its last day", span.last_day),
        ("The day after", span.last_day + timedelta(days=1)),
    )  # fmt: skip
