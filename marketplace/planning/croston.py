"""The family of Croston: demand a period, from the size of the demands and the periods between them.

Croston (1972), Operational Research Quarterly 23(3); Syntetos and Boylan (2005), International Journal of Forecasting 21 (SBA);
Shale, Boylan and Johnston (2006), Journal of the Operational Research Society 57 (SBJ); Teunter, Syntetos and Babai (2011),
European Journal of Operational Research 214 (TSB). A period that nobody recorded does not pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from marketplace.planning.histories import History
from marketplace.planning.inputs import Array, numbers

SIZE_SMOOTHING = 0.1
INTERVAL_SMOOTHING = 0.1


@dataclass(frozen=True, slots=True)
class Crostons:
    """Demand a period by each method, one number a part; 0 where it was never asked for."""

    croston: Array
    sba: Array
    sbj: Array
    tsb: Array


def crostons(history: History, *, size: float = SIZE_SMOOTHING, interval: float = INTERVAL_SMOOTHING) -> Crostons:
    """All four at once, over the periods of all parts.

    On a demand y after q periods ``z += size (y - z)``, ``p += interval (q - p)``; z starts as the first demand, p as its number
    counted from 1. TSB starts as 1/p there and is told of every period. Smoothing constants are between 0 and 1.

    Raises ``planning.number``.
    """
    a = float(numbers("smoothing of sizes", size, most=1.0))
    b = float(numbers("smoothing of intervals", interval, most=1.0))
    parts = history.parts
    z, p, since, chance = (np.zeros(parts) for _ in range(4))
    begun = np.zeros(parts, np.bool_)
    for period in range(history.units.shape[1]):
        y, seen = history.units[:, period], history.observed[:, period]
        since = since + seen
        asked = seen & (y > 0)
        again, first = asked & begun, asked & ~begun
        chance = np.where(begun & seen, chance + b * (asked - chance), chance)
        z = np.where(again, z + a * (y - z), np.where(first, y, z))
        p = np.where(again, p + b * (since - p), np.where(first, since, p))
        chance = np.where(first, 1 / np.maximum(since, 1), chance)
        since = np.where(asked, 0.0, since)
        begun |= first
    base = np.where(begun, z / np.where(begun, p, 1.0), 0.0)
    return Crostons(base, (1 - b / 2) * base, (1 - b / (2 - b)) * base, np.where(begun, chance * z, 0.0))
