"""What may go back in place of units of the schedule: scope, substitution and direction, the pure part."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from marketplace.agreements.in_place import Allowed, NotAllowed, lets_any, lets_other_parts, may_stand_in, offered
from marketplace.agreements.term_kinds import Grade
from tests.marketplace.agreements.second import second

SAME = None
PARTS: dict[str, Collection[str] | None] = {
    "same": SAME, "newer": {"superseded_by"}, "older": {"supersedes"}, "alternate": {"alternate"},
    "older alternate": {"supersedes", "alternate"}, "other": set(),
}  # fmt: skip


@pytest.mark.parametrize(
    ("scope", "substitution", "direction", "may"),
    [
        ("lots", "makers_list", "either", set()),
        ("parts", "none", "either", {"same"}),
        ("parts", "form_fit_function", "newer_for_older", {"same", "alternate"}),
        ("parts", "form_fit_function", "either", {"same", "alternate", "older alternate"}),
        ("parts", "makers_list", "newer_for_older", {"same", "alternate", "newer"}),
        ("interchange", "makers_list", "newer_for_older", {"same", "alternate", "newer"}),
        ("interchange", "makers_list", "either", {"same", "alternate", "newer", "older", "older alternate"}),
    ],
)
def test_which_units_may_stand_in(scope: str, substitution: str, direction: str, may: set[str]) -> None:
    changed: dict[str, Any] = {"scope": scope, "substitution": substitution, "substitution_direction": direction}
    terms = second("buy-back", return_papers="certificate", **changed)
    found = {
        name: may_stand_in(terms, offered(Grade.NEW, relations or (), same_part=relations is SAME))
        for name, relations in PARTS.items()
    }
    assert {name for name, said in found.items() if isinstance(said, Allowed)} == may
    assert lets_any(terms) == bool(may)
    assert lets_other_parts(terms) == bool(may - {"same"})
    for said in found.values():
        if isinstance(said, NotAllowed):
            assert said.term in changed
            assert said.words.endswith("(buy-back version 2, section 9.2).")
    # At least in the condition that is asked for; papers are looked at on receipt.
    worse = may_stand_in(terms, offered(Grade.CORE, (), same_part=True))
    assert isinstance(worse, NotAllowed)
    assert worse.term == ("return_grade" if may else "scope")
