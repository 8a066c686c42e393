"""Shipments, differences, returns and cancellations on the wire."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.kit.wire import BodyIn, ShipIn
from marketplace.orders.delivery import Packed, Portion, Share

Name = Annotated[str, Field(max_length=200)]
Note = Annotated[str, Field(max_length=500)]


class PortionIn(BodyIn):
    """So many of a line. ``serials``: which, where the line has serial-numbered units and not all of them are meant."""

    line_no: int
    quantity: int = Field(examples=[2])
    serials: list[Name] = Field(default=[], max_length=10_000)

    def portion(self) -> Portion:
        """As the service takes it."""
        return Portion(self.line_no, self.quantity, tuple(self.serials))


class ShipOrderIn(ShipIn):
    """How the units travel, which, and what is known of their packages. Without lines all that has not left."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "carrier": "UPS",
                    "tracking": "1Z999",
                    "lines": [{"line_no": 1, "quantity": 2}],
                    "packages": 1,
                    "origin": "US",
                },
                {"own_transport": True},
            ]
        }
    )
    lines: list[PortionIn] = Field(default=[], max_length=500)
    packages: int | None = None
    weight_grams: int | None = Field(default=None, description="Gross weight of the whole shipment.")
    origin: str | None = Field(default=None, max_length=2, description="Country of origin for customs, two capitals.")
    note: Note = Field(default="", description="Stands on the packing list.")

    def packed(self) -> Packed:
        """As the service takes it."""
        return Packed(self.packages, self.weight_grams, self.origin or None, self.note)


class CorrectShipmentIn(ShipIn):
    """How a shipment travels instead. ``shipment_id``: null = the last one that is on its way."""

    shipment_id: UUID | None = None


class ShippedLineOut(BaseModel):
    """So many of a line in a shipment."""

    line_no: int
    quantity: int
    serials: list[str]


class ShipmentOut(BaseModel):
    """Units that travel together."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    number: int
    carrier: str
    tracking: str | None
    packages: int | None
    weight_grams: int | None
    origin: str | None
    note: str | None
    shipped_at: datetime
    received_at: datetime | None
    units: int
    lines: list[ShippedLineOut] = []


class DifferencePartOut(BaseModel):
    """So many units of a difference, settled at one time by one side."""

    model_config = ConfigDict(from_attributes=True)
    number: int
    company: str
    quantity: int
    serials: list[str]
    settled_as: str
    note: str | None
    settled_at: datetime
    return_id: UUID | None


class DifferenceOut(BaseModel):
    """What arrived otherwise than it was shipped: short, damaged, wrong or over; open, disputed or settled. Disputed is what is open of it."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    shipment_id: UUID
    shipment: int
    line_no: int
    part_number: str
    kind: str
    quantity: int
    open: int = Field(description="How many nobody has settled yet.")
    serials: list[str]
    open_serials: list[str]
    reason_code: str
    note: str | None
    found_at: datetime
    answer_by: datetime = Field(
        description="By when the seller says what becomes of it; nothing happens by itself then."
    )
    status: str
    answer_code: str | None = Field(description="Why the seller disputes it.")
    answer_note: str | None
    settled_as: str | None = Field(
        description="lost, never_left, ship_again, send_back, scrap, taken or withdrawn; in_parts: see the parts."
    )
    settled_at: datetime | None
    return_id: UUID | None = Field(description="The last return that was made of it.")
    parts: list[DifferencePartOut] = []


class ReturnOut(BaseModel):
    """Units that go back to the seller: asked, agreed, refused, withdrawn, shipped or received."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    number: int
    of_units: str = Field(description="bought, or not_accepted on receipt.")
    what: str
    units: int
    asked: int = Field(
        description="How many were asked for; units is how many of them the seller takes, once it has answered."
    )
    left_here: str | None = Field(
        description="What the seller does not take, where it takes the others; answer_code says why."
    )
    reason_code: str
    note: str | None
    status: str
    asked_at: datetime
    answer_by: datetime | None = Field(description="By when the seller answers.")
    send_by: datetime | None = Field(description="By when the buyer sends what was agreed on.")
    answer_code: str | None
    answer_note: str | None
    credit_percent: int | None
    to_site: str | None
    carrier: str | None
    tracking: str | None
    shipped_at: datetime | None
    received_at: datetime | None
    credited: Decimal | None


class CancellationOut(BaseModel):
    """A side asks to leave the rest of an order unshipped: asked, agreed, refused or withdrawn."""

    model_config = ConfigDict(from_attributes=True)
    company: str
    reason_code: str
    note: str | None
    status: str
    asked_at: datetime
    answered_at: datetime | None
    answer_note: str | None


class CancelRuleOut(BaseModel):
    """Whether and how your side may cancel now: alone, ask, end_agreement or never."""

    model_config = ConfigDict(from_attributes=True)
    how: str
    words: str


class ShareIn(BodyIn):
    """How much of a difference is meant; all that is open, unless it is said."""

    quantity: int | None = Field(default=None, description="How many; null = all that are open.")
    serials: list[Name] = Field(
        default=[], max_length=10_000, description="Which, where not all serial-numbered ones are meant."
    )
    open: int | None = Field(
        default=None, description="How many were open when you looked: refused where it is not so any more."
    )
    note: Note = ""

    def share(self) -> Share:
        """As the service takes it."""
        return Share(self.quantity, tuple(self.serials), self.open)


class DifferenceAnswerIn(ShareIn):
    """short: lost, ship_again, never_left, dispute. damaged, wrong: send_back, scrap, dispute. over: send_back, dispute. For some of the
    units a ``reason`` says why the rest is disputed; without one the rest stays open. Reasons of short: counted, carrier, in_package,
    other; of damaged: left_whole, after_arrival, as_described, no_proof, other; of wrong: as_ordered, as_described, papers_sent, other;
    of over: counted, carrier, other."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"answer": "send_back", "note": "We pay the freight."},
                {"answer": "lost", "quantity": 3, "open": 5, "reason": "counted", "note": "Two were scanned twice."},
            ]
        }
    )
    answer: str
    reason: str = ""


class TakeIn(ShareIn):
    """How many of the units you take after all."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"quantity": 2, "note": "Two turned up."}, {"note": ""}]})


class ReturnIn(BodyIn):
    """Units that you would send back. Reasons: not_needed, ordered_wrong, does_not_fit, quality, other."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"lines": [{"line_no": 1, "quantity": 1}], "reason": "ordered_wrong", "note": ""}]
        }
    )
    lines: list[PortionIn] = Field(max_length=500)
    reason: str
    note: Note = ""


class ReturnAnswerIn(BodyIn):
    """Agree, and say which part of the price is credited; or refuse: as_agreed, too_late, no_use, condition, other. Agreed for some
    ``lines`` only, the rest is refused, and the reason says why."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"agree": True, "credit_percent": 90},
                {"agree": True, "lines": [{"line_no": 1, "quantity": 2}], "reason": "condition", "note": ""},
                {"agree": False, "reason": "no_use", "note": ""},
            ]
        }
    )
    agree: bool
    lines: list[PortionIn] = Field(default=[], max_length=500, description="What you take of it; without lines all.")
    credit_percent: int = Field(default=100, description="Of the price, when the units are back.")
    reason: str = ""
    note: Note = ""


class ReturnReceiptIn(BodyIn):
    """At which of your sites the units arrived; null = where they came from."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"site_id": None}]})
    site_id: UUID | None = None


class CancelAnswerIn(BodyIn):
    """The other side's answer, or the withdrawal by who asked."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"answer": "agree", "note": ""}]})
    answer: Literal["agree", "refuse", "withdraw"]
    note: Note = ""
