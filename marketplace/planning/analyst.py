"""The advisor for analysts: plain lists, arrays or a table in, named results out. Works in a notebook, without server or database.

    from marketplace.planning import analyst
    found = analyst.advise({"number": ["A", "B"], "stock": [10, 3], "cost": [200.0, 40.0]}, demand=[[0, 1, 0] * 12, [0] * 36])
    found.columns()            # name -> one value a part; pandas.DataFrame(found.columns()) is a table
    found.totals()             # of all parts
    analyst.coverage(rate=0.3, hazard=0.1, pool=8, own=2, horizon=20)

Units: demand in units a month, rates in units a year, hazards and interest a year (12 % is 0.12), horizons in years, money in one
currency, coverage as a probability. Every function raises ``DomainError`` in words for what cannot be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from marketplace.kit.errors import invalid
from marketplace.planning import portfolio
from marketplace.planning.advice import Advice, Parts, Policy, Progress
from marketplace.planning.advice import advise as advise_parts
from marketplace.planning.choosing import HELD_OUT, MODELS, WORDS, Choice, choose, predict
from marketplace.planning.classes import DemandClass
from marketplace.planning.coverage import falling, own_first, pool_first
from marketplace.planning.gamma_poisson import Catalogue, Rates, count, learn, learn_slope
from marketplace.planning.histories import PERIODS_PER_YEAR, Oddities, clean, heads, pool
from marketplace.planning.inputs import Array, Flags, Ints
from marketplace.planning.marginals import Money
from marketplace.planning.programme import best_plan

MOST_TRIED = 20_000
"""Parts that models are chosen on; of more, every n-th."""
_CHUNK = 1 << 16
_KNOWN = ("protected", "hazard", "value", "price", "scrap", "criticality", "space")


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is believed of the demand of each part, one number a part."""

    rates: Rates
    kind: Ints
    """As ``DemandClass``."""
    model: Ints
    """As a place in ``MODELS``."""
    odd: Oddities
    choice: Choice
    catalogue: Catalogue
    unknown: Flags
    """Without history, of its own or of its chain."""

    def columns(self) -> dict[str, Any]:
        """Named columns, one value a part: class, model, rate a year with its 80 % interval, decline a year."""
        low, high = self.rates.interval()
        return {
            "class": [DemandClass(k).words for k in self.kind], "model": [WORDS[MODELS[m]] for m in self.model], "rate": self.rates.rate,
            "rate_low": low, "rate_high": high, "decline": self.rates.decline, "units_a_demand": self.rates.size,
        }  # fmt: skip


def forecast(
    demand: npt.ArrayLike,
    *,
    replaced_by: Mapping[int, int] | None = None,
    per_year: int = PERIODS_PER_YEAR,
    progress: Progress | None = None,
) -> Forecast:
    """Rates of all parts from their history.

    ``demand``: (parts, periods) units, oldest first, NaN where nothing is on record, negative for returns. ``replaced_by``: part ->
    the one that took its place (both from 0): the chain's demand is the last part's, the others' rate is next to nothing.
    """  # fmt: skip
    history, odd = clean(demand, per_year=per_year)
    if not history.parts:
        raise invalid("planning.history", "There is no part in the history: give a row of demand for each.")
    old: Flags = np.zeros(history.parts, np.bool_)
    if replaced_by:
        head = heads(history.parts, replaced_by)
        history = pool(history, head)
        old = head != np.arange(history.parts)
    step = max(1, history.parts // MOST_TRIED)
    tried = history.rows(slice(None, None, step))
    choice = choose(tried, held_out=max(1, HELD_OUT * per_year // PERIODS_PER_YEAR))
    catalogue = learn_slope(tried, learn(count(history)))
    found: list[tuple[Rates, Ints, Ints]] = []
    for start in range(0, history.parts, _CHUNK):
        found.append(predict(history.rows(slice(start, start + _CHUNK)), catalogue, choice))
        if progress:
            progress("Demand", min(start + _CHUNK, history.parts), history.parts)
    rates = Rates(*(np.concatenate([getattr(f[0], name) for f in found]) for name in Rates.__slots__))
    kinds, models = (np.concatenate([f[place] for f in found]) for place in (1, 2))
    if old.any():
        # Nobody asks for an old number any more: its demand comes under the new one.
        rates.shape[old] = 1e-6
    return Forecast(rates, kinds, models, odd, choice, catalogue, ~np.asarray(history.observed.any(axis=1)) & ~old)


@dataclass(frozen=True, slots=True)
class Result:
    """Advice on a table of parts."""

    numbers: Sequence[str]
    forecast: Forecast
    advice: Advice

    def columns(self) -> dict[str, Any]:
        """Named columns, one value a part."""
        a = self.advice
        return {
            "number": list(self.numbers), **self.forecast.columns(), "stock": a.parts.stock, "years_of_stock": a.years_of_stock, "tied_up": a.tied_up,
            "keep": a.keep, "release": a.release, "scrap": a.scrap,
            "terms": [a.readings[p].title if p >= 0 else "" for p in a.preset],
            "minimum_to_keep": [min(a.readings[p].floor, int(r)) if p >= 0 else 0 for p, r in zip(a.preset, a.release, strict=True)],
            "cash": a.cash, "worth": a.worth, "worth_scrapped": a.worth_scrapped, "worth_kept": a.worth_kept, "coverage_before": a.before,
            "coverage_after": a.after, "coverage_cautious": a.cautious, "price_needed": a.price_needed, "steady": a.steady, "exact": a.exact,
            "why": [a.sentence(part) for part in range(len(self.numbers))],
        }  # fmt: skip

    def totals(self) -> dict[str, float]:
        """Sums over all parts that advice was given on."""
        a = self.advice
        on = a.advised
        return {
            "parts": float(on.size), "advised": float(on.sum()), "keep": float(a.keep[on].sum()), "release": float(a.release[on].sum()),
            "scrap": float(a.scrap[on].sum()), "tied_up": float(a.tied_up[on].sum()), "cash": float(a.cash[on].sum()), "worth": float(a.worth[on].sum()),
            "worth_scrapped": float(a.worth_scrapped[on].sum()), "worth_kept": float(a.worth_kept[on].sum()),
        }  # fmt: skip

    def frontier(self) -> list[portfolio.Chosen]:
        """Cash at once against coverage."""
        return portfolio.frontier(portfolio.options(self.advice))

    def scenarios(self, progress: Progress | None = None) -> list[portfolio.Outcome]:
        """The usual ones."""
        return portfolio.scenarios(self.advice.parts, self.advice.policy, progress=progress)


def advise(
    table: Any,
    demand: npt.ArrayLike,
    *,
    policy: Policy | None = None,
    replaced_by: Mapping[int, int] | None = None,
    progress: Progress | None = None,
) -> Result:
    """Advice on a table of parts.

    ``table``: a mapping or data frame with the columns ``stock`` (whole units) and ``cost`` (of a unit, NaN where unknown), and of
    ``Parts`` any of protected, hazard, value, price, scrap, criticality, space; ``number`` names the parts. ``demand``: as
    ``forecast``, its rows in the order of the table. Raises ``planning.table`` where a column is missing or longer than others.
    """  # fmt: skip
    names = [str(name) for name in table]
    for needed in ("stock", "cost"):
        if needed not in names:
            raise invalid(
                "planning.table",
                f"The table has no column '{needed}'. Its columns are {', '.join(names) or 'none'}.",
                field=needed,
            )
    known = {name: _column(table, name) for name in names if name in ("stock", "cost", *_KNOWN)}
    found = forecast(demand, replaced_by=replaced_by, progress=progress)
    size = found.kind.size
    for name, values in known.items():
        if values.size != size:
            raise invalid(
                "planning.table",
                f"The demand has {size:,} {'part' if size == 1 else 'parts'} and the column '{name}' of the table {values.size:,}: give one row a part in both.",
                field=name,
            )
    stock, cost = known.pop("stock"), known.pop("cost")
    low, high = found.rates.interval()
    parts = Parts.of(
        stock, found.rates.rate, cost, rate_low=low, rate_high=high, decline=found.rates.decline,
        unknown=found.unknown, **known,
    )  # fmt: skip
    numbers = [str(n) for n in table["number"]] if "number" in names else [str(n) for n in range(size)]
    quiet: Progress = lambda stage, done, total: None  # noqa: E731, ARG005
    return Result(numbers, found, advise_parts(parts, policy, progress=progress or quiet))


def _column(table: Any, name: str) -> Array:
    """A column as numbers, None as not known. Raises ``planning.table`` for what is none, ``planning.number`` for words."""
    try:
        found = np.asarray(table[name], dtype=np.float64)
    except (TypeError, ValueError):
        raise invalid(
            "planning.number", f"The column '{name}' of the table has something in it that is no number.", field=name
        ) from None
    if found.ndim != 1:
        raise invalid("planning.table", f"The column '{name}' of the table is to have one number a part.", field=name)
    return found


def coverage(
    rate: npt.ArrayLike,
    hazard: npt.ArrayLike,
    pool: npt.ArrayLike,
    own: npt.ArrayLike,
    horizon: npt.ArrayLike,
    *,
    floor: npt.ArrayLike = 0,
    decline: npt.ArrayLike | None = None,
    own_goes_first: bool = False,
) -> Array:
    """How sure no demand goes unmet: ``rate`` units a year, ``hazard`` a year, ``pool`` and ``own`` whole units, ``horizon`` years.
    ``decline``: demand falls so much a year. ``own_goes_first``: keep cash rather than coverage. Shapes broadcast."""  # fmt: skip
    if decline is not None:
        return falling(rate, decline, hazard, pool, own, horizon, floor=floor, draw_pool_first=not own_goes_first)
    return (own_first if own_goes_first else pool_first)(rate, hazard, pool, own, horizon, floor=floor)


def price_of_terms(
    rate: float,
    hazard: float,
    horizon: float,
    money: Money,
    stock: int,
    *,
    decline: float = 0.0,
    floors: Sequence[int] = (1, 2, 3, 5),
) -> dict[str, float]:
    """What terms are worth to the seller of ``stock`` units, by the exact programme: the most to give up on the price of all of them
    for each minimum to keep, and for a first refusal before use. Money in all, not a unit."""  # fmt: skip
    plain = best_plan(rate, hazard, horizon, money, stock, decline=decline).worth
    found = {
        f"minimum of {floor}": best_plan(rate, hazard, horizon, money, stock, decline=decline, floor=floor).worth
        - plain
        for floor in floors
        if floor <= stock
    }
    found["first refusal"] = (
        best_plan(rate, hazard, horizon, money, stock, decline=decline, first_refusal=True).worth - plain
    )
    return found
