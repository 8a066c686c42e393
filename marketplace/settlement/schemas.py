"""Settlement on the wire."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class SettlementOut(BaseModel):
    """What one company owes another, and why."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    reference: str = Field(examples=["SET-7F3K2Q"])
    payer_id: UUID
    payer: str
    payee_id: UUID
    payee: str
    kind: str = Field(examples=["buy_back"])
    cause_id: UUID
    cause_reference: str = Field(examples=["CALL-9XK2WD"])
    agreement_id: UUID | None
    agreement: str | None
    part_id: UUID
    number: str
    description: str
    uom: str
    quantity: int
    unit_price: Decimal
    amount: Decimal
    currency: str = Field(examples=["USD"])
    words: str
    due_on: date
    payer_marked_at: datetime | None
    payee_marked_at: datetime | None
    settled: bool = Field(description="Both sides have marked it.")
    waiting_for: list[str] = Field(examples=[["payee"]])
    created_at: datetime


class SettlementTotalOut(BaseModel):
    """Sums by side (payer: you owe) and currency."""

    model_config = ConfigDict(from_attributes=True)
    side: str
    currency: str
    open_lines: int
    open_amount: Decimal
    overdue_amount: Decimal
    settled_amount: Decimal
    waiting: int = Field(description="Lines that wait for your mark.")
