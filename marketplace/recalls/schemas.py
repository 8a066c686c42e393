"""Quality holds and recalls on the wire."""

from __future__ import annotations

from datetime import date, datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.kit.wire import EXAMPLE_ID, BodyIn, Day, Moment
from marketplace.recalls.queries import HolderRow, RecallRow
from marketplace.recalls.scope import MOST_SERIALS, Disposition, Progress, RecallKind, Scope, scope_of


class ScopeIn(BodyIn):
    """Which units; all of the part where nothing is named."""

    batch: str | None = Field(default=None, max_length=100)
    serial_from: str | None = Field(default=None, max_length=100, description="Shorter serial numbers come first.")
    serial_to: str | None = Field(default=None, max_length=100, description="Included.")
    serials: list[str] | None = Field(default=None, max_length=MOST_SERIALS, description="In place of a range.")

    def scope(self) -> Scope:
        """As it is kept. Raises ``recall.scope``."""
        return scope_of(self.batch, self.serial_from, self.serial_to, self.serials)


class PreviewIn(ScopeIn):
    """Of which part, and which units."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"part_id": EXAMPLE_ID, "serial_from": "A100", "serial_to": "A180"}]}
    )
    part_id: UUID


class RecallIn(PreviewIn):
    """What is put in force."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "part_id": EXAMPLE_ID, "kind": "recall", "serial_from": "A100", "serial_to": "A180",
                    "reason": "Weld seam may crack under load.", "instruction": "Set aside, send photographs of the seam.",
                    "document": "CAPA-2026-114", "answer_by": "2026-12-15T23:00:00Z",
                }
            ]
        }
    )  # fmt: skip
    kind: RecallKind = Field(description="Quality hold: stop and wait. Recall: send back or scrap as instructed.")
    reason: str = Field(min_length=1, max_length=1_000, description="Every holder reads it.")
    instruction: str = Field(min_length=1, max_length=1_000, description="What holders are to do.")
    document: str = Field(default="", max_length=200, description="Number or address of your document.")
    answer_by: Moment = Field(description="Until when holders say what they found.")


class ReachOut(BaseModel):
    """How much a hold reaches."""

    model_config = ConfigDict(from_attributes=True)
    lots: int
    units: int = Field(description="At sites.")
    sites: int
    reserved: int = Field(description="Of those at sites.")
    under_way: int
    installed: int = Field(description="In machines.")
    used_up: int = Field(description="Used before.")
    asked: int = Field(description="Of how many a holder is asked to say where they are.")


class PreviewOut(BaseModel):
    """What a hold would stop now, and at how many companies."""

    holders: int
    reach: ReachOut


class RecallOut(BaseModel):
    """A quality hold or recall. Lots, holders and answers are those that you may see: a holder sees its own alone."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    maker_id: UUID
    maker: str
    reference: str
    part_id: UUID
    number: str
    description: str
    kind: RecallKind
    batch: str | None
    serial_from: str | None
    serial_to: str | None
    serials: list[str] | None
    reason: str
    instruction: str
    document: str
    last_day: datetime = Field(description="Until when holders are asked to answer.")
    put_at: datetime
    lots: int
    standing: int = Field(description="Lots that are not lifted yet.")
    holders: int
    answered: int
    seen: int = Field(description="Read it, and are still in time to answer.")
    overdue: int
    stands: bool
    ended_at: datetime | None
    concerned: bool = Field(description="Whether your company has or had such units.")
    answer_by: datetime | None = Field(description="Your own last moment to answer.")
    read_at: datetime | None
    answered_at: datetime | None
    mine: bool = Field(description="Whether your company put it in force.")

    @classmethod
    def of(cls, row: RecallRow) -> Self:
        """The wire form."""
        return cls.model_validate(row)


class AnswerOut(BaseModel):
    """What a holder said last."""

    model_config = ConfigDict(from_attributes=True)
    found: int
    set_aside: int
    used_before: int
    used_on: date | None
    not_here: int
    note: str


class HolderOut(BaseModel):
    """A company that a hold concerns."""

    holder_id: UUID | None = Field(description="Null where you are not told who it is.")
    holder: str
    reach: ReachOut
    since: datetime
    answer_by: datetime
    told_at: datetime | None
    read_at: datetime | None
    answered_at: datetime | None
    progress: Progress
    answer: AnswerOut | None
    more: int = Field(description="Units that came to it after its answer.")

    @classmethod
    def of(cls, row: HolderRow, now: datetime) -> Self:
        """The wire form; who is not told has no id."""
        return cls(
            holder_id=row.holder_id if row.told else None, holder=row.holder,
            reach=ReachOut.model_validate(row.reach), since=row.since, answer_by=row.answer_by, told_at=row.told_at,
            read_at=row.read_at, answered_at=row.answered_at, progress=row.progress(now),
            answer=AnswerOut.model_validate(row.answer) if row.answer else None, more=row.more,
        )  # fmt: skip


class StoppedUnitOut(BaseModel):
    """A lot that a hold reached."""

    model_config = ConfigDict(from_attributes=True)
    lot_id: UUID
    serial: str | None
    batch: str | None
    quantity: int = Field(description="0: fitted, used or gone.")
    holder: str
    site: str | None
    in_transit: bool
    at: datetime = Field(description="Since when it is stopped.")
    lifted: Disposition | None


class LiftOut(BaseModel):
    """An end of a hold, of all units or some."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    batch: str | None
    serial_from: str | None
    serial_to: str | None
    serials: list[str] | None
    whole: bool
    disposition: Disposition
    reason: str
    lifted_at: datetime
    lots: int


class RecallDetailOut(RecallOut):
    """With its ends, newest first, and your own part in it."""

    lifts: list[LiftOut]
    own: HolderOut | None


class RecallAnswerIn(BodyIn):
    """What you found. Your numbers account for every unit that you are asked about."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"found": 6, "set_aside": 6, "used_before": 2, "used_on": "2026-10-02", "not_here": 0, "note": ""}
            ]
        }
    )
    found: int = Field(ge=0, le=1_000_000_000)
    set_aside: int = Field(ge=0, le=1_000_000_000)
    used_before: int = Field(default=0, ge=0, le=1_000_000_000, description="Used or fitted before.")
    used_on: Day | None = None
    not_here: int = Field(default=0, ge=0, le=1_000_000_000)
    note: str = Field(default="", max_length=500)


class RecallLiftIn(ScopeIn):
    """That the hold ends, for which units (all where none are named), and what becomes of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"serials": ["A100", "A101"], "disposition": "released", "reason": "Seam tested: sound."}]
        }
    )
    disposition: Disposition
    reason: str = Field(min_length=1, max_length=1_000, description="Every holder reads it.")
