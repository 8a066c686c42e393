"""Obligations on the wire."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.kit.wire import BodyIn
from marketplace.obligations.kinds import ObligationKind
from marketplace.obligations.reminding import MOST_DAYS, MOST_HOURS


class ObligationOut(BaseModel):
    """Something that is due, by whom, to whom, by when, and what happens if nothing is done."""

    model_config = ConfigDict(from_attributes=True)
    key: str = Field(examples=["ship_call-0198c0de-0000-7000-8000-000000000001"], description="Names it for good.")
    kind: ObligationKind
    what: str = Field(examples=["Ship 2 units of 100-A for CALL-7F3K2Q"])
    otherwise: str = Field(examples=["No answer counts as a commitment to ship."])
    mine: bool = Field(description="Your company owes it.")
    owes: str | None = Field(description="Null where nobody has to do anything.")
    owed: str | None
    due: datetime = Field(
        description="Exclusive: a day that ends at midnight is due at the midnight after it. Of window_opens: when it opens."
    )
    by: str = Field(examples=["by the end of 30 Nov 2026"], description="As the agreement counts its days.")
    zone: str = Field(examples=["America/Chicago"])
    reference: str
    record_id: UUID = Field(description="The order back, order, agreement or settlement line.")
    agreement_id: UUID | None
    agreement: str | None
    part_number: str | None
    quantity: int | None
    amount: Decimal | None = Field(description="Of settle what is owed; of calls the price of a unit.")
    currency: str | None


class ReminderSettingIn(BodyIn):
    """How long before its deadlines your company is reminded by mail, and whether."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [{"hours_before": 24, "days_before": 7, "mails": True}]}
    )
    hours_before: int = Field(ge=1, le=MOST_HOURS, description="Hours before answers, shipments and inspections.")
    days_before: int = Field(ge=1, le=MOST_DAYS, description="Days before windows open or close, and before payments.")
    mails: bool = Field(description="False: no reminders at all.")


class ReminderSettingOut(BaseModel):
    """How long before its deadlines your company is reminded by mail, and whether."""

    model_config = ConfigDict(from_attributes=True)
    hours_before: int
    days_before: int
    mails: bool
