"""Coverage under many rights: equal to the closed forms where there are any, and to simulation of units one by one where not."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from marketplace.planning.coverage import pool_first
from marketplace.planning.pools import LASTING, YEARS, Pools, bins, called, how_many, outlook

GOLDEN = (0, 1, 2, 3, 5, 8, 12, 20), (0.135335, 0.306432, 0.468662, 0.605394, 0.795386, 0.930535, 0.985123, 0.999428)
"""planning.md: rate 0.1, hazard 0.05, twenty years, so many units."""


def _pools(rate: float, own: int, *rights: tuple[float, int, int, float], decline: float = 0.0) -> Pools:
    """One part; rights as (years left, units, minimum to keep, hazard)."""
    pool, floor, use = (np.zeros((1, LASTING + 1)) for _ in range(3))
    for years, units, keep, hazard in rights:
        at = int(bins(np.array([years]))[0])
        pool[0, at], floor[0, at], use[0, at] = units, keep, hazard
    return Pools.of(np.array([rate]), np.array([float(own)]), pool, floor, use, np.array([decline]))


def test_one_right_is_the_closed_form() -> None:
    for units, sure in zip(*GOLDEN, strict=True):
        assert outlook(_pools(0.1, 0, (30, units, 0, 0.05)))[0, 3] == pytest.approx(sure, abs=2e-6)
    found = outlook(_pools(0.3, 2, (7, 6, 2, 0.4)))[0]
    for at, years in enumerate(YEARS):
        closed = pool_first(0.3, 0.4, 6, 2, years, floor=2, window=7)
        # What is left at the end of the window is cut to its mean beside the units of one's own: nothing is lost there.
        assert found[at] == pytest.approx(float(closed), abs=1e-6)


def _simulated(
    rng: np.random.Generator, rate: float, own: int, rights: tuple[tuple[float, int, int, float], ...], runs: int
) -> list[float]:
    """Units one by one: whoever holds them uses them up at its own hazard above its minimum; the field takes those first whose right
    ends first."""
    failed = np.zeros(len(YEARS))
    for _ in range(runs):
        left = [[years, units, keep, hazard] for years, units, keep, hazard in sorted(rights)]
        mine, now = own, 0.0
        while True:
            use = [max(u - k, 0) * h for _, u, k, h in left]
            speed = rate + sum(use)
            now += rng.exponential(1 / speed)
            left = [r for r in left if r[0] > now]
            use = [max(u - k, 0) * h for _, u, k, h in left]
            if now > YEARS[-1]:
                break
            pick = rng.random() * speed
            if pick < rate:
                first = next((r for r in left if r[1]), None)
                if first is not None:
                    first[1] -= 1
                elif mine:
                    mine -= 1
                else:
                    failed[[n for n, years in enumerate(YEARS) if years >= now]] += 1
                    break
            else:
                # A right that ended in between uses up nothing any more.
                pick -= rate
                for r, each in zip(left, use, strict=True):
                    if pick < each:
                        r[1] -= 1
                        break
                    pick -= each
    return list(1 - failed / runs)


@pytest.mark.parametrize(
    ("rate", "own", "rights"),
    [
        (0.5, 0, ((9, 5, 0, 0.0), (20.5, 5, 0, 0.0))),
        (0.4, 1, ((3, 4, 1, 0.5), (8, 6, 0, 0.05), (25, 3, 3, 0.3))),
        (0.2, 2, ((0.5, 9, 0, 0.1), (12, 2, 0, 1.0))),
    ],
)
def test_rights_that_end_apart_are_what_units_one_by_one_come_to(
    rate: float, own: int, rights: tuple[tuple[float, int, int, float], ...]
) -> None:
    runs = 4_000
    real = _simulated(np.random.default_rng(7), rate, own, rights, runs)
    found = outlook(_pools(rate, own, *rights))[0]
    for one, other in zip(found, real, strict=True):
        assert one == pytest.approx(other, abs=3 * np.sqrt(max(other * (1 - other), 1e-3) / runs) + 0.012)


def test_what_makes_it_surer_and_what_less_so() -> None:
    usual = (0.3, 2, (6, 4, 1, 0.2), (15, 3, 0, 0.2))
    base = outlook(_pools(*usual))[0]
    assert all(a >= b for a, b in pairwise(base))
    for surer in (
        _pools(0.3, 3, *usual[2:]), _pools(0.3, 2, (6, 5, 1, 0.2), usual[3]), _pools(0.3, 2, (6, 4, 3, 0.2), usual[3]),
        _pools(0.3, 2, (9, 4, 1, 0.2), usual[3]), _pools(*usual, decline=0.1), called(_pools(*usual), np.array([2.0])),
    ):  # fmt: skip
        assert (outlook(surer)[0] >= base - 1e-12).all()
        assert outlook(surer)[0, 3] > base[3]
    for less in (_pools(0.4, 2, *usual[2:]), _pools(0.3, 2, (6, 4, 1, 0.5), usual[3])):
        assert (outlook(less)[0] <= base + 1e-12).all()
    assert (outlook(_pools(0.0, 0))[0] == 1).all()
    # Very many units, and a right that ends within the quarter.
    assert outlook(_pools(40.0, 700, (5, 900, 100, 0.1)))[0, 2] > 0.999
    assert outlook(_pools(5.0, 0, (0.1, 50, 0, 0.1)))[0, 0] == pytest.approx(np.exp(-5), abs=1e-7)


def test_as_many_are_called_as_reach_the_threshold_or_are_worth_it() -> None:
    pools = _pools(0.2, 0, (2, 6, 0, 0.1))
    sure = outlook(pools)[:, 2]

    def call(least: float, cost: float, missing: float) -> tuple[float, float]:
        found = how_many(pools, 2, np.array([least]), np.array([cost]), np.array([missing]))
        return float(found.units[0]), float(found.sure[0])

    units, after = call(0.9, 100, 1_000)
    fewer = outlook(called(pools, np.array([units - 1])))[0, 2]
    assert after >= 0.9 > fewer
    # No number of them reaches it: those that are worth most. Then none is worth anything; and without a price only what is stated.
    assert call(0.9999, 100, 1_000)[0] == call(np.nan, 100, 1_000)[0] > 0
    assert call(np.nan, 1_000, 900) == (0, pytest.approx(float(sure[0])))
    assert call(np.nan, 10, np.nan)[0] == 0
    assert call(0.9, 10, np.nan)[0] == units
