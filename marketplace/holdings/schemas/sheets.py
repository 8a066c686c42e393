"""Count sheets on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.holdings.sheet import Known
from marketplace.kit.wire import EXAMPLE_ID, BodyIn


class SheetIn(BodyIn):
    """What is counted: a site, or one part or the parts of one agreement there."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"site_id": EXAMPLE_ID, "blind": True}]})
    site_id: UUID
    part_id: UUID | None = None
    agreement_id: UUID | None = None
    blind: bool = Field(default=True, description="What is on record is not told before a part was counted.")


class SheetOut(BaseModel):
    """A count."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    reference: str
    site_id: UUID
    site: str
    part_id: UUID | None
    number: str | None
    agreement_id: UUID | None
    agreement: str | None
    blind: bool
    opened_at: datetime
    opened_by: str
    entries: int
    last_at: datetime | None
    ended: Literal["confirmed", "dropped"] | None
    ended_at: datetime | None
    differing: int


class EntriesIn(BodyIn):
    """What was counted, a line each: a serial number, or a part number and how many."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": "SN-0012\nSN-0013\n100-A, 12", "how": "scan"}]})
    items: str = Field(min_length=1, max_length=200_000)
    how: Literal["scan", "typed", "list"] = "typed"


class EnteredOut(BaseModel):
    """How many lines were kept, and which were not, or need a look."""

    model_config = ConfigDict(from_attributes=True)
    kept: int
    words: list[str]


class EntryOut(BaseModel):
    """Something entered that stands."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    part_id: UUID | None
    number: str | None
    lot_id: UUID | None
    serial: str | None
    quantity: int
    round: int
    how: str
    at: datetime
    by: str
    counts: bool = Field(description="False: the part was counted again since.")
    known: Known | None = Field(description="Of a serial number: where the unit is on record.")
    place: str | None = Field(description="Of your own units: where they should be.")


class PartToCountOut(BaseModel):
    """A part on record where the sheet counts."""

    part_id: UUID
    number: str
    description: str
    serialised: bool
    expected: int | None = Field(description="Null on a blind sheet before the part was counted.")
    counted: int | None


class VarianceOut(BaseModel):
    """A part as counted, against what was on record at that moment."""

    model_config = ConfigDict(from_attributes=True)
    part_id: UUID
    number: str
    description: str
    uom: str
    round: int
    counted: int
    expected: int
    difference: int
    moved_since: int = Field(description="Came (or, below zero, went) after it was counted.")
    counted_now: int
    tolerated: int
    within: bool
    recount: bool = Field(description="To be counted once more before the sheet can be confirmed.")
    encumbered: int = Field(description="Of those on record: under agreements.")
    counted_at: datetime


class RecountIn(BodyIn):
    """Which part is counted again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"part_id": EXAMPLE_ID}]})
    part_id: UUID


class SheetReasonIn(BodyIn):
    """Why, in a few words."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "Cycle count, aisle 4"}]})
    reason: str = Field(default="", max_length=500)


class ConfirmedOut(BaseModel):
    """What the count changed."""

    parts: int
    differing: int
    words: list[str]
    in_breach: list[UUID] = Field(description="Agreements under which what is missing is a breach.")


class MisreadIn(BodyIn):
    """Which unit on record here the unknown serial number belongs to."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"lot_id": EXAMPLE_ID}]})
    lot_id: UUID


class ToleranceIn(BodyIn):
    """A tolerance for a class of parts; an empty class stands for all others."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"class_code": "", "basis_points": 200}]})
    class_code: str = Field(default="", max_length=40)
    basis_points: int = Field(ge=0, le=10_000)


class ToleranceOut(BaseModel):
    """A tolerance that is set."""

    class_code: str
    basis_points: int
