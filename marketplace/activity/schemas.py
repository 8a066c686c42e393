"""The activity log on the wire."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class ActivityOut(BaseModel):
    """Something that one of your people did. ``link``: the page of the record, empty where there is none."""

    model_config = ConfigDict(from_attributes=True)
    at: datetime
    source: str = Field(examples=["order_back"])
    kind: str = Field(examples=["accepted"])
    words: str = Field(examples=["Order back: accepted"])
    user_id: UUID
    person: str
    reference: str
    link: str
