"""The watch on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Word = Literal["lapse", "floor", "fast", "coverage"]
LevelWord = Literal["ordinary", "important", "vital"]
Years = Literal[1, 5, 10, 20]


class SettingIn(BaseModel):
    """What the watch looks for. A share of null: parts of that criticality are not held to any."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"horizon": 10, "ordinary": 0.5, "important": 0.8, "vital": 0.95, "lapse_months": 12, "missing_times": 3.0}
        },
    )  # fmt: skip

    horizon: Years = Field(description="Years that have to be covered.")
    ordinary: float | None = Field(gt=0, lt=1, description="Coverage that an ordinary part needs.")
    important: float | None = Field(gt=0, lt=1)
    vital: float | None = Field(gt=0, lt=1)
    lapse_months: int = Field(ge=1, le=120, description="Rights that end within so many months are told.")
    missing_times: float = Field(
        ge=0, le=1000, allow_inf_nan=False, description="What a missing unit costs, in unit costs."
    )


class LevelsIn(BaseModel):
    """How much hangs on parts of your own."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"part_ids": ["0192f0c4-7f6b-7a51-9b52-0d7c5d3f9a12"], "level": "vital"}},
    )
    part_ids: list[UUID] = Field(min_length=1, max_length=1_000)
    level: LevelWord


class CallIn(BaseModel):
    """Units to order back: as many as proposed, to your first site, unless said otherwise."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"units": 3, "site_id": None}})
    units: int | None = Field(default=None, ge=1, le=1_000_000)
    site_id: UUID | None = None


class CalledOut(BaseModel):
    """The parts request that was made."""

    model_config = ConfigDict(json_schema_extra={"example": {"requisition_id": "0192f0c4-7f6b-7a51-9b52-0d7c5d3f9a12"}})
    requisition_id: UUID


class WatchRunOut(BaseModel):
    """A look at everything. ``state``: waiting, running, done, failed."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "id": "0192f0c4-7f6b-7a51-9b52-0d7c5d3f9a12", "currency": "USD", "state": "running", "error": None, "setting": None, "totals": None,
                "created_at": "2026-01-05T03:43:00Z", "finished_at": None,
            }
        },
    )  # fmt: skip
    id: UUID
    currency: str
    state: str
    error: str | None
    setting: dict[str, Any] | None
    totals: dict[str, Any] | None = Field(
        description="Parts by finding, the list to order back, what is new; null until it is done."
    )
    created_at: datetime
    finished_at: datetime | None


class CoverageOut(BaseModel):
    """Probabilities that no demand goes unmet within so many years: of everything that can be reached, without what a legal hold or a
    suspension stops today, and without the one holder whose failing does most harm."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"years": 10, "sure": 0.83, "firm": 0.83, "one_fails": 0.41}}
    )
    years: int
    sure: float
    firm: float
    one_fails: float


class WatchRowOut(BaseModel):
    """A part as a run found it. Null: not known."""

    part_id: UUID
    part_number: str
    description: str
    found: list[Word]
    level: LevelWord
    own: int = Field(description="Free units of your own.")
    coming: int = Field(description="Ordered back already.")
    callable: int
    firm: int = Field(description="Callable, and nothing stops it today.")
    floor: int
    holders: int
    lapsing: int = Field(description="Units whose right ends within the months of the setting.")
    rate: float = Field(description="Units asked for a year.")
    use_rate: float | None = Field(
        description="Hazard a year with which its holders use units up, learnt from the ledger."
    )
    coverage: list[CoverageOut]
    least: float | None = Field(description="Coverage that its criticality asks for.")
    missing: float = Field(description="Demands that are expected to find nothing over the horizon.")
    at_stake: float = Field(description="What they would cost.")
    call_units: int
    call_cost: float | None = Field(
        description="By the clauses today, in the run's currency; null where it is not known."
    )
    call_sure: float
    call_missing: float
    requisition_id: UUID | None
    words: str
    rests_on: list[str] = Field(
        description="What the figures rest on, or leave out: renewals, declining minimums, currencies, prices that move."
    )


class WatchHolderOut(BaseModel):
    """How fast a holder uses units up, a year: what its clauses allow, what the ledger says, between what and what."""

    model_config = ConfigDict(from_attributes=True)
    holder_id: UUID
    holder: str
    units: int
    used: int
    unit_years: float
    assumed: float
    learnt: float
    low: float
    high: float
    fast: bool
