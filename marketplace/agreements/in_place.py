"""Units that go back in place of those of the schedule: which ones the terms allow, before they are sent."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import NamedTuple

from marketplace.agreements.condition import Offered, wrong_condition, wrong_unit
from marketplace.agreements.graded import SECTIONS
from marketplace.agreements.term_kinds import Grade, Scope, Substitution
from marketplace.agreements.terms_v2 import BuyBackV2, TermsV2


class Allowed(NamedTuple):
    """It may go back in place of a unit of the schedule."""


class NotAllowed(NamedTuple):
    """It may not. ``term``: the one that says so; ``words`` name clause, version and section."""

    term: str
    words: str


def lets_any(terms: TermsV2) -> bool:
    """Whether any unit but those of the schedule may go back at all."""
    return terms.scope is not Scope.LOTS


def lets_other_parts(terms: TermsV2) -> bool:
    """Whether a unit of another part may."""
    return isinstance(terms, BuyBackV2) and lets_any(terms) and terms.substitution is not Substitution.NONE


def offered(grade: Grade, relations: Collection[str], *, same_part: bool) -> Offered:
    """A unit that is not of the schedule, by what its part is to the one ordered: 'superseded_by', 'supersedes' and 'alternate',
    as the maker has said it. An alternate may stand in by the maker's own word, so it is equal in form, fit and function."""
    newer = True if "superseded_by" in relations else False if "supersedes" in relations else None
    return Offered(
        of_schedule=False, same_part=same_part, equal_in_form_fit_function="alternate" in relations,
        on_makers_list=bool(relations), newer=newer, grade=grade,
    )  # fmt: skip


def may_stand_in(terms: TermsV2, unit: Offered) -> Allowed | NotAllowed:
    """Whether a unit may go back in place of one of the schedule: as the scope and the rule of substitution say, and at least in
    the condition that is asked for. Papers and shelf life are looked at on receipt."""
    failed = wrong_unit(terms, unit) or wrong_condition(
        terms, replace(unit, papers=terms.return_papers, shelf_life_left_bp=None)
    )
    if failed is None:
        return Allowed()
    term, words = failed
    return NotAllowed(term, f"{words[:-1]} ({terms.clause} version {terms.version}, section {SECTIONS[term]}).")
