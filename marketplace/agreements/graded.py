"""Units that came back, by the clause's own table: what each condition fetches, which units may be rejected and what happens
to them then. In words that name clause, version and section."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from marketplace.agreements import phrases
from marketplace.agreements.condition import PAPERS_WORDS, Offered, Rejected, inspect_unit, paid_for
from marketplace.agreements.outcomes import Reason
from marketplace.agreements.pricing import parts_of
from marketplace.agreements.term_kinds import Grade, Papers, RejectRemedy
from marketplace.agreements.term_words import grade_words
from marketplace.agreements.terms_v2 import TermsV2
from marketplace.kit.money import Money

SECTIONS = {
    "put_percent_bp": "2.5", "put_start_months": "2.5", "window_end_months": "3.1", "handling_bp": "6.2",
    "return_grade": "9.3", "return_papers": "9.3", "remaining_shelf_life_bp": "9.3", "scope": "9.2", "substitution": "9.2",
    "substitution_direction": "9.2", "grade_adjustments": "9.5", "reject_remedy": "9.6",
}  # fmt: skip
"""Where a term about units that go back stands in every clause text that has it."""
REASONS = {"return_grade": "lower_grade", "return_papers": "papers", "remaining_shelf_life_bp": "other"}
"""Why units are rejected, as disputes name it, by the term that they fail."""
OTHER_REASONS = frozenset({"damaged", "wrong_part"})
"""Reasons to reject units that are in the right condition by their grade, papers and shelf life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found of ``quantity`` units, and whether the manufacturer takes them. ``papers``: None = those that are asked
    for; ``shelf_life_left_bp``: of their shelf life, None = they have none; ``units``: by serial number or lot id."""

    grade: Grade
    quantity: int
    accepted: bool = True
    papers: Papers | None = None
    shelf_life_left_bp: int | None = None
    units: tuple[str, ...] = ()


class Judged(NamedTuple):
    """A finding with what it comes to: per unit ``each``, of which ``handling`` is for handling; 0 where it is rejected.
    ``failed``: the term that the units fail, empty where they are as agreed."""

    finding: Finding
    each: Money
    handling: Money
    percent_bp: int
    failed: str
    words: str


class Choice(NamedTuple):
    """One condition that units may be found in: what each then fetches, and whether it may be rejected."""

    grade: Grade
    each: Money
    handling: Money
    percent_bp: int
    may_reject: bool
    words: str

    @property
    def plain(self) -> dict[str, Any]:
        """As it is kept with an order."""
        return {
            "grade": self.grade.value, "each": str(self.each.amount), "handling": str(self.handling.amount),
            "percent_bp": self.percent_bp, "may_reject": self.may_reject, "words": self.words,
        }  # fmt: skip


def place(*why: Reason) -> str:
    """'buy-back version 2, section 9.5', or of several '..., sections 9.3 and 9.6'."""
    sections = list(dict.fromkeys(SECTIONS[one.term] for one in why))
    word = "section" if len(sections) == 1 else "sections"
    return f"{why[0].clause} version {why[0].version}, {word} {phrases.listed(sections)}"


def judge(terms: TermsV2, found: Finding, unit_price: Money, *, handled: bool = True) -> Judged:
    """What the terms say to units in this condition at ``unit_price`` (with handling, unless not ``handled``)."""
    offered = Offered(
        grade=found.grade, papers=found.papers or terms.return_papers, shelf_life_left_bp=found.shelf_life_left_bp
    )
    said = inspect_unit(terms, offered, unit_price)
    failed = said.term if isinstance(said, Rejected) else ""
    if not found.accepted:
        nothing = Money(unit_price.amount * 0, unit_price.currency)
        if isinstance(said, Rejected):
            words = f"{said.words} ({place(*said.reasons)})."
            return Judged(found, nothing, nothing, 0, failed, words.replace(". (", " ("))
        return Judged(found, nothing, nothing, 0, "", f"Rejected as {grade_words(found.grade)}.")
    paid = paid_for(terms, found.grade, unit_price)
    handling = parts_of(terms, paid.price).handling if handled else Money(paid.price.amount * 0, paid.price.currency)
    share = f"{phrases.percent(paid.percent_bp)} of " if paid.percent_bp != 10_000 else ""
    words = f"{grade_words(found.grade).capitalize()}: {share}{unit_price}"
    words += f", {paid.price} a unit" if share else " a unit"
    words += f", as for {grade_words(paid.as_for)}" if paid.as_for else ""
    return Judged(found, paid.price, handling, paid.percent_bp, failed, f"{words} ({place(paid.reasons[0])}).")


def choices(terms: TermsV2, unit_price: Money, *, handled: bool = True) -> tuple[Choice, ...]:
    """Every condition, best first, with what a unit then fetches; before anybody has looked."""
    made: list[Choice] = []
    for grade in Grade:
        said = judge(terms, Finding(grade=grade, quantity=1), unit_price, handled=handled)
        words = said.words
        if said.failed:
            worst = judge(terms, Finding(grade=grade, quantity=1, accepted=False), unit_price)
            words = f"{words} It may be rejected: {worst.words[0].lower()}{worst.words[1:]}"
        made.append(Choice(grade, said.each, said.handling, said.percent_bp, bool(said.failed), words))
    return tuple(made)


def asked_for(terms: TermsV2) -> tuple[str, ...]:
    """What units that come back have to be like, in sentences."""
    where = f"({terms.clause} version {terms.version}, section 9.3)"
    said = [f"At least {grade_words(terms.return_grade)} {where}."]
    if terms.return_papers is not Papers.NONE:
        said.append(f"With {PAPERS_WORDS[terms.return_papers]} {where}.")
    if terms.remaining_shelf_life_bp:
        said.append(
            f"With {phrases.percent(terms.remaining_shelf_life_bp)} of the shelf life left, where there is one {where}."
        )
    remedy = {
        RejectRemedy.RETURN: "A rejected unit goes back at the holder's cost and stays under the clause",
        RejectRemedy.REPLACE: "A rejected unit goes back, and the holder sends another one at its own cost, within the time for a stock order, at the same price",
        RejectRemedy.CREDIT: "A rejected unit is kept, and nothing is paid for it",
    }[terms.reject_remedy]
    return (*said, f"{remedy} ({terms.clause} version {terms.version}, section 9.6).")


def in_all(judged: Sequence[Judged]) -> Money | None:
    """What the accepted units fetch together, handling included; None where none is accepted."""
    paid = [j.each * j.finding.quantity for j in judged if j.finding.accepted]
    return sum(paid[1:], paid[0]) if paid else None
