"""Who is in the demo world, and what its catalogue holds. Flat, frozen tuples; see the package for what holds for all."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID


class Company(NamedTuple):
    """A party. ``domain`` is where its people have their mail (an example domain)."""

    id: UUID
    code: str
    name: str
    is_manufacturer: bool
    is_partner: bool
    currency: str
    country: str
    domain: str


class Maker(NamedTuple):
    """Who makes parts; ``company_id`` is None for makers that only the catalogue knows."""

    id: UUID
    code: str
    name: str
    company_id: UUID | None


class Site(NamedTuple):
    """A place where stock can be."""

    id: UUID
    company_id: UUID
    code: str
    name: str
    place: str
    region: str
    country: str
    lat: float
    lon: float
    approximate: bool
    timezone: str
    opens: time
    closes: time
    counter_phone: str
    after_hours_phone: str
    will_call: bool
    address: str
    contact_id: UUID
    contact_name: str
    last_counted_at: datetime


class User(NamedTuple):
    """A person who can sign in with the demo password."""

    id: UUID
    company_id: UUID
    email: str
    name: str
    roles: tuple[str, ...]
    site_id: UUID | None
    order_limit: Decimal | None
    """What a technician may order back without an approver, USD; None = no limit."""


class Delegation(NamedTuple):
    """Leave for another company's technicians to source a manufacturer's parts, within limits per request."""

    id: UUID
    manufacturer_id: UUID
    delegate_id: UUID
    quantity_limit: int
    value_limit: Decimal
    granted_at: datetime
    ends_at: datetime


class Part(NamedTuple):
    """An item of a maker's catalogue."""

    id: UUID
    maker_id: UUID
    number: str
    number_norm: str
    description: str
    class_code: str | None
    """Supply class; None for control units."""
    uom: str
    """Code of the base unit of measure, see ``World.units``."""
    weight_grams: int
    list_price: Decimal | None
    niin: str
    """The last nine places of a stock number as people write them alone; blank for control units."""


class Fitment(NamedTuple):
    """A machine that a part is known to be in."""

    part_id: UUID
    application: str
    component: str


class Supersession(NamedTuple):
    """The new part replaces the old one from a day on."""

    old_part_id: UUID
    new_part_id: UUID
    effective_on: date


class Alternate(NamedTuple):
    """The other part may stand in for the part."""

    part_id: UUID
    alternate_id: UUID
