"""Several clauses on one agreement: what each answers, which answer binds, and which clauses cannot stand together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from marketplace.agreements.evaluation import evaluate_call, evaluate_holder_act
from marketplace.agreements.facts import Facts
from marketplace.agreements.outcomes import Act, AfterNotice, Entitled, Free, Need, Refused
from marketplace.agreements.terms import AppliesTo, Party, Terms
from marketplace.kit.errors import FieldError, invalid, invalid_fields

HolderAnswer = Free | AfterNotice | Refused


class ClauseCall(NamedTuple):
    """What one clause says to an order."""

    clause: str
    version: int
    answer: Entitled | Refused


class ClauseAct(NamedTuple):
    """What binds the holder, and the clause that says so."""

    clause: str
    version: int
    answer: HolderAnswer


class Flag(NamedTuple):
    """Something that both sides may want, and should know: it is not refused. ``field``: '<clause>.<term>'."""

    field: str
    code: str
    words: str


@dataclass(frozen=True, slots=True)
class Combined:
    """The clauses of one agreement. Raises ``terms.combination`` naming every term in which they contradict each other."""

    clauses: tuple[Terms, ...]

    def __post_init__(self) -> None:
        if not self.clauses:
            raise invalid("terms.combination", "An agreement has at least one clause.")
        found = tuple(_contradictions(self.clauses))
        if found:
            message = "The clauses do not stand together: " + " ".join(f"{f.field}: {f.message}" for f in found)
            raise invalid_fields("terms.combination", message, found)


def calls(combined: Combined, facts: Facts, now: datetime) -> tuple[ClauseCall, ...]:
    """What each clause says to an order of ``facts.requested`` units, in the order of the agreement. The manufacturer may
    go by any that entitles it; all of them count the same units."""
    return tuple(ClauseCall(t.clause, t.version, evaluate_call(t, facts, now)) for t in combined.clauses)


def best_call(clauses: Combined | Sequence[Terms], facts: Facts, now: datetime, *, explain: bool = True) -> ClauseCall:
    """The clause that gets the most units, then the one that costs least; where none entitles, what the first one says.
    An order that names a notice goes by a clause that reaches what the notice is about: drawing the minimum would leave the
    units on offer where they are. Clauses that were signed together were looked at as ``Combined`` before, and may be given
    as they are."""
    known = clauses.clauses if isinstance(clauses, Combined) else tuple(clauses)
    if facts.circumstances.answers is not None:
        known = above_the_minimum(known) or known
    answers = tuple(ClauseCall(t.clause, t.version, evaluate_call(t, facts, now, explain=explain)) for t in known)
    entitled = [(a, a.answer) for a in answers if isinstance(a.answer, Entitled)]
    if not entitled:
        return answers[0]
    return min(entitled, key=lambda e: (-e[1].granted, e[1].unit_price.amount))[0]


def above_the_minimum(clauses: Sequence[Terms]) -> tuple[Terms, ...]:
    """Beside a clause that reaches only the minimum to keep, those that reach the units above it, which notices are about;
    empty where the clauses do not share the units so."""
    if all(t.applies_to is not AppliesTo.FLOOR for t in clauses):
        return ()
    return tuple(t for t in clauses if t.applies_to is not AppliesTo.FLOOR)


def holder_act(
    clauses: Combined | Sequence[Terms],
    facts: Facts,
    act: Act,
    quantity: int,
    now: datetime,
    *,
    noticed_at: datetime | None = None,
) -> ClauseAct:
    """What the holder may do: every clause binds, so the strictest answer is the one. A refusal before a consent, that
    before an accession, that before an offer or a notice (the latest clearance), that before free (the earliest report)."""
    answers = [
        ClauseAct(t.clause, t.version, evaluate_holder_act(t, facts, act, quantity, now, noticed_at=noticed_at))
        for t in (clauses.clauses if isinstance(clauses, Combined) else clauses)
    ]
    return max(answers, key=lambda a: _strictness(a.answer))


def _strictness(answer: HolderAnswer) -> tuple[int, float]:
    if isinstance(answer, Refused):
        return 5, 0.0
    if isinstance(answer, AfterNotice):
        if answer.clear_from is None:
            return (3 if answer.needs is Need.ACCESSION else 4), 0.0
        return 2, answer.clear_from.timestamp()
    if answer.report_by is None:
        return 0, 0.0
    return 1, -answer.report_by.timestamp()


def callable_and_cleared(combined: Combined, facts: Facts, now: datetime) -> tuple[int, int]:
    """(units that an order could get under any clause, units that the holder is cleared for): never the same unit."""
    most = max((a.answer.granted for a in calls(combined, facts, now) if isinstance(a.answer, Entitled)), default=0)
    return most, facts.circumstances.cleared


def flags(clauses: Sequence[Terms]) -> tuple[Flag, ...]:
    """What the clauses come to together that their words do not say at once."""
    found: list[Flag] = []
    for terms in clauses:
        if terms.clause == "title-kept" and terms.loss_bearer is Party.HOLDER:
            words = (
                "The units stay the manufacturer's, and for one that is lost the holder pays only where it is missing from the "
                "minimum to keep (section 12.2). What is lost above the minimum is the manufacturer's loss: insure it."
            )
            found.append(Flag("title-kept.loss_compensation_bp", "terms.loss_above_minimum", words))
        if terms.clause != "buy-back" or terms.version != 2 or terms.put_percent_bp is None:
            continue
        same_price = terms.price.kind == "percent_of_sale" and terms.price.percent_bp == terms.put_percent_bp
        if same_price and not terms.handling_bp:
            words = (
                "The manufacturer may buy back and the holder may sell back at the same price: one of them always will. "
                "That is in effect a forward, and is booked as one."
            )
            found.append(Flag("buy-back.put_percent_bp", "terms.forward", words))
    return tuple(found)


_SAME = (
    ("use_class", "All clauses of an agreement are for the same use."),
    ("minimum_to_keep", "All clauses of an agreement keep the same minimum."),
    ("minimum_steps", "All clauses of an agreement let the minimum to keep decline alike."),
    ("rounding", "All clauses of an agreement round alike."),
    ("day_count", "All clauses of an agreement count days alike."),
    ("holiday_calendar", "All clauses of an agreement follow the same holiday calendar."),
    ("title", "A unit has one owner: all clauses of an agreement say the same."),
)
SAME_TERMS = tuple(name for name, _ in _SAME if name != "use_class")
"""Terms that all clauses of an agreement state alike, as far as they have them."""


def _contradictions(clauses: Sequence[Terms]) -> list[FieldError]:
    found: list[FieldError] = []
    names = [terms.clause for terms in clauses]
    for index, terms in enumerate(clauses):
        if terms.clause in names[:index]:
            found.append(FieldError(f"{terms.clause}.clause", "terms.clause_twice", "Each clause stands once."))
    first = clauses[0]
    if len(clauses) > 1 and any(terms.generation == 1 for terms in clauses):
        words = "Clauses of the first library stand alone: use their second version to combine them."
        return [*found, FieldError(f"{first.clause}.version", "terms.first_library", words)]
    for terms in clauses[1:]:
        found += [
            FieldError(f"{terms.clause}.{name}", "terms.combination", words)
            for name, words in _SAME
            if getattr(terms, name, None) != getattr(first, name, None)
        ]
    by_name = {terms.clause: terms for terms in clauses}
    kept = by_name.get("title-kept")
    if kept is not None and {"buy-back", "access-back"} & set(names):
        words = "Units that are still the manufacturer's cannot be bought back or drawn: it takes its own back."
        found.append(FieldError("title-kept.title", "terms.not_sold", words))
    refusal = by_name.get("first-refusal")
    call = by_name.get("buy-back") or by_name.get("access-back")
    if refusal is not None and call is not None:
        both = {call.applies_to, refusal.applies_to}
        if both == {AppliesTo.FLOOR}:
            words = "Units of the minimum can be ordered already: let the first refusal reach the others."
            found.append(FieldError("first-refusal.applies_to", "terms.reach_twice", words))
    return found


__all__ = [
    "SAME_TERMS", "ClauseAct", "ClauseCall", "Combined", "Flag", "above_the_minimum", "best_call", "callable_and_cleared", "calls", "flags", "holder_act",
]  # fmt: skip
