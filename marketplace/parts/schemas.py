"""The catalogue on the wire."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.kit.wire import EXAMPLE_ID, BodyIn


class PartOut(BaseModel):
    """A part. ``number`` as the maker prints it."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    maker_code: str = Field(examples=["NORTHFIELD"])
    maker: str
    number: str = Field(examples=["2815-01-234-5678"])
    description: str = Field(examples=["ENGINE, DIESEL"])
    class_code: str | None
    class_name: str | None
    uom: str = Field(examples=["EA"])
    weight_grams: int | None
    list_price: Decimal | None
    currency: str | None


class RelatedOut(BaseModel):
    """A part in a relation to the one above: superseded_by, supersedes or alternate."""

    relation: str = Field(examples=["superseded_by"])
    steps: int
    since: date | None
    part: PartOut


class PartDetail(PartOut):
    """A part with what replaces it and what may stand in."""

    related: list[RelatedOut]


class FoundPart(BaseModel):
    """A part found for a number: by which step, and through which written form of its number."""

    step: str = Field(examples=["exact"])
    through: str
    closeness: float
    part: PartOut


class FoundNumber(BaseModel):
    """One number asked for, and the parts found. ``more``: there are more than shown."""

    asked: str
    step: str | None = Field(description="exact, prefix, substring or fuzzy; null when nothing was found.")
    more: bool
    words: str | None = Field(description="Where nothing was found: what was tried, and what to do. Else null.")
    parts: list[FoundPart]


class FindIn(BodyIn):
    """Up to 500 numbers as people write them, one a line or parted by commas (or by blanks, where each is a known number)."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"numbers": "2815-01-234-5678\n57114-TTA-J030"}]})
    numbers: str = Field(max_length=60_000, examples=["2815-01-234-5678\n57114-TTA-J030"])


class NewPart(BodyIn):
    """A part to add to a maker of yours."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "maker_id": EXAMPLE_ID,
                    "number": "57114-TTA-J030",
                    "description": "BRACKET, PUMP",
                    "uom": "EA",
                    "list_price": "84.50",
                }
            ]
        }
    )
    maker_id: UUID
    number: str = Field(min_length=1, max_length=80)
    description: str = Field(min_length=1, max_length=500)
    uom: str = "EA"
    class_code: str | None = None
    weight_grams: int | None = Field(default=None, gt=0)
    list_price: Decimal | None = Field(default=None, ge=0, max_digits=16, decimal_places=4)


class NewSupersession(BodyIn):
    """``old`` is replaced by ``new`` from a date on."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"old": EXAMPLE_ID, "new": EXAMPLE_ID, "effective_on": "2026-11-01", "note": "stronger flange"}
            ]
        }
    )
    old: UUID
    new: UUID
    effective_on: date
    note: str = Field(default="", max_length=500)


class NewAlternate(BodyIn):
    """``alternate`` may stand in for ``part_id``."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"part_id": EXAMPLE_ID, "alternate": EXAMPLE_ID, "both_ways": True}]}
    )
    part_id: UUID
    alternate: UUID
    both_ways: bool = False
    note: str = Field(default="", max_length=500)
