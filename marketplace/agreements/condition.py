"""What may come back: which unit stands in for which, in what condition and with which papers, and what it then fetches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from marketplace.agreements import phrases
from marketplace.agreements.outcomes import Reason
from marketplace.agreements.reach import reason
from marketplace.agreements.term_kinds import Direction, Grade, Papers, RejectRemedy, Scope, Substitution
from marketplace.agreements.terms_v2 import AccessBackV2, BuyBackV2, TermsV2
from marketplace.kit.money import Money
from marketplace.ledger.kinds import CONDITION_WORDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A unit that is to go back, or to stand in for one. ``newer``: its part superseded the part ordered; False = it is the
    older one; None = neither. ``shelf_life_left_bp``: of its shelf life; None = it has none."""

    of_schedule: bool = True
    same_part: bool = True
    equal_in_form_fit_function: bool = False
    on_makers_list: bool = False
    newer: bool | None = None
    grade: Grade = Grade.NEW
    papers: Papers = Papers.AS_SOLD
    shelf_life_left_bp: int | None = None


class Accepted(NamedTuple):
    """The unit is taken, at this share of its price: that of the condition ``as_for``, where the terms do not name its own."""

    percent_bp: int
    price: Money
    as_for: Grade | None
    words: str
    reasons: tuple[Reason, ...]


class Rejected(NamedTuple):
    """The unit is not what the terms ask for; ``remedy`` says what happens to it. ``term``: the one it fails."""

    term: str
    remedy: RejectRemedy
    words: str
    reasons: tuple[Reason, ...]


_REMEDIES = {
    RejectRemedy.RETURN: "It goes back at the holder's cost and stays under the clause.",
    RejectRemedy.REPLACE: "The holder sends another unit at its own cost.",
    RejectRemedy.CREDIT: "The manufacturer keeps it and pays nothing.",
}
_GRADES = list(Grade)
_PAPERS = list(Papers)


def inspect_unit(terms: TermsV2, offered: Offered, unit_price: Money) -> Accepted | Rejected:
    """Whether a unit is what the terms ask for, and what is paid for it: its price, or the share of it that the terms state
    for its condition."""
    failed = wrong_unit(terms, offered) or wrong_condition(terms, offered)
    if failed:
        term, words = failed
        said = f"{words} {_REMEDIES[terms.reject_remedy]}"
        return Rejected(
            term, terms.reject_remedy, said, (reason(terms, term, words), reason(terms, "reject_remedy", said))
        )
    return paid_for(terms, offered.grade, unit_price)


def paid_for(terms: TermsV2, grade: Grade, unit_price: Money) -> Accepted:
    """What is paid for a unit that is taken in this condition, whatever else it lacks: nobody has to reject a unit. A condition
    that the terms do not name counts as the next better one that they do, so that a worse one never fetches more."""
    better = [a for a in terms.grade_adjustments if _GRADES.index(a.grade) <= _GRADES.index(grade)]
    named = max(better, key=lambda a: _GRADES.index(a.grade), default=None)
    share = named.percent_bp if named else 10_000
    price = unit_price.share(share, terms.rounding)
    as_for = named.grade if named and named.grade is not grade else None
    name = grade.value.replace("_", " ") + (f", as for {as_for.value.replace('_', ' ')}," if as_for else "")
    words = f"Accepted as {name} at {price}."
    if share != 10_000:
        words = f"Accepted as {name} at {phrases.percent(share)} of the price: {price}."
    return Accepted(share, price, as_for, words, (reason(terms, "grade_adjustments", words),))


def wrong_unit(terms: TermsV2, offered: Offered) -> tuple[str, str] | None:
    """The term by which it is not what goes back, and why; None where it is."""
    if offered.of_schedule:
        return None
    if terms.scope is Scope.LOTS:
        return "scope", "It is not one of the units of the schedule."
    if offered.same_part:
        return None
    if terms.clause in ("first-refusal", "title-kept"):
        # These clauses state no rule of substitution: the scope alone decides.
        if terms.scope is Scope.INTERCHANGE and offered.on_makers_list:
            return None
        return "scope", "It is another part, and not one that may go back in its place."
    if isinstance(terms, BuyBackV2 | AccessBackV2):
        return _wrong_substitute(terms, offered)
    return None


def _wrong_substitute(terms: BuyBackV2 | AccessBackV2, offered: Offered) -> tuple[str, str] | None:
    if terms.substitution is Substitution.NONE:
        return "substitution", "It is another part, and none may stand in."
    if terms.substitution is Substitution.FORM_FIT_FUNCTION and not offered.equal_in_form_fit_function:
        return "substitution", "It is another part, and not equal in form, fit and function."
    if terms.substitution is Substitution.MAKERS_LIST and not offered.on_makers_list:
        return "substitution", "It is another part, and the maker's list does not name it."
    if terms.substitution_direction is Direction.NEWER_FOR_OLDER and offered.newer is False:
        return "substitution_direction", "It is the older part, and only a newer one may stand in."
    return None


def wrong_condition(terms: TermsV2, offered: Offered) -> tuple[str, str] | None:
    """The term about its condition that it fails, and why; None where it fails none."""
    if _GRADES.index(offered.grade) > _GRADES.index(terms.return_grade):
        found, asked = (CONDITION_WORDS[grade.value].lower() for grade in (offered.grade, terms.return_grade))
        return "return_grade", f"It is {found}; at least {asked} is asked for."
    if _PAPERS.index(offered.papers) < _PAPERS.index(terms.return_papers):
        return "return_papers", f"Its papers are missing: {PAPERS_WORDS[terms.return_papers]}."
    left = offered.shelf_life_left_bp
    if left is not None and left < terms.remaining_shelf_life_bp:
        asked = phrases.percent(terms.remaining_shelf_life_bp)
        return (
            "remaining_shelf_life_bp",
            f"It has {phrases.percent(left)} of its shelf life left; {asked} is asked for.",
        )
    return None


PAPERS_WORDS = {
    Papers.NONE: "none are asked for",
    Papers.AS_SOLD: "the papers that came with it",
    Papers.CERTIFICATE: "a certificate of conformity or release",
    Papers.FULL_TRACE: "a certificate and every change of custody since the sale",
}
