"""A count sheet: what was entered, against what was on record when it was counted. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from marketplace.kit.errors import invalid
from marketplace.ledger.entries import MAX_QUANTITY

Known = Literal["here", "at_another_site", "elsewhere", "gone", "unknown"]
KNOWN_WORDS: Final[Mapping[str, str]] = {
    "here": "On record here",
    "at_another_site": "On record at another of your sites",
    "elsewhere": "On record with another company",
    "gone": "On record as used, fitted, scrapped or lost",
    "unknown": "Not on record anywhere",
}
MOST_LINES: Final = 2_000
DEFAULT_TOLERANCE: Final = 0
_QUANTITY: Final = re.compile(r"([\s,;]+(?:x\s*)?)([0-9][0-9,]*)$", re.IGNORECASE)
_ODD: Final = re.compile(r"[,;]\s*([-+]?[0-9][0-9.,]*)$")
"""What stands behind a comma and is a number, but none of units: '-3', '3.5'."""
_ONE: Final = re.compile(r'"[^",;]*"')
"""One number, whatever spaces are in it."""
_QUOTED: Final = re.compile(r'"([^"]*)"')
"""As a spreadsheet writes its columns."""


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a list: so many of a part number, or (``quantity`` None) a serial number, or one unit of a part. ``whole``: the
    line as it stands, where nothing but space parts number and quantity: a serial number may well be 'SN 0042'."""

    code: str
    quantity: int | None
    whole: str | None = None


def read_items(text: str) -> tuple[Item, ...]:
    """The lines of a pasted list or a CSV: a serial number, or a part number and how many. Raises ``count.list``."""
    found: list[Item] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        one = _ONE.fullmatch(raw.strip())
        line = _QUOTED.sub(r"\1", raw.strip()).strip()
        if not line:
            continue
        if len(found) >= MOST_LINES:
            raise invalid(
                "count.list", f"At most {MOST_LINES:,} lines at once; send the rest after these.", field="items"
            )
        counted = None if one else _QUANTITY.search(line)
        code = (line[: counted.start()] if counted else line).strip().strip('",;').strip()
        if not code or len(code) > 100:
            raise invalid("count.list", f"Line {number} names no part or serial number: '{line[:60]}'.", field="items")
        if counted is None and (odd := _ODD.search(line)):
            raise invalid(
                "count.list",
                f"Line {number}: '{odd[1][:20]}' is no number of units. Write a whole one, 0 or more.",
                field="items",
            )
        quantity = int(counted[2].replace(",", "")) if counted and len(counted[2]) < 12 else None
        if quantity is not None and quantity > MAX_QUANTITY:
            raise invalid("count.list", f"Line {number}: at most {MAX_QUANTITY:,} of a part.", field="items")
        whole = line if counted and quantity is not None and counted[1].isspace() and len(line) <= 100 else None
        found.append(Item(code, quantity, whole))
    if not found:
        raise invalid(
            "count.list",
            "The list is empty. Write a serial number, or a part number and how many, a line.",
            field="items",
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Variance:
    """A part as counted. ``expected``: on record at that moment; ``moved_since``: came and went after it, by now; ``tolerated``: so
    many more or fewer count as within tolerance; ``round``: 2 and more: it was counted again."""

    part_id: UUID
    number: str
    description: str
    uom: str
    round: int
    counted: int
    expected: int
    moved_since: int
    tolerated: int
    counted_at: datetime
    encumbered: int = 0
    seen: frozenset[UUID] = frozenset()

    @property
    def difference(self) -> int:
        """More (above zero) or fewer than on record."""
        return self.counted - self.expected

    @property
    def counted_now(self) -> int:
        """What stands there now, if the count was right: with what came and went since."""
        return max(self.counted + self.moved_since, 0)

    @property
    def within(self) -> bool:
        """Whether the difference is within tolerance."""
        return abs(self.difference) <= self.tolerated

    @property
    def recount(self) -> bool:
        """Whether it is to be counted once more before it is believed: a count that is far off is more often wrong than the
        record. A second count that says so, too, is believed."""
        return not self.within and self.round < 2


def tolerance(expected: int, basis_points: int) -> int:
    """How many units a share of what is on record comes to, whole ones."""
    return expected * basis_points // 10_000


def ask_recount(found: Sequence[Variance]) -> tuple[str, ...]:
    """The numbers of the parts that are to be counted once more."""
    return tuple(v.number for v in found if v.recount)
