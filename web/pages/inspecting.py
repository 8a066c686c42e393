"""Inspecting by the clause's own table: what was found of each unit, and what each choice pays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from marketplace.agreements.graded import Finding
from marketplace.agreements.term_kinds import Grade, Papers
from marketplace.kit.money import Money, parse_amount
from marketplace.ledger.kinds import CONDITION_WORDS
from marketplace.sourcing.queries import CallRow, CallUnitRow
from web.session import Sent

GROUPS: Final = 4
"""Rows for units without serial numbers: so many conditions can be told apart on the page (the API takes any number)."""

_GROUP_LABELS: Final = ("Units without a serial number", "Others of them", "Others again", "The last of them")


class Row(NamedTuple):
    """One row of the form: a serial-numbered unit, or some of the others (``most`` of them, ``usual`` at first)."""

    key: str
    label: str
    most: int
    usual: int
    serial: bool


def rows(call: CallRow, units: Sequence[CallUnitRow]) -> list[Row]:
    """The rows of the form: each unit that has a serial number, then the others by condition."""
    named = sorted((u for u in units if u.serial), key=lambda u: u.serial or "")
    found = [Row(str(u.lot_id), f"Serial {u.serial}", 1, 1, True) for u in named]
    loose = call.quantity - len(named)
    groups = range(1, min(GROUPS, loose) + 1)
    return found + [Row(f"g{n}", _GROUP_LABELS[n - 1], loose, loose if n == 1 else 0, False) for n in groups]


def conditions(call: CallRow) -> list[tuple[str, str]]:
    """The conditions to choose from, each with what a unit then fetches."""
    pays = (call.grades or {}).get("pays", [])
    return [
        (p["grade"], f"{CONDITION_WORDS[p['grade']]}: {Money(parse_amount(p['each']), call.currency)} a unit")
        for p in pays
    ]


def findings(sent: Sent, call: CallRow, units: Sequence[CallUnitRow]) -> list[Finding]:
    """What the form says. Raises ``call.invalid``."""
    fields = sent.fields()
    found: list[Finding] = []
    for row in rows(call, units):
        quantity = 1 if row.serial else fields.whole(f"quantity_{row.key}", row.label, low=0, high=row.most, empty=0)
        if not quantity:
            continue
        grade = fields.one_of(f"condition_{row.key}", f"the condition of {row.label}", [g.value for g in Grade])
        fate = fields.one_of(f"fate_{row.key}", f"what becomes of {row.label}", ("accept", "reject"))
        papers = sent.form().value(f"papers_{row.key}") == "missing"
        left = fields.whole(f"shelf_{row.key}", "Shelf life left", low=0, high=100, empty=101)
        found.append(
            Finding(
                grade=Grade(grade) if grade in list(Grade) else Grade.NEW, quantity=quantity, accepted=fate == "accept",
                papers=Papers.NONE if papers else None, shelf_life_left_bp=None if left > 100 else left * 100,
                units=(row.key,) if row.serial else (),
            )
        )  # fmt: skip
    fields.check("call.invalid", "The inspection could not be recorded.")
    return together(found)


def together(found: Sequence[Finding]) -> list[Finding]:
    """Findings of the same kind as one, so that a hundred serial numbers in one condition are one line."""
    same: dict[tuple[object, ...], Finding] = {}
    for f in found:
        key = (f.grade, f.accepted, f.papers, f.shelf_life_left_bp)
        known = same.get(key)
        same[key] = f if known is None else Finding(
            grade=f.grade, quantity=known.quantity + f.quantity, accepted=f.accepted, papers=f.papers,
            shelf_life_left_bp=f.shelf_life_left_bp, units=(*known.units, *f.units),
        )  # fmt: skip
    return list(same.values())


def ended(call: CallRow, now: datetime) -> bool:
    """Whether the time to inspect is over: what was not rejected by then is accepted."""
    return call.inspect_by is not None and now >= call.inspect_by
