"""What goes over the wire, whatever the domain: bodies that refuse what nobody would read or could keep, pages, and
the answers of steps that have nothing more to say."""

from __future__ import annotations

from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

T = TypeVar("T")
EXAMPLE_ID = "0198c0de-0000-7000-8000-000000000001"


def keepable(text: str) -> bool:
    """Whether PostgreSQL can keep the text: no zero character, no half of a surrogate pair."""
    return ("\x00" not in text and text.isascii()) or not any(c == "\x00" or "\ud800" <= c <= "\udfff" for c in text)


def _unkeepable(value: Any) -> bool:
    if isinstance(value, str):
        return not keepable(value)
    if isinstance(value, dict):
        return any(_unkeepable(k) or _unkeepable(v) for k, v in value.items())
    return isinstance(value, list) and any(_unkeepable(v) for v in value)


class BodyIn(BaseModel):
    """The body of a request. A field we do not know is refused: it would be a wish that nobody reads."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _keepable(cls, value: Any) -> Any:
        if isinstance(value, dict):
            bad = [str(name) for name, inner in value.items() if _unkeepable(name) or _unkeepable(inner)]
            if bad:
                raise ValueError("zero characters and broken Unicode cannot be kept")
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
