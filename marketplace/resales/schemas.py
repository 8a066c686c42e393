"""Resales on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.kit.wire import BodyIn
from marketplace.resales.queries import EventRow, ResaleRow

Waits = Literal["consent", "accede", "ship", "receive"]


class ResaleIn(BodyIn):
    """Units under an agreement that you want to sell on."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "agreement_id": "0198c0de-0000-7000-8000-000000000001",
                    "part_id": "0198c0de-0000-7000-8000-000000000002",
                    "site_id": "0198c0de-0000-7000-8000-000000000003",
                    "buyer_id": "0198c0de-0000-7000-8000-000000000004",
                    "quantity": 2,
                    "minimum_passed_on": 1,
                }
            ]
        }
    )
    agreement_id: UUID
    part_id: UUID
    site_id: UUID = Field(description="Your site where the units are.")
    buyer_id: UUID
    quantity: int = Field(ge=1)
    minimum_passed_on: int = Field(
        default=0, ge=0, description="How many of your minimum to keep the buyer takes over."
    )
    note: str = Field(default="", max_length=500, description="Maker and buyer read it.")


class ReasonIn(BodyIn):
    """Why: the others read it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "We may need these units next year."}]})
    reason: str = Field(min_length=1, max_length=500)


class JoinIn(BodyIn):
    """The buyer's signature."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"wording_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}]
        }
    )
    wording_sha256: str | None = Field(
        default=None,
        pattern="^[0-9a-fA-F]{64}$",
        description="The hash of the text you read; it must be the text on offer.",
    )


class ShipIn(BodyIn):
    """How the units travel."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"carrier": "UPS", "tracking": "1Z999AA10123456784"}]})
    carrier: str = Field(default="", max_length=80)
    tracking: str = Field(default="", max_length=80)
    own_transport: bool = False


class ReceiveIn(BodyIn):
    """What has arrived."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"site_id": "0198c0de-0000-7000-8000-000000000003", "missing": 0}]}
    )
    site_id: UUID = Field(description="Your site where they are now.")
    missing: int = Field(default=0, ge=0)
    note: str = Field(default="", max_length=500, description="What is wrong, where units are missing.")


class ResaleEventOut(BaseModel):
    """One thing that happened to a resale."""

    model_config = ConfigDict(from_attributes=True)
    kind: str
    note: str | None
    company: str
    at: datetime


class ResaleOut(BaseModel):
    """A resale as its maker, seller and buyer see it."""

    id: UUID
    reference: str = Field(examples=["RSL-7F3K2Q"])
    status: Literal["asked", "consented", "acceded", "shipped", "received", "refused", "cancelled"]
    side: Literal["maker", "holder", "buyer"] = Field(description="Which of the three your company is.")
    maker: str
    seller: str
    buyer: str
    agreement_id: UUID | None = Field(description="That the units are under; null to the buyer, who is no party of it.")
    agreement: str | None
    part_id: UUID
    part_number: str
    description: str
    quantity: int
    uom: str
    minimum_passed_on: int
    runs: bool = Field(description="Whether the manufacturer's right stays on the units.")
    child_id: UUID | None = Field(description="The buyer's agreement, once it has signed; null to the seller.")
    child_reference: str | None
    wording_sha256: str | None
    note: str
    reason: str | None
    carrier: str | None
    tracking: str | None
    asked_at: datetime
    consented_at: datetime | None
    acceded_at: datetime | None
    shipped_at: datetime | None
    received_at: datetime | None
    good: int | None = Field(description="Units that arrived.")
    answer_by: datetime | None = Field(description="Until when the manufacturer consents or refuses.")
    silence_consents: bool = Field(description="Whether no answer by then counts as consent.")
    sign_by: datetime | None = Field(description="Until when the buyer signs.")

    @classmethod
    def of(cls, row: ResaleRow, company_id: UUID) -> ResaleOut:
        """As one of the three sees it."""
        side = row.side(company_id)
        return cls.model_validate(
            {
                **{n: getattr(row, n) for n in cls.model_fields if hasattr(row, n)},
                "side": side, "seller": row.holder, "agreement_id": None if side == "buyer" else row.agreement_id,
                "agreement": None if side == "buyer" else row.agreement,
                "child_id": None if side == "holder" else row.child_id,
                "child_reference": None if side == "holder" else row.child_reference,
                "wording_sha256": row.wording_sha256.hex() if row.wording_sha256 else None,
            }
        )  # fmt: skip


class ResaleDetailOut(ResaleOut):
    """With the text that the buyer signs, and what happened."""

    wording: str | None = Field(description="What the buyer signs (markdown); null where no right stays on the units.")
    events: list[ResaleEventOut]

    @classmethod
    def told(cls, row: ResaleRow, company_id: UUID, events: list[EventRow]) -> ResaleDetailOut:
        """As one of the three sees it. The text is the maker's and the buyer's; the seller is no party of it."""
        out = ResaleOut.of(row, company_id)
        wording = None if out.side == "holder" else row.wording
        return cls(
            **out.model_dump(), wording=wording, events=[ResaleEventOut.model_validate(e) for e in events],
        )  # fmt: skip
