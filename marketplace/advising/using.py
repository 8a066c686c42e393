"""How fast partners use units up, as the ledger tells it: of each partner, of each set of terms, and of a part by those that hold it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np

from marketplace.advising.rights import Right
from marketplace.agreements.combinations import COMBINATIONS
from marketplace.planning.clauses import read
from marketplace.planning.gamma_poisson import use_hazard
from marketplace.planning.inputs import Array, Flags, Ints, added

LEAST_USED = 2
"""One unit that is used early is no habit."""
LEAST_YEARS = 1.0
"""Unit-years of partners with a part before they say more of it than all partners under the same terms do."""
_MOST = 10.0


class Use(NamedTuple):
    """What became of the units of one agreement: ``years`` are unit-years that they lay with its holder, ``used`` were used up or fitted."""

    agreement_id: UUID
    holder_id: UUID
    clause: str
    years: float
    used: float


class From(IntEnum):
    """Where the hazard of a row comes from."""

    ASSUMED = 0
    CLAUSE = 1
    """What the clause's allowance of use would come to."""
    TERMS = 2
    """All partners' use under such terms."""
    PARTNERS = 3
    """The use of those partners that hold the part."""


@dataclass(frozen=True, slots=True)
class Holders:
    """Learnt use of each holder, by place."""

    units: Array
    used: Array
    unit_years: Array
    assumed: Array
    learnt: Array
    low: Array
    high: Array
    fast: Flags


def learn(used: Array, unit_years: Array, assumed: Array, units: Array) -> Holders:
    """A holder's hazard from what it used and how long units lay there, beginning from what its clauses allow. It is fast where nine
    in ten of what it may be lie above what was assumed."""
    learnt, low, high = use_hazard(used, np.maximum(unit_years, 0.0), expected=assumed)
    return Holders(units, used, unit_years, assumed, learnt, low, high, (low > assumed) & (used >= LEAST_USED))


def habits(
    holders: Sequence[UUID], rights: Mapping[UUID, Right], uses: Sequence[Use], units: Array, usual: float
) -> Holders:
    """What each holder was expected to use is the mean of what its clauses allow (``usual`` where one allows nothing in particular),
    by how long units lay under each. ``units``: that each has."""
    place = {holder: n for n, holder in enumerate(holders)}
    used, years, expected = (np.zeros(len(holders)) for _ in range(3))
    for use in uses:
        at = place[use.holder_id]
        found = rights.get(use.agreement_id)
        used[at] += use.used
        years[at] += use.years
        expected[at] += (usual if found is None or found.allowed is None else found.allowed) * use.years
    assumed = np.divide(expected, years, out=np.full(len(holders), usual), where=years > 0)
    return learn(used, years, np.minimum(assumed, _MOST), units)


def of_terms(presets: Sequence[str], uses: Sequence[Use], usual: float) -> dict[str, dict[str, float]]:
    """For each set of terms under whose main clause anything ever lay: hazard, its 80 % interval (``low``, ``high``), what was expected
    (``allowed``), ``partners``, ``years`` and ``used``."""
    found = {}
    for name in presets:
        clause = COMBINATIONS[name].first.clause
        some = [u for u in uses if u.clause == clause and u.years > 0]
        if not some:
            continue
        allowed = read(name).hazard
        before = min(usual if allowed is None else allowed, _MOST)
        years, used = sum(u.years for u in some), sum(u.used for u in some)
        learnt, low, high = (float(x) for x in use_hazard(used, years, expected=before))
        found[name] = {
            "hazard": min(learnt, _MOST), "low": low, "high": high, "allowed": before,
            "partners": float(len({u.holder_id for u in some})), "years": years, "used": used,
        }  # fmt: skip
    return found


@dataclass(frozen=True, slots=True)
class PartUse:
    """One number a part: hazard (NaN: those that hold it say too little), units that partners hold, and what these partners used in
    how many unit-years, of whatever part."""

    hazard: Array
    units: Array
    used: Array
    years: Array

    @classmethod
    def none(cls, size: int) -> PartUse:
        """Nobody holds anything."""
        return cls(np.full(size, np.nan), np.zeros(size), np.zeros(size), np.zeros(size))


def of_parts(size: int, part: Ints, holder: Ints, units: Array, known: Holders) -> PartUse:
    """``part``, ``holder``: places of each line, ``units`` that lie there. Weighed by the units, and only of partners that were long
    enough at it."""
    found = PartUse.none(size)
    if not part.size:
        return found
    able = (units > 0) & (known.unit_years[holder] >= LEAST_YEARS)
    part, holder, units = part[able], holder[able], units[able]
    there = added(part, units, size)
    mean = added(part, units * np.minimum(known.learnt[holder], _MOST), size)
    pairs = np.unique(np.stack([part, holder], axis=1), axis=0).astype(np.int64)
    used = added(pairs[:, 0], known.used[pairs[:, 1]], size)
    years = added(pairs[:, 0], known.unit_years[pairs[:, 1]], size)
    hazard = np.divide(mean, there, out=np.full(size, np.nan), where=there > 0)
    return PartUse(hazard, there, used, years)


def words(source: int, hazard: float, units: float, used: float, years: float, use: Mapping[str, Any] | None) -> str:
    """Which hazard was used and from what, in a sentence. ``use``: of the terms, as ``of_terms``."""
    rate = f"{hazard:.2g} a year"
    if source == From.PARTNERS:
        return f"Hazard {rate}: learnt from the partners that hold {_n(units, 'unit')} of this part, who used {used:,.0f} in {years:,.1f} unit-years."
    if source == From.TERMS and use:
        return (
            f"Hazard {rate}: learnt from {_n(use['partners'], 'partner')} under such terms, who used {_n(use['used'], 'unit')} in {use['years']:,.1f} "
            f"unit-years; {use['allowed']:.2g} was expected."
        )
    if source == From.CLAUSE:
        return f"Hazard {rate}: what the clause allows, since no partner has held units under such terms yet."
    return f"Hazard {rate}: assumed, since no partner has held units under such terms yet."


def _n(number: float, noun: str) -> str:
    return f"{number:,.0f} {noun}{'' if round(number) == 1 else 's'}"
