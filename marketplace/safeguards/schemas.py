"""Safeguards on the wire."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.kit.wire import BodyIn

InterestKind = Literal["ucc1", "ppsa", "retention_of_title", "pledge", "lien", "other"]
InterestStanding = Literal["in_force", "lapsed", "ended"]


class InsolvencyIn(BodyIn):
    """That a company that holds your units is insolvent."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "company_id": "0198c0de-0000-7000-8000-000000000001",
                    "reason": "Chapter 7 petition filed.",
                    "source": "Bankr. D. Mass., case 26-10123",
                    "opened_on": "2026-11-02",
                    "administrator": "J. Ortiz, trustee, +1 617 555 0142",
                }
            ]
        }
    )
    company_id: UUID
    reason: str = Field(min_length=1, max_length=500, description="The holder reads it with the legal hold.")
    source: str = Field(min_length=1, max_length=200, description="How you know; read by your company alone.")
    opened_on: date = Field(description="Since when.")
    administrator: str = Field(
        default="", max_length=200, description="The person in charge of the estate, once known."
    )


class InsolvencyNoteIn(BodyIn):
    """What became known later."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"note": "Trustee appointed.", "administrator": "J. Ortiz, +1 617 555 0142"}]}
    )
    note: str = Field(min_length=1, max_length=500)
    administrator: str = Field(default="", max_length=200, description="Where somebody else is in charge now.")


class LiftIn(BodyIn):
    """Why the record stands no longer."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "The case was dismissed on 4 Jan 2027."}]})
    reason: str = Field(min_length=1, max_length=500, description="The holder reads it with its agreements.")


class InsolvencyOut(BaseModel):
    """A record of your company: nobody else reads it."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    company_id: UUID
    company: str
    reason: str
    source: str
    opened_on: date
    administrator: str
    recorded_at: datetime
    stands: bool
    found: int = Field(description="Agreements that were not over when it was recorded.")
    holds: int = Field(description="Of them, those that it put under legal hold and that still are.")
    lifted_at: datetime | None
    lift_reason: str | None
    holds_lifted: int | None


class HeldAgreementOut(BaseModel):
    """An agreement that a record found."""

    model_config = ConfigDict(from_attributes=True)
    agreement_id: UUID
    reference: str
    status: str
    held_before: bool = Field(description="Under legal hold already: lifting the record leaves that hold.")
    held: bool


class InsolvencyNoteOut(BaseModel):
    """What became known later."""

    model_config = ConfigDict(from_attributes=True)
    note: str
    administrator: str | None
    noted_at: datetime


class InsolvencyDetailOut(InsolvencyOut):
    """With its notes, newest first, and its agreements by reference, at most 200."""

    notes: list[InsolvencyNoteOut]
    agreements: list[HeldAgreementOut]


class SecurityInterestIn(BodyIn):
    """A security interest in units that others hold."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "company_id": "0198c0de-0000-7000-8000-000000000001",
                    "kind": "ucc1",
                    "filed_with": "Texas Secretary of State",
                    "number": "26-0031234567",
                    "filed_on": "2026-11-02",
                    "expires_on": "2031-11-02",
                }
            ]
        }
    )
    company_id: UUID | None = Field(default=None, description="The holder, for all agreements with it.")
    agreement_id: UUID | None = Field(default=None, description="For the units of one agreement only.")
    continues_id: UUID | None = Field(default=None, description="The interest that this one continues, which ends.")
    kind: InterestKind
    filed_with: str = Field(default="", max_length=200, description="Where it is registered.")
    number: str = Field(min_length=1, max_length=200, description="The number it is found by.")
    filed_on: date
    expires_on: date | None = Field(default=None, description="Its last day; null where it does not lapse.")
    note: str = Field(default="", max_length=500)


class EndInterestIn(BodyIn):
    """Why it ends."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "Released on payment."}]})
    reason: str = Field(min_length=1, max_length=500)


class SecurityInterestOut(BaseModel):
    """A record of your company: nobody else reads it."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    company_id: UUID
    company: str
    agreement_id: UUID | None = Field(description="Null: for all agreements with the company.")
    agreement: str | None
    kind: InterestKind
    filed_with: str
    number: str
    filed_on: date
    expires_on: date | None
    standing: InterestStanding
    note: str
    recorded_at: datetime
    continues_id: UUID | None
    continued_by: UUID | None
    ended_at: datetime | None
    end_reason: str | None
