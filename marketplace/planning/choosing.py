"""Which model of demand is believed for which class, and how well it did: on the last periods, which no model saw.

Absolute errors are of no use on such demand, since "always zero" wins by them. What is compared is the pinball loss at the service
quantile (what a unit short and a unit over cost at that service), with models left out whose total is far off or whose quantiles
hold much less than they say. The report shows every model of every class, the chosen one marked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from marketplace.kit.errors import invalid
from marketplace.planning.classes import DemandClass, classify
from marketplace.planning.croston import crostons
from marketplace.planning.gamma_poisson import (
    Catalogue,
    Rates,
    believe,
    count,
    declines,
    falling_exposure,
    learn,
    learn_slope,
)
from marketplace.planning.histories import History
from marketplace.planning.inputs import Array, Ints, numbers

MODELS = ("gamma_poisson", "falling", "croston", "sba", "sbj", "tsb", "zero")
WORDS: Mapping[str, str] = {
    "gamma_poisson": "Gamma-Poisson over the catalogue", "falling": "Gamma-Poisson with decline", "croston": "Croston", "sba": "SBA",
    "sbj": "SBJ", "tsb": "TSB", "zero": "always zero (for comparison only)",
}  # fmt: skip
DEFAULT = "gamma_poisson"
HELD_OUT = 12
SERVICE = 0.95
WIDENING = (1.0, 0.8, 0.64, 0.5, 0.4, 0.32, 0.25, 0.2, 0.15, 0.1)
LEAST_PARTS = 20
"""Of a class, before its own figures choose: below, the whole catalogue's do."""
SHARES = (0.5, 0.8, 0.95)
INTERVAL = (0.05, 0.95)
"""Of the 90 % interval whose coverage is told."""
_BIAS_WITHIN = 2.0
_MISS_BY = 0.05
_SAME = 0.01


@dataclass(frozen=True, slots=True)
class Score:
    """How a model did on the parts of one class over the held-out periods."""

    model: str
    demand_class: DemandClass | None
    """None: the whole catalogue."""
    parts: int
    bias: float
    """Units forecast over units asked for; 1 is right, NaN where nothing was asked for."""
    pinball: float
    """Mean loss a part at the service quantile, in units."""
    held: tuple[float, ...]
    """Share of the parts whose demand was at most the quantile of 50, 80 and 95 %; whole units make it rather more."""
    absolute: float
    """Mean absolute error of a period, in units: shown because others show it, never used to choose."""
    within: float
    """Share of the parts whose demand lay in the 90 % interval."""
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """The model of each class, and the report it rests on (empty where the history is too short to hold anything out)."""

    model: Mapping[DemandClass, str]
    scores: tuple[Score, ...]
    held_out: int
    note: str = ""
    widened: float = 1.0
    """What all gamma shapes are multiplied with (1 to 0.1), so that the 95 % quantiles of the chosen models held 95 % of the
    held-out demand, or as near to it as that gets: rates wander over years, which no history of one part shows."""
    held: float = float("nan")
    """Share of the parts within the 95 % quantile of their chosen model, thus widened."""
    inside: Mapping[DemandClass, float] = field(default_factory=dict)
    """By class, share of the parts within the 90 % interval of the chosen model, thus widened."""


def pinball(actual: Array, quantile: Array, share: float) -> Array:
    """Koenker and Bassett (1978): ``share`` a unit short, ``1 - share`` a unit over. Shapes broadcast."""
    off = actual - quantile
    return np.maximum(share * off, (share - 1) * off)


def forecasts(history: History, catalogue: Catalogue) -> dict[str, Rates]:
    """Every model's rates. The rates of Croston's family are points; the doubt about them is the one of the Gamma-Poisson."""
    counts = count(history)
    plain = believe(counts, catalogue)
    fall = declines(history, catalogue)
    found = {
        "gamma_poisson": plain,
        "falling": believe(counts, catalogue, decline=fall, weighted=falling_exposure(history, fall)),
    }
    family = crostons(history)
    for name in ("croston", "sba", "sbj", "tsb"):
        found[name] = _about(getattr(family, name) * history.per_year, plain)
    nothing = np.full(history.parts, 1e-300)
    found["zero"] = Rates(nothing, np.ones(history.parts), plain.size, plain.square, np.zeros(history.parts))
    return found


def _about(units_a_year: Array, plain: Rates) -> Rates:
    """These rates with the doubt of ``plain``; ``plain`` itself where a part was never asked for and they are zero."""
    some = units_a_year > 0
    years = np.where(some, plain.shape * plain.size / np.where(some, units_a_year, 1.0), plain.years)
    return Rates(plain.shape, years, plain.size, plain.square, np.zeros(units_a_year.size))


def choose(history: History, *, held_out: int = HELD_OUT, service: float = SERVICE) -> Choice:
    """Hold out the last periods, forecast them from the ones before, and choose a model for each class.

    ``held_out``: periods, at least 1; a history that is not twice as long chooses nothing and keeps ``DEFAULT``, and says so.
    ``service``: quantile of the pinball loss. Parts that were not observed to the end of the held-out periods do not count.
    Classes are of the periods before. Raises ``planning.number``, ``planning.history``.
    """
    share = float(numbers("service", service, least=0.01, most=0.999))
    if held_out < 1:
        raise invalid("planning.history", "Hold out at least one period.", field="held_out")
    plain = dict.fromkeys(DemandClass, DEFAULT)
    if history.units.shape[1] < 2 * held_out:
        return Choice(
            plain,
            (),
            held_out,
            f"The history is too short to hold out {held_out} periods of it: no model was tried, {WORDS[DEFAULT]} is used.",
        )
    before, after = history.until(-held_out), history.since(-held_out)
    use = np.asarray(after.observed.all(axis=1) & before.observed.any(axis=1), dtype=np.bool_)
    if not use.any():
        return Choice(
            plain,
            (),
            held_out,
            f"No part has a record of the last {held_out} periods and of ones before: no model was tried.",
        )
    before, after = before.rows(use), after.rows(use)
    catalogue = learn_slope(before, learn(count(before)))
    actual = after.units.sum(axis=1)
    years = held_out / history.per_year
    kinds = classify(before)
    made = forecasts(before, catalogue)
    found = {name: _Tried.of(r, years, actual, after, share) for name, r in made.items()}
    scores: list[Score] = []
    model = dict(plain)
    overall = _scored(None, np.ones(actual.size, np.bool_), actual, found)
    best = _best(overall)
    # Croston's family has no rate to offer for a part that nobody asked for.
    unasked = best if best == "falling" else DEFAULT
    scores += [_mark(s, best) for s in overall]
    for kind in DemandClass:
        of_kind = kinds == kind
        if not of_kind.any():
            model[kind] = unasked if kind in (DemandClass.UNKNOWN, DemandClass.SILENT) else best
            continue
        own = _scored(kind, of_kind, actual, found)
        model[kind] = _best(own) if of_kind.sum() >= LEAST_PARTS else best
        if kind in (DemandClass.UNKNOWN, DemandClass.SILENT):
            model[kind] = unasked
        scores += [_mark(s, model[kind]) for s in own]
    widened, held, inside = _widen(made, kinds, model, actual, years)
    return Choice(model, tuple(scores), held_out, widened=widened, held=held, inside=inside)


def _widen(
    made: Mapping[str, Rates], kinds: Ints, model: Mapping[DemandClass, str], actual: Array, years: float
) -> tuple[float, float, Mapping[DemandClass, float]]:
    """The factor nearest to 1 that is enough, else the one that holds most; the share that is held with it, and by class the share
    within the 90 % interval."""
    names = list(made)
    which = np.array([names.index(model[k]) for k in DemandClass])[kinds]
    rows = np.arange(actual.size)
    chosen = Rates(*(np.stack([getattr(made[n], f) for n in names])[which, rows] for f in Rates.__slots__))

    def held(factor: float) -> float:
        # Demand is at most a quantile where less than that share lies below it.
        return float((_wider(chosen, factor).demand(years).at_most(actual - 1) < 0.95).mean())

    # A gamma that is made much wider has so much of itself near zero that its quantiles fall again: so a ladder, not halving.
    tried = [(factor, held(factor)) for factor in WIDENING]
    enough = [one for one in tried if one[1] >= 0.95]
    factor, share = enough[0] if enough else max(tried, key=lambda one: one[1])
    demand = _wider(chosen, factor).demand(years)
    below, upto = demand.at_most(actual - 1), demand.at_most(actual)
    there = {k: kinds == k for k in DemandClass}
    return factor, share, {k: within(below[at], upto[at]) for k, at in there.items() if at.any()}


def _wider(rates: Rates, factor: float) -> Rates:
    """The same means, with more doubt about them."""
    return replace(rates, shape=rates.shape * factor, years=rates.years * factor)


@dataclass(frozen=True, slots=True)
class _Tried:
    """A model's forecast of the held-out periods, one number a part: units, loss at the service quantile, how much of its distribution
    lies below and up to what was asked for, and mean absolute error of a period."""

    mean: Array
    loss: Array
    below: Array
    upto: Array
    off: Array

    @classmethod
    def of(cls, rates: Rates, years: float, actual: Array, after: History, share: float) -> _Tried:
        demand = rates.demand(years)
        flow = rates.rate / after.per_year
        return cls(
            demand.mean, pinball(actual, demand.quantile(share), share), demand.at_most(actual - 1), demand.at_most(actual),
            np.abs(after.units - flow[:, None]).mean(axis=1),
        )  # fmt: skip


def within(below: Array, upto: Array) -> float:
    """Share of the parts whose demand lay in the interval of ``INTERVAL``: at most its upper quantile where less than that lies
    below, at least its lower one where as much lies up to it."""
    low, high = INTERVAL
    return float(((below < high) & (upto >= low)).mean())


def _scored(kind: DemandClass | None, at: np.ndarray, actual: Array, found: Mapping[str, _Tried]) -> list[Score]:
    total = float(actual[at].sum())
    scores = []
    for name, tried in found.items():
        held = tuple(float((tried.below[at] < s).mean()) for s in SHARES)
        bias = float(tried.mean[at].sum()) / total if total else float("nan")
        scores.append(
            Score(name, kind, int(at.sum()), bias, float(tried.loss[at].mean()), held, float(tried.off[at].mean()), within(tried.below[at], tried.upto[at]))
        )  # fmt: skip
    return scores


def _best(scores: list[Score]) -> str:
    """Least loss among those that can be believed; of nearly equal ones the first of ``MODELS``, which carry their doubt with them."""
    able = [s for s in scores if s.model != "zero"]
    fit = [
        s for s in able
        if (np.isnan(s.bias) or 1 / _BIAS_WITHIN <= s.bias <= _BIAS_WITHIN) and s.held[SHARES.index(0.95)] >= 0.95 - _MISS_BY
    ] or able  # fmt: skip
    least = min(s.pinball for s in fit)
    return next(
        s.model for s in sorted(fit, key=lambda s: MODELS.index(s.model)) if s.pinball <= least * (1 + _SAME) + 1e-12
    )


def _mark(score: Score, chosen: str) -> Score:
    return replace(score, chosen=score.model == chosen)


def predict(history: History, catalogue: Catalogue, choice: Choice) -> tuple[Rates, Ints, Ints]:
    """Each part's rates by the model of its class; its class; and its model as a place in ``MODELS``.

    Only models that some class chose are computed; all are widened as the choice says.
    """
    kinds = classify(history)
    wanted = np.array([MODELS.index(choice.model[k]) for k in DemandClass])[kinds]
    counts = count(history)
    found = believe(counts, catalogue)
    shape, span, decline = found.shape.copy(), found.years.copy(), found.decline.copy()
    falls = np.flatnonzero(wanted == MODELS.index("falling"))
    if falls.size:
        some = history.rows(falls)
        fall = declines(some, catalogue)
        own = believe(counts.rows(falls), catalogue, decline=fall, weighted=falling_exposure(some, fall))
        shape[falls], span[falls], decline[falls] = own.shape, own.years, fall
    points = np.flatnonzero(wanted >= MODELS.index("croston"))
    if points.size:
        family = crostons(history.rows(points))
        some_rates = Rates(
            found.shape[points], found.years[points], found.size[points], found.square[points], decline[points]
        )
        for name in ("croston", "sba", "sbj", "tsb"):
            at = wanted[points] == MODELS.index(name)
            span[points[at]] = _about(getattr(family, name) * history.per_year, some_rates).years[at]
    rates = Rates(shape, span, found.size, found.square, decline)
    return _wider(rates, choice.widened), kinds, wanted.astype(np.int64)
