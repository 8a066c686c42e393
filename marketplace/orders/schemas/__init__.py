"""Orders on the wire."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.agreements.schemas import NamedClauseIn, NamedClauseOut
from marketplace.kit.wire import EXAMPLE_ID, BodyIn, Day
from marketplace.orders.schemas.deliveries import (
    CancellationOut,
    CancelRuleOut,
    DifferenceOut,
    ReturnOut,
    ShipmentOut,
)
from marketplace.orders.states import Receipt

Status = Literal["placed", "accepted", "shipped", "received", "declined", "cancelled", "expired"]


class LineIn(BodyIn):
    """So many of a listing, under your own line number."""

    listing_id: UUID
    quantity: int = Field(examples=[2])
    po_line: str | None = Field(default=None, max_length=40)
    unit_price: Decimal | None = Field(
        default=None, ge=0, max_digits=16, decimal_places=4,
        description="The price a unit that you were shown: where it is another one by now, nothing is ordered. Null takes today's.",
    )  # fmt: skip


class ProposedIn(BodyIn):
    """Other terms than those of the posting: every clause that is to stand, with all its terms, the first one first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"clauses": [{"clause": "buy-back", "version": 1, "terms": {}}], "note": ""}]}
    )
    clauses: list[NamedClauseIn] = Field(min_length=1, max_length=4)
    note: str = Field(default="", max_length=500, description="A word to the seller.")


class ProposedOut(BaseModel):
    """Other terms that the buyer proposed with its order."""

    clauses: list[NamedClauseOut]
    note: str


class OrderIn(BodyIn):
    """An order from one surplus posting; its units are reserved at once."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "po_number": "PO-4711",
                    "ship_to_site_id": EXAMPLE_ID,
                    "lines": [{"listing_id": EXAMPLE_ID, "quantity": 2, "po_line": "10"}],
                }
            ]
        }
    )
    lines: list[LineIn]
    po_number: str = Field(max_length=60, examples=["PO-4711"])
    ship_to_site_id: UUID
    requested_on: Day | None = None
    proposed: ProposedIn | None = Field(
        default=None,
        description="Other terms, which the seller signs, answers or declines; null = those of the posting.",
    )


class BasketIn(BodyIn):
    """Lines of any postings, ordered together: one order for each posting, all of them or none."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "po_number": "PO-4711",
                    "ship_to_site_id": EXAMPLE_ID,
                    "lines": [{"listing_id": EXAMPLE_ID, "quantity": 2, "unit_price": "60.00"}],
                }
            ]
        }
    )
    lines: list[LineIn]
    po_number: str = Field(max_length=60, examples=["PO-4711"])
    ship_to_site_id: UUID
    requested_on: Day | None = None


class BasketOut(BaseModel):
    """The orders that were placed."""

    ids: list[UUID]


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
    serials: list[str] = []
    """Of its serial-numbered units: on receipt, each that is not good is named by it."""


class OrderOut(BaseModel):
    """An order as both sides see it. ``shown_status``: accepted becomes signed once both have signed."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    reference: str
    seller: str
    buyer: str
    shown_status: str
    currency: str
    payment_days: int = Field(description="The price is due so many days after the receipt.")
    po_number: str
    ship_to_site_id: UUID
    ship_to: str | None = Field(description="The name of that site.")
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
    shipped: int = Field(description="Units that have left, in so many shipments.")
    shipments: int
    arrived: int = Field(description="Units that the buyer has received, whatever became of them.")
    missing: int = Field(description="Units that were missing on receipt, until they turn up or are shipped again.")


class DeliveryOut(BaseModel):
    """The site an order goes to, as whoever ships needs it."""

    model_config = ConfigDict(from_attributes=True)
    code: str
    name: str
    address: str
    place: str
    region: str
    country: str
    counter_phone: str


class OrderDetail(OrderOut):
    """An order with where it goes, its lines and story."""

    delivery: DeliveryOut | None = Field(description="Null when the site is shown to you no longer.")
    proposed: ProposedOut | None = Field(description="Other terms that the buyer proposed with it.")
    line_items: list[OrderLineOut]
    left_out: list[LeftOutOut] = Field(description="What does not ship, and why.")
    sent: list[ShipmentOut] = Field(description="Its shipments, with the units of each.")
    differences: list[DifferenceOut]
    returns: list[ReturnOut]
    cancellation: CancellationOut | None = Field(description="The last time that a side asked to cancel the rest.")
    may_cancel: CancelRuleOut
    events: list[dict[str, Any]]


class LeftOutIn(BodyIn):
    """So many of a line that are not accepted: needed_ourselves, not_on_shelf, damaged, price, credit, other."""

    line_no: int
    quantity: int
    reason: str
    note: str = Field(default="", max_length=500)


class LeftOutOut(BaseModel):
    """What the seller did not accept of a line."""

    model_config = ConfigDict(from_attributes=True)
    line_no: int
    part_number: str
    left_out: int
    left_out_reason: str
    left_out_note: str | None


class AcceptIn(BodyIn):
    """How an order is accepted: in part, and where the buyer proposes other terms, what becomes of those."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"terms": "open"}]})
    terms: Literal["proposed", "posted", "open"] | None = Field(
        default=None,
        description="proposed: signs the buyer's terms, and both have signed. posted: declines them and signs those of the "
        "posting. open: signs neither; they are negotiated as proposals about the agreement.",
    )
    reason: str = Field(default="", max_length=500, description="Why the buyer's terms are declined.")
    left_out: list[LeftOutIn] = Field(
        default=[],
        max_length=500,
        description="What is not accepted, and why; the rest of the order goes on without it.",
    )


class DeclineIn(BodyIn):
    """needed_ourselves, not_on_shelf, damaged, price, credit, other."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "needed_ourselves", "note": "A customer's machine stands still."}]}
    )
    reason: str
    note: str = Field(default="", max_length=1000)


class CancelIn(BodyIn):
    """not_needed, ordered_twice, too_late, price, not_on_shelf, needed_ourselves, other."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "ordered_twice", "note": "Ordered twice by mistake."}]}
    )
    reason: str = "not_needed"
    note: str = Field(default="", max_length=500)


class NoteIn(BodyIn):
    """A word to the other side."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "Ordered twice by mistake."}]})
    note: str = Field(default="", max_length=1000)


Name = Annotated[str, Field(max_length=200)]


class UnitsIn(BodyIn):
    """Serial-numbered units of a line by what became of them, each by its serial (or its lot id). Those that are not
    named are good."""

    good: list[Name] = Field(default=[], max_length=10_000)
    short: list[Name] = Field(default=[], max_length=10_000)
    damaged: list[Name] = Field(default=[], max_length=10_000)
    wrong: list[Name] = Field(default=[], max_length=10_000)


class ReceiptIn(BodyIn):
    """What arrived of a line; the four add up to what was shipped. Where serial-numbered units are not all good,
    ``units`` says which."""

    line_no: int
    good: int
    short: int = 0
    damaged: int = 0
    wrong: int = 0
    note: str = Field(default="", max_length=1000)
    over: int = Field(default=0, description="So many more arrived than were shipped.")
    reasons: dict[Literal["short", "damaged", "wrong", "over"], Name] = Field(
        default={}, description="A code for each kind of difference; without one it is 'other', and the note says it."
    )
    units: UnitsIn = Field(default_factory=UnitsIn)

    def receipt(self) -> Receipt:
        """As the service takes it."""
        counts = self.model_dump(exclude={"units"})
        return Receipt(**counts, named=self.units.model_dump())


class ReceiveIn(BodyIn):
    """Every line that was shipped; none at all where everything arrived in good order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"lines": [{"line_no": 1, "good": 9, "damaged": 1, "note": "one box was wet"}]},
                {
                    "lines": [
                        {
                            "line_no": 1,
                            "good": 1,
                            "damaged": 1,
                            "units": {"damaged": ["SN-2"]},
                            "note": "housing cracked",
                        }
                    ]
                },
            ]
        }
    )
    lines: list[ReceiptIn]
    shipment_id: UUID | None = Field(default=None, description="Null = the only one that is on its way.")
