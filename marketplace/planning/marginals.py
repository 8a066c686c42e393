"""What the n-th unit of a part is worth when it is held, released to a partner, or scrapped, and what that says of a stock.

Demand of the field is Poisson; the n-th unit serves the n-th demand. ``A_n(r) = (lam/(lam+r))^n gammainc(n, (lam+r) T)`` is the
expected discount to that demand where it comes within the horizon. All money is in one currency a unit, all rates a year.

Rosenfield, D. B. (1989), Disposal of excess inventory, Operations Research 37(3), is computed beside it as a cross-check.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from scipy import special

from marketplace.kit.errors import invalid
from marketplace.planning.inputs import MOST_YEARS, Array, Flags, Ints, hazards, numbers, units, years

MOST_TERMS = 200
"""Units of a part that are looked at one by one; those beyond it are decided like the last of them."""
_CHUNK = 1 << 15


@dataclass(frozen=True, slots=True)
class Money:
    """What a unit costs and brings, each a number or an array a part; money in one currency, a unit.

    Raises ``planning.number`` for what is negative or no number.
    """

    value: npt.ArrayLike
    """Saved when a unit is there as a demand comes: what a breakdown or an express purchase would cost."""
    price: npt.ArrayLike = 0.0
    """A partner pays it for a released unit, now."""
    buy_back: npt.ArrayLike = 0.0
    """Paid to the partner when a unit is called back, as of today."""
    buy_back_falls: npt.ArrayLike = 0.0
    """A year, continuously: buy_back exp(-buy_back_falls t)."""
    call_cost: npt.ArrayLike = 0.0
    """Freight and handling of a call."""
    scrap: npt.ArrayLike = 0.0
    """Scrapping a unit now brings it."""
    scrap_at_end: npt.ArrayLike = 0.0
    """Scrapping a unit at the horizon brings it."""
    holding: npt.ArrayLike = 0.0
    """Keeping a unit on the own shelf costs it, a year."""
    interest: npt.ArrayLike = 0.08
    """A year, continuously."""
    obsolescence: npt.ArrayLike = 0.0
    """Hazard a year that the part is never asked for again."""

    def arrays(self, size: int) -> dict[str, Array]:
        """Each field, looked at, as an array of ``size`` parts (views, no copies)."""
        found = {}
        for each in fields(self):
            name = each.name.replace("_", " ")
            read = hazards if each.name in ("interest", "obsolescence", "buy_back_falls") else numbers
            value = read(name, getattr(self, each.name))
            if value.ndim > 1 or value.size not in (1, size):
                raise invalid(
                    "planning.shape", f"{name.capitalize()} has {value.size:,} numbers for {size:,} parts.", field=name
                )
            found[each.name] = np.broadcast_to(value, (size,))
        return found


def discounted_use(rate: npt.ArrayLike, discount: npt.ArrayLike, n: npt.ArrayLike, horizon: npt.ArrayLike) -> Array:
    """``A_n(r)``: expected e^(-r t) at the n-th demand, 0 where it comes after the horizon. n = 1, 2, ...; shapes broadcast."""
    lam, r = numbers("rate", rate), numbers("discount", discount)
    count, t = numbers("n", n, least=1), years(horizon)
    lam, r, count, t = np.broadcast_arrays(lam, r, count, t)
    total = lam + r
    with np.errstate(invalid="ignore", divide="ignore"):
        log_share = count * (np.log(lam) - np.log(total))
    return np.where(lam > 0, np.exp(np.where(lam > 0, log_share, 0)) * special.gammainc(count, total * t), 0.0)


class _Walk:
    """A_n(r) and the discounted time until the n-th demand, for n = 1, 2, ... in turn.

    ``B_j = lam^(j-1)/(lam+r)^j gammainc(j, x)``, x = (lam+r)T, is the discounted time with j - 1 demands so far: A_j = lam B_j, and
    the time a unit waits is their sum. So there is no difference of near-equal numbers and no division by r or lam. gammainc falls
    by one Poisson term from j to j + 1; beyond the mean that difference has no digits left, so there (and where e^-x is no number
    any more) it is asked for itself.
    """

    def __init__(self, lam: Array, r: Array, t: Array) -> None:
        self.lam, self.total = lam, lam + r
        self.x = self.total * t
        self.term = np.exp(-self.x)
        self.inc = -np.expm1(-self.x)
        with np.errstate(invalid="ignore", over="ignore"):
            self.factor = 1 / np.maximum(self.total, _LEAST_RATE)
            self.first = np.where(self.x > _SMALL, self.inc * self.factor, t)
        self.share = lam * self.factor
        self.j = 1
        self.b = self.first
        self.waited = self.first.copy()
        self.hard = self.x > _MOST_X

    @property
    def use(self) -> Array:
        """A_j."""
        return self.lam * self.b

    def step(self) -> None:
        """To the next demand."""
        self.term = self.term * (self.x / self.j)
        self.j += 1
        self.inc = np.maximum(self.inc - self.term, 0.0)
        if self.hard.any():
            self.inc[self.hard] = special.gammainc(self.j, self.x[self.hard])
        self.factor = self.factor * self.share
        self.b = self.factor * self.inc
        self.waited = self.waited + self.b


_SMALL = 1e-12
_LEAST_RATE = 1e-200
"""Below, one over a rate is no number."""
_MOST_X = 700.0


def values(
    rate: npt.ArrayLike,
    hazard: npt.ArrayLike,
    horizon: npt.ArrayLike,
    money: Money,
    count: int,
    *,
    window: npt.ArrayLike = MOST_YEARS,
    floor: npt.ArrayLike = 0,
) -> tuple[Array, Array]:
    """What the units 1 .. ``count`` of each part are worth held, and released: two arrays (parts, count) of money.

    ``HOLD_n = v A_n(i+theta) - h W_n(i+theta) + s_T e^(-(i+theta)T) P(N_T < n)``, W_n the discounted time the unit waits;
    ``PIM_n = p + (v - c) A_n(i+theta+mu) - b0 A_n(i+theta+mu+g)``. ``window``: years in which a unit can be called back.
    ``floor``: the first so many units released are not used up.

    Raises ``planning.number``, ``planning.hazard``, ``planning.shape``.
    """
    lam, mu, t, ends, cash = _parts(rate, hazard, horizon, money, window)
    floors = np.broadcast_to(units("floor", floor), lam.shape)
    held, released = np.empty((lam.size, count)), np.empty((lam.size, count))
    for n, (hold, pim) in enumerate(_each(lam, mu, t, ends, cash, count, floors)):
        held[:, n], released[:, n] = hold, pim
    return held, released


def _parts(
    rate: npt.ArrayLike, hazard: npt.ArrayLike, horizon: npt.ArrayLike, money: Money, window: npt.ArrayLike
) -> tuple[Array, Array, Array, Array, dict[str, Array]]:
    lam, mu, t, ends = np.broadcast_arrays(
        np.atleast_1d(numbers("rate", rate)), hazards("hazard", hazard), years(horizon), numbers("window", window)
    )
    if lam.ndim != 1:
        raise invalid("planning.shape", "Rates are one number a part.", field="rate")
    return lam, mu, t, np.minimum(ends, t), money.arrays(lam.size)


def _each(
    lam: Array, mu: Array, t: Array, ends: Array, cash: dict[str, Array], count: int, floors: Array
) -> Iterator[tuple[Array, Array]]:
    keep = cash["interest"] + cash["obsolescence"]
    falls = cash["buy_back_falls"]
    own, pool = _Walk(lam, keep, t), _Walk(lam, keep + mu, ends)
    back = pool if not falls.any() else _Walk(lam, keep + mu + falls, ends)
    walks = [own, pool] if back is pool else [own, pool, back]
    # Under a minimum to keep nothing is used: those units are worth what they are without any hazard.
    safe = safe_back = None
    if floors.any():
        safe = _Walk(lam, keep, ends)
        safe_back = safe if back is pool else _Walk(lam, keep + falls, ends)
        walks += [safe] if safe_back is safe else [safe, safe_back]
    left = cash["scrap_at_end"] * np.exp(-keep * t)
    none = _Walk(lam, np.zeros_like(lam), t) if left.any() else None
    for n in range(count):
        hold = cash["value"] * own.use - cash["holding"] * own.waited
        if none is not None:
            hold = hold + left * (1 - none.inc)
        gained, paid = pool.use, back.use
        if safe is not None and safe_back is not None and (kept := floors > n).any():
            gained, paid = np.where(kept, safe.use, gained), np.where(kept, safe_back.use, paid)
        pim = cash["price"] + (cash["value"] - cash["call_cost"]) * gained - cash["buy_back"] * paid
        yield hold, pim
        if n + 1 < count:
            for walk in walks if none is None else [*walks, none]:
                walk.step()


@dataclass(frozen=True, slots=True)
class Split:
    """What becomes of each part's units: whole units and money, one number a part."""

    keep: Ints
    release: Ints
    scrap: Ints
    worth: Array
    """Of this split."""
    worth_kept: Array
    """Of holding every unit."""
    worth_scrapped: Array
    """Of scrapping every unit."""


def split(
    rate: npt.ArrayLike,
    hazard: npt.ArrayLike,
    horizon: npt.ArrayLike,
    money: Money,
    stock: npt.ArrayLike,
    *,
    window: npt.ArrayLike = MOST_YEARS,
    floor: npt.ArrayLike = 0,
    may_release: npt.ArrayLike = True,
) -> Split:
    """For each unit of the stock the best of holding, releasing and scrapping it; equal ones in the order release, keep, scrap.

    One number a part in every argument (or one for all). ``stock``: whole units; beyond ``MOST_TERMS`` of a part the rest is decided
    like the last that was looked at. ``may_release``: False where a part is protected. A million parts with 30 units take seconds.

    Raises ``planning.number``, ``planning.whole``, ``planning.hazard``, ``planning.shape``.
    """
    lam, mu, t, ends, cash = _parts(rate, hazard, horizon, money, window)
    held = np.broadcast_to(units("stock", stock), lam.shape)
    floors = np.broadcast_to(units("floor", floor), lam.shape)
    free = np.broadcast_to(np.asarray(may_release, np.bool_), lam.shape)
    n = lam.size
    found = Split(
        np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n), np.zeros(n), np.zeros(n)
    )
    order = np.argsort(-held, kind="stable")
    for start in range(0, lam.size, _CHUNK):
        at = order[start : start + _CHUNK]
        _split(found, at, lam, mu, t, ends, cash, held, free, floors)
    return found


def _split(
    found: Split, at: Ints, lam: Array, mu: Array, t: Array, ends: Array, cash: dict[str, Array], held: Array, free: Flags, floors: Array,
) -> None:  # fmt: skip
    stock = held[at]
    count = int(min(stock.max(initial=0), MOST_TERMS))
    some = {name: value[at] for name, value in cash.items()}
    open_ = free[at]
    keep, release, scrap = (np.zeros(at.size) for _ in range(3))
    worth, kept = np.zeros(at.size), np.zeros(at.size)
    for n, (hold, pim) in enumerate(_each(lam[at], mu[at], t[at], ends[at], some, count, floors[at]), start=1):
        # The last that is looked at stands for the rest.
        many = np.where(n < count, (stock >= n).astype(np.float64), np.maximum(stock - n + 1, 0))
        best = np.maximum(hold, some["scrap"])
        take = open_ & (pim >= best)
        best = np.where(take, pim, best)
        hold_it = ~take & (hold >= some["scrap"])
        release += many * take
        keep += many * hold_it
        scrap += many * ~(take | hold_it)
        worth += many * best
        kept += many * hold
    found.keep[at], found.release[at], found.scrap[at] = (
        keep.astype(np.int64),
        release.astype(np.int64),
        scrap.astype(np.int64),
    )
    found.worth[at], found.worth_kept[at], found.worth_scrapped[at] = worth, kept, some["scrap"] * stock


# -- cross-checks -----------------------------------------------------------------------------------------------


def rosenfield(rate: npt.ArrayLike, interest: npt.ArrayLike, holding: npt.ArrayLike, scrap: npt.ArrayLike) -> Ints:
    """Units to keep by Rosenfield (1989), the rest scrapped: ``floor(ln[(s + a/i)/(1 + a/i)] / ln[lam/(lam+i)])``.

    ``holding`` (a, a year) and ``scrap`` (s, 0 to 1) are shares of the value of a unit; ``interest`` above 0. Rate 0 keeps nothing.

    Raises ``planning.number``.
    """
    lam, i = numbers("rate", rate), numbers("interest", interest, least=1e-9)
    a, s = numbers("holding", holding), numbers("scrap", scrap, most=1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.log((s + a / i) / (1 + a / i)) / np.where(lam > 0, np.log(lam / (lam + i)), -np.inf)
    if np.isposinf(found).any():
        raise invalid(
            "planning.number",
            "With no holding cost and nothing from scrapping, every unit is kept: name one of them.",
            field="holding",
        )
    return np.floor(np.maximum(found, 0)).astype(np.int64)


def last_time_buy(
    rate: float,
    horizon: float,
    *,
    cost: float,
    penalty: float,
    holding: float = 0.0,
    interest: float = 0.08,
    scrap_at_end: float = 0.0,
    most: int = 10_000,
) -> int:
    """Units to buy once for the rest of the horizon: as long as the next one saves more than it costs.

    ``penalty``: of a demand that is not met. The order shows what buying the scrapped part again would take. Raises ``planning.number``.
    """
    money = Money(value=penalty, holding=holding, interest=interest, scrap_at_end=scrap_at_end)
    lam, mu, t, ends, cash = _parts(rate, 0.0, horizon, money, 0.0)
    numbers("cost", cost)
    for n, (hold, _) in enumerate(_each(lam, mu, t, ends, cash, most, np.zeros_like(lam))):
        if hold[0] < cost:
            return n
    return most
