"""Per part: how many to keep, to release under which terms, and to scrap; the money of it, coverage before and after, and why.

Chunked over any number of parts. Parts in which much money lies are decided by the exact programme, the others by the marginal
values. Three things are never advised on: protected parts, parts without a price, parts without stock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from marketplace.kit.errors import invalid
from marketplace.planning.clauses import USUAL, Reach, Reading, read
from marketplace.planning.coverage import FLAT, falling, poisson_cdf, pool_first
from marketplace.planning.inputs import MOST_YEARS, Array, Flags, Ints, hazards, numbers, units, years
from marketplace.planning.marginals import Money, Split, split, values
from marketplace.planning.programme import MOST_UNITS, best_plans

CHUNK = 1 << 16
_FAST = 0.3
"""A year: holders that use up more than a quarter of their units a year are called fast users."""
_STEADY = 0.1
"""Of the stock: a split that moves by less when the hazard is halved or doubled is called steady."""

Progress = Callable[[str, int, int], None]


def _quiet(stage: str, done: int, total: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for all parts, and what is assumed of a part that does not say it itself. Shares are of a unit's cost."""

    horizon: float = 20.0
    """Years that demand has to be covered."""
    interest: float = 0.08
    obsolescence: float = 0.02
    hazard: float = 0.1
    """Of a unit with a partner to be used up, a year, where neither the part nor the clause's allowance says one."""
    value_times: float = 3.0
    """Cost of a unit that is missing when it is asked for, in unit costs."""
    price_share: float = 0.6
    """What a partner pays for a unit it may do with as it likes."""
    paid_under: Mapping[str, float] = field(
        default_factory=lambda: {"revenue-now": 1.0, "standard-buy-back": 0.9, "access-first": 0.85}
    )
    """Share of that price which it pays under each set of terms; 0.85 for others: what binds a partner more is paid less."""
    holding_share: float = 0.12
    scrap_share: float = 0.05
    scrap_at_end_share: float = 0.0
    call_share: float = 0.05
    """Freight and handling of a call."""
    presets: Sequence[str] = tuple(USUAL)
    renewed: bool = False
    """Rights are taken to be renewed to the horizon; otherwise they end with the window of their terms."""
    learnt: Mapping[str, float] = field(default_factory=dict)
    """Hazard a year under named sets of terms, as partners' own use says; those that are not named are assumed."""
    learn: bool = True
    """Whether a run takes what the ledger says of partners' use; otherwise the clause's allowance and ``hazard`` hold."""
    exact_parts: int = 50
    """So many parts, those with the most money in stock, are decided by the exact programme."""
    exact_from: float = 0.0
    """Money in stock below which a part is not worth that."""

    def check(self) -> None:
        """Raises ``planning.number``, ``planning.hazard``, ``planning.preset`` for what cannot be."""
        years(self.horizon)
        hazards("hazard", self.hazard)
        for name in ("interest", "obsolescence"):
            hazards(name, getattr(self, name))
        for name in (
            "value_times",
            "price_share",
            "holding_share",
            "scrap_share",
            "scrap_at_end_share",
            "call_share",
            "exact_from",
            "exact_parts",
        ):
            numbers(name.replace("_", " "), getattr(self, name))
        for one in self.learnt.values():
            hazards("hazard", one)
        if not self.presets:
            raise invalid("planning.preset", "Name at least one set of terms to release under.", field="presets")
        for name in self.presets:
            read(name)


@dataclass(frozen=True, slots=True)
class Parts:
    """What is known of each part, one number a part; NaN where it is not known. Money is in one currency."""

    stock: Array
    rate: Array
    """Units asked for a year, now."""
    cost: Array
    """Of a unit."""
    rate_low: Array
    rate_high: Array
    decline: Array
    """A year."""
    protected: Flags
    unknown: Flags
    """Without history."""
    hazard: Array
    value: Array
    """Saved when a unit is there as it is asked for."""
    price: Array
    """A partner pays for a unit that is its own to use."""
    scrap: Array
    criticality: Ints
    """0, 1, 2 ...: the higher the worse to be without."""
    space: Array
    """That a unit takes on the shelf, in whatever unit the limit is given."""

    @classmethod
    def of(cls, stock: object, rate: object, cost: object, **more: object) -> Parts:
        """From arrays, lists or single numbers. Raises ``planning.number``, ``planning.whole``, ``planning.shape``."""
        held = np.atleast_1d(units("stock", stock))  # type: ignore[arg-type]
        size = held.size
        made: dict[str, np.ndarray] = {"stock": held}
        defaults = {
            "rate_low": rate, "rate_high": rate, "decline": 0.0, "protected": False, "unknown": False, "hazard": np.nan,
            "value": np.nan, "price": np.nan, "scrap": np.nan, "criticality": 0, "space": 0.0,
        }  # fmt: skip
        if wrong := sorted(set(more) - set(defaults)):
            raise invalid("planning.shape", f"Parts have no '{wrong[0]}'. Known are {', '.join(defaults)}.")
        for name, value in {"rate": rate, "cost": cost, **defaults, **more}.items():
            array = _read(name, value)
            if array.size not in (1, size):
                raise invalid(
                    "planning.shape", f"{name.capitalize()} has {array.size:,} numbers for {size:,} parts.", field=name
                )
            made[name] = np.broadcast_to(np.ravel(array), (size,))
        return cls(**made)

    def rows(self, at: slice | Ints | Flags) -> Parts:
        """Some of the parts."""
        return Parts(**{name: getattr(self, name)[at] for name in Parts.__slots__})


def _read(name: str, value: object) -> np.ndarray:
    if name in ("protected", "unknown"):
        return np.asarray(value, dtype=np.bool_)
    if name == "criticality":
        return np.asarray(numbers(name, value), dtype=np.int64)  # type: ignore[arg-type]
    known = np.asarray(value, dtype=np.float64)
    gaps = np.isnan(known)
    if name not in ("cost", "hazard", "value", "price", "scrap"):
        gaps = np.zeros_like(gaps)
    look = hazards if name in ("hazard", "decline") else numbers
    return np.where(gaps, np.nan, look(name.replace("_", " "), np.where(gaps, 0.0, known)))


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do with each part, one number a part."""

    policy: Policy
    readings: tuple[Reading, ...]
    parts: Parts
    advised: Flags
    """False: protected, without price, or without stock; every unit stays where it is."""
    keep: Ints
    release: Ints
    scrap: Ints
    preset: Ints
    """Place in ``readings``; -1 where nothing is released."""
    exact: Flags
    """Decided by the exact programme."""
    worth: Array
    worth_kept: Array
    worth_scrapped: Array
    cash: Array
    """Paid at once for what is released and scrapped."""
    before: Array
    """Coverage with all units held."""
    after: Array
    """Coverage of the split, the pool drawn first."""
    cautious: Array
    """As ``after``, at the upper end of the rate's interval."""
    price_needed: Array
    """From which price on releasing the first unit is the best that can be done with it; NaN without a price."""
    steady: Flags
    """The split stays about the same when partners use up half as fast or twice as fast."""
    hazard: Array
    """That was reckoned with."""

    @property
    def tied_up(self) -> Array:
        """Money in the stock at cost; NaN without a price."""
        return self.parts.stock * self.parts.cost

    @property
    def years_of_stock(self) -> Array:
        """Stock over yearly demand; infinite without demand."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.parts.stock > 0, self.parts.stock / self.parts.rate, 0.0)

    def sentence(self, part: int) -> str:
        """Why, in one sentence."""
        p = self.parts
        if p.stock[part] <= 0:
            return "No stock: nothing to decide."
        if p.protected[part]:
            return "Protected: no advice, every unit is kept."
        if not self.advised[part]:
            return "No price: no advice. Give its unit cost."
        keep, release, scrap = (int(a[part]) for a in (self.keep, self.release, self.scrap))
        doing = [f"keep {keep:,}"]
        if release:
            terms = self.readings[int(self.preset[part])]
            rests = f" with {min(terms.floor, release):,} to keep" if terms.floor else ""
            kind = "fast" if self.hazard[part] >= _FAST else "slow"
            doing.append(
                f"release {release:,} under {terms.title}{rests} ({kind} users, hazard {self.hazard[part]:.2g} a year)"
            )
        if scrap:
            doing.append(f"scrap {scrap:,}")
        told = ", ".join(doing)
        told = told[0].upper() + told[1:]
        horizon = f"{self.policy.horizon:g} year{'' if self.policy.horizon == 1 else 's'}"
        sure = _sure(float(self.after[part]))
        until = ""
        if release:
            terms = self.readings[int(self.preset[part])]
            if terms.reach is Reach.NONE:
                until = ", from own units alone"
            elif terms.window_years < self.policy.horizon:
                until = f", {'if rights are renewed' if self.policy.renewed else 'with rights that end'} after {terms.window_years:g}"
        return (
            f"{told}: {self.worth[part]:,.0f} against {self.worth_scrapped[part]:,.0f} from scrapping and {self.worth_kept[part]:,.0f} "
            f"from keeping all; {sure} sure to cover {horizon}{until}."
        )


def _sure(share: float) -> str:
    """Never rounded up to certainty."""
    if share >= 0.9995:
        return "more than 99.9 %"
    return f"{share * 100:.1f} %" if share >= 0.99 else f"{share * 100:.0f} %" if share >= 0.01 else "less than 1 %"


def money_of(parts: Parts, policy: Policy, terms: Reading) -> Money:
    """What a unit of each part costs and brings under these terms: what the part says, else the policy's share of its cost."""
    cost = np.where(np.isnan(parts.cost), 0.0, parts.cost)

    def or_share(own: Array, share: float) -> Array:
        return np.where(np.isnan(own), share * cost, own)

    price = or_share(parts.price, policy.price_share) * policy.paid_under.get(terms.name, 0.85)
    return Money(
        value=or_share(parts.value, policy.value_times), price=price, buy_back=terms.buy_back_share * price,
        buy_back_falls=terms.buy_back_falls, call_cost=policy.call_share * cost, scrap=or_share(parts.scrap, policy.scrap_share),
        scrap_at_end=policy.scrap_at_end_share * cost, holding=policy.holding_share * cost, interest=policy.interest,
        obsolescence=policy.obsolescence,
    )  # fmt: skip


def even_rate(rate: Array, decline: Array, horizon: float) -> Array:
    """The level rate with as much demand over the horizon. Coverage with it is a lower bound for demand that falls: demand that
    comes early finds more of the pool."""
    full = decline * horizon
    return np.where(full > FLAT, rate * -np.expm1(-full) / np.where(full > FLAT, full, 1.0), rate)


def window_of(terms: Reading, policy: Policy) -> float:
    """Years in which units can be called."""
    if terms.reach is Reach.NONE:
        return 0.0
    return MOST_YEARS if policy.renewed else terms.window_years


def hazard_of(parts: Parts, policy: Policy, terms: Reading) -> Array:
    """The part's own, else the one learnt under the terms, else what the clause allows, else the policy's."""
    usual = policy.learnt.get(terms.name, policy.hazard if terms.hazard is None else terms.hazard)
    return np.where(np.isnan(parts.hazard), usual, parts.hazard)


def advise(parts: Parts, policy: Policy | None = None, *, progress: Progress = _quiet) -> Advice:
    """Advice on every part. ``progress(stage, done, total)`` is told of each chunk.

    Raises what ``Policy.check`` raises.
    """
    policy = policy or Policy()
    policy.check()
    readings = tuple(read(name) for name in policy.presets)
    size = parts.stock.size
    advised = np.asarray((parts.stock > 0) & ~parts.protected & (np.nan_to_num(parts.cost) > 0), dtype=np.bool_)
    found = Advice(
        policy=policy, readings=readings, parts=parts, advised=advised, keep=parts.stock.astype(np.int64), release=np.zeros(size, np.int64),
        scrap=np.zeros(size, np.int64), preset=np.full(size, -1, np.int64), exact=np.zeros(size, np.bool_), worth=np.zeros(size),
        worth_kept=np.zeros(size), worth_scrapped=np.zeros(size), cash=np.zeros(size), before=np.zeros(size), after=np.zeros(size),
        cautious=np.zeros(size), price_needed=np.full(size, np.nan), steady=np.ones(size, np.bool_), hazard=np.full(size, policy.hazard),
    )  # fmt: skip
    for start in range(0, size, CHUNK):
        at = np.arange(start, min(start + CHUNK, size))
        use = at[advised[at]]
        if use.size:
            _decide(found, use)
        progress("Deciding", int(at[-1]) + 1, size)
    _exactly(found, progress)
    for start in range(0, size, CHUNK):
        cover(found, np.arange(start, min(start + CHUNK, size)))
        progress("Coverage", min(start + CHUNK, size), size)
    return found


def _decide(found: Advice, at: Ints) -> None:
    """By the marginal values: the best of all terms, the earlier of equal ones."""
    policy, some = found.policy, found.parts.rows(at)
    rate = even_rate(some.rate, some.decline, policy.horizon)
    best = np.full(at.size, -np.inf)
    needed = np.full(at.size, np.inf)
    for place, terms in enumerate(found.readings):
        own = _split(some, policy, terms, rate, hazard_of(some, policy, terms))
        better = own.worth > best + 1e-9
        best = np.where(better, own.worth, best)
        rows = at[better]
        for target, value in (
            (found.keep, own.keep), (found.release, own.release), (found.scrap, own.scrap), (found.worth, own.worth),
            (found.worth_kept, own.worth_kept), (found.worth_scrapped, own.worth_scrapped), (found.hazard, hazard_of(some, policy, terms)),
        ):  # fmt: skip
            target[rows] = value[better]
        found.preset[rows] = np.where(own.release[better] > 0, place, -1)
        if terms.reach is not Reach.FLOOR:
            needed = np.minimum(needed, _price_needed(some, policy, terms, rate))
    found.price_needed[at] = needed
    # Would another hazard say something else? Asked of the terms that were chosen.
    for times in (0.5, 2.0):
        for place, terms in enumerate(found.readings):
            rows = np.flatnonzero(found.preset[at] == place)
            if rows.size == 0:
                continue
            other = some.rows(rows)
            own = _split(other, policy, terms, rate[rows], np.minimum(hazard_of(other, policy, terms) * times, 10.0))
            moved = np.abs(own.keep - found.keep[at[rows]]) + np.abs(own.scrap - found.scrap[at[rows]])
            found.steady[at[rows]] &= moved <= _STEADY * other.stock


def _split(some: Parts, policy: Policy, terms: Reading, rate: Array, hazard: Array) -> Split:
    return split(
        rate, hazard, policy.horizon, money_of(some, policy, terms), some.stock,
        window=window_of(terms, policy), floor=terms.floor if terms.reach is Reach.ALL else 0,
    )  # fmt: skip


def _price_needed(some: Parts, policy: Policy, terms: Reading, rate: Array) -> Array:
    """Price p of free use with PIM_1(p) = max(HOLD_1, s): PIM_1 is p times the share paid under the terms, less the buy-back's."""
    money = money_of(some, policy, terms)
    hazard = hazard_of(some, policy, terms)
    none = Money(**{**_fields(money), "price": 0.0, "buy_back": 0.0})
    one = Money(**{**_fields(money), "price": 1.0, "buy_back": terms.buy_back_share, "call_cost": 0.0, "value": 0.0})
    window = window_of(terms, policy)
    floor = terms.floor
    held, bare = values(rate, hazard, policy.horizon, none, 1, window=window, floor=floor)
    _, slope = values(rate, hazard, policy.horizon, one, 1, window=window, floor=floor)
    target = np.maximum(held[:, 0], np.asarray(money.scrap)) - bare[:, 0]
    share = policy.paid_under.get(terms.name, 0.85)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(slope[:, 0] > 1e-9, np.maximum(target, 0) / (slope[:, 0] * share), np.inf)


def _fields(money: Money) -> dict[str, Any]:
    return {name: getattr(money, name) for name in Money.__slots__}


def _exactly(found: Advice, progress: Progress) -> None:
    """The parts with the most money, once more: by the programme, which knows of falling demand and of when to call."""
    policy, parts = found.policy, found.parts
    money = np.where(found.advised & (parts.stock <= MOST_UNITS), parts.stock * np.nan_to_num(parts.cost), 0.0)
    # What the programme would walk in too many steps stays with the marginal values.
    quick = (parts.rate + found.hazard * parts.stock) * policy.horizon < 5_000
    order = np.argsort(-money, kind="stable")[: int(policy.exact_parts)]
    at = np.sort(order[(money[order] > 0) & (money[order] >= policy.exact_from) & quick[order]])
    done = 0
    for start in range(0, at.size, 50):
        some = at[start : start + 50]
        _programme(found, some)
        done += some.size
        progress("Deciding the largest exactly", done, at.size)


def _programme(found: Advice, at: Ints) -> None:
    policy, some = found.policy, found.parts.rows(at)
    best = np.full(at.size, -np.inf)
    for place, terms in enumerate(found.readings):
        hazard = hazard_of(some, policy, terms)
        plans = best_plans(
            some.rate, hazard, policy.horizon, money_of(some, policy, terms), some.stock, decline=some.decline,
            floor=terms.floor if terms.reach is Reach.ALL else 0, first_refusal=terms.first_refusal and terms.reach is Reach.ALL,
            window=window_of(terms, policy),
        )  # fmt: skip
        better = plans.worth > best + 1e-6
        best = np.where(better, plans.worth, best)
        rows = at[better]
        found.keep[rows], found.release[rows] = plans.keep[better], plans.release[better]
        found.scrap[rows] = (some.stock.astype(np.int64) - plans.keep - plans.release)[better]
        found.worth[rows], found.worth_kept[rows] = plans.worth[better], plans.worth_kept[better]
        found.worth_scrapped[rows] = plans.worth_scrapped[better]
        found.hazard[rows] = hazard[better]
        found.preset[rows] = np.where(plans.release[better] > 0, place, -1)
    found.exact[at] = True


def cover(found: Advice, at: Ints) -> None:
    """Coverage and cash of the splits of these parts, in place."""
    policy, some = found.policy, found.parts.rows(at)
    horizon = policy.horizon
    rate = even_rate(some.rate, some.decline, horizon)
    high = even_rate(some.rate_high, some.decline, horizon)
    found.before[at] = poisson_cdf(some.stock, rate * horizon)
    keep = found.keep[at].astype(np.float64)
    found.after[at], found.cautious[at] = poisson_cdf(keep, rate * horizon), poisson_cdf(keep, high * horizon)
    cost = np.nan_to_num(some.cost)
    scrap_price = np.where(np.isnan(some.scrap), policy.scrap_share * cost, some.scrap)
    found.cash[at] = found.scrap[at] * scrap_price
    for place, terms in enumerate(found.readings):
        rows = at[found.preset[at] == place]
        if rows.size == 0:
            continue
        own = found.parts.rows(rows)
        released, kept = found.release[rows].astype(np.float64), found.keep[rows].astype(np.float64)
        found.cash[rows] += released * np.asarray(money_of(own, policy, terms).price)
        floor = float(terms.floor)
        if terms.reach is Reach.FLOOR:
            released = np.minimum(released, floor)
        if terms.reach is not Reach.NONE:
            for target, flow in ((found.after, own.rate), (found.cautious, own.rate_high)):
                level = even_rate(flow, own.decline, horizon)
                target[rows] = pool_first(
                    level, found.hazard[rows], released, kept, horizon, floor=floor, window=window_of(terms, policy)
                )
            _cover_falling(found, rows, released, kept, floor, terms)


def _cover_falling(found: Advice, rows: Ints, released: Array, kept: Array, floor: float, terms: Reading) -> None:
    """For the parts that were decided exactly, coverage under falling demand is walked too; for the rest the bound stands."""
    policy, own = found.policy, found.parts.rows(rows)
    pick = np.flatnonzero(found.exact[rows] & (own.decline > 0) & (window_of(terms, policy) >= policy.horizon))
    if pick.size:
        for target, flow in ((found.after, own.rate), (found.cautious, own.rate_high)):
            target[rows[pick]] = falling(
                flow[pick],
                own.decline[pick],
                found.hazard[rows[pick]],
                released[pick],
                kept[pick],
                policy.horizon,
                floor=floor,
            )
