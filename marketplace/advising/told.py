"""A file of demand as histories of parts: rows of one part added up, and what is odd about each in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import numpy as np

from marketplace.advising.copying import ids
from marketplace.imports.demand_lines import MOST_TOLD, DemandTable, Told, month_text
from marketplace.kit.errors import DomainError, Kind
from marketplace.planning.histories import clean
from marketplace.planning.inputs import Array

_CHUNK = 1 << 16
Issue = tuple[int, str, str]
"""Row of the file (0: the whole file), number, words."""


class Histories:
    """What a file says of the parts it names: ``parts`` (16 bytes each), ``units`` (parts, months), ``issues``."""

    def __init__(self, table: DemandTable, found: Sequence[Sequence[UUID]], told: Told, makers: str) -> None:
        """``found``: for each row of ``table`` the parts that its number may mean; ``makers``: whose numbers were looked through."""
        self.first_month = table.first_month
        self.issues: list[Issue] = [(row, number, words) for _, row, number, words in told.rows]
        self.more = told.more
        rows: dict[UUID, int] = {}
        kept: list[int] = []
        doubled: list[tuple[int, int]] = []
        for line, parts in enumerate(found):
            if not parts:
                self._tell(
                    0,
                    table.numbers[line],
                    f"No part of {makers} has this number: left out. Land it with a stock file first, or name its maker.",
                )
            elif len(parts) > 1:
                self._tell(
                    0,
                    table.numbers[line],
                    f"{len(parts)} makers have a part of this number: left out. Name the maker whose numbers these are.",
                )
            elif parts[0] in rows:
                at = rows[parts[0]]
                doubled.append((at, line))
                self._tell(
                    0,
                    table.numbers[line],
                    f"Another number of the same part as {table.numbers[kept[at]]}: their demand is added up.",
                )
            else:
                rows[parts[0]] = len(kept)
                kept.append(line)
        self.parts = ids([part.bytes for part in rows])
        self.units: Array = table.units[kept] if kept else np.empty((0, table.units.shape[1]))
        for at, line in doubled:
            here, there = self.units[at], table.units[line]
            self.units[at] = np.where(
                np.isnan(here) & np.isnan(there), np.nan, np.nan_to_num(here) + np.nan_to_num(there)
            )
        self._odd([table.numbers[line] for line in kept])
        if self.more:
            self.issues.append((0, "", f"{self.more:,} more like these."))

    def _tell(self, row: int, number: str, words: str) -> None:
        if len(self.issues) < MOST_TOLD:
            self.issues.append((row, number, words))
        else:
            self.more += 1

    def _odd(self, numbers: Sequence[str]) -> None:
        """Returns, gaps, outliers and packs; that a part is rarely asked for is nothing odd."""
        for start in range(0, len(numbers), _CHUNK):
            _, odd = clean(self.units[start : start + _CHUNK])
            strange = (odd.gaps > 0) | (odd.returned > 0) | (odd.unmatched > 0) | (odd.outliers > 0) | (odd.pack > 1)
            for at in np.flatnonzero(strange).tolist():
                self._tell(0, numbers[start + at], " ".join(odd.sentences(at)))

    @property
    def odd(self) -> int:
        """How many things were told, those that are only counted too."""
        return len(self.issues) - bool(self.more) + self.more


def nothing_found(table: DemandTable, histories: Histories, makers: str) -> DomainError | None:
    """Why a file brings nothing, if it does not."""
    if not table.keys:
        return DomainError(
            Kind.INVALID, "demand.empty", "No row of the file has a part number and a demand that can be read."
        )
    if not len(histories.parts):
        some = ", ".join(table.numbers[:3])
        return DomainError(Kind.INVALID, "demand.unknown", f"None of the {len(table.keys):,} numbers of the file, such as {some}, is a part of {makers}. Is the maker right, and did the stock land?")  # fmt: skip
    return None


def span_text(first_month: int, months: int) -> str:
    """2021-01 to 2025-12."""
    return f"{month_text(first_month)} to {month_text(first_month + months - 1)}"
