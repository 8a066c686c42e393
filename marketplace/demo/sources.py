"""The public records as typed rows, before anything is made up around them. Days are ISO texts, money is USD."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

UNITS = {
    "AT": "Assortment", "AY": "Assembly", "BD": "Bundle", "BG": "Bag", "BX": "Box", "CL": "Coil", "CN": "Can",
    "CO": "Container", "DR": "Drum", "DZ": "Dozen", "EA": "Each", "FT": "Foot", "HD": "Hundred", "IN": "Inch",
    "KT": "Kit", "LB": "Pound", "LG": "Length", "LT": "Lot", "MR": "Meter", "OT": "Outfit", "PG": "Package",
    "PR": "Pair", "RL": "Reel", "RO": "Roll", "SE": "Set", "SH": "Sheet", "SL": "Spool", "SY": "Square yard",
    "TU": "Tube", "YD": "Yard",
}  # fmt: skip
"""Unit-of-issue codes of the records, and what they are called."""


class Station(NamedTuple):
    """A place where the records say units were sent; several stations of one place are numbered."""

    key: str
    state: str
    place: str
    number: int
    lat: float
    lon: float
    precision: str
    """town, county (its centre) or capital (place not known: the state's capital)."""
    zone: str


class StockLine(NamedTuple):
    """One line of the stock list of 4 April 2016: what a station held."""

    station: str
    nsn: str
    name: str
    unit: str
    quantity: int
    value: Decimal
    """Acquisition value per unit, USD; 0 where the record gives none."""
    shipped_on: str


class Shipment(NamedTuple):
    """One shipped request, October 2016 to September 2019."""

    station: str
    nsn: str
    name: str
    unit: str
    quantity: int
    value: Decimal
    shipped_on: str
    ref: str
    """The requisition number in the record."""


class RecordedRequest(NamedTuple):
    """One request of October 2016 to September 2019, whatever became of it."""

    asked: str
    """ISO moment; of what was shipped the day only."""
    place: str
    """The station's key, or its state where the station is not packed."""
    nsn: str
    """Empty for things that this demo leaves out."""
    unit: str
    quantity: int
    outcome: str
    """shipped or cancelled"""
    by: str
    reason: str


class Item(NamedTuple):
    """One priced item of the GSA list."""

    nsn: str
    name: str
    description: str
    price: Decimal
    unit: str


class ControlUnit(NamedTuple):
    """One part number as a vehicle's control unit reports it."""

    make: str
    number: str
    application: str
    component: str


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything the demo world is built from."""

    stations: Sequence[Station]
    stock: Sequence[StockLine]
    shipments: Sequence[Shipment]
    items: Sequence[Item]
    control_units: Sequence[ControlUnit]
    classes: Mapping[str, str]
    """Name of each four-digit supply class."""
