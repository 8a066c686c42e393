"""Notifications on the wire."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.kit.wire import EXAMPLE_ID, BodyIn
from marketplace.notifications.kinds import How


class NotificationOut(BaseModel):
    """What you were told of one event."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    kind: str = Field(examples=["orders_back"])
    subject: str = Field(examples=["Buy-back order CALL-7F3K2Q: 2 x 100-A"])
    text: str
    link: str = Field(examples=["/calls/0198c0de-0000-7000-8000-000000000001"], description="The page it is about.")
    urgent: bool = Field(description="About a stopped machine.")
    at: datetime
    read_at: datetime | None


class ReadIn(BodyIn):
    """Up to which one everything is marked as read; null: all of them."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"until": EXAMPLE_ID}, {"until": None}]})
    until: UUID | None = Field(
        default=None, description="The newest that you have seen: what came meanwhile stays unread."
    )


class ChoicesIn(BodyIn):
    """How you want to be told, by kind; kinds that are left out stay as they are."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"how": {"orders_back": "at_once", "settlement": "daily"}}]}
    )
    how: dict[str, How] = Field(max_length=50)


class ChoicesOut(BaseModel):
    """How you are told, by kind. Of stopped machines you are told at once whatever stands here."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"how": {"orders_back": "at_once", "settlement": "daily"}}]}
    )
    how: dict[str, How]
