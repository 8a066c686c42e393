"""What goes over the wire, whatever the domain: bodies that refuse what nobody would read or could keep, pages, and
the answers of steps that have nothing more to say."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Generic, TypeVar, get_args
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from marketplace.kit.consignment import Consignment

T = TypeVar("T")
EXAMPLE_ID = "0198c0de-0000-7000-8000-000000000001"

YEARS = range(1900, 2200)
"""What a date or time that people send can mean; another year is a slip, and near the ends no zone can be applied."""


def _in_range(value: date) -> None:
    if value.year not in YEARS:
        raise PydanticCustomError(
            "out_of_range",
            "Give a year from {first} to {last}.",
            {"first": YEARS.start, "last": YEARS.stop - 1},
        )


def _moment(value: datetime) -> datetime:
    _in_range(value)
    return value.astimezone(UTC)


def _day(value: date) -> date:
    _in_range(value)
    return value


Moment = Annotated[AwareDatetime, AfterValidator(_moment)]
"""A point in time as it comes in: with its zone, for example 2026-11-22T14:00:00Z; UTC from here on."""
Day = Annotated[date, AfterValidator(_day)]
"""A calendar day as it comes in."""


def _clock(value: time) -> time:
    if value.tzinfo is not None:
        raise PydanticCustomError("not_a_time", "Write the time of day like 07:30, without a zone.")
    return value


TimeOfDay = Annotated[time, AfterValidator(_clock)]
"""What a clock on the wall shows, in the place's own zone."""


def keepable(text: str) -> bool:
    """Whether PostgreSQL can keep the text: no zero character, no half of a surrogate pair."""
    return ("\x00" not in text and text.isascii()) or not any(c == "\x00" or "\ud800" <= c <= "\udfff" for c in text)


def _unkeepable(value: Any) -> bool:
    if isinstance(value, str):
        return not keepable(value)
    if isinstance(value, dict):
        return any(_unkeepable(k) or _unkeepable(v) for k, v in value.items())
    return isinstance(value, list) and any(_unkeepable(v) for v in value)


def _kinds(annotation: Any) -> set[Any]:
    inner = get_args(annotation)
    return {k for a in inner for k in _kinds(a)} if inner else {annotation}


@cache
def _numbers(body: type[BaseModel]) -> frozenset[str]:
    """The fields of a body that take a number and no true or false."""
    kinds = {name: _kinds(field.annotation) for name, field in body.model_fields.items()}
    return frozenset(n for n, kind in kinds.items() if kind & {int, float, Decimal} and not kind & {bool, Any})


class BodyIn(BaseModel):
    """The body of a request. A field we do not know is refused: it would be a wish that nobody reads. So is true for a
    number, which Python would take for 1."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _keepable(cls, value: Any) -> Any:
        if isinstance(value, dict):
            bad = [str(name) for name, inner in value.items() if _unkeepable(name) or _unkeepable(inner)]
            if bad:
                raise PydanticCustomError(
                    "unkeepable", "Zero characters and broken Unicode cannot be kept.", {"fields": bad}
                )
            numbers = _numbers(cls)
            if wrong := [n for n, v in value.items() if isinstance(v, bool) and n in numbers]:
                raise PydanticCustomError("not_a_number", "This must be a number.", {"fields": wrong})
        return value


class Made(BaseModel):
    """The id of what was made."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"id": EXAMPLE_ID}]})
    id: UUID


class Done(BaseModel):
    """What was done, and the id of what it made, if it made something."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"done": "orders.ship", "id": None}]})
    done: str
    id: UUID | None = None


class PageOut(BaseModel, Generic[T]):
    """Some rows in order."""

    items: list[T]
    next: str | None = Field(description="Pass as `after` for the next page; null on the last.")


class ShipIn(BodyIn):
    """How the units travel: carrier and tracking number, or ``own_transport`` (own vehicle, or collected)."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"carrier": "UPS", "tracking": "1Z999"}, {"own_transport": True}]}
    )
    carrier: str = Field(default="", max_length=80)
    tracking: str = Field(default="", max_length=80)
    own_transport: bool = False

    def consignment(self) -> Consignment:
        """Checked. Raises ``shipment.incomplete``."""
        return Consignment.of(self.carrier, self.tracking, own_transport=self.own_transport)
