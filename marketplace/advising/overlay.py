"""What counts of several files for the same months: the latest that says something. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from marketplace.planning.histories import MOST_PERIODS
from marketplace.planning.inputs import Ints

Spread = npt.NDArray[np.float32]


def span(files: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """First month and number of months of files, each as (first month, months); the newest ``MOST_PERIODS`` where they are more."""
    if not files:
        return 0, 1
    first, last = min(f for f, _ in files), max(f + n for f, n in files)
    return max(first, last - MOST_PERIODS), min(last - first, MOST_PERIODS)


def lay(over: Spread, first: int, at: Ints, units: npt.NDArray[Any], begins: int) -> None:
    """Lays what a file says of the parts ``at`` over what earlier ones said: where it says nothing they go on counting.
    ``over`` (parts, months) begins at the month ``first``, the file's ``units`` at ``begins``."""
    skip = max(first - begins, 0)
    units = units[:, skip:]
    if not units.size:
        return
    place = slice(begins + skip - first, begins + skip - first + units.shape[1])
    here = over[at, place]
    over[at, place] = np.where(np.isnan(units), here, units)


def months_of(said: Sequence[tuple[int, Sequence[float]]]) -> list[tuple[int, float | None, int | None]]:
    """One part month by month, from (first month, units) of each file, oldest file first: (month, units, place of the file that says
    so); None where nothing is on record."""
    if not said:
        return []
    first, count = span([(begins, len(units)) for begins, units in said])
    found: list[tuple[int, float | None, int | None]] = [(first + n, None, None) for n in range(count)]
    for place, (begins, units) in enumerate(said):
        for n, value in enumerate(units):
            if not math.isnan(value) and begins + n >= first:
                found[begins + n - first] = (begins + n, float(value), place)
    return found
