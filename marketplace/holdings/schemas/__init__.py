"""Holdings on the wire."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from marketplace.agreements.missing import Became
from marketplace.holdings.queries import HoldingRow, WithdrawalRow
from marketplace.kit.wire import EXAMPLE_ID, BodyIn, Moment
from marketplace.ledger.entries import MAX_QUANTITY
from marketplace.ledger.kinds import Condition
from marketplace.ledger.queries import UnitLine


class HoldingOut(BaseModel):
    """Units of one part at one place under one agreement."""

    model_config = ConfigDict(from_attributes=True)
    part_id: UUID
    number: str
    description: str
    uom: str
    maker: str
    site_id: UUID | None
    site: str | None = Field(description="Null: in transit.")
    condition: Condition
    agreement_id: UUID | None
    agreement: str | None
    beneficiary_id: UUID | None
    beneficiary: str | None = Field(description="Who may order these units back.")
    owner_id: UUID | None = Field(description="Null where the maker hides its holders from you.")
    title_words: str = Field(
        description="Of units that stay the manufacturer's: until when; empty where they are yours."
    )
    owner: str
    quantity: int
    held: int = Field(description="Reserved.")
    frozen: int = Field(description="On quality hold.")
    withdrawn: int = Field(description="Said not to be on the shelf; waiting for a count.")
    free: int
    lots: int
    counted_at: datetime | None
    snapshot_on: date | None = Field(description="The day of the stock file that last named it; own stock only.")
    value: Decimal | None = Field(description="At the price paid, else at list.")
    currency: str | None
    badge: str | None = Field(examples=["Buy-back · until Nov 2034"])
    sentence: str | None
    window_closes_at: datetime | None

    @classmethod
    def of(cls, row: HoldingRow) -> HoldingOut:
        """The wire form; a hidden owner has no id."""
        return cls.model_validate(row).model_copy(update={} if row.owner_told else {"owner_id": None})


class ClauseTotalOut(BaseModel):
    """How much of what you hold is under which clause."""

    model_config = ConfigDict(from_attributes=True)
    clause: str | None
    currency: str | None
    quantity: int
    held: int
    lots: int
    parts: int
    value: Decimal | None


class StockLineOut(BaseModel):
    """One exact stock line."""

    model_config = ConfigDict(from_attributes=True)
    lot_id: UUID
    position_id: int
    part_id: UUID
    number: str
    description: str
    uom: str
    serial: str | None
    batch: str | None
    expires_on: date | None
    frozen: bool
    site_id: UUID | None
    site: str | None
    condition: Condition
    agreement_id: UUID | None
    agreement: str | None
    beneficiary: str | None
    quantity: int
    held: int
    confirmed_at: datetime | None = Field(default=None, description="When somebody last saw that the units are there.")
    confirmed_by: Literal["count", "scan", "movement"] | None = None


class WithdrawalOut(BaseModel):
    """Units waiting for a count. Where you hide your holders, told only roughly and without ids to those who may not
    see them."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    lot_id: UUID
    position_id: int
    part_id: UUID
    number: str
    holder_id: UUID | None
    holder: str
    site_id: UUID | None
    site: str | None
    quantity: int
    opened_at: datetime

    @classmethod
    def of(cls, row: WithdrawalRow) -> WithdrawalOut:
        """The wire form; what is veiled has no ids."""
        untold = {"holder_id": None, "site_id": None} if row.veiled else {}
        return cls.model_validate(row).model_copy(update=untold)


class LinePlaceOut(BaseModel):
    """Where some of a lot is. Where the maker hides its holders from you, companies and place are told only roughly,
    without ids and agreement; the agreement also where you are no party to it."""

    model_config = ConfigDict(from_attributes=True)
    position_id: int
    owner: str
    holder: str
    site_id: UUID | None
    site: str | None = Field(description="Null: in transit.")
    condition: Condition
    agreement_id: UUID | None
    beneficiary: str | None = Field(description="Who may order these units back.")
    quantity: int
    held: int
    counted_at: datetime | None = None
    confirmed_at: datetime | None = Field(default=None, description="When somebody last saw that the units are there.")
    confirmed_by: Literal["count", "scan", "movement"] | None = None

    @classmethod
    def of(cls, line: UnitLine, counted_at: datetime | None) -> LinePlaceOut:
        """The wire form; what is veiled has no ids."""
        untold: dict[str, None] = {"site_id": None, "agreement_id": None} if line.veiled else {}
        if not line.party:
            untold["agreement_id"] = None
        return cls.model_validate(line).model_copy(update={"counted_at": counted_at, **untold})


class RightOut(BaseModel):
    """What one agreement says about the part as things stand."""

    agreement_id: UUID | None = Field(description="Null where you are no party to it.")
    agreement: str | None
    status: str
    badge: str
    sentence: str
    remaining: int
    callable: int = Field(description="Units of the part that could be ordered back now, over all lots.")
    words: str = Field(examples=["6 callable, 3 reserved, 1 being counted"])


class HoldingDetailOut(BaseModel):
    """A unit or lot with everything that bears on it."""

    lot_id: UUID
    part_id: UUID
    number: str
    description: str
    maker: str
    serial: str | None
    batch: str | None
    uom: str
    frozen: bool
    expires_on: date | None
    lines: list[LinePlaceOut]
    rights: list[RightOut]
    withdrawals: list[WithdrawalOut]


class Which(BodyIn):
    """Which units: an exact stock line (lot_id, position_id), or part and site, where the system chooses: units
    nobody has a right in first, then those above the minimum to keep."""

    lot_id: UUID | None = None
    position_id: int | None = Field(default=None, ge=1)
    part_id: UUID | None = None
    site_id: UUID | None = None
    condition: Condition | None = None
    serial: str | None = Field(default=None, max_length=80)
    quantity: int = Field(ge=1, le=MAX_QUANTITY)
    note: str | None = Field(default=None, max_length=1000)
    occurred_at: Moment | None = Field(
        default=None,
        description="When it happened, if earlier than now. Before the notice of an order that is not over, the note names the "
        "record that shows it.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Which:
        exact = self.lot_id is not None and self.position_id is not None
        by_place = self.part_id is not None and self.site_id is not None
        if exact == by_place:
            raise ValueError("give either lot_id and position_id, or part_id and site_id")
        return self


class MoveIn(Which):
    """Units to another of your sites."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"part_id": EXAMPLE_ID, "site_id": EXAMPLE_ID, "quantity": 2, "to_site_id": EXAMPLE_ID}]
        }
    )
    to_site_id: UUID
    licence: str = Field(
        default="",
        max_length=200,
        description="Number of the export licence, where controlled units cross a border; kept in the note of the move.",
    )


class UseIn(Which):
    """Units issued to production, where they are used up."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"part_id": EXAMPLE_ID, "site_id": EXAMPLE_ID, "quantity": 2, "note": "job 4711"}]
        }
    )


class InstallIn(Which):
    """Units fitted into a machine."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"lot_id": EXAMPLE_ID, "position_id": 1, "quantity": 1, "machine": "320D SN FAL00123"}]
        }
    )
    machine: str = Field(min_length=1, max_length=200)


class ScrapIn(Which):
    """Units scrapped."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"part_id": EXAMPLE_ID, "site_id": EXAMPLE_ID, "quantity": 1, "reason": "corroded"}]
        }
    )
    reason: str = Field(min_length=1, max_length=200)


class TakenOut(BaseModel):
    """So many from one stock line."""

    model_config = ConfigDict(from_attributes=True)
    lot_id: UUID
    position_id: int
    serial: str | None
    quantity: int
    agreement_id: UUID | None
    agreement: str | None


class LeftOut(BaseModel):
    """What remains of a schedule, and how many of it must be kept."""

    model_config = ConfigDict(from_attributes=True)
    agreement_id: UUID
    agreement: str
    remaining: int
    minimum_to_keep: int


class OwedOut(BaseModel):
    """What is owed for units that stayed the manufacturer's until they were taken out."""

    model_config = ConfigDict(from_attributes=True)
    agreement: str
    quantity: int
    amount: Decimal
    currency: str
    due_on: date
    on_payment: bool = Field(description="They become yours when it is paid; otherwise they did at once.")


class DoneOut(BaseModel):
    """Which units were taken, and what remains."""

    model_config = ConfigDict(from_attributes=True)
    command_id: UUID
    taken: list[TakenOut]
    quantity: int
    left_here: int
    schedules: list[LeftOut]
    owed: list[OwedOut] = []


class CountIn(BodyIn):
    """What was found at a site."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"site_id": EXAMPLE_ID, "part_id": EXAMPLE_ID, "counted": 9}]}
    )
    site_id: UUID
    part_id: UUID
    counted: int = Field(ge=0, le=MAX_QUANTITY)
    condition: Condition | None = Field(default=None, description="Only for units found where none were on record.")
    note: str | None = Field(default=None, max_length=1000)


class CountedOut(BaseModel):
    """What a count found and changed."""

    model_config = ConfigDict(from_attributes=True)
    command_id: UUID
    expected: int
    counted: int
    adjusted: int
    withdrawn: int
    resolved: int
    put_right: int = Field(
        description="Units under agreements by which the record was lowered: the clause tolerates it."
    )
    breaches: list[str] = Field(description="What is a breach, in words: clause, section, what is at stake.")
    explain_by: datetime | None = Field(description="Until when you count again and say where the units are.")
    in_breach: list[UUID] = Field(description="The agreements under which it is a breach.")
    words: str


class SelectionIn(BodyIn):
    """Which units to put on quality hold, or to let go: lots, or a part with a batch or serial range."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"part_id": EXAMPLE_ID, "serial_from": "A100", "serial_to": "A199", "reason": "weld"}]
        }
    )
    lot_ids: list[UUID] | None = Field(default=None, min_length=1, max_length=5000)
    part_id: UUID | None = None
    batch: str | None = Field(default=None, max_length=80)
    serial_from: str | None = Field(default=None, max_length=80)
    serial_to: str | None = Field(default=None, max_length=80)
    reason: str = Field(default="", max_length=200)


class FrozenOut(BaseModel):
    """Which lots, and who holds them."""

    model_config = ConfigDict(from_attributes=True)
    command_id: UUID
    lot_ids: list[UUID]
    holders: list[UUID]


class CorrectIn(BodyIn):
    """Which stock transaction is taken back, and why."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"lot_id": EXAMPLE_ID, "seq": 4, "reason": "typed twice"}]}
    )
    lot_id: UUID
    seq: int = Field(ge=1)
    reason: str = Field(min_length=1, max_length=200)


class CorrectedOut(BaseModel):
    """The compensating transactions."""

    command_id: UUID
    entries: list[int] = Field(description="Numbers of the new stock transactions of the lot.")


class MissingIn(BodyIn):
    """What became of units under an agreement that are not there any more, or were found."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "agreement_id": EXAMPLE_ID, "part_id": EXAMPLE_ID, "site_id": EXAMPLE_ID, "became": "lost", "quantity": 1,
                    "note": "Roof leak over bay 4; photographs with our insurer, claim 4711.",
                }
            ]
        }
    )  # fmt: skip
    agreement_id: UUID
    part_id: UUID
    site_id: UUID = Field(description="Your site where they were kept.")
    became: Became
    quantity: int = Field(ge=1, le=MAX_QUANTITY)
    note: str = Field(default="", max_length=1_000, description="What happened, and how you know.")
    happened_at: Moment | None = Field(default=None, description="When, if earlier than now.")
    serial: str | None = Field(default=None, max_length=80, description="Names one unit.")
    machine: str | None = Field(default=None, max_length=200, description="Of fitted units.")
    to_site_id: UUID | None = Field(default=None, description="Of units that are at another of your sites.")


class PriceOwedOut(BaseModel):
    """The price of units that were the manufacturer's until they are taken out, and count as taken out now."""

    model_config = ConfigDict(from_attributes=True)
    units: int
    amount: Decimal
    currency: str
    due_on: date
    words: str


class MissingOut(BaseModel):
    """What became of units that were missing, who said so, and what is owed for them."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    shortage_id: UUID | None = Field(description="The shortage that it answers.")
    agreement_id: UUID
    agreement: str
    part_id: UUID
    number: str
    uom: str
    maker_id: UUID
    maker: str
    holder_id: UUID
    holder: str
    site_id: UUID
    site: str | None
    became: Became
    quantity: int
    without_leave: int = Field(description="Of them, those for which the agreement gave no leave.")
    below_minimum: int = Field(description="Of them, those that are missing from the minimum to keep.")
    line_kind: str | None = Field(
        description="Kind of the settlement line for breach, or for the loss; null where nothing is owed for that."
    )
    amount: Decimal = Field(description="Owed for breach, or for the loss.")
    currency: str
    due_on: date
    words: str = Field(description="What the agreement says of breach or loss.")
    price: PriceOwedOut | None = Field(
        description="Owed beside, by a line of its own, where the units count as taken out."
    )
    told: str = Field(description="All that is owed, with the sections and the days on which it is due.")
    note: str
    happened_at: datetime
    command_id: UUID
    company_id: UUID = Field(description="Which side said so.")
    at: datetime


class ShortageOut(BaseModel):
    """Units under an agreement that a count did not find, where the clause calls that a breach."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    agreement_id: UUID
    agreement: str
    part_id: UUID
    number: str
    uom: str
    maker_id: UUID
    maker: str
    holder_id: UUID
    holder: str
    site_id: UUID
    site: str | None
    recorded: int = Field(description="Units on record under the agreement when it was counted.")
    missing: int
    answered: int = Field(description="Of how many the holder has said what became of them.")
    left: int = Field(description="Of how many nobody has said so yet.")
    tolerated: int
    below_minimum: int
    at_stake: Decimal = Field(description="Owed if the holder took them out of the minimum to keep.")
    currency: str
    words: str
    opened_at: datetime
    counted_at: datetime
    explain_by: datetime = Field(description="Until when the holder counts again and says where they are (exclusive).")
    conclude_from: datetime = Field(
        description="From when the manufacturer may conclude that they are gone without leave."
    )
    status: Literal["open", "found", "explained"]
    ended_at: datetime | None
