"""The past on the wire."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.ledger.kinds import Condition
from marketplace.ledger.queries import ChangeRow


class _Place(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    part_id: UUID
    part_number: str
    uom: str
    owner: str
    holder: str
    site: str | None = Field(description="Null: in transit.")
    condition: Condition
    agreement_id: UUID | None
    lot_id: UUID
    position_id: int


class UnitThenOut(_Place):
    """How many units of one lot were at one place."""

    serial: str | None
    batch: str | None
    quantity: int


class PlaceThenOut(_Place):
    """How many units of a part were at one place. `lot_id` and `position_id` are of one of the lines there."""

    description: str
    quantity: int
    lots: int


class FlowOut(BaseModel):
    """`before`, more `came`, `registered`, `found`, `removed` and `counted`, less `left`, `used`, `fitted`, `scrapped` and
    `lost`, is `after`. A correction counts against what it takes back, so that a number can be negative."""

    model_config = ConfigDict(from_attributes=True)
    before: int
    came: int = Field(description="From another place, owner, condition or agreement.")
    registered: int
    found: int
    removed: int = Field(description="Taken out of machines.")
    left: int = Field(description="For another place, owner, condition or agreement.")
    used: int
    fitted: int
    scrapped: int
    lost: int
    counted: int = Field(description="More (fewer, if negative) after a count.")
    after: int


class PlaceChangeOut(_Place):
    """What came to one place and left it. `lot_id` and `position_id` name the place for `/holdings/as-of/changes`."""

    description: str
    flow: FlowOut


class ChangeOut(BaseModel):
    """A stock transaction that only one of two times has; `counts` is -1 where that is the earlier one."""

    lot_id: UUID
    seq: int
    part_id: UUID
    part_number: str
    serial: str | None
    kind: str = Field(description="What it did; for a posted reservation, what the units were posted as.")
    quantity: int
    counts: int
    occurred_at: datetime
    recorded_at: datetime
    company: str = Field(description="Who recorded it.")
    from_owner: str | None
    from_holder: str | None
    from_site: str | None
    to_owner: str | None
    to_holder: str | None
    to_site: str | None
    corrects: int | None = Field(description="The `seq` of the entry of the same lot that it takes back.")
    reason: str | None

    @classmethod
    def of(cls, row: ChangeRow) -> ChangeOut:
        """The wire form."""
        m = row.movement
        return cls(
            lot_id=m.lot_id, seq=m.seq, part_id=row.part_id, part_number=row.part_number, serial=row.serial,
            kind=m.purpose or m.kind, quantity=m.quantity, counts=row.counts, occurred_at=m.occurred_at,
            recorded_at=m.recorded_at, company=m.company, from_owner=m.from_owner, from_holder=m.from_holder,
            from_site=m.from_site, to_owner=m.to_owner, to_holder=m.to_holder, to_site=m.to_site, corrects=m.corrects,
            reason=m.reason,
        )  # fmt: skip
