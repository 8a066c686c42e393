"""Many parts requests, plans over them, and rates on the wire."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.kit.wire import EXAMPLE_ID, BodyIn, Day, Moment
from marketplace.sourcing.allocation import Rules
from marketplace.sourcing.many import WhatIf
from marketplace.sourcing.queries import PlanRow
from marketplace.sourcing.schemas.calls import ChosenPlace, PlaceNotCallable, PlannedPlace, Urgency
from marketplace.sourcing.service.raising_many import Fate, Row

_MOST_MONEY = 10**13


class BulkRowIn(BodyIn):
    """A row: the part by ``part_id``, or by its number as it is written (``number``); only an exact number leads to a part."""

    number: str = Field(default="", max_length=512, description="As it is written, or as a label was scanned.")
    part_id: UUID | None = None
    quantity: int
    destination_site_id: UUID
    needed_by: Moment
    urgency: str = Field(default="stock_order", max_length=40, description="machine_down, urgent or stock_order.")
    machine_model: str = Field(default="", max_length=200)
    machine_serial: str = Field(default="", max_length=200)
    job_number: str = Field(default="", max_length=200)
    kit: str = Field(default="", max_length=200, description="Requests of one kit are planned whole or not at all.")
    substitutes: bool = False
    complete_only: bool = Field(default=False, description="All of the quantity, or nothing.")

    def row(self) -> Row:
        """As the service takes it."""
        return Row(**self.model_dump())


class BulkIn(BodyIn):
    """Many parts requests. ``all_or_nothing``: one bad row stops all; ``good_rows``: the others are stored."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "rows": [
                        {
                            "number": "8980-12", "quantity": 2, "destination_site_id": EXAMPLE_ID,
                            "needed_by": "2026-12-31T12:00:00Z", "urgency": "stock_order", "job_number": "WO-7",
                        }
                    ]
                }
            ]
        }
    )  # fmt: skip
    rows: list[BulkRowIn] = Field(min_length=1, max_length=1_000)
    mode: Literal["all_or_nothing", "good_rows"] = "all_or_nothing"


class ChangeIn(BodyIn):
    """What a parts request should say from now on; what is left out stays. ``dry_run``: only what it would do is answered."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"quantity": 2, "urgency": "urgent", "dry_run": True}]})
    quantity: int | None = Field(default=None, ge=1)
    needed_by: Moment | None = None
    urgency: Urgency | None = None
    destination_site_id: UUID | None = None
    job_number: str | None = Field(default=None, max_length=120)
    machine_model: str | None = Field(default=None, max_length=120)
    machine_serial: str | None = Field(default=None, max_length=120)
    substitutes: bool | None = None
    complete_only: bool | None = None
    kit: str | None = Field(default=None, max_length=120)
    dry_run: bool = False


class OrderThen(BaseModel):
    """An order of the request."""

    id: UUID
    reference: str
    holder: str
    quantity: int


class ChangedOut(BaseModel):
    """What the change does: orders taken back, orders that no longer fit and stay because they are bound or on their way."""

    taken_back: list[OrderThen]
    staying: list[OrderThen]
    too_many: int = Field(description="Units on order beyond what is wanted.")
    lacking: int = Field(description="Units to be ordered then.")
    words: list[str]


class ReasonOut(BaseModel):
    """One thing wrong with one field of a row."""

    field: str
    code: str
    message: str


class LeftOutRow(BaseModel):
    """A row that became no request, and every reason."""

    row: int = Field(description="Counted from 0.")
    number: str
    reasons: list[ReasonOut]


class BulkOut(BaseModel):
    """The requests that were raised, in the order of the rows, and the rows that were not."""

    ids: list[UUID]
    left_out: list[LeftOutRow]

    @classmethod
    def of(cls, ids: list[UUID], left: list[Fate], rows: list[Row]) -> BulkOut:
        """The wire form."""
        at = {id(row): n for n, row in enumerate(rows)}
        return cls(
            ids=ids,
            left_out=[
                LeftOutRow(
                    row=at[id(fate.row)], number=fate.row.number,
                    reasons=[ReasonOut(field=e.field, code=e.code, message=e.message) for e in fate.problems],
                )
                for fate in left
            ],
        )  # fmt: skip


class RulesIn(BodyIn):
    """How to plan, and what if. Amounts are in the currency of your company."""

    first: Literal["own", "pool"] = Field(
        default="own", description="Which units come first where they arrive in time; `pool` keeps your own stock."
    )
    ties: Literal["spread", "concentrate"] = Field(default="spread", description="Over holders that cost the same.")
    holder_units: int | None = Field(default=None, ge=1, le=10**9, description="At most so many units of one holder.")
    holder_orders: int | None = Field(
        default=None, ge=1, le=10_000, description="At most so many orders to one holder."
    )
    holder_money_minor: int | None = Field(
        default=None, ge=0, le=_MOST_MONEY, description="At most so much to one holder."
    )
    budget_minor: int | None = Field(default=None, ge=0, le=_MOST_MONEY, description="At most so much in all.")
    without: list[UUID] = Field(default=[], max_length=500, description="Holders to leave out (`holder_key`).")
    shift_days: int = Field(default=0, ge=-365, le=365, description="What if everything is needed so many days later.")

    def asked(self) -> WhatIf:
        """As the service takes it."""
        return WhatIf(
            Rules(
                first=self.first, ties=self.ties, holder_units=self.holder_units, holder_orders=self.holder_orders,
                holder_money=self.holder_money_minor, budget=self.budget_minor, without=frozenset(map(str, self.without)),
            ),
            self.shift_days,
        )  # fmt: skip


class PlanIn(BodyIn):
    """Which parts requests to plan together (left out: all of yours that lack something, the first 1,000 by when they are needed),
    and how. ``dry_run``: nothing is kept."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"requests": [EXAMPLE_ID], "rules": {"first": "own"}, "dry_run": True}]}
    )
    requests: list[UUID] | None = Field(default=None, min_length=1, max_length=1_000)
    rules: RulesIn = Field(default_factory=RulesIn)
    dry_run: bool = False


class ChosenOfMany(ChosenPlace):
    """So many from here, and why. ``stands_in``: another number than the one asked for."""

    why: str
    stands_in: bool
    holder_key: str | None = Field(description="To leave this holder out in a what-if; null for own and hidden ones.")


class LeftOfMany(PlannedPlace):
    """A place that was left alone: by how much a unit would weigh more, how many days later it comes, and why."""

    key: str
    more_minor: int
    later_days: int
    possible: bool = Field(description="Whether it could be taken instead.")
    why: str
    stands_in: bool
    holder_key: str | None


class RequestOfMany(BaseModel):
    """What the plan says of one request."""

    id: UUID
    reference: str
    part_id: UUID
    part_number: str
    description: str
    uom: str
    lacking: int
    needed_by: datetime
    urgency: str
    destination: str | None
    complete_only: bool
    kit: str
    chosen: list[ChosenOfMany]
    unmet: int
    unmet_why: str | None
    next_best: LeftOfMany | None
    not_chosen: list[LeftOfMany]
    not_chosen_more: int = Field(description="So many more places were not chosen.")
    not_callable: list[PlaceNotCallable]


class ManyOut(BaseModel):
    """A plan over many requests. ``proven``: no better one exists under these rules."""

    id: UUID | None = Field(default=None, description="To confirm it by; null for what was only asked.")
    made_at: datetime
    currency: str
    total_minor: int = Field(description="With freight and handling, in minor units of `currency`.")
    proven: bool
    rules: dict[str, Any]
    rates: list[str]
    units: int
    lacking: int
    unmet: int
    late: int = Field(description="Requests of which something comes after it is needed.")
    requests: list[RequestOfMany]
    confirmed_at: datetime | None = None
    calls: list[UUID] = []


class PlanLine(BaseModel):
    """A kept plan in a list."""

    id: UUID
    reference: str
    made_at: datetime
    requests: int
    units: int
    unmet: int
    total_minor: int
    currency: str
    confirmed_at: datetime | None

    @classmethod
    def of(cls, row: PlanRow) -> PlanLine:
        """The wire form."""
        return cls(
            id=row.id, reference=row.reference, made_at=row.made_at, requests=len(row.requests), units=row.units,
            unmet=row.unmet, total_minor=row.total_minor, currency=row.currency, confirmed_at=row.confirmed_at,
        )  # fmt: skip


class ConfirmedOut(BaseModel):
    """The orders that a plan made; ``waiting`` of them wait for an approver."""

    plan_id: UUID
    calls: list[UUID]
    waiting: int


class RateIn(BodyIn):
    """So many units of ``into`` for one of ``currency`` on a day, and whose figure it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "currency": "EUR",
                    "into": "USD",
                    "day": "2026-11-27",
                    "rate": "1.0712",
                    "source": "ECB reference rate",
                }
            ]
        }
    )
    currency: str = Field(max_length=3)
    into: str = Field(max_length=3)
    day: Day
    rate: Decimal = Field(gt=0, max_digits=17, decimal_places=9)
    source: str = Field(max_length=120)


class RateOut(BaseModel):
    """The newest rate of a currency."""

    currency: str
    into: str
    day: date
    rate: Decimal
    source: str
