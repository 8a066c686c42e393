"""The rows of the demo world: flat, frozen tuples that can be copied into tables in the order they stand.

Ids are computed, so the same start and seed give the same world. ``basis`` says whether a row's facts come from
the record or were made up around it. Money is USD, times are UTC.
"""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID


class Basis(StrEnum):
    """Where a fact comes from."""

    RECORD = "record"
    MADE_UP = "made_up"


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


class Lot(NamedTuple):
    """One line of stock that no serial or batch tells apart: an anonymous lot of its own."""

    id: UUID
    part_id: UUID
    uom: str
    registered_by: UUID
    parties: tuple[UUID, ...]
    """Companies that may see the lot."""
    frozen: bool
    last_seq: int
    last_position: int
    last_recorded_at: datetime
    last_occurred_at: datetime


class Position(NamedTuple):
    """Where a quantity of a lot sits, or once sat (quantity 0)."""

    lot_id: UUID
    position_id: int
    part_id: UUID
    owner_id: UUID
    holder_id: UUID
    site_id: UUID | None
    """None = on the way."""
    condition: str
    agreement_id: UUID | None
    beneficiary_id: UUID | None
    quantity: int
    held: int


class Movement(NamedTuple):
    """One ledger entry of a lot. Sinks (used up, fitted) have no to-position; a hold and a freeze move nothing."""

    lot_id: UUID
    seq: int
    kind: str
    purpose: str | None
    quantity: int
    from_position: int | None
    to_position: int | None
    from_quantity_after: int | None
    from_held_after: int | None
    to_quantity_after: int | None
    agreement_id: UUID | None
    """The encumbrance of the from-position."""
    occurred_at: datetime
    recorded_at: datetime
    company_id: UUID
    actor_id: UUID
    command_id: UUID
    cause_kind: str
    cause_id: UUID | None
    resolves: int | None
    permit_id: UUID | None
    machine: str | None
    """What a spare was fitted into."""
    parties: tuple[UUID, ...]
    """Companies that the places it goes from and to concern."""
    basis: Basis


class Permit(NamedTuple):
    """Leave for one movement of encumbered units."""

    lot_id: UUID
    permit_id: UUID
    agreement_id: UUID
    kind: str
    quantity: int
    expires_at: datetime
    reason: str
    company_id: UUID
    maker_id: UUID


class OpenHold(NamedTuple):
    """A reservation that stands at the start: the pending movement and the call it is for."""

    lot_id: UUID
    hold_seq: int
    position_id: int
    quantity: int
    expires_at: datetime | None
    cause_kind: str
    cause_id: UUID
    company_id: UUID
    parties: tuple[UUID, ...]


class Framework(NamedTuple):
    """The agreement that a pair of companies signs once per clause version."""

    id: UUID
    reference: str
    maker_id: UUID
    holder_id: UUID
    clause: str
    version: int
    signed_at: datetime


class Agreement(NamedTuple):
    """A schedule under a framework: the signed instance that positions point at."""

    id: UUID
    reference: str
    framework_id: UUID
    maker_id: UUID
    holder_id: UUID
    order_id: UUID | None
    """None for stock of the 2016 list, which was taken over without an order."""
    clause: str
    version: int
    terms_key: str
    """Key into ``World.term_sheets``."""
    use_class: str
    zone: str
    schedule_date: date
    status: str
    status_reason: str | None
    legal_hold: bool
    signed_at: datetime


class AgreementLine(NamedTuple):
    """The units one agreement covers, by part."""

    agreement_id: UUID
    part_id: UUID
    maker_id: UUID
    holder_id: UUID
    quantity_sold: int
    sale_price: Decimal
    list_price: Decimal
    minimum_to_keep: int


class Freeze(NamedTuple):
    """What stops units: a legal hold (a company's) or a quality hold (a part's, wherever it is)."""

    id: UUID
    kind: str
    company_id: UUID | None
    part_id: UUID | None
    reason: str
    since: datetime


class Release(NamedTuple):
    """A surplus posting with its listings."""

    id: UUID
    reference: str
    company_id: UUID
    title: str
    clause: str
    version: int
    terms_key: str
    use_class: str
    audience_ids: tuple[UUID, ...]
    """Named partners; empty = all."""
    status: str
    created_by: UUID
    created_at: datetime
    published_at: datetime | None
    closed_at: datetime | None


class Listing(NamedTuple):
    """One line of a release."""

    id: UUID
    release_id: UUID
    company_id: UUID
    part_id: UUID
    site_id: UUID
    condition: str
    quantity: int
    ordered: int
    unit_price: Decimal
    minimum_quantity: int
    package_quantity: int
    minimum_to_keep: int
    published: bool


class ListingLot(NamedTuple):
    """Which units back a listing."""

    listing_id: UUID
    lot_id: UUID
    position_id: int
    company_id: UUID
    quantity: int


class Order(NamedTuple):
    """A received purchase from one release."""

    id: UUID
    reference: str
    release_id: UUID
    seller_id: UUID
    buyer_id: UUID
    status: str
    po_number: str
    ship_to_site_id: UUID
    agreement_id: UUID
    carrier: str
    tracking: str
    placed_by: UUID
    placed_at: datetime
    accepted_at: datetime
    shipped_at: datetime
    received_at: datetime


class OrderLine(NamedTuple):
    """One listing in an order; all of it arrived good. ``po_line`` holds the requisition numbers of the record."""

    order_id: UUID
    line_no: int
    seller_id: UUID
    buyer_id: UUID
    listing_id: UUID
    part_id: UUID
    condition: str
    quantity: int
    unit_price: Decimal
    po_line: str


class OrderUnit(NamedTuple):
    """The lot behind an order line, and the hold that reserved it."""

    order_id: UUID
    line_no: int
    lot_id: UUID
    hold_seq: int
    seller_id: UUID
    buyer_id: UUID
    position_id: int
    quantity: int
    shipped_lot_id: UUID
    shipped_position_id: int


class OwnStock(NamedTuple):
    """What a manufacturer's stock file says about one of its own lots, waiting to be released or listed."""

    lot_id: UUID
    part_id: UUID
    site_id: UUID
    bin: str
    quantity: int
    unit_cost: Decimal
    package_quantity: int
    protected: bool
    last_issue_on: date
    usage_12: int
    usage_24: int
    usage_36: int


class Requisition(NamedTuple):
    """The parts request behind a call."""

    id: UUID
    reference: str
    company_id: UUID
    maker_id: UUID
    requested_by: UUID
    part_id: UUID
    quantity: int
    destination_site_id: UUID
    urgency: str
    needed_by: datetime
    machine_model: str
    machine_serial: str
    job_number: str
    status: str
    outcome: str | None
    created_at: datetime
    closed_at: datetime | None


class Call(NamedTuple):
    """An order for units back, with price and deadlines as the clause gave them when it was noticed."""

    id: UUID
    reference: str
    kind: str
    requisition_id: UUID
    company_id: UUID
    maker_id: UUID
    holder_id: UUID
    agreement_id: UUID
    part_id: UUID
    site_id: UUID
    destination_site_id: UUID
    condition: str
    urgency: str
    quantity: int
    unit_price: Decimal
    status: str
    silence: str
    reasons: tuple[str, ...]
    inspection_days: int
    payment_days: int
    replace_by: datetime | None
    noticed_at: datetime
    respond_by: datetime
    ship_by: datetime
    expected_at: datetime
    accepted_at: datetime | None
    shipped_at: datetime | None
    received_at: datetime | None
    ended_at: datetime | None
    refusal_code: str | None
    carrier: str | None
    tracking: str | None
    inspected_good: int | None
    requested_by: UUID


class CallUnit(NamedTuple):
    """The units a call reserves."""

    call_id: UUID
    lot_id: UUID
    hold_seq: int
    maker_id: UUID
    holder_id: UUID
    company_id: UUID
    position_id: int
    quantity: int
    shipped_lot_id: UUID | None
    shipped_position_id: int | None


class CallEvent(NamedTuple):
    """What happened to a call."""

    call_id: UUID
    maker_id: UUID
    holder_id: UUID
    company_id: UUID
    kind: str
    detail: dict[str, Any]
    actor_id: UUID
    at: datetime


class Settlement(NamedTuple):
    """What a call cost, and who has marked it as settled."""

    id: UUID
    reference: str
    payer_id: UUID
    payee_id: UUID
    kind: str
    cause_id: UUID
    cause_reference: str
    agreement_id: UUID
    part_id: UUID
    quantity: int
    unit_price: Decimal
    amount: Decimal
    words: str
    due_on: date
    payer_marked_at: datetime | None
    payer_marked_by: UUID | None
    payee_marked_at: datetime | None
    payee_marked_by: UUID | None
    created_at: datetime


class Withdrawal(NamedTuple):
    """Units that a holder said are not on the shelf: out of reach until somebody counts."""

    id: UUID
    lot_id: UUID
    position_id: int
    part_id: UUID
    holder_id: UUID
    beneficiary_id: UUID
    site_id: UUID
    quantity: int
    cause_id: UUID
    opened_at: datetime
    resolved_at: datetime | None


TermSheet = dict[str, Any]
"""Terms as JSON values, as ``parse_terms`` takes them."""
