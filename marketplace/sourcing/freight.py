"""Distance, freight and transit from a stated model. Pure.

The model (a planning figure, shown with every plan; real carriers' quotes differ):
- distance: great circle on a sphere of radius 6,371 km, times 1.2 for roads;
- transit: bands of road kilometres -> working days; unknown distance counts as the longest domestic band;
- own units at the very place where they are needed travel nowhere: no days, no freight;
- freight: a base by band plus a rate per started kilogram (2 kg where the weight is unknown); a border adds both
  days and a surcharge. Money in the plan's currency, whole minor units.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from marketplace.kit.errors import invalid

EARTH_KM = 6371.0
ROAD_FACTOR = 1.2
UNKNOWN_WEIGHT_GRAMS = 2000


ROUGH = 2.0
"""Degrees: some 200 km."""


NO_PLACE = (
    "This is no place. Give latitude and longitude in degrees, such as 32.78,-96.80: latitude from -90 to 90, longitude from "
    "-180 to 180."
)


class Point(NamedTuple):
    """A place: WGS 84 degrees (None = unknown) and its country."""

    lat: float | None
    lon: float | None
    country: str


@dataclass(frozen=True, slots=True)
class Band:
    """Up to ``km`` by road: ``days`` in transit, ``base`` and ``per_kg`` in minor units of the plan's currency."""

    km: float
    days: int
    base: int
    per_kg: int


BANDS = (
    Band(80, 1, 1500, 40),
    Band(400, 1, 2200, 70),
    Band(1200, 2, 3400, 110),
    Band(2500, 4, 5200, 160),
    Band(5000, 6, 8000, 220),
    Band(math.inf, 9, 14000, 420),
)
BORDER_DAYS = 3
BORDER_SURCHARGE = 6000
UNKNOWN_BAND = BANDS[4]
_LIMITS = [band.km for band in BANDS]


@lru_cache(maxsize=16_384)
def distance_km(a: Point, b: Point) -> float | None:
    """Road kilometres between two places, or None where one has no coordinates."""
    return from_here_km(a, b)


def from_here_km(a: Point, b: Point) -> float | None:
    """As ``distance_km``, remembered nowhere: where a person is goes with the request that told it."""
    if a.lat is None or a.lon is None or b.lat is None or b.lon is None:
        return None
    p, q = math.radians(a.lat), math.radians(b.lat)
    h = math.sin((q - p) / 2) ** 2 + math.cos(p) * math.cos(q) * math.sin(math.radians(b.lon - a.lon) / 2) ** 2
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(h))) * ROAD_FACTOR


def _band(km: float) -> Band:
    return BANDS[bisect_left(_LIMITS, km)]


class Haul(NamedTuple):
    """What it takes to bring units from one place to another. ``cost_minor`` is for the whole shipment."""

    km: float | None
    days: int
    cost_minor: int

    def arrives(self, leaves: datetime) -> datetime:
        """When a shipment that leaves then is there."""
        return leaves + timedelta(days=self.days)


STAYS = Haul(0.0, 0, 0)
"""Units that are where they are needed: nothing to bring, nothing to pay for it."""


def haul(a: Point, b: Point, *, weight_grams: int | None, quantity: int) -> Haul:
    """Distance, days and cost of bringing ``quantity`` units of that weight from a to b."""
    km = distance_km(a, b)
    band = UNKNOWN_BAND if km is None else _band(km)
    kilograms = -(-(weight_grams or UNKNOWN_WEIGHT_GRAMS) * quantity // 1000)
    abroad = a.country != b.country
    return Haul(
        km,
        band.days + (BORDER_DAYS if abroad else 0),
        band.base + band.per_kg * kilograms + (BORDER_SURCHARGE if abroad else 0),
    )


def near_point(lat: float, lon: float) -> Point:
    """Where somebody is. Raises ``near.invalid`` for what is no place."""
    # Not a number compares as false, so that it is refused as well.
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        raise invalid("near.invalid", NO_PLACE, field="near")
    return Point(float(lat), float(lon), "")


def near_text(text: str) -> Point:
    """Where somebody is, written as 'latitude,longitude' in degrees. Raises ``near.invalid``."""
    found = re.fullmatch(r"\s*(-?\d{1,3}(?:\.\d{1,15})?)\s*[,;\s]\s*(-?\d{1,3}(?:\.\d{1,15})?)\s*", text, re.ASCII)
    if found is None:
        raise invalid("near.invalid", NO_PLACE, field="near")
    return near_point(float(found[1]), float(found[2]))


def rough(point: Point) -> Point:
    """Where a place is as far as a masked holder may be found: the middle of a field of two degrees. Distances, times and
    costs are reckoned from there, or whoever moves the destination about could measure the place out."""
    if point.lat is None or point.lon is None:
        return point
    lat, lon = (math.floor(at / ROUGH) * ROUGH + ROUGH / 2 for at in (point.lat, point.lon))
    return Point(lat, lon, point.country)


def band_words(km: float | None) -> str:
    """A distance told only roughly, for masked holders: 'within 400 km'."""
    if km is None:
        return "distance unknown"
    band = _band(km)
    return "over 5,000 km" if band.km == math.inf else f"within {band.km:,.0f} km"
