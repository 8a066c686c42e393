"""Agreements on the wire."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.kit.wire import BodyIn

Status = Literal[
    "offered", "active", "suspended", "expiring", "run_off", "closed", "terminated", "superseded", "withdrawn"
]


class AgreementOut(BaseModel):
    """An agreement (a schedule under a framework) in a list."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    reference: str = Field(examples=["AGR-7F3K2Q"])
    maker_id: UUID
    maker: str
    holder_id: UUID
    holder: str
    order_id: UUID | None
    clause: str = Field(examples=["buy-back"])
    version: int
    title: str
    currency: str = Field(examples=["USD"])
    use_class: str = Field(examples=["intermediate_good"])
    schedule_date: date
    status: Status
    status_reason: str | None
    legal_hold: bool
    exercises: int = Field(description="Orders made under this schedule, cancelled ones not counted.")
    window_opens_at: datetime
    window_closes_at: datetime = Field(description="Exclusive: notice must be given before this moment.")
    maker_signed_at: datetime | None
    holder_signed_at: datetime | None
    waiting_for: list[str] = Field(description="Sides that have not signed yet.", examples=[["holder"]])
    lines: int
    quantity_sold: int = Field(description="As signed.")
    not_accepted: int = Field(description="Of those: short, damaged or the wrong part on receipt.")
    remaining: int = Field(description="Of those: with the holder now.")
    value: Decimal = Field(description="Units sold at the prices paid, as signed.")


class LineOut(BaseModel):
    """One part of a schedule as it stands."""

    part_id: UUID
    number: str
    description: str
    uom: str
    quantity_sold: int = Field(description="As signed.")
    accepted: int = Field(description="Of those: what became the holder's; all of them until receipt.")
    not_accepted: int = Field(description="Short, damaged or the wrong part on receipt.")
    sale_price: Decimal
    list_price: Decimal | None
    minimum_to_keep: int = Field(description="As signed.")
    minimum_in_force: int = Field(description="What can be asked for: never more than was accepted.")
    taken_back: int
    remaining: int | None = Field(description="Units the holder still has; null while the agreement is not in force.")
    callable: int | None = Field(description="Units that could be ordered back now.")
    words: str | None = Field(examples=["6 callable, 3 reserved, 1 holder's reserve"])
    badge: str | None = Field(examples=["Buy-back · until Nov 2034"])
    summary: list[str]


class EventOut(BaseModel):
    """One thing that happened to an agreement."""

    model_config = ConfigDict(from_attributes=True)
    kind: str
    detail: dict[str, Any]
    company: str
    at: datetime


class AgreementDetailOut(AgreementOut):
    """An agreement with its text, terms, schedule and history."""

    zone: str
    terms: dict[str, Any]
    wording: str = Field(description="The whole signed text (markdown).")
    wording_sha256: str = Field(description="SHA-256 of `wording`; signatures name it.")
    framework_reference: str | None
    schedule: list[LineOut]
    events: list[EventOut]


class SignIn(BodyIn):
    """A signature."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"wording_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}]
        }
    )
    wording_sha256: str | None = Field(
        default=None,
        pattern="^[0-9a-fA-F]{64}$",
        description="The hash of the text you read; where given, it must be the text on offer.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )


class SignedOut(BaseModel):
    """Where the agreement stands after a signature."""

    model_config = ConfigDict(from_attributes=True)
    agreement_id: UUID
    reference: str
    order_id: UUID | None
    status: Status
    side: Literal["maker", "holder"]
    wording_sha256: str
    framework_signed: bool
    waiting_for: UUID | None


class NoticeIn(BodyIn):
    """A holder's notice that it wants to use, fit or scrap units for which the clause asks it to give notice."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"part_id": "0198c0de-0000-7000-8000-000000000001", "act": "scrap", "quantity": 2}]
        }
    )
    part_id: UUID
    act: Literal["use", "install", "scrap"]
    quantity: int = Field(ge=1)


class NoticeOut(BaseModel):
    """From when until when the act is clear, should the units not be ordered back meanwhile."""

    model_config = ConfigDict(from_attributes=True)
    needs: str
    clear_from: datetime
    clear_until: datetime
    words: str
