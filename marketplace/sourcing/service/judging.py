"""What was found of units that came back, and what the clause makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from marketplace.agreements import queries as agreed
from marketplace.agreements.evaluation import inspect_by
from marketplace.agreements.graded import Finding, Judged, asked_for, choices, judge
from marketplace.agreements.phrases import count, percent
from marketplace.agreements.term_kinds import Grade
from marketplace.agreements.term_words import grade_words
from marketplace.agreements.terms_v2 import TermsV2
from marketplace.db.session import WriteSession
from marketplace.kit.fates import fates_of
from marketplace.kit.money import Money
from marketplace.sourcing import queries
from marketplace.sourcing.queries import CallRow
from marketplace.sourcing.service.defaulting import clause_of


class Outcome(NamedTuple):
    """What an inspection comes to: each finding with what is paid for it, which units it is about as (lot, position, how
    many, finding), and the serial numbers of each finding's units. ``remedy``: what happens to rejected ones."""

    judged: tuple[Judged, ...]
    lots: tuple[tuple[UUID, int | None, int, int], ...]
    serials: Mapping[int, tuple[str, ...]]
    terms: TermsV2 | None

    @property
    def good(self) -> int:
        return sum(j.finding.quantity for j in self.judged if j.finding.accepted)

    @property
    def rejected(self) -> int:
        return sum(j.finding.quantity for j in self.judged if not j.finding.accepted)


async def terms_of(session: WriteSession, call: CallRow) -> TermsV2 | None:
    """The terms that say what a condition fetches; None in the first library. The tenant is the maker."""
    assert call.agreement_id is not None  # noqa: S101 - the caller saw to it
    pair = (call.agreement_id, call.part_id)
    terms = clause_of((await agreed.terms_and_facts(session, [pair]))[pair], call)
    return None if terms.generation == 1 else by_condition(terms, call)


async def answer_by(session: WriteSession, call: CallRow, now: datetime) -> datetime:
    """Until when the holder agrees or objects: as many days as the maker has to inspect, counted as the clause does."""
    assert call.agreement_id is not None  # noqa: S101 - the caller saw to it
    pair = (call.agreement_id, call.part_id)
    covered = (await agreed.terms_and_facts(session, [pair]))[pair]
    return inspect_by(covered.terms, now, covered.facts.zone)


def by_condition(terms: TermsV2, call: CallRow) -> TermsV2:
    """The terms as they reach this order: the fee of a draw is no price, so that no condition changes it."""
    return terms if call.draw_fee is None else terms.model_copy(update={"grade_adjustments": ()})


def owed_each(call: CallRow) -> Money:
    """What is owed for an accepted unit in full: the clause's price, or the fee of a draw."""
    return Money(call.unit_price if call.draw_fee is None else call.draw_fee, call.currency)


def handled(call: CallRow) -> bool:
    """Whether handling is part of what is owed on acceptance: not of the fee of a draw, nor of what the holder sells back."""
    return call.draw_fee is None and call.kind != "put"


def on_return(terms: TermsV2, call: CallRow) -> dict[str, Any]:
    """What units of this order have to be like and what each condition fetches, as it is kept with it at receipt."""
    made = choices(by_condition(terms, call), owed_each(call), handled=handled(call))
    pays = [choice.plain for choice in made]
    if call.draw_fee is not None:
        pays = [choice.plain | _if_bought(terms, call, choice.grade) for choice in made]
    return {
        "asked": list(asked_for(terms)), "papers": terms.return_papers.value, "shelf_life": terms.remaining_shelf_life_bp > 0,
        "remedy": terms.reject_remedy.value,
        "pays": pays,
    }  # fmt: skip


def _if_bought(terms: TermsV2, call: CallRow, grade: Grade) -> dict[str, Any]:
    """What a drawn unit in this condition is bought at where it is not replaced in time; its fee is the same in every one."""
    paid = judge(terms, Finding(grade=grade, quantity=1), Money(call.unit_price, call.currency))
    return {
        "bought_each": str(paid.each.amount), "bought_handling": str(paid.handling.amount), "bought_words": paid.words,
    }  # fmt: skip


def handling_words(terms: TermsV2, price: Money) -> str:
    """What a line for handling says."""
    share = percent(0 if terms.clause == "title-kept" else terms.handling_bp)
    return f"Handling: {share} of {price} a unit ({terms.clause} version {terms.version}, section 6.2)."


def said(outcome: Outcome) -> str:
    """What the clause says to the rejected units."""
    return " ".join(
        f"{count(j.finding.quantity, 'unit')}: {j.words}"
        for j in outcome.judged
        if not j.finding.accepted and j.failed and outcome.terms is not None
    )


def paid_words(outcome: Outcome) -> str:
    return " ".join(f"{count(j.finding.quantity, 'unit')}: {j.words}" for j in outcome.judged if j.finding.accepted)


def told(judged: Judged, serials: Sequence[str]) -> dict[str, Any]:
    f = judged.finding
    return {
        "grade": f.grade.value, "quantity": f.quantity, "accepted": f.accepted, "failed": judged.failed,
        "papers": f.papers.value if f.papers else None, "shelf_life_left_bp": f.shelf_life_left_bp,
        "each": str(judged.each.amount), "handling": str(judged.handling.amount), "percent_bp": judged.percent_bp,
        "words": judged.words, "serials": list(serials),
    }  # fmt: skip


def found_of(
    call: CallRow,
    terms: TermsV2 | None,
    units: Sequence[queries.CallUnitRow],
    found: Sequence[Finding],
    named: Mapping[str, Sequence[str]],
    good: int,
) -> Outcome:
    """Each finding with what it comes to and its units: serial-numbered ones as named, the others in the order in which they
    were shipped."""
    as_is, rejected = Grade(call.condition), call.quantity - good
    if not found and not rejected and any(u.stand_in_condition not in (None, call.condition) for u in units):
        return _as_they_are(call, terms, units)
    if found:
        stated = [f for f in found if f.quantity]
        # Of one finding only, nobody has to name the units.
        names = ["good"] if len(stated) == 1 else [_name(n, f) for n, f in enumerate(stated, 1)]
        said: Mapping[str, Sequence[str]] = {name: f.units for name, f in zip(names, stated, strict=True)}
    else:
        stated = [Finding(grade=as_is, quantity=good), Finding(grade=as_is, quantity=rejected, accepted=False)]
        names, said = ["good", "rejected"], named
    counts = {"good": 0} | dict(zip(names, (f.quantity for f in stated), strict=True))
    serials = {u.lot_id: u.serial for u in units if u.serial is not None}
    fate, rest = fates_of(said, counts, serials, of=call.reference, code="call.inspect", field="units")
    lots: list[tuple[UUID, int | None, int, int]] = []
    by_finding: dict[int, tuple[str, ...]] = {}
    for u in units:
        left = 0 if u.serial is not None else u.quantity
        for n, name in enumerate(names):
            part = int(fate[u.lot_id] == name) if u.serial is not None else min(left, rest[name])
            if u.serial is None:
                rest[name] -= part
                left -= part
            elif part:
                by_finding[n] = (*by_finding.get(n, ()), u.serial)
            if part and u.shipped_lot_id and stated[n].accepted:
                lots.append((u.shipped_lot_id, u.shipped_position_id, part, n))
    judged = tuple(_judged(call, terms, replace(f, units=())) for f in stated)
    kept = [n for n, j in enumerate(judged) if j.finding.quantity]
    return Outcome(
        tuple(judged[n] for n in kept),
        tuple((lot, number, part, kept.index(n)) for lot, number, part, n in lots),
        {kept.index(n): found for n, found in by_finding.items() if n in kept},
        terms,
    )


def _as_they_are(call: CallRow, terms: TermsV2 | None, units: Sequence[queries.CallUnitRow]) -> Outcome:
    """All accepted, each in the condition that the ledger has for it: others came in place of some."""
    grades = [Grade(u.stand_in_condition or call.condition) for u in units]
    stated = list(dict.fromkeys(grades))
    counts = [sum(u.quantity for u, grade in zip(units, grades, strict=True) if grade is g) for g in stated]
    serials = {
        n: tuple(u.serial for u, g in zip(units, grades, strict=True) if g is s and u.serial)
        for n, s in enumerate(stated)
    }
    return Outcome(
        tuple(_judged(call, terms, Finding(grade=g, quantity=n)) for g, n in zip(stated, counts, strict=True)),
        tuple(
            (u.shipped_lot_id, u.shipped_position_id, u.quantity, stated.index(g))
            for u, g in zip(units, grades, strict=True)
            if u.shipped_lot_id
        ),
        {n: found for n, found in serials.items() if found},
        terms,
    )


def _name(number: int, found: Finding) -> str:
    return f"{number}. {grade_words(found.grade)}, {'accepted' if found.accepted else 'rejected'}"


def _judged(call: CallRow, terms: TermsV2 | None, found: Finding) -> Judged:
    price = owed_each(call)
    if terms is not None:
        return judge(terms, found, price, handled=handled(call))
    nothing = Money(Decimal(0), call.currency)
    return Judged(found, price if found.accepted else nothing, nothing, 10_000, "", "")
