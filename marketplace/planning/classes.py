"""Classes of demand: how often a part is asked for, and how evenly.

Syntetos, A. A., Boylan, J. E. and Croston, J. D. (2005), On the categorization of demand patterns, Journal of the Operational
Research Society 56: the mean interval between demands (ADI) against 1.32, the squared coefficient of variation of the non-zero
demands (CV2) against 0.49. The variance is the sample's (divisor n - 1); with the divisor n some lumpy parts read as intermittent.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from marketplace.planning.histories import History
from marketplace.planning.inputs import Array, Ints

ADI = 1.32
CV2 = 0.49


class DemandClass(IntEnum):
    """What a part's history looks like."""

    UNKNOWN = 0
    """No record."""
    SILENT = 1
    """On record, never asked for."""
    RARE = 2
    """Asked for once or twice: too few to tell more."""
    SMOOTH = 3
    INTERMITTENT = 4
    ERRATIC = 5
    LUMPY = 6

    @property
    def words(self) -> str:
        """For people."""
        return _WORDS[self]


_WORDS = {
    DemandClass.UNKNOWN: "no history", DemandClass.SILENT: "never asked for", DemandClass.RARE: "asked for once or twice",
    DemandClass.SMOOTH: "smooth", DemandClass.INTERMITTENT: "intermittent", DemandClass.ERRATIC: "erratic", DemandClass.LUMPY: "lumpy",
}  # fmt: skip
_ENOUGH = 3


def intervals(history: History) -> Array:
    """ADI a part: observed periods a non-zero one; infinite without any."""
    seen, some = history.observed.sum(axis=1), (history.units > 0).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(some > 0, seen / np.maximum(some, 1), np.inf)


def variations(history: History) -> Array:
    """CV2 of the non-zero demands a part, sample variance; 0 with fewer than two."""
    some = history.units > 0
    count = some.sum(axis=1)
    mean = history.units.sum(axis=1) / np.maximum(count, 1)
    spread = np.where(some, history.units - mean[:, None], 0.0)
    variance = (spread**2).sum(axis=1) / np.maximum(count - 1, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(count > 1, variance / np.maximum(mean, 1e-300) ** 2, 0.0)


def classify(history: History) -> Ints:
    """The ``DemandClass`` of each part, as whole numbers."""
    count = (history.units > 0).sum(axis=1)
    often, even = intervals(history) < ADI, variations(history) < CV2
    found = np.where(
        often,
        np.where(even, DemandClass.SMOOTH, DemandClass.ERRATIC),
        np.where(even, DemandClass.INTERMITTENT, DemandClass.LUMPY),
    )
    found = np.where(count < _ENOUGH, DemandClass.RARE, found)
    found = np.where(count == 0, DemandClass.SILENT, found)
    return np.where(history.observed.any(axis=1), found, DemandClass.UNKNOWN).astype(np.int64)
