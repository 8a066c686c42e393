"""What goes over the wire about finding what to release, protected parts, formulas and approvals."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.kit.clock import add_months
from marketplace.kit.wire import EXAMPLE_ID, BodyIn
from marketplace.ledger.kinds import Condition
from marketplace.listings.formulas import Base, Formula
from marketplace.listings.queries import Rules
from marketplace.parts.numbers import normalise

MOST_MONTHS = 600


class RulesIn(BodyIn):
    """What own stock has to be like; what is left out may be anything."""

    idle_months: int | None = Field(
        default=None, ge=1, le=MOST_MONTHS, description="Nothing was issued for so many months."
    )
    older_months: int | None = Field(
        default=None, ge=1, le=MOST_MONTHS, description="Registered at least so many months ago."
    )
    least_value: Decimal | None = Field(
        default=None, ge=0, le=10**12, description="List price, else unit cost, times what is free."
    )
    least_months: int | None = Field(
        default=None, ge=1, le=12_000, description="Lasts so many months at the use of the last twelve."
    )
    class_code: str | None = Field(default=None, max_length=40)
    site_id: UUID | None = None
    condition: Condition | None = None
    number: str | None = Field(default=None, max_length=80, description="The beginning of a part number.")

    def rules(self, today: date, now: datetime) -> Rules:
        """As the search takes them."""
        older = None
        if self.older_months:
            older = datetime.combine(add_months(today, -self.older_months), now.timetz())
        return Rules(
            add_months(today, -self.idle_months) if self.idle_months else None, older, self.least_value, self.least_months,
            self.class_code or None, self.site_id, self.condition, normalise(self.number) if self.number else None,
        )  # fmt: skip


class CandidateOut(BaseModel):
    """Own free stock of a part at a site in a condition that could be released. ``months``: how long it lasts at the use of the last
    twelve; null where nothing was used."""

    model_config = ConfigDict(from_attributes=True)
    key: str = Field(examples=[f"{EXAMPLE_ID}|{EXAMPLE_ID}|new"])
    part_id: UUID
    part_number: str
    description: str
    class_code: str | None
    uom: str
    site_id: UUID
    site: str
    condition: Condition
    left: int
    list_price: Decimal | None
    unit_cost: Decimal | None
    value: Decimal
    last_issue_on: date | None
    usage_12: int | None
    months: Decimal | None
    package_quantity: int


class CandidateTotalsOut(BaseModel):
    """What the rules describe, in all; in the company's currency."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [{"lines": 812, "units": 4_120, "value": "1204311.50"}]}
    )
    lines: int
    units: int
    value: Decimal


class TakeIn(BodyIn):
    """What to take into a draft: all that the rules describe, or of it only ``keys``."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"rules": {"idle_months": 24, "least_value": "500"}, "percent": "60"}]}
    )
    rules: RulesIn = Field(default_factory=RulesIn)
    keys: list[str] | None = Field(default=None, max_length=1000)
    percent: Decimal = Field(default=Decimal(60), description="Of the list price, else of the unit cost.")


class TakenOut(BaseModel):
    """How many lines were added to the draft; what was in it already stayed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"added": 812}]})
    added: int


class FormulaIn(BodyIn):
    """One rule for many lines; what is left out stays."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"percent": "55", "base": "list", "step": "1", "keep": "30"}]}
    )
    percent: Decimal | None = Field(default=None, description="New price, percent of the base.")
    base: Base = "list"
    step: Literal["0.01", "0.10", "1", "5", "10"] = "0.01"
    share: Decimal | None = Field(default=None, description="New quantity, percent of what is free; whole packages.")
    keep: Decimal | None = Field(default=None, description="Minimum to keep, percent of the quantity, rounded up.")
    listing_ids: list[UUID] | None = Field(
        default=None, max_length=1000, description="Only these lines; all if left out."
    )

    def formula(self) -> Formula:
        """As it is applied."""
        return Formula(self.percent, self.base, Decimal(self.step), self.share, self.keep)


class FormulaOut(BaseModel):
    """How many lines were changed, and of which the price stayed because there was nothing to reckon it from."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"changed": 40, "without_base": 2}]})
    changed: int
    without_base: int


class ProtectIn(BodyIn):
    """Parts that are never released, and why."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"part_ids": [EXAMPLE_ID], "reason": "Tooling is gone; last of its kind."}]}
    )
    part_ids: list[UUID] = Field(min_length=1, max_length=1000)
    reason: str = Field(max_length=300)


class ProtectedOut(BaseModel):
    """How many were protected that were not before."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"added": 1}]})
    added: int


class ProtectionOut(BaseModel):
    """A part that is never released."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    part_id: UUID
    part_number: str
    description: str
    reason: str
    stated_by: str | None
    stated_at: datetime


class LimitIn(BodyIn):
    """Above which value, in the company's currency, another person approves a posting; null: never."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": "50000"}]})
    amount: Decimal | None


class LimitOut(BaseModel):
    """As it stands; null: nobody has to approve."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": "50000.00"}]})
    amount: Decimal | None


class AnswerIn(BodyIn):
    """Another person's word on a draft."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"approved": False, "reason": "Keep ten of the seal kits."}]}
    )
    approved: bool
    reason: str = Field(default="", max_length=300)


class ApprovalOut(BaseModel):
    """What was asked about a draft, and the answer; ``approved`` null while it waits."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    release_id: UUID
    amount: Decimal
    currency: str
    asked_by_name: str | None
    asked_at: datetime
    approved: bool | None
    reason: str | None
    answered_by_name: str | None
    answered_at: datetime | None
