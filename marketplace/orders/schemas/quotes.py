"""Quotes, offers and messages, on the wire."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.agreements.schemas import NamedClauseIn
from marketplace.kit.wire import EXAMPLE_ID, BodyIn, Day
from marketplace.orders.queries import QuoteRow, VersionRow
from marketplace.orders.quoting import MOST_NOTE, WORDS


class QuoteIn(BodyIn):
    """What a buyer asks a seller to offer: a listing, or a part that nobody offers (its maker is asked)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"listing_id": EXAMPLE_ID, "quantity": 40, "needed_by": "2027-02-01", "ship_to_site_id": EXAMPLE_ID, "note": "All at once?"}
            ]
        }
    )  # fmt: skip
    listing_id: UUID | None = None
    part_id: UUID | None = None
    quantity: int = Field(examples=[40])
    needed_by: Day | None = None
    ship_to_site_id: UUID
    po_number: str = Field(default="", max_length=60)
    note: str = Field(default="", max_length=MOST_NOTE)


class OfferedLineIn(BodyIn):
    """So many of a listing at a price a unit."""

    listing_id: UUID
    quantity: int = Field(examples=[40])
    unit_price: Decimal = Field(max_digits=16, decimal_places=4, examples=["71.50"])


class OfferIn(BodyIn):
    """The next version of an offer, whole."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "answers": 1,
                    "lines": [{"listing_id": EXAMPLE_ID, "quantity": 40, "unit_price": "71.50"}],
                    "hours": 72,
                    "reserve": True,
                }
            ]
        }
    )
    answers: int = Field(ge=0, description="The version that you have read; 0 for the first offer.")
    lines: list[OfferedLineIn] = Field(max_length=500)
    hours: int = Field(default=72, description="How long it holds.")
    reserve: bool = Field(default=False, description="A seller's: the units are kept for the buyer until then.")
    note: str = Field(default="", max_length=MOST_NOTE)
    po_number: str = Field(default="", max_length=60, description="A buyer's.")
    clauses: list[NamedClauseIn] = Field(
        default=[],
        max_length=4,
        description="Other terms than the posting's: every clause with all its terms; none = the posting's.",
    )


class OfferMade(BaseModel):
    """The number of the version that was made."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"version": 2}]})
    version: int


class AcceptOfferIn(BodyIn):
    """Which version is accepted."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"version": 2, "po_number": "PO-4711"}]})
    version: int
    po_number: str = Field(
        default="", max_length=60, description="A buyer's; else the quote's reference stands for it."
    )


class DeclineOfferIn(BodyIn):
    """price, quantity, terms, delivery, not_available, needed_ourselves, no_longer_needed, found_elsewhere, credit, other."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"version": 1, "reason": "price", "note": "We pay 60 elsewhere."}]}
    )
    version: int = Field(description="The version that you have read; 0 while there is no offer.")
    reason: str
    note: str = Field(default="", max_length=MOST_NOTE)


class WithdrawIn(BodyIn):
    """Taking back one's own request or last version."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"version": 1, "note": "Sold to somebody else."}]})
    version: int
    note: str = Field(default="", max_length=MOST_NOTE)


class OfferedLineOut(BaseModel):
    """A line of a version. ``relation`` to the part that was asked for: asked, superseded_by (it replaces that), alternate."""

    model_config = ConfigDict(from_attributes=True)
    line_no: int
    listing_id: UUID | None
    part_id: UUID
    part_number: str
    uom: str
    condition: str
    relation: str
    quantity: int
    unit_price: Decimal


class VersionOut(BaseModel):
    """A version of an offer, as it was made. ``clauses``: null = the posting's."""

    model_config = ConfigDict(from_attributes=True)
    number: int
    company: str
    made_at: datetime
    expires_at: datetime
    reserved: bool
    currency: str
    total: Decimal
    clauses: list[dict[str, Any]] | None
    note: str
    sha256: str
    lines: list[OfferedLineOut]


Shown = Literal["asked", "offered", "lapsed", "accepted", "declined", "withdrawn"]


class QuoteOut(BaseModel):
    """A quote as both sides see it."""

    id: UUID
    reference: str
    buyer: str
    seller: str
    part_id: UUID
    part_number: str
    listing_id: UUID | None
    quantity: int
    needed_by: date | None
    note: str
    status: Shown = Field(description="; ".join(f"{k}: {v}" for k, v in WORDS.items()))
    waits_for: Literal["seller", "buyer"] | None
    last_version: int
    expires_at: datetime | None
    order_id: UUID | None
    order_reference: str | None
    reason_code: str | None
    reason_text: str | None
    asked_at: datetime
    ended_by: str | None
    ended_at: datetime | None

    @classmethod
    def of(cls, row: QuoteRow, now: datetime) -> QuoteOut:
        """How it stands at a time."""
        kept = {
            name: getattr(row, name) for name in cls.model_fields if name not in ("status", "waits_for", "versions")
        }
        return cls(**kept, status=row.shown_status(now), waits_for=row.standing.waits_for(now))  # type: ignore[arg-type]


class QuoteDetail(QuoteOut):
    """A quote with every version of its offer."""

    versions: list[VersionOut]

    @classmethod
    def whole(cls, row: QuoteRow, versions: list[VersionRow], now: datetime) -> QuoteDetail:
        """With its history."""
        made = [VersionOut.model_validate(v) for v in versions]
        return cls(**QuoteOut.of(row, now).model_dump(), versions=made)


class MessageIn(BodyIn):
    """What you write to the other side."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "Can you ship before the holidays?"}]})
    text: str = Field(max_length=10_000, description="At most 2,000 characters.")


class MessageOut(BaseModel):
    """A message on a quote or an order, as both sides see it."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    company_id: UUID
    company: str = Field(examples=["Lone Mesquite Mining"], description="Who wrote it.")
    author: str | None = Field(description="The person, for its own company; null for the other side.")
    text: str
    at: datetime
