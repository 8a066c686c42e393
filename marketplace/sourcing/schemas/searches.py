"""Saved searches on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.kit.wire import BodyIn
from marketplace.sourcing.queries import SavedSearchRow
from marketplace.sourcing.schemas.calls import Urgency
from marketplace.sourcing.searches import FILTERS, LONGEST_NAME, Kind, Search

_FILTERS = "; ".join(f"of {kind}: {', '.join(names)}" for kind, names in FILTERS.items())


class SearchIn(BodyIn):
    """What to look for, under a name of your own."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Pumps of line 4", "kind": "units", "numbers": "2815-01-234-5678", "urgency": "machine_down",
                    "filters": {"callable": "now", "region": "TX"},
                }
            ]
        }
    )  # fmt: skip
    name: str = Field(
        max_length=400, description=f"At most {LONGEST_NAME} characters, and not one that you use already."
    )
    kind: Kind = Field(default="units", description="units: where units are (`locate`); offers: what is on offer.")
    numbers: str = Field(default="", max_length=60_000, description="As people write them, up to 500, one a line.")
    filters: dict[str, str] = Field(default={}, max_length=20, description=f"Values by name, {_FILTERS}.")
    urgency: Urgency | None = Field(default=None, description="Of units; urgent if left out.")
    site_id: UUID | None = Field(
        default=None, description="Of units: where they are needed; your own site if left out."
    )

    def search(self) -> Search:
        """As the service takes it."""
        return Search(self.kind, self.numbers, self.filters, self.urgency, self.site_id)


class RenameIn(BodyIn):
    """Another name."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Pumps of line 5"}]})
    name: str = Field(max_length=400)


class NotifyIn(BodyIn):
    """Whether a search for offers tells you what is new or cheaper."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"notify": True}]})
    notify: bool


class SearchOut(BaseModel):
    """A search that you keep. In lists ``numbers`` holds the first 200 characters."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    name: str
    kind: Literal["units", "offers"]
    numbers: str
    count: int = Field(description="How many lines of numbers.")
    filters: dict[str, str]
    urgency: Urgency | None
    site_id: UUID | None
    created_at: datetime
    notify: bool = Field(description="Whether it tells you what is new or cheaper.")

    @classmethod
    def of(cls, row: SavedSearchRow) -> SearchOut:
        """The wire form."""
        return cls.model_validate(row)
