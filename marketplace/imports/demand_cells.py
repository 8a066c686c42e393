"""Cells of a demand file, read as their file writes them: with a decimal point or a decimal comma, the day or the month first.

What can be read both ways waits for the others: a cell that can be read in one way only speaks for all. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field

from marketplace.planning.inputs import MOST_UNITS

Tell = Callable[[int, str, str], None]
"""Told of a row, a part, and what is odd in words."""
_NONE = frozenset(("", "-", "n/a", "na", "null", "none", "nan", "#n/a"))
_PLAIN = re.compile(r"-?\d{1,12}", re.ASCII)
_GROUPS = {",": re.compile(r"-?\d{1,3}(,\d{3})+", re.ASCII), ".": re.compile(r"-?\d{1,3}(\.\d{3})+", re.ASCII)}
_BOTH_WAYS = re.compile(r"-?[1-9]\d{0,2}[.,]\d{3}", re.ASCII)
_DECIMALS = {
    ".": re.compile(r"-?(\d{1,12}|\d{1,3}(,\d{3})+)\.\d{1,6}", re.ASCII),
    ",": re.compile(r"-?(\d{1,12}|\d{1,3}(\.\d{3})+),\d{1,6}", re.ASCII),
}
_OTHER = {".": ",", ",": "."}


@dataclass(slots=True)
class Units:
    """Units of a file's cells. ``mark``: what stands before decimals, as far as cells that can be read in one way only say."""

    tell: Tell
    marks: set[str] = field(default_factory=set)
    waiting: list[tuple[Hashable, int, str, str]] = field(default_factory=list)
    """(place, row, part, text) of cells that can be read both ways."""

    def read(self, cell: str, row: int, part: str, place: Hashable) -> float:
        """Units of a month; negative ones are returns, in brackets too. NaN where there is nothing, nothing that can be read, or what
        ``settled`` answers with its ``place`` later."""
        if cell.isdecimal() and cell.isascii() and len(cell) <= 9:  # nearly all of them, and there are millions
            return float(cell)
        raw = cell.strip().replace("\u00a0", "").replace(" ", "").replace("\u202f", "")
        if raw.casefold() in _NONE:
            return float("nan")
        if re.fullmatch(r"\(.*\)", raw):
            raw = "-" + raw[1:-1]
        if re.fullmatch(r"-?\d{1,3}(['\u2019]\d{3})+([.,]\d+)?", raw):
            raw = raw.replace("'", "").replace("\u2019", "")
        if _PLAIN.fullmatch(raw):
            return self._number(raw, "", cell, row, part)
        if _BOTH_WAYS.fullmatch(raw):
            self.waiting.append((place, row, part, raw))
            return float("nan")
        for group, pattern in _GROUPS.items():
            # '0.500' begins with no group, and one group alone has waited above.
            if pattern.fullmatch(raw) and raw.count(group) > 1:
                self.marks.add(_OTHER[group])
                return self._number(raw, _OTHER[group], cell, row, part)
        for mark, pattern in _DECIMALS.items():
            if pattern.fullmatch(raw):
                self.marks.add(mark)
                return self._number(raw, mark, cell, row, part)
        self.tell(row, part, f"'{cell[:30]}' is no number of units: the month is left out.")
        return float("nan")

    def settled(self) -> Iterator[tuple[Hashable, float]]:
        """(place, units) of the cells that waited. A comma stands between thousands unless the file has decimal commas; a point is not
        guessed at: without a cell that says what it is, those months are left out."""
        mark = next(iter(self.marks)) if len(self.marks) == 1 else ""
        read: dict[str, tuple[str, float, int]] = {}
        for place, row, part, raw in self.waiting:
            sign = "," if "," in raw else "."
            use = mark or ("." if sign == "," and not self.marks else "")
            if not use:
                value = raw.replace(",", ".")
                self.tell(row, part, f"'{raw}' may be {float(value):g} or {float(value) * 1_000:,.0f} units: the month is left out. Write {float(value) * 1_000:.0f} or {float(value):g}.")  # fmt: skip
                continue
            found = self._number(raw, use, raw, row, part)
            if mark == ",":
                first = read.get(sign, (raw, found, 0))
                read[sign] = (first[0], first[1], first[2] + 1)
            if found == found:
                yield place, found
        for raw, found, count in read.values():
            self.tell(0, "", f"'{raw}' was read as {found:g}, and {'no other cell' if count == 1 else f'{count - 1:,} more'} like it, since the file has decimal commas.")  # fmt: skip

    def _number(self, raw: str, mark: str, cell: str, row: int, part: str) -> float:
        value = float(raw.replace(_OTHER[mark], "").replace(mark, ".") if mark else raw)
        if abs(value) > MOST_UNITS:
            self.tell(row, part, f"{cell[:30]} units in a month are more than {MOST_UNITS:,}: the month is left out.")
            return float("nan")
        return value


_DAY = re.compile(r"(\d{1,2})([/.])(\d{1,2})[/.]((?:19|20)\d\d)(?:[ T].*)?", re.ASCII)


@dataclass(slots=True)
class Days:
    """Days such as 05/04/2024 of a file, whose order the days above the twelfth say. With points the day stands first."""

    orders: set[bool] = field(default_factory=set)
    """Whether the day stands first, as days say that can be read in one way only."""

    def month(self, text: str) -> int | tuple[int, int] | None:
        """year * 12 + month - 1; both, the one with the day first in front, where either order will do; None for what is no day."""
        found = _DAY.fullmatch(text)
        if not found:
            return None
        first, second, year = int(found[1]), int(found[3]), int(found[4]) * 12 - 1
        if not (1 <= min(first, second) <= 12 and max(first, second) <= 31):
            return None
        if first > 12 or second > 12:
            if found[2] == "/":
                self.orders.add(first > 12)
            return year + (second if first > 12 else first)
        if first == second or found[2] == ".":
            return year + second
        return year + second, year + first

    def settled(self, either: tuple[int, int]) -> int | None:
        """Which of the two it is by the other days of the file; None where they do not tell, or contradict each other."""
        return either[0 if True in self.orders else 1] if len(self.orders) == 1 else None
