"""Agreements, postings, orders and own stock of the demo world. Flat, frozen tuples; see the package for what holds for all."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID


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


class Release(NamedTuple):
    """A surplus posting with its listings."""

    id: UUID
    reference: str
    company_id: UUID
    title: str
    clause: str
    version: int
    terms_key: str
    further_keys: tuple[str, ...]
    """Term sheets of the clauses beside the first."""
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
    asked: tuple[int, ...]
    """Units of each of the sixty months before, oldest first."""


TermSheet = dict[str, Any]
"""Terms as JSON values, as ``parse_terms`` takes them."""
