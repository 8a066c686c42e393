"""Demand over years for parts that are hardly ever asked for: each part's rate leans on the catalogue's.

Rates of demands (periods in which a part was asked for) are gamma over the catalogue; a part with N demands in E observed years
has the rate Gamma(alpha + N, beta + E), so one without history has the catalogue's and none has zero (Robbins 1956; Efron and
Morris 1973; alpha and beta by the negative binomial likelihood). Sizes are kept apart and lean on the catalogue the same way;
demand over a horizon is the compound, taken as the negative binomial with its mean and variance. A rate may fall: the slope is
the conditional maximum likelihood of the times of demands, shrunk to the catalogue's (DerSimonian and Laird 1986).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from marketplace.planning.histories import History
from marketplace.planning.inputs import Array, Flags, hazards, numbers, years

LEAST_FOR_DECLINE = 5
"""Demands of a part before its own times say anything of a slope."""
MOST_DECLINE = 2.0
_SIZE_WEIGHT = 2.0
"""Demands of usual size that a part's own sizes are weighed against."""
_PERIODS_A_LOOK = 1 << 21


@dataclass(frozen=True, slots=True)
class Counts:
    """All that the model needs of a history, one number a part: what a million parts are boiled down to."""

    demands: Array
    """Periods in which the part was asked for."""
    exposure: Array
    """Observed years."""
    units: Array
    squares: Array
    """Sum of the squared units of each period."""

    def rows(self, at: slice | npt.NDArray[np.int64] | Flags) -> Counts:
        """Some of the parts."""
        return Counts(self.demands[at], self.exposure[at], self.units[at], self.squares[at])


def count(history: History) -> Counts:
    """A history boiled down."""
    some = history.units > 0
    return Counts(
        some.sum(axis=1).astype(np.float64), history.exposure, history.units.sum(axis=1), (history.units**2).sum(axis=1)
    )


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What the parts have in common. ``alpha`` / ``beta`` is the rate of demands a year of a part nobody knows."""

    alpha: float
    beta: float
    size: float
    """Units a demand."""
    square: float
    """Mean squared units a demand, over size squared."""
    parts: int
    """With history, that it was learnt from."""
    slope: float = 0.0
    """Of the logarithm of the rate, a year; negative where demand falls."""
    slope_variance: float = 0.0
    falling: tuple[float, float] | None = None
    """Alpha and beta of today's rates where they are taken to fall: the mean of the past is no rate of today."""


NOTHING_KNOWN = Catalogue(0.5, 5.0, 1.0, 1.0, 0)
"""Where no part of the catalogue has a history: a demand in ten years, and little faith in that. Advice from it says so."""


def learn(counts: Counts) -> Catalogue:
    """The catalogue's gamma, by maximum likelihood over its parts with history; its sizes by their means.

    Ten years of zeros everywhere are learnt as less than half a demand in all the years on record; a catalogue without any record
    is ``NOTHING_KNOWN``.
    """
    known = counts.exposure > 0
    if not known.any():
        return NOTHING_KNOWN
    n, e = counts.demands[known], counts.exposure[known]
    total = float(n.sum())
    size, square = 1.0, 1.0
    if total > 0:
        size = float(counts.units[known].sum()) / total
        own = known & (counts.demands > 0)
        mean = counts.units[own] / counts.demands[own]
        # Of a part's sizes about their own mean: pooling parts of different sizes would call that spread.
        square = float(np.average(counts.squares[own] / counts.demands[own] / mean**2, weights=counts.demands[own]))
    alpha, beta = _gamma(n, e)
    return Catalogue(alpha, beta, size, max(square, 1.0), int(known.sum()))


def _gamma(n: Array, exposure: Array) -> tuple[float, float]:
    """Shape by maximum likelihood at the mean that the data have, since mean and shape are all but independent."""
    rate = max(float(n.sum()), 0.5) / float(exposure.sum())
    # Equal pairs are counted once: a million parts have a few thousand of them.
    pairs, times = np.unique(np.stack([n, np.round(exposure, 3)]), axis=1, return_counts=True)
    many, span = pairs

    def loss(log_shape: float) -> float:
        a = np.exp(log_shape)
        b = a / rate
        found = special.gammaln(a + many) - special.gammaln(a) + a * np.log(b / (b + span)) - many * np.log(b + span)
        return -float((times * found).sum())

    bounds = (np.log(0.02), np.log(200.0))
    alpha = float(np.exp(optimize.minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-4}).x))
    return alpha, alpha / rate


@dataclass(frozen=True, slots=True)
class Rates:
    """What is believed of each part, one number a part: gamma ``shape`` and ``years`` of the rate of demands now, and its sizes."""

    shape: Array
    years: Array
    size: Array
    square: Array
    """Mean squared size over size squared."""
    decline: Array
    """A year, at least 0."""

    @property
    def rate(self) -> Array:
        """Units a year, now: the mean."""
        return self.shape / self.years * self.size

    def interval(self, share: float = 0.8) -> tuple[Array, Array]:
        """Units a year between which the rate is with so much probability, the same left out at either end."""
        beside = (1 - share) / 2
        low, high = (special.gammaincinv(self.shape, p) / self.years * self.size for p in (beside, 1 - beside))
        return low, high

    def demand(self, horizon: npt.ArrayLike) -> Demand:
        """Units over the next ``horizon`` years, its mean and variance; a falling rate counts the years that are as full as now."""
        t = years(horizon)
        d = self.decline
        full = np.where(d * t > 1e-9, -np.expm1(-d * t) / np.where(d > 0, d, 1.0), t)
        events = self.shape / self.years * full
        mean = events * self.size
        own = self.square * self.size**2
        return Demand(mean, own * events + self.size**2 * self.shape * (full / self.years) ** 2)


def believe(
    counts: Counts, catalogue: Catalogue, *, decline: Array | None = None, weighted: Array | None = None
) -> Rates:
    """The rates of these parts given the catalogue. ``weighted``: observed years, each as full as its place on a falling rate
    (``falling_exposure``), where ``decline`` is not zero."""
    n = counts.demands
    falls = weighted is not None and catalogue.falling is not None
    alpha, beta = catalogue.falling if falls and catalogue.falling else (catalogue.alpha, catalogue.beta)
    shape = alpha + n
    span = beta + (counts.exposure if weighted is None else weighted)
    size = (counts.units + _SIZE_WEIGHT * catalogue.size) / (n + _SIZE_WEIGHT)
    usual = catalogue.square * size**2
    square = (counts.squares + _SIZE_WEIGHT * usual) / (n + _SIZE_WEIGHT) / size**2
    return Rates(shape, span, size, np.maximum(square, 1.0), np.zeros(n.size) if decline is None else decline)


@dataclass(frozen=True, slots=True)
class Demand:
    """Units over a horizon: negative binomial with this mean and variance (Poisson where the variance is no more than the mean)."""

    mean: Array
    variance: Array

    def at_most(self, units: npt.ArrayLike) -> Array:
        """P(demand <= units)."""
        asked = np.floor(np.asarray(units, np.float64))
        wide = self.variance > self.mean * (1 + 1e-9)
        with np.errstate(divide="ignore", invalid="ignore"):
            n = np.where(wide, self.mean**2 / (self.variance - self.mean), 1.0)
            p = np.where(wide, self.mean / self.variance, 1.0)
        asked, n, p, mean, wide = np.broadcast_arrays(asked, n, p, self.mean, wide)
        safe = np.maximum(asked, 0)
        found = np.where(
            wide & (mean > 0), special.betainc(np.maximum(n, 1e-300), safe + 1, p), special.gammaincc(safe + 1, mean)
        )
        return np.asarray(np.where(asked < 0, 0.0, np.where(mean > 0, found, 1.0)), dtype=np.float64)

    def quantile(self, share: float) -> Array:
        """The least whole number of units with ``at_most`` of it >= share, by halving."""
        share = float(numbers("share", share, most=1 - 1e-9))
        low: Array = np.full(self.mean.shape, -1.0)
        high: Array = np.ceil(self.mean + 3 * np.sqrt(self.variance)) + 1
        while (short := self.at_most(high) < share).any():
            high = np.where(short, high * 2, high)
        while (high - low > 1).any():
            middle = np.floor((low + high) / 2)
            enough = self.at_most(middle) >= share
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        return high


# -- decline ------------------------------------------------------------------------------------------------------


def learn_slope(history: History, catalogue: Catalogue) -> Catalogue:
    """The catalogue with the mean and variance of its parts' slopes, and the gamma of today's rates under them; unchanged where
    fewer than two parts have enough demands."""
    n, score, information = _scores(history, 0.0)
    use = (n >= LEAST_FOR_DECLINE) & (information > 0)
    if use.sum() < 2:
        return catalogue
    slope, weight = score[use] / information[use], information[use]
    mean = float(np.average(slope, weights=weight))
    spread = float((weight * (slope - mean) ** 2).sum()) - (use.sum() - 1)
    scale = float(weight.sum() - (weight**2).sum() / weight.sum())
    variance = max(0.0, spread / scale) if scale > 0 else 0.0
    found = replace(catalogue, slope=mean, slope_variance=variance)
    known = history.observed.any(axis=1)
    weighted = falling_exposure(history, declines(history, found))
    return replace(found, falling=_gamma(n[known], weighted[known]))


def _scores(history: History, slope: npt.ArrayLike) -> tuple[Array, Array, Array]:
    """Number of demands, and score and information of the slope a year given their number."""
    count_, score, information = (np.zeros(history.parts) for _ in range(3))
    periods = history.units.shape[1]
    at_time = (np.arange(periods) - periods + 0.5) / history.per_year
    slopes = np.broadcast_to(np.asarray(slope, np.float64), (history.parts,))
    step = max(1, _PERIODS_A_LOOK // periods)
    for start in range(0, history.parts, step):
        at = slice(start, start + step)
        asked, seen = history.units[at] > 0, history.observed[at]
        n = asked.sum(axis=1)
        weight = seen * np.exp(slopes[at, None] * at_time)
        total = np.maximum(weight.sum(axis=1), 1e-300)
        mean = (weight * at_time).sum(axis=1) / total
        spread = (weight * at_time**2).sum(axis=1) / total - mean**2
        count_[at], score[at], information[at] = n, (asked * at_time).sum(axis=1) - n * mean, n * np.maximum(spread, 0)
    return count_, score, information


def declines(history: History, catalogue: Catalogue) -> Array:
    """How much demand falls, a year and a part (continuously), at least 0 and at most ``MOST_DECLINE``; parts with few demands take
    the catalogue's. What rises is taken as level: stock is not kept for a trend."""
    prior = max(catalogue.slope_variance, 1e-12)
    slope = np.full(history.parts, catalogue.slope)
    for _ in range(6):
        _, score, information = _scores(history, slope)
        slope = slope + (score - (slope - catalogue.slope) / prior) / (information + 1 / prior)
        slope = np.clip(slope, -MOST_DECLINE, MOST_DECLINE)
    return np.asarray(np.maximum(-slope, 0.0), dtype=np.float64)


def falling_exposure(history: History, decline: Array) -> Array:
    """Observed years a part, each weighed by how much more was asked for then than now."""
    periods = history.units.shape[1]
    ago = (periods - np.arange(periods) - 0.5) / history.per_year
    found = np.zeros(history.parts)
    step = max(1, _PERIODS_A_LOOK // periods)
    for start in range(0, history.parts, step):
        at = slice(start, start + step)
        found[at] = (history.observed[at] * np.exp(decline[at, None] * ago)).sum(axis=1) / history.per_year
    return found


# -- what partners use up -----------------------------------------------------------------------------------------


def use_hazard(
    used: npt.ArrayLike,
    unit_years: npt.ArrayLike,
    *,
    expected: npt.ArrayLike,
    faith: npt.ArrayLike = 10.0,
    share: float = 0.8,
) -> tuple[Array, Array, Array]:
    """The hazard a year with which a partner uses up units, and its interval: gamma, from what it used and what its clause allows.

    ``used``: units used up, ``unit_years``: units times the years they lay there, ``expected``: hazard before anything is known,
    such as the share of the units that the clause allows it to use a year; ``faith``: unit-years that this is worth. A partner
    without any record has the expected hazard. Raises ``planning.number``, ``planning.hazard``.
    """
    n, span = numbers("used", used), numbers("unit years", unit_years)
    before, weight = hazards("expected hazard", expected), numbers("faith", faith, least=1e-6)
    shape, total = before * weight + n, weight + span
    beside = (1 - share) / 2
    safe = np.maximum(shape, 1e-9)
    low, high = (np.where(shape > 0, special.gammaincinv(safe, p), 0.0) / total for p in (beside, 1 - beside))
    return shape / total, low, high
