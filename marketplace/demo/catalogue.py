"""The demo's catalogue: real numbers, names and prices; weights, replacements and alternates made up."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from statistics import median_low
from uuid import UUID

from marketplace.demo.cast import FOUNDED, MANUFACTURER
from marketplace.demo.draws import Draws
from marketplace.demo.rows import Alternate, Fitment, Maker, Part, Supersession
from marketplace.demo.sources import UNITS, ControlUnit, Shipment, Sources, StockLine

MAKERS = {
    "chrysler": "Chrysler",
    "ford": "Ford",
    "honda": "Honda",
    "mazda": "Mazda",
    "nissan": "Nissan",
    "toyota": "Toyota",
}
"""Makes whose numbering the control units carry. They name the numbering; they have no part in the demo."""
COMPONENTS = {
    "abs": "BRAKE CONTROL MODULE (ABS)",
    "combinationMeter": "INSTRUMENT CLUSTER",
    "dsu": "DRIVING SUPPORT COMPUTER",
    "electricBrakeBooster": "ELECTRIC BRAKE BOOSTER",
    "engine": "ENGINE CONTROL MODULE",
    "eps": "ELECTRIC POWER STEERING MODULE",
    "fwdCamera": "FORWARD CAMERA",
    "fwdRadar": "FORWARD RADAR",
    "gateway": "GATEWAY MODULE",
    "hud": "HEAD-UP DISPLAY",
    "hybrid": "HYBRID CONTROL MODULE",
    "shiftByWire": "SHIFT-BY-WIRE MODULE",
    "srs": "AIRBAG CONTROL MODULE",
    "transmission": "TRANSMISSION CONTROL MODULE",
    "vsa": "STABILITY CONTROL MODULE",
}
UOM = {name: code for code, name in UNITS.items()}

# Grams per piece, low and high, by supply group: made up, in the range such goods have.
_WEIGHTS = {
    "23": (900_000, 12_000_000),
    "24": (2_000_000, 14_000_000),
    "25": (800, 60_000),
    "26": (9_000, 70_000),
    "28": (60_000, 900_000),
    "29": (300, 12_000),
    "34": (20_000, 900_000),
    "38": (500_000, 15_000_000),
    "39": (60_000, 4_000_000),
    "41": (8_000, 300_000),
    "43": (6_000, 400_000),
    "49": (2_000, 250_000),
    "51": (80, 9_000),
    "53": (5, 600),
    "61": (500, 400_000),
    "62": (100, 9_000),
}
_OTHER_WEIGHT = (150, 25_000)
# Base and revision, where the printed number shows both.
_REVISION = re.compile(r"^(?P<base>.*?\d[A-Z0-9-]*?-?)(?P<revision>[A-Z]{1,2})$")
_CHAIN_LIMIT = 4


def normalised(number: str) -> str:
    """Capital letters and digits only."""
    return re.sub(r"[^A-Z0-9]", "", number.upper())


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Parts and what connects them."""

    makers: Sequence[Maker]
    parts: Sequence[Part]
    fitments: Sequence[Fitment]
    supersessions: Sequence[Supersession]
    alternates: Sequence[Alternate]
    by_nsn: Mapping[str, Part]
    price_of: Mapping[UUID, Decimal]
    """A price for every stock-numbered part, made up (median of the class) where the records give none."""


def build_catalogue(sources: Sources, company: UUID, today: date, draws: Draws) -> Catalogue:
    """All parts: one per stock number, one per make and control-unit number."""
    maker = Maker(draws.id(FOUNDED, "maker", MANUFACTURER[0]), MANUFACTURER[0], MANUFACTURER[1], company)
    makers = [maker, *(Maker(draws.id(FOUNDED, "maker", key), key.upper(), MAKERS[key], None) for key in MAKERS)]
    stock_parts, price_of = _stock_parts(sources, maker.id, draws)
    by_nsn = {part.number: part for part in stock_parts}
    units, fitments = _control_units(sources.control_units, {m.code.lower(): m.id for m in makers}, draws)
    replaced, alternates = _relations(stock_parts, price_of, today, draws)
    return Catalogue(
        tuple(makers),
        (*stock_parts, *units),
        fitments,
        (*replaced, *_revisions(units, today, draws)),
        alternates,
        by_nsn,
        price_of,
    )


def _stock_parts(sources: Sources, maker: UUID, draws: Draws) -> tuple[list[Part], dict[UUID, Decimal]]:
    names: dict[str, Counter[str]] = defaultdict(Counter)
    units: dict[str, Counter[str]] = defaultdict(Counter)
    values: dict[str, list[Decimal]] = defaultdict(list)
    lines: list[StockLine | Shipment] = [*sources.stock, *sources.shipments]
    for line in lines:
        names[line.nsn][line.name] += 1
        units[line.nsn][line.unit] += 1
        if line.value:
            values[line.nsn].append(line.value)
    for item in sources.items:
        # The list's own words come first: they are longer and were written for buyers.
        names[item.nsn][item.name.upper()] += 1_000_000
        units[item.nsn][item.unit] += 1
        values[item.nsn].append(item.price)
    by_class: dict[str, list[Decimal]] = defaultdict(list)
    for nsn, found in values.items():
        by_class[nsn[:4]].append(median_low(found))
    usual = {code: median_low(found) for code, found in by_class.items()}
    parts: list[Part] = []
    price_of: dict[UUID, Decimal] = {}
    for nsn in sorted(names):
        code = nsn[:4]
        listed = median_low(values[nsn]) if values[nsn] else None
        part = Part(
            draws.id(FOUNDED, "part", nsn),
            maker,
            nsn,
            normalised(nsn),
            _commonest(names[nsn]),
            code if code in sources.classes else None,
            UOM[_commonest(units[nsn])],
            _weight(draws, nsn),
            listed,
            nsn[5:],
        )
        parts.append(part)
        price_of[part.id] = listed if listed is not None else usual.get(code, Decimal(25))
    return parts, price_of


def _commonest(counts: Counter[str]) -> str:
    return min(counts, key=lambda word: (-counts[word], word))


def _weight(draws: Draws, nsn: str) -> int:
    low, high = _WEIGHTS.get(nsn[:2], _OTHER_WEIGHT)
    return low + (high - low) * draws.below(1000, "weight", nsn) ** 2 // 1_000_000


def _control_units(
    rows: Sequence[ControlUnit], makers: Mapping[str, UUID], draws: Draws
) -> tuple[list[Part], tuple[Fitment, ...]]:
    parts: dict[tuple[str, str], Part] = {}
    fitments: list[Fitment] = []
    for row in rows:
        key = (row.make, row.number)
        if key not in parts:
            part_id = draws.id(FOUNDED, "ecu", *key)
            weight = draws.between(180, 2600, "weight", *key)
            description = COMPONENTS.get(row.component, row.component.upper())
            parts[key] = Part(
                part_id, makers[row.make], row.number, normalised(row.number), description, None, "EA", weight, None, ""
            )
        fitments.append(Fitment(parts[key].id, row.application.replace("_", " "), row.component))
    return list(parts.values()), tuple(fitments)


def _revisions(units: Iterable[Part], today: date, draws: Draws) -> list[Supersession]:
    """Chains over control units that differ in their revision letters only: the later letters replace the earlier."""
    chains: dict[tuple[UUID, str], list[tuple[str, Part]]] = defaultdict(list)
    for part in units:
        match = _REVISION.match(part.number)
        if match:
            chains[part.maker_id, match["base"]].append((match["revision"], part))
    found: list[Supersession] = []
    for (_, base), members in sorted(chains.items(), key=lambda item: item[0][1]):
        members.sort(key=lambda member: (len(member[0]), member[0]))
        chain = [part for _, part in members[-_CHAIN_LIMIT:]]
        day = today - timedelta(days=draws.between(300, 900, "revision", base) + 400 * len(chain))
        for old, new in pairwise(chain):
            found.append(Supersession(old.id, new.id, day))
            day += timedelta(days=draws.between(150, 400, "revision", new.number))
    return found


def _relations(
    parts: Sequence[Part], price_of: Mapping[UUID, Decimal], today: date, draws: Draws
) -> tuple[list[Supersession], tuple[Alternate, ...]]:
    """Among parts of one class and one name at nearly one price: some replace another, some stand in for another."""
    alike: dict[tuple[str | None, str, str], list[Part]] = defaultdict(list)
    for part in parts:
        alike[part.class_code, part.description, part.uom].append(part)
    replaced: list[Supersession] = []
    alternates: list[Alternate] = []
    for group in alike.values():
        ranked = sorted(group, key=lambda part: (price_of[part.id], part.number))
        for one, other in pairwise(ranked):
            low, high = price_of[one.id], price_of[other.id]
            if low <= 0 or high > low * Decimal("1.15"):
                continue
            choice = draws.below(12, "relation", one.number, other.number)
            # Only ever from the lower item number to the higher: no chain can come back to where it began.
            old, new = (one, other) if one.niin < other.niin else (other, one)
            if choice == 0 and not any(s.old_part_id == old.id for s in replaced[-2:]):
                day = today - timedelta(days=draws.between(200, 3000, "replaced", old.number))
                replaced.append(Supersession(old.id, new.id, day))
            elif choice in (1, 2):
                alternates.append(Alternate(one.id, other.id))
                if choice == 1:
                    alternates.append(Alternate(other.id, one.id))
    return replaced, tuple(alternates)
