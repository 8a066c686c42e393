"""Why a holder may refuse an order, or a part of it: what each clause says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from marketplace.agreements.terms import Terms

REFUSALS: Mapping[str, str] = {
    "not_on_shelf": "Not on the shelf",
    "damaged": "Damaged",
    "used_unreported": "Used, but not reported yet",
    "short": "Fewer than recorded",
    "other": "Another reason",
}
WITHDRAWING = frozenset({"not_on_shelf", "damaged", "used_unreported", "short"})
"""Refusals that say that the units are not where the ledger has them: they leave availability until a count."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """Which reasons count. ``section``: where the clause says so; empty for units that are under no agreement, of which their
    owner may say anything."""

    section: str
    codes: tuple[str, ...]
    answered: bool
    """Whether the clause has the holder answer the order at all."""

    @property
    def words(self) -> str:
        """What the clause allows, in one sentence; empty where it says nothing."""
        if not self.section:
            return ""
        reasons = "; ".join(REFUSALS[c].lower() for c in self.codes)
        if not self.answered:
            return f"Under {self.section} this order is shipped and not refused; of units that are not there say why: {reasons}."
        return f"Under {self.section} only these reasons count: {reasons}. A refusal for any other reason is none."


def grounds(clauses: Sequence[Terms], *, kind: str, unasked: bool, in_place: bool) -> Grounds:
    """What the holder of an order may refuse it for. ``kind``: that of the order; ``unasked``: it stood as accepted from its
    notice on; ``in_place``: it makes rejected units good. No clause lets anybody refuse what is there: all of them leave the
    facts (gone, damaged, used, fewer) that can be said of any order."""
    if not clauses:
        return Grounds("", tuple(REFUSALS), answered=True)

    def among(*names: str) -> Terms | None:
        return next((t for t in clauses if t.clause in names), None)

    kept, first = among("title-kept"), among("first-refusal")
    ordering = among("access-back" if kind == "access_draw" else "buy-back")
    terms = kept or ordering or first or clauses[0]
    answered = False
    if in_place:
        number = "9.6"
    elif kind == "put":
        number = "2.5"
    elif kept is not None:
        number = "4.1"
    elif first is not None and (unasked or ordering is None):
        terms, number = first, "4.4"
    else:
        number, answered = "5.2", True
    codes = tuple(c for c in REFUSALS if c in WITHDRAWING)
    return Grounds(f"{terms.clause} version {terms.version}, section {number},", codes, answered)
