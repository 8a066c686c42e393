"""A partner's track record on the wire."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.sourcing.track_record import DEFINITIONS as D


class RecordOut(BaseModel):
    """The numbers of one period. ``scope``: 'yours' of your own orders, 'all' of all manufacturers' together."""

    model_config = ConfigDict(from_attributes=True)
    scope: str = Field(examples=["yours"])
    makers: int = Field(description="Manufacturers whose orders are in it.")
    orders: int = Field(description=D["orders"])
    asked: int = Field(
        description="Orders that the clause has it answer, and whose answer was given or whose time ran out."
    )
    answered: int = Field(description=D["answered"])
    answered_percent: int | None = Field(description="Of those asked, in percent, rounded down; null = none was asked.")
    silent: int = Field(description=D["silent"])
    refused: dict[str, int] = Field(description=D["refused"], examples=[{"not_on_shelf": 2}])
    shipped: int = Field(description="Orders that shipped.")
    shipped_late: int = Field(description=D["shipped_late"])
    overdue: int = Field(description=D["overdue"])
    median_seconds: float | None = Field(description=D["median_seconds"])
    counted: int = Field(description=D["counted"])
    shortages: int = Field(description=D["shortages"])
    units_missing: int = Field(description="Units that those counts did not find.")
    shortages_open: int = Field(description="Of those shortages, how many are not accounted for yet.")


class TrackRecordOut(BaseModel):
    """A partner's track record of a period: ``records`` of your own orders, and of all where enough manufacturers ordered back."""

    company_id: UUID
    since: datetime
    until: datetime
    records: list[RecordOut]
