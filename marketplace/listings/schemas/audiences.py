"""On the wire: whom a company lets see what, and at which price."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.kit.wire import EXAMPLE_ID, BodyIn, Day, Moment
from marketplace.listings.queries import PreviewRow
from marketplace.listings.windows import MOST_WHO, MOST_WINDOWS, Why, Window


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [dict(values)]})


class GroupIn(BodyIn):
    """Partners that you treat alike."""

    model_config = _example(name="Inner circle", partner_ids=[EXAMPLE_ID])
    name: str = Field(max_length=80)
    partner_ids: list[UUID] = Field(max_length=MOST_WHO)


class GroupOut(BaseModel):
    """A group, who is in it, and how many open postings and prices name it."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    name: str
    partner_ids: list[UUID]
    partners: list[str]
    windows: int
    prices: int


class BlockIn(BodyIn):
    """A partner that is to see nothing of your postings; orders that exist go on."""

    model_config = _example(partner_id=EXAMPLE_ID, reason="Two invoices of last year are not paid.")
    partner_id: UUID
    reason: str = Field(max_length=500, description="Only your company reads it.")


class BlockOut(BaseModel):
    """A block in force."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    partner_id: UUID
    partner: str
    reason: str
    recorded_at: datetime


class ClearanceIn(BodyIn):
    """A partner that may see and buy your controlled parts."""

    model_config = _example(partner_id=EXAMPLE_ID, reference="Licence D1234567", valid_until="2031-12-31")
    partner_id: UUID
    reference: str = Field(max_length=120, description="The licence or the screening.")
    valid_until: Day = Field(description="The last day, in UTC.")


class ClearanceOut(BaseModel):
    """A clearance that was not withdrawn; after its last day it admits nobody."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    partner_id: UUID
    partner: str
    reference: str
    valid_until: date
    recorded_at: datetime


class ControlledIn(BodyIn):
    """A part of which only cleared partners see your lines."""

    model_config = _example(part_id=EXAMPLE_ID, classification="9A610.x")
    part_id: UUID
    classification: str = Field(max_length=40)


class ControlledOut(BaseModel):
    """A part on your list of controlled parts."""

    model_config = ConfigDict(from_attributes=True)
    part_id: UUID
    part_number: str
    description: str
    classification: str
    recorded_at: datetime


class WindowIn(BodyIn):
    """From a moment on the posting is open to these."""

    opens_at: Moment | None = Field(default=None, description="Null: from publishing on.")
    everyone: bool = False
    group_ids: list[UUID] = Field(default=[], max_length=MOST_WHO)
    partner_ids: list[UUID] = Field(default=[], max_length=MOST_WHO)

    @property
    def window(self) -> Window:
        """As the service takes it."""
        return Window(self.opens_at, self.everyone, tuple(self.group_ids), tuple(self.partner_ids))


class AudienceIn(BodyIn):
    """Who sees a posting from when on."""

    model_config = _example(
        windows=[{"group_ids": [EXAMPLE_ID]}, {"opens_at": "2031-01-15T08:00:00Z", "everyone": True}]
    )
    windows: list[WindowIn] = Field(min_length=1, max_length=MOST_WINDOWS)


class WindowOut(BaseModel):
    """From when on whom a posting is open to, one row for each; without partner and group: everyone."""

    model_config = ConfigDict(from_attributes=True)
    opens_at: datetime | None
    partner_id: UUID | None
    group_id: UUID | None
    name: str


class PreviewOut(BaseModel):
    """A line of a posting of yours, as one partner meets it."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    part_id: UUID
    part_number: str
    description: str
    uom: str
    place: str
    condition: str
    available: int
    posted_price: Decimal
    unit_price: Decimal = Field(description="What this partner pays for a unit.")
    seen: bool = Field(description="Whether the partner sees the line now.")
    why: Why = Field(
        description="seen, or would be seen if it were published now; later: from opens_at on; not_asked; blocked; not_cleared for "
        "controlled parts."
    )
    opens_at: datetime | None

    @classmethod
    def of(cls, row: PreviewRow) -> PreviewOut:
        """From a row of ``queries.preview``."""
        told = row.admission
        return cls(
            id=row.id, part_id=row.part_id, part_number=row.part_number, description=row.description, uom=row.uom, place=row.place,
            condition=row.condition, available=row.available, posted_price=row.posted_price, unit_price=row.unit_price,
            seen=told.seen, why=told.why, opens_at=told.opens_at if told.why == "later" else None,
        )  # fmt: skip


class PriceIn(BodyIn):
    """For one partner or one group: a share off everything, one posting or one line, or an amount a unit of one line. Of all that apply
    the lowest counts."""

    model_config = _example(group_id=EXAMPLE_ID, off_bp=750)
    partner_id: UUID | None = None
    group_id: UUID | None = None
    release_id: UUID | None = Field(default=None, description="Null, without a line: everything you post.")
    listing_id: UUID | None = None
    off_bp: int | None = Field(default=None, description="Hundredths of a percent off the posted price.")
    unit_price: Decimal | None = Field(default=None, max_digits=16, decimal_places=4)


class PriceOut(BaseModel):
    """A price in force."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    partner_id: UUID | None
    group_id: UUID | None
    who: str
    release_id: UUID | None
    release_reference: str | None
    listing_id: UUID | None
    part_number: str | None
    off_bp: int | None
    unit_price: Decimal | None
    currency: str | None
    recorded_at: datetime


class RepriceIn(BodyIn):
    """Another posted price for what is not ordered yet."""

    model_config = _example(unit_price="72.50")
    unit_price: Decimal = Field(ge=0, max_digits=16, decimal_places=4)
