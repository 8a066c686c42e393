"""What happens by itself when orders back come to nothing, on the wire."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.kit.wire import BodyIn
from marketplace.sourcing.cascading import CAUSES, LARGEST_BP, LARGEST_DAYS, OUTCOMES
from marketplace.sourcing.queries import Cascade


class CascadeRuleIn(BodyIn):
    """What is done by itself when an order back of this urgency comes to nothing. The limits count where it is ``at_once``."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"at_once": True, "most_more_bp": 2_000, "most_later_days": 3}]}
    )
    at_once: bool = Field(description="Order the next best source at once; else it is only proposed.")
    most_more_bp: int = Field(
        ge=0,
        le=LARGEST_BP,
        description="So much more a unit may cost than one of the order that somebody gave, in basis points (2000 = 20 %).",
    )
    most_later_days: int = Field(ge=0, le=LARGEST_DAYS, description="So many days later it may arrive than that one.")


class CascadeRuleOut(BaseModel):
    """The rule for an urgency, also in words."""

    urgency: str = Field(description="machine_down, urgent or stock_order.")
    at_once: bool
    most_more_bp: int
    most_later_days: int
    words: str


class CascadeOut(BaseModel):
    """An order back that came to nothing, and what was done about it: by itself, or not. ``outcome`` null: not yet."""

    id: UUID
    call_id: UUID
    cause: str = Field(description=f"One of: {', '.join(CAUSES)}.")
    subject: str
    lacking: int
    by_itself: bool = Field(description="The maker has the next best ordered at once.")
    at: datetime
    outcome: str | None = Field(description=f"One of: {', '.join(OUTCOMES)}.")
    calls: list[UUID] = Field(description="The orders that followed by themselves.")
    words: str | None
    outcome_at: datetime | None

    @classmethod
    def of(cls, row: Cascade) -> CascadeOut:
        """The wire form."""
        return cls(
            id=row.id, call_id=row.call_id, cause=row.cause, subject=row.subject, lacking=row.lacking, by_itself=row.rule is not None,
            at=row.at, outcome=row.outcome, calls=list(row.calls), words=row.words, outcome_at=row.outcome_at,
        )  # fmt: skip
