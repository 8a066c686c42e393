"""watch.*: the reckoning of the watch over a hundred thousand parts under several rights each, without a database."""

from __future__ import annotations

import time

import numpy as np

from marketplace.advising.using import learn
from marketplace.watching.reckoning import Lines, Parts, Setting, watch_all
from tests.benchmarks.bench import Credentials, Figure, size


def run(_: Credentials) -> list[Figure]:
    """watch.reckon: coverage whole, firm and without each holder, findings and proposals, to the columns that are copied."""
    count, each, holders = size(100_000, 2_000), 2, 50
    chance = np.random.default_rng(11)
    lines_of = count * each
    parts = Parts(
        np.sort(np.frombuffer(chance.bytes(16 * count), dtype="S16")), chance.integers(0, 8, count).astype(float), chance.lognormal(4, 1, count),
        chance.gamma(0.5, 0.4, count), chance.uniform(0, 0.1, count), chance.integers(0, 3, count), np.zeros(count, np.bool_),
    )  # fmt: skip
    units = chance.integers(1, 8, lines_of).astype(float)
    floor = np.minimum(units, chance.integers(0, 3, lines_of))
    lines = Lines(
        np.repeat(np.arange(count), each), chance.integers(0, holders, lines_of), units, floor, np.zeros(lines_of), units - floor,
        np.zeros(lines_of, np.bool_), floor, (years := chance.uniform(0.1, 20, lines_of)), years, chance.random(lines_of) > 0.02, chance.lognormal(4, 1, lines_of),
        np.zeros(lines_of, np.int64),
    )  # fmt: skip
    used = chance.poisson(20, holders).astype(float)
    began = time.perf_counter()
    found = watch_all(parts, lines, learn(used, np.full(holders, 400.0), np.full(holders, 0.1), used), Setting())
    taken = time.perf_counter() - began
    told = int((found["flags"] > 0).sum())
    return [
        Figure("watch.reckon", taken, "s", None, None, 1, f"{count:,} parts under {each} rights each, {told:,} with a finding; one core")
    ]  # fmt: skip
