"""The log on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.kit.wire import BodyIn
from marketplace.parts.schemas import PartOut

_LINE = "\u2014 witness.example/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA=="
_VKEY = "witness.example/w1+8d66cf3f+BFo7bHhVvR0hVfKpxw8cFvB0N2gnbK0MPyTcMZlUeTzs"


class CheckpointOut(BaseModel):
    """A size of the log that was signed."""

    size: int
    root: str = Field(description="Hex.")
    signed_at: datetime
    cosigned: list[str] = Field(description="Names of the witnesses that have put their line under it.")
    note: str = Field(description="The signed note with all its lines.")


class WitnessIn(BodyIn):
    """The public key of a witness that your company runs."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"vkey": _VKEY}]})
    vkey: str = Field(max_length=400, description="What 'backstock witness key' prints: name+hex+base64.")


class WitnessOut(BaseModel):
    """A witness, and the largest size that it has cosigned."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    company: str
    name: str
    vkey: str
    registered_at: datetime
    retired_at: datetime | None
    size: int | None = Field(description="The largest size that it has cosigned.")
    said_at: datetime | None


class CosignatureIn(BodyIn):
    """A witness's line under the checkpoint of a size. The line says by itself who has signed it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"size": 20852163, "line": _LINE}]})
    size: int = Field(ge=1)
    line: str = Field(max_length=2_000)


class CosignatureOut(BaseModel):
    """A line that was taken."""

    size: int
    witness: str
    said_at: datetime


class EvidenceIn(BodyIn):
    """A checkpoint that this log has signed, as somebody was shown it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"note": "log.example/log/1\n12\n...\n\n\u2014 log.example/log/1 ...\n"}]}
    )
    note: str = Field(max_length=100_000)


class EvidenceOut(BaseModel):
    """What the log says to it. ``fits`` false: an alarm was put on record."""

    fits: bool
    words: str


class FedOut(BaseModel):
    """A movement with its place in the log: its record as it is committed to (the description of the format has every field)."""

    position: int
    movement: dict[str, Any]


class FeedOut(BaseModel):
    """Movements by position."""

    items: list[FedOut]
    next: int = Field(description="Give it as after next time.")
    size: int = Field(description="Positions that the log has given.")
    caught_up: bool = Field(description="Whether there is nothing more for now.")


class LogStatusOut(BaseModel):
    """How the log stands."""

    origin: str | None = Field(description="Null before the first entry.")
    size: int
    signed: int = Field(description="The size of the latest checkpoint.")
    waiting: int = Field(description="Movements that are not sequenced yet, counted to 10,000.")
    waiting_since: datetime | None
    alarms: int = Field(description="Alarms on record.")


class UnitHit(BaseModel):
    """A unit on record that you may see; ``serial`` is empty for a lot without one."""

    model_config = ConfigDict(from_attributes=True)
    lot_id: UUID
    serial: str = Field(examples=["77-0042"])
    part_id: UUID
    part_number: str
    description: str


class ScannedOut(BaseModel):
    """What a scanned text says, and where it leads."""

    kind: str = Field(description="unit_link, digital_link, gs1, iso15434, nsn or plain.", examples=["gs1"])
    numbers: list[str] = Field(description="Numbers of the part, the maker's own first.", examples=[["4711-9"]])
    serial: str | None = None
    batch: str | None = None
    words: str = Field(examples=["part 4711-9, serial A7"])
    units: list[UnitHit] = Field(description="Units with this serial of this part that you may see.")
    parts: list[PartOut] = Field(description="Parts with exactly the first of the numbers that is known.")
    elsewhere: list[UnitHit] = Field(
        description="The serial is on record with other parts than the label names; never taken for it."
    )
