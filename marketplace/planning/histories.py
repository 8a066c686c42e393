"""What partners and the own field asked for, month by month, made fit to compute with; and what was odd about it.

A history is an array (parts, periods) of units, oldest first; NaN is a period nobody recorded. Nothing is mended in silence:
returns are set against the demand before them, gaps stay gaps, outliers are told and left as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from marketplace.kit.errors import invalid
from marketplace.planning.inputs import Array, Flags, Ints

PERIODS_PER_YEAR = 12
MOST_PERIODS = 1_200
OUTLIER_FACTOR = 10.0
"""Times the median of a part's other non-zero periods: ten times the usual is rarely asked for twice."""
_LEAST_FOR_OUTLIERS = 4
_LEAST_FOR_PACKS = 5
SHORT_PERIODS = 12


@dataclass(frozen=True, slots=True)
class History:
    """Cleaned demand: ``units`` (parts, periods), 0 where nothing was observed; ``observed`` says where something was, zeros
    included. Periods before a part's first record are not observed: it may not have existed."""

    units: Array
    observed: Flags
    per_year: int = PERIODS_PER_YEAR

    @property
    def parts(self) -> int:
        """Number of parts."""
        return int(self.units.shape[0])

    @property
    def exposure(self) -> Array:
        """Observed years a part."""
        return np.asarray(self.observed.sum(axis=1) / self.per_year, dtype=np.float64)

    def rows(self, at: slice | Ints | Flags) -> History:
        """Some of the parts."""
        return History(self.units[at], self.observed[at], self.per_year)

    def until(self, period: int) -> History:
        """The first ``period`` periods (negative: all but the last so many)."""
        return History(self.units[:, :period], self.observed[:, :period], self.per_year)

    def since(self, period: int) -> History:
        """The periods from ``period`` on (negative: the last so many)."""
        return History(self.units[:, period:], self.observed[:, period:], self.per_year)


@dataclass(frozen=True, slots=True)
class Oddities:
    """What cleaning met, one number a part. ``SENTENCES`` says each in words."""

    gaps: Ints
    """Periods without a record between the first and the last one."""
    returned: Array
    """Units that came back and were set against earlier demand."""
    unmatched: Array
    """Units that came back without earlier demand to set them against, left out."""
    outliers: Ints
    """Periods above ``OUTLIER_FACTOR`` times the median of the part's other demand."""
    pack: Ints
    """All demand is a multiple of so many units (1: no such multiple): perhaps packs and pieces are mixed up."""
    short: Flags
    """Fewer than twelve periods on record."""
    silent: Flags
    """Observed, and never asked for."""
    unknown: Flags
    """No record at all."""
    stopped: Ints
    """Periods at the end without a record."""

    def sentences(self, part: int) -> list[str]:
        """What is odd about a part, in words; empty where nothing is."""
        told = []
        if self.unknown[part]:
            told.append("No history: the rate is the one of the catalogue.")
        if self.silent[part]:
            told.append("Never asked for in the history: the rate is not zero, but small.")
        if self.short[part] and not self.unknown[part]:
            told.append(f"Fewer than {SHORT_PERIODS} months on record: the rate leans on the catalogue.")
        if n := int(self.gaps[part]):
            told.append(f"{n:,} month{'s' if n != 1 else ''} without a record: left out, not taken for zero.")
        if (n := int(self.stopped[part])) and not self.unknown[part]:
            told.append(f"No record of the last {n:,} month{'s' if n != 1 else ''}: the rate is the one of before.")
        if self.returned[part]:
            told.append(f"Returns of {self.returned[part]:,.6g} were set against earlier demand.")
        if self.unmatched[part]:
            told.append(f"Returns of {self.unmatched[part]:,.6g} had no earlier demand and were left out.")
        if n := int(self.outliers[part]):
            told.append(
                f"{n:,} month{'s' if n != 1 else ''} above {OUTLIER_FACTOR:g} times the usual: kept; check that it is no slip of the unit of measure."
            )
        if self.pack[part] > 1:
            told.append(f"All demand comes in multiples of {int(self.pack[part]):,}: are packs and pieces mixed up?")
        return told


def clean(units: npt.ArrayLike, *, per_year: int = PERIODS_PER_YEAR) -> tuple[History, Oddities]:
    """A raw history (parts, periods), NaN where nothing is on record, as a ``History`` and what was odd about it.

    Negative numbers are returns: each is taken off the demand just before it, as far back as needed; a year of only returns is
    told and left out. Raises ``planning.history`` for another shape, no periods, infinite numbers, or more than 1,200 periods.
    """
    try:
        raw = np.array(units, dtype=np.float64)
    except (TypeError, ValueError):
        raise invalid(
            "planning.history", "The history has something in it that is no number.", field="demand"
        ) from None
    if raw.ndim == 1:
        raw = raw[None, :]
    if raw.ndim != 2 or not 1 <= raw.shape[1] <= MOST_PERIODS:
        raise invalid(
            "planning.history",
            f"A history is a table of parts by months, 1 to {MOST_PERIODS:,} of them; this one has the shape {raw.shape}.",
            field="demand",
        )
    if np.isinf(raw).any():
        raise invalid("planning.history", "The history has an infinite number in it.", field="demand")
    if per_year < 1:
        raise invalid("planning.history", "A year has at least one period.", field="per_year")
    seen = ~np.isnan(raw)
    parts, periods = raw.shape
    any_seen = np.asarray(seen.any(axis=1), dtype=np.bool_)
    first = np.where(any_seen, seen.argmax(axis=1), periods)
    last = np.where(any_seen, periods - 1 - seen[:, ::-1].argmax(axis=1), -1)
    gaps = np.where(any_seen, last - first + 1 - seen.sum(axis=1), 0)
    filled = np.where(seen, raw, 0.0)
    returned, unmatched = np.zeros(parts), np.zeros(parts)
    came_back = np.flatnonzero((filled < 0).any(axis=1))
    if came_back.size:
        filled[came_back], returned[came_back], unmatched[came_back] = _net(filled[came_back])
    outliers, pack = _strange(filled)
    total = filled.sum(axis=1)
    count = seen.sum(axis=1)
    return History(filled, seen, per_year), Oddities(
        gaps.astype(np.int64), returned, unmatched, outliers, pack, count < SHORT_PERIODS * per_year / PERIODS_PER_YEAR,
        any_seen & (total == 0), ~any_seen, (periods - 1 - last).astype(np.int64),
    )  # fmt: skip


def _net(units: Array) -> tuple[Array, Array, Array]:
    """Walks back from the newest period: what came back is owed by what was asked for before it."""
    owed = np.zeros(units.shape[0])
    back = np.where(units < 0, -units, 0.0).sum(axis=1)
    found = np.zeros_like(units)
    for period in range(units.shape[1] - 1, -1, -1):
        now = units[:, period]
        owed = owed + np.where(now < 0, -now, 0.0)
        asked = np.maximum(now, 0.0)
        taken = np.minimum(asked, owed)
        found[:, period] = asked - taken
        owed = owed - taken
    return found, back - owed, owed


def _strange(units: Array) -> tuple[Ints, Ints]:
    """Outliers and pack sizes, part by part only where there is enough demand to say anything."""
    some = (units > 0).sum(axis=1)
    outliers, pack = np.zeros(units.shape[0], np.int64), np.ones(units.shape[0], np.int64)
    at = np.flatnonzero(some >= _LEAST_FOR_OUTLIERS)
    if at.size:
        values = np.where(units[at] > 0, units[at], np.nan)
        usual = np.nanmedian(values, axis=1)[:, None]
        outliers[at] = (units[at] > OUTLIER_FACTOR * usual).sum(axis=1)
    whole = np.flatnonzero(
        (some >= _LEAST_FOR_PACKS) & (units == np.floor(units)).all(axis=1) & (units.max(axis=1, initial=0) < 2**53)
    )
    if whole.size:
        pack[whole] = np.gcd.reduce(units[whole].astype(np.int64), axis=1)
    return outliers, np.maximum(pack, 1)


# -- supersession -------------------------------------------------------------------------------------------------


def heads(parts: int, replaced_by: Mapping[int, int]) -> Ints:
    """For each part the last of its chain of successors: ``replaced_by`` maps a part (from 0) to the one that took its place.

    Raises ``planning.chain_of_parts`` where a chain runs in a circle or names a part that is not there.
    """
    after = np.arange(parts)
    for old, new in replaced_by.items():
        if not (0 <= old < parts and 0 <= new < parts):
            raise invalid(
                "planning.chain_of_parts", f"Part {old} is replaced by {new}, and only {parts:,} parts are there."
            )
        after[old] = new
    # Doubling the stride follows chains of any length in a few rounds.
    for _ in range(max(1, int(parts).bit_length())):
        after = after[after]
    # A chain ends at a part that nothing replaced; one that runs in a circle stops at some part of it.
    for part in np.unique(after).tolist():
        if part in replaced_by:
            raise invalid(
                "planning.chain_of_parts",
                f"The successors of part {part} run in a circle: it replaces itself in the end. Take one step out.",
            )
    return after.astype(np.int64)


def pool(history: History, head: Ints) -> History:
    """Demand of whole chains, under the number of their last part: the others get no history of their own.

    A period is observed where it was for any part of the chain. ``head``: as ``heads`` gives it.
    """
    units = np.zeros_like(history.units)
    np.add.at(units, head, history.units)
    observed = np.zeros_like(history.observed)
    np.logical_or.at(observed, head, history.observed)
    return History(units, observed, history.per_year)


def from_records(records: Sequence[tuple[int, int, float]], parts: int, periods: int) -> Array:
    """A raw history from single records (part, period, units): summed; periods from a part's first record on count as seen.

    A list of demands has no lines for months without any, so from its first record on a part's empty months are zeros.
    Raises ``planning.history`` for a part or period out of range.
    """
    found = np.full((parts, periods), np.nan)
    if not records:
        return found
    rows = np.array([(r[0], r[1]) for r in records], dtype=np.int64)
    amounts = np.array([r[2] for r in records], dtype=np.float64)
    if rows.min() < 0 or rows[:, 0].max() >= parts or rows[:, 1].max() >= periods:
        raise invalid("planning.history", "A record names a part or a month that is not there.", field="demand")
    total = np.zeros((parts, periods))
    np.add.at(total, (rows[:, 0], rows[:, 1]), amounts)
    first = np.full(parts, periods)
    np.minimum.at(first, rows[:, 0], rows[:, 1])
    return np.where(np.arange(periods) >= first[:, None], total, found)
