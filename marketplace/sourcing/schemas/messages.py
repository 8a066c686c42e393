"""Messages on orders back, on the wire."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.kit.wire import BodyIn


class MessageIn(BodyIn):
    """What you write to the other side."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "The truck comes on Tuesday before noon."}]})
    text: str = Field(max_length=10_000, description="At most 2,000 characters.")


class MessageOut(BaseModel):
    """A message on an order back, as both sides see it."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    company_id: UUID
    company: str = Field(examples=["Lone Mesquite Mining"], description="Who wrote it.")
    author: str | None = Field(description="The person, for its own company; null for the other side.")
    text: str
    at: datetime
