"""What an agreement would give on a chosen day, if everything else stayed as it is now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import NamedTuple

from marketplace.agreements.clauses.title_kept import ends_of
from marketplace.agreements.combined import best_call, holder_act
from marketplace.agreements.deadlines import window
from marketplace.agreements.facts import Facts
from marketplace.agreements.outcomes import Act, AfterNotice, Entitled, Free
from marketplace.agreements.reach import split
from marketplace.agreements.terms import Terms
from marketplace.agreements.title import kept_by
from marketplace.kit.clock import add_months, end_of_day, local_day
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
    facts = _left_on(clauses, facts, moment)
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


def _left_on(clauses: Sequence[Terms], facts: Facts, moment: datetime) -> Facts:
    """Of units that stay the maker's, none are left once those that lie there count as taken out."""
    kept = kept_by(clauses)
    counts = ends_of(kept, facts)[0] if kept is not None else None
    if counts is None or moment < counts:
        return facts
    known = replace(facts.circumstances, cleared=0, notices=())
    return replace(facts, remaining=0, held=0, in_transit=0, quality_held=0, withdrawn=0, circumstances=known)


class Span(NamedTuple):
    """From ``first`` on, until the next one: so many units could be ordered at that price (None: none could)."""

    first: date
    callable: int
    unit_price: Money | None


MOST_POINTS = 120


def rights_over(clauses: Sequence[Terms], facts: Facts) -> tuple[Span, ...]:
    """How the right goes from the schedule date to the day after its end, with the units as they stand now: looked at on its
    first and last day and on the schedule's days of the month (of every so many months, of a long window), which is where
    steps of prices and minimums lie. Spans that are alike are one."""
    window_of = [window(terms, facts) for terms in clauses]
    first, last = min(w.first_day for w in window_of), max(w.last_day for w in window_of)
    began = facts.schedule_date
    months = max((last.year - began.year) * 12 + last.month - began.month, 1)
    every = -(-months // MOST_POINTS)
    days = {add_months(began, at) for at in range(0, months + 1, every)} | {first, last, last + timedelta(days=1)}
    # A step lies on the day after the month is full, so both are looked at.
    days |= {day + timedelta(days=1) for day in days if day < last}
    # Under a first refusal units can be asked for from the holder's notice on until it has run.
    turns = [m for n in facts.circumstances.notices for m in (n.at, n.answer_by, n.clear_until) if m is not None]
    days |= {local_day(m, facts.zone) + timedelta(days=n) for m in turns for n in (0, 1)}
    asked, spans = replace(facts, requested=1, notice_at=None), list[Span]()
    for day in sorted(day for day in days if began <= day <= last + timedelta(days=1)):
        moment = noon_of(day, facts.zone)
        best = best_call(clauses, _left_on(clauses, asked, moment), moment)
        answer, price, there = best.answer, None, 0
        if isinstance(answer, Entitled):
            price = answer.replacement.purchase_price if answer.replacement else answer.unit_price
            there = answer.callable
        # The end is always told, so that whoever draws this knows how far it goes.
        if not spans or day > last or (spans[-1].callable, spans[-1].unit_price) != (there, price):
            spans.append(Span(day, there, price))
    return tuple(spans)


def days_that_matter(terms: Terms, facts: Facts, today: date) -> tuple[tuple[str, date], ...]:
    """Days worth a look, by name: today, when the right opens, its last day, the day after."""
    span = window(terms, facts)
    return (
        ("Today", today), ("The right opens", span.first_day), ("Its last day", span.last_day),
        ("The day after", span.last_day + timedelta(days=1)),
    )  # fmt: skip
