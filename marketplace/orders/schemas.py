"""Orders on the wire."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class LineIn(BaseModel):
    """So many of a listing, under your own line number."""

    listing_id: UUID
    quantity: int = Field(examples=[2])
    po_line: str | None = Field(default=None, max_length=40)


class OrderIn(BaseModel):
    """An order from one surplus posting; its units are reserved at once."""

    lines: list[LineIn]
    po_number: str = Field(max_length=60, examples=["PO-4711"])
    ship_to_site_id: UUID
    requested_on: date | None = None


class OrderLineOut(BaseModel):
    """A line with what arrived, once received."""

    model_config = ConfigDict(from_attributes=True)
    line_no: int
    part_id: UUID
    part_number: str
    description: str
    condition: str
    uom: str
    quantity: int
    unit_price: Decimal
    po_line: str | None
    good: int | None
    short: int | None
    damaged: int | None
    wrong: int | None
    receipt_note: str | None


class OrderOut(BaseModel):
    """An order as both sides see it. ``shown_status``: accepted becomes signed once both have signed."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    reference: str
    seller: str
    buyer: str
    shown_status: str
    currency: str
    po_number: str
    requested_on: date | None
    hold_expires_at: datetime | None
    agreement_id: UUID | None
    agreement_reference: str | None
    carrier: str | None
    tracking: str | None
    reason_code: str | None
    note: str | None
    placed_at: datetime
    lines: int
    units: int
    total: Decimal


class OrderDetail(OrderOut):
    """An order with its lines and story."""

    line_items: list[OrderLineOut]
    events: list[dict[str, Any]]


class DeclineIn(BaseModel):
    """needed_ourselves, not_on_shelf, damaged, price, credit, other."""

    reason: str
    note: str = Field(default="", max_length=1000)


class NoteIn(BaseModel):
    """A word to the other side."""

    note: str = Field(default="", max_length=1000)


class ShipIn(BaseModel):
    """Carrier and tracking number."""

    carrier: str = Field(default="", max_length=120)
    tracking: str = Field(default="", max_length=120)


class ReceiptIn(BaseModel):
    """What arrived of a line; the four add up to what was shipped."""

    line_no: int
    good: int
    short: int = 0
    damaged: int = 0
    wrong: int = 0
    note: str = Field(default="", max_length=1000)


class ReceiveIn(BaseModel):
    """Every line of the order."""

    lines: list[ReceiptIn]
