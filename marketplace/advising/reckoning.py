"""Advice on all parts of a company, chunk by chunk: what is read goes in as arrays, the columns of the rows come out. Pure.

A million histories of five years are 240 MB as they come and several times that when they are computed with, so no step takes them all
at once; what a step learns of the whole catalogue is kept in a number or two a part. Chunks do not depend on each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import IntEnum, IntFlag
from typing import Any

import numpy as np
import numpy.typing as npt

from marketplace.advising.copying import TYPES
from marketplace.advising.overlay import Spread
from marketplace.advising.using import From, PartUse
from marketplace.planning.advice import Advice, Parts, Policy, advise
from marketplace.planning.analyst import MOST_TRIED
from marketplace.planning.choosing import HELD_OUT, Choice, choose, predict
from marketplace.planning.classes import DemandClass
from marketplace.planning.clauses import read
from marketplace.planning.gamma_poisson import Catalogue, Counts, Rates, count, learn, learn_slope
from marketplace.planning.histories import History, clean, heads, pool
from marketplace.planning.inputs import Array, Flags, Ints

CHUNK = 1 << 15
Columns = dict[str, npt.NDArray[Any]]


class Kind(IntEnum):
    """What is advised, at a glance: units that are released speak for a part before units that are scrapped."""

    NONE = 0
    KEEP = 1
    RELEASE = 2
    SCRAP = 3


class Mark(IntFlag):
    """What a planner should look at."""

    PROTECTED = 1
    NO_PRICE = 2
    OTHER_CURRENCY = 4
    NO_HISTORY = 8
    SHORT = 16
    SILENT = 32
    GAPS = 64
    RETURNS = 128
    OUTLIERS = 256
    PACKS = 512
    STOPPED = 1024
    REPLACED = 2048
    POOLED = 4096
    UNSTEADY = 8192
    SEVERAL = 16384
    STATED = 32768
    """Protected by the company's own word; ``PROTECTED`` is the stock file's."""


FIELDS: Sequence[tuple[str, str]] = (
    ("run_id", "uuid"), ("part_id", "uuid"), *((n, "int4") for n in ("stock", "keep", "release", "scrap", "marks")),
    *((n, "int2") for n in ("class", "model", "preset", "advice", "level", "use_from")), *((n, "float8") for n in ("cost", "stake", "cash", "worth", "worth_kept", "worth_scrapped")),
    *((n, "float4") for n in ("rate", "rate_low", "rate_high", "decline", "size", "hazard", "price_needed", "before", "after", "cautious", "use_units", "use_used", "use_years")),
    *((n, "bool") for n in ("advised", "exact", "steady")),
)  # fmt: skip
"""Columns of a row of advice as they are copied in."""
_NARROW = {name: np.dtype(TYPES[kind]).newbyteorder("=") for name, kind in FIELDS}


@dataclass(slots=True)
class Stock:
    """What is known of each part beside its history, one number a part."""

    parts: npt.NDArray[np.bytes_]
    """Ids, sorted."""
    units: Array
    """Free own ones."""
    cost: Array
    protected: Flags
    foreign: Flags
    """Its only price is in another currency."""
    stated: Flags
    """Protected by the company's own word."""
    level: Ints
    """How much hangs on it: 0 ordinary, 1 important, 2 vital."""


def places(parts: npt.NDArray[np.bytes_], wanted: npt.NDArray[np.bytes_]) -> Ints:
    """Where ``wanted`` stand in the sorted ``parts``; -1 for those that are not there."""
    if not parts.size:
        return np.full(wanted.size, -1, np.int64)
    at = np.minimum(np.searchsorted(parts, wanted), parts.size - 1)
    return np.where(parts[at] == wanted, at, -1).astype(np.int64)


def chains(raw: Spread, replaced_by: Mapping[int, int]) -> tuple[Flags, Flags]:
    """Demand of whole supersession chains under the number of their last part, in place. Answers which parts were replaced, and
    which carry others' demand. Raises ``planning.chain_of_parts``."""
    size = raw.shape[0]
    old, carries = np.zeros(size, np.bool_), np.zeros(size, np.bool_)
    if not replaced_by:
        return old, carries
    head = heads(size, replaced_by)
    old = np.asarray(head != np.arange(size), dtype=np.bool_)
    carries[head[old]] = True
    members = np.flatnonzero(old | carries)
    history, _ = clean(raw[members])
    pooled = pool(history, np.searchsorted(members, head[members]))
    raw[members] = np.where(pooled.observed, pooled.units, np.nan)
    return old, carries


def tidy(raw: Spread) -> tuple[Counts, Ints]:
    """Cleans a chunk in place (returns set off, nothing where nothing is on record) and boils it down; and its marks."""
    history, odd = clean(raw)
    raw[...] = np.where(history.observed, history.units, np.nan)
    marks = np.zeros(raw.shape[0], np.int64)
    for mark, which in (
        (Mark.NO_HISTORY, odd.unknown), (Mark.SHORT, odd.short & ~odd.unknown), (Mark.SILENT, odd.silent), (Mark.GAPS, odd.gaps > 0),
        (Mark.RETURNS, (odd.returned > 0) | (odd.unmatched > 0)), (Mark.OUTLIERS, odd.outliers > 0), (Mark.PACKS, odd.pack > 1),
        (Mark.STOPPED, (odd.stopped > 0) & ~odd.unknown),
    ):  # fmt: skip
        marks[which] |= mark
    return count(history), marks


def _history(raw: Spread) -> History:
    seen = ~np.isnan(raw)
    return History(np.where(seen, raw, 0.0).astype(np.float64), seen)


def study(raw: Spread, counts: Sequence[Counts]) -> tuple[Catalogue, Choice]:
    """What all parts have in common, and the model of each class; ``raw`` is tidied."""
    tried = _history(raw[:: max(1, raw.shape[0] // MOST_TRIED)])
    together = Counts(*(np.concatenate([getattr(c, name) for c in counts]) for name in Counts.__slots__))
    choice = choose(tried, held_out=HELD_OUT)
    return learn_slope(tried, learn(together)), choice


def rates_of(raw: Spread, catalogue: Catalogue, choice: Choice) -> Rates:
    """How often the parts of a tidied chunk are asked for, by the model of each one's class."""
    return predict(_history(raw), catalogue, choice)[0]


def reckon(
    stock: Stock,
    at: slice,
    raw: Spread,
    old: Flags,
    marks: Ints,
    catalogue: Catalogue,
    choice: Choice,
    policy: Policy,
    use: PartUse | None = None,
) -> Columns:
    """The columns of a chunk's parts that have stock. ``use``: of all parts, by the partners that hold them."""
    rates, kinds, models = predict(_history(raw[at]), catalogue, choice)
    rates.shape[old[at]] = 1e-6
    low, high = rates.interval()
    held = np.flatnonzero(stock.units[at] > 0)
    parts = Parts.of(
        stock.units[at], rates.rate, np.where(stock.cost[at] > 0, stock.cost[at], np.nan), rate_low=low, rate_high=high,
        decline=rates.decline, protected=stock.protected[at] | stock.stated[at], unknown=(marks[at] & Mark.NO_HISTORY) > 0,
        hazard=np.nan if use is None else use.hazard[at], criticality=stock.level[at], space=1.0,
    ).rows(held)  # fmt: skip
    found = _columns(advise(parts, replace(policy, exact_parts=0)))
    if use is not None:
        found |= {"use_units": use.units[at][held], "use_used": use.used[at][held], "use_years": use.years[at][held]}
    found |= {"part_id": stock.parts[at][held], "class": kinds[held], "model": models[held], "size": rates.size[held]}
    odd = marks[at][held].copy()
    odd[stock.protected[at][held]] |= Mark.PROTECTED
    odd[stock.stated[at][held]] |= Mark.STATED
    odd[np.isnan(parts.cost)] |= Mark.NO_PRICE
    odd[stock.foreign[at][held]] |= Mark.OTHER_CURRENCY
    odd[rates.size[held] >= 2] |= Mark.SEVERAL
    odd[~found["steady"] & (found["release"] > 0)] |= Mark.UNSTEADY
    found["marks"] = odd
    return _as_kept(found)


def _as_kept(found: Columns) -> Columns:
    """The columns as narrow as their rows are kept: half the memory of a million parts. What a page reckons anew it reckons from these."""
    with np.errstate(over="ignore"):
        return {name: np.asarray(value, _NARROW[name]) for name, value in found.items()}


def _columns(found: Advice) -> Columns:
    p = found.parts
    none = np.zeros(p.stock.size)
    return {
        "level": p.criticality, "use_from": _use_from(found), "use_units": none, "use_used": none, "use_years": none,
        "stock": p.stock, "cost": p.cost, "rate": p.rate, "rate_low": p.rate_low, "rate_high": p.rate_high, "decline": p.decline,
        "keep": found.keep, "release": found.release, "scrap": found.scrap, "preset": found.preset,
        "advice": np.where(~found.advised, Kind.NONE, np.where(found.release > 0, Kind.RELEASE, np.where(found.scrap > 0, Kind.SCRAP, Kind.KEEP))),
        "stake": np.where(found.advised, found.worth - found.worth_kept, 0.0), "hazard": found.hazard, "price_needed": found.price_needed,
        **{n: getattr(found, n) for n in ("advised", "exact", "steady", "cash", "worth", "worth_kept", "worth_scrapped", "before", "after", "cautious")},
    }  # fmt: skip


def _use_from(found: Advice) -> Ints:
    """Where the hazard of each row comes from: of the terms that are advised, or else of the first that were weighed."""
    by_terms = [
        From.TERMS if r.name in found.policy.learnt else From.ASSUMED if r.hazard is None else From.CLAUSE
        for r in found.readings
    ]
    of_terms = np.array(by_terms, dtype=np.int64)[np.maximum(found.preset, 0)]
    return np.where(np.isnan(found.parts.hazard), of_terms, From.PARTNERS).astype(np.int64)


def together(chunks: Sequence[Columns]) -> Columns:
    """All chunks as one. They are emptied, column by column, so that no two copies of a million rows are there at once."""
    return {name: np.concatenate([c.pop(name) for c in chunks]) for name in list(chunks[0])}


def to_cents(columns: Columns) -> None:
    """The money of each row in whole cents, in place: what pages and files show of the rows is then what the totals add up."""
    for name in ("cash", "worth", "worth_kept", "worth_scrapped"):
        columns[name] = np.round(columns[name].astype(np.float64), 2)
    columns["stake"] = np.where(columns["advised"], np.round(columns["worth"] - columns["worth_kept"], 2), 0.0)


def most_money(columns: Columns, policy: Policy, pieces: int) -> list[Ints]:
    """The parts with most money in stock, which the exact programme decides once more, in so many pieces of like work."""
    money = np.where(columns["advised"], columns["stock"] * np.nan_to_num(columns["cost"]), 0.0)
    at = np.argsort(-money, kind="stable")[: int(policy.exact_parts)]
    at = at[money[at] > 0]
    at = at[np.argsort(columns["stock"][at], kind="stable")]
    return [np.sort(some) for some in (at[n::pieces] for n in range(pieces)) if some.size]


def exactly(columns: Columns, at: Ints, policy: Policy) -> None:
    """These parts once more, by the exact programme, in place."""
    once_more = advise(parts_of({n: c[at] for n, c in columns.items()}), replace(policy, exact_parts=int(at.size)))
    for name, value in _columns(once_more).items():
        if name not in ("use_units", "use_used", "use_years"):
            columns[name][at] = value
    unsteady = ~columns["steady"][at] & (columns["release"][at] > 0)
    columns["marks"][at] = np.where(
        unsteady, columns["marks"][at] | Mark.UNSTEADY, columns["marks"][at] & ~Mark.UNSTEADY
    )


def parts_of(columns: Mapping[str, Any]) -> Parts:
    """What rows of advice were reckoned from."""
    marks = np.asarray(columns["marks"], dtype=np.int64)
    return Parts.of(
        columns["stock"], columns["rate"], columns["cost"], rate_low=columns["rate_low"], rate_high=columns["rate_high"], decline=columns["decline"],
        protected=(marks & (Mark.PROTECTED | Mark.STATED)) > 0, unknown=(marks & Mark.NO_HISTORY) > 0,
        hazard=np.where(np.asarray(columns["use_from"]) == From.PARTNERS, columns["hazard"], np.nan), criticality=columns["level"], space=1.0,
    )  # fmt: skip


def advice_of(columns: Mapping[str, Any], policy: Policy) -> Advice:
    """Rows of advice as the advice they were, for its sentences and charts; nothing is reckoned anew."""
    got: Columns = {name: np.asarray(value) for name, value in columns.items()}
    return Advice(
        policy=policy, readings=tuple(read(name) for name in policy.presets), parts=parts_of(columns),
        **{n: got[n] for n in ("advised", "keep", "release", "scrap", "preset", "exact", "worth", "worth_kept", "worth_scrapped", "cash", "before", "after", "cautious", "price_needed", "steady", "hazard")},
    )  # fmt: skip


# -- what it comes to ---------------------------------------------------------------------------------------------

SUMS = (
    "parts",
    "stock",
    "tied_up",
    "kept_at_cost",
    "keep",
    "release",
    "scrap",
    "cash",
    "worth",
    "worth_kept",
    "worth_scrapped",
)


def totals(columns: Columns, choice: Choice) -> dict[str, Any]:
    """Sums over all parts, and by what is advised, by class and by terms: each split adds up to the whole. Money only of parts that
    advice was given on, but what is tied up of all that have a price."""
    on = columns["advised"]
    values = {
        "parts": np.ones(on.size), "tied_up": np.nan_to_num(columns["stock"] * columns["cost"]), "kept_at_cost": np.nan_to_num(columns["keep"] * columns["cost"]),
        **{n: np.where(on, columns[n], 0.0) for n in ("cash", "worth", "worth_kept", "worth_scrapped")},
        **{n: columns[n].astype(np.float64) for n in ("stock", "keep", "release", "scrap")},
    }  # fmt: skip

    def split(by: npt.NDArray[Any]) -> dict[str, dict[str, float]]:
        keys, at = np.unique(by, return_inverse=True)
        sums = {name: np.bincount(at, weights=values[name], minlength=keys.size) for name in SUMS}
        return {str(int(key)): {name: float(sums[name][n]) for name in SUMS} for n, key in enumerate(keys)}

    return {
        "all": {name: float(values[name].sum()) for name in SUMS}, "advice": split(columns["advice"]), "class": split(columns["class"]),
        "preset": split(columns["preset"]), "marks": {str(m.value): int(((columns["marks"] & m) > 0).sum()) for m in Mark},
        "advised": int(on.sum()), "steady": int((columns["steady"] | (columns["release"] == 0))[on].sum()),
        "model": {str(int(k)): v for k, v in choice.model.items()}, "held": None if np.isnan(choice.held) else choice.held, "note": choice.note,
        "calibration": calibration(choice),
    }  # fmt: skip


def calibration(choice: Choice) -> list[dict[str, Any]]:
    """For each class that was tried: its parts, the model that is used, its loss and the next best's at the service quantile, its bias
    (None: nothing was asked for), and the share of parts within the 90 % interval; from the held-out months."""
    found = []
    for kind in DemandClass:
        scores = [s for s in choice.scores if s.demand_class == kind]
        if not scores:
            continue
        won = next(s for s in scores if s.model == choice.model[kind])
        others = [s for s in scores if s.model not in (won.model, "zero")]
        second = min(others, key=lambda s: s.pinball)
        found.append({
            "class": int(kind), "parts": won.parts, "model": won.model, "pinball": won.pinball, "second": second.model, "second_pinball": second.pinball,
            "bias": None if np.isnan(won.bias) else won.bias, "within": choice.inside.get(kind, won.within),
        })  # fmt: skip
    return found


def policy_from(kept: Mapping[str, Any], totals: Mapping[str, Any] | None = None) -> Policy:
    """A policy as it is kept with a run, with the use that the run learnt, which stands in its ``totals``. Raises what ``Policy.check``
    raises."""
    given = {**kept, "presets": tuple(kept["presets"])} if "presets" in kept else dict(kept)
    use = (totals or {}).get("use", {}).get("terms", {})
    policy = Policy(**{**given, "learnt": {name: one["hazard"] for name, one in use.items()}})
    policy.check()
    return policy


def kept_policy(policy: Policy) -> dict[str, Any]:
    """The other way round."""
    kept = {**asdict(policy), "paid_under": dict(policy.paid_under), "presets": list(policy.presets)}
    del kept["learnt"]  # nobody says it: each run learns it anew
    return kept
