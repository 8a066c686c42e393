"""What histories and advice look like on the wire."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.advising.scenarios import Limits
from marketplace.kit.wire import BodyIn
from marketplace.planning.advice import Policy
from marketplace.planning.clauses import USUAL


class DemandFileOut(BaseModel):
    """A file of demand and what came of it. ``step``: waiting, done, failed."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "id": "0192f0c4-7f6b-7a51-9b52-0d7c5d3f9a10", "file_name": "demand-2021-2025.csv", "maker": None, "step": "done", "error": None,
                "first_month": "2021-01-01", "last_month": "2025-12-01", "months": 60, "numbers": 1604, "parts": 1588, "odd": 41,
                "created_at": "2026-01-05T08:00:00Z", "finished_at": "2026-01-05T08:00:02Z", "withdrawn_at": None,
            }
        },
    )  # fmt: skip

    id: UUID
    file_name: str
    file_size: int
    maker: str | None = Field(description="Whose numbers it writes; null: the company's own makers'.")
    step: str
    error: str | None
    first_month: date | None
    last_month: date | None
    months: int
    numbers: int = Field(description="Part numbers that it names.")
    parts: int = Field(description="Parts that it gave a history.")
    odd: int = Field(description="Things that were odd in it: read them under /issues.")
    created_at: datetime
    finished_at: datetime | None
    withdrawn_at: datetime | None


class DemandUploadedOut(DemandFileOut):
    """As a demand file; ``repeated``: the newest file was this one already, and nothing was brought in twice."""

    repeated: bool


class DemandIssueOut(BaseModel):
    """One thing that was odd: in which row (0: the whole file, or more than one row), of which number, in words."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {"no": 1, "row_no": 12, "part_number": "57114-TTA", "message": "'n.v.' is no number of units: the month is left out."}
        },
    )  # fmt: skip

    no: int
    row_no: int
    part_number: str
    message: str


class MonthOut(BaseModel):
    """One month of a part: units asked for, negative where more came back, null where nothing is on record."""

    month: date
    units: float | None
    import_id: UUID | None = Field(description="The file that says so.")


class HistoryOut(BaseModel):
    """What counts for a part, month by month."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "part_id": "0192f0c4-7f6b-7a51-9b52-0d7c5d3f9a11",
                "months": [{"month": "2025-11-01", "units": 2.0, "import_id": "0192f0c4-7f6b-7a51-9b52-0d7c5d3f9a10"}, {"month": "2025-12-01", "units": None, "import_id": None}],
            }
        }
    )  # fmt: skip

    part_id: UUID
    months: list[MonthOut]


AdviceWord = Literal["none", "keep", "release", "scrap"]
ClassWord = Literal["unknown", "silent", "rare", "smooth", "intermittent", "erratic", "lumpy"]
MarkWord = Literal[
    "protected", "no_price", "other_currency", "no_history", "short", "silent", "gaps", "returns", "outliers", "packs", "stopped", "replaced",
    "pooled", "unsteady", "several", "stated",
]  # fmt: skip


class PolicyIn(BodyIn):
    """What holds for all parts of a run. Shares are of a unit's cost, interest and hazards a year: 12 % is 0.12."""

    model_config = ConfigDict(json_schema_extra={"example": {"horizon": 20, "interest": 0.08, "hazard": 0.1}})

    horizon: float = Field(default=20.0, description="Years that demand has to be covered, 0 to 100.")
    interest: float = 0.08
    obsolescence: float = 0.02
    hazard: float = Field(
        default=0.1, description="Share of the units with partners that they use up a year, up to 10."
    )
    value_times: float = Field(default=3.0, description="What a missing unit costs, in unit costs.")
    price_share: float = Field(
        default=0.6, description="What a partner pays for a unit that it may do with as it likes."
    )
    holding_share: float = 0.12
    scrap_share: float = 0.05
    call_share: float = 0.05
    presets: list[str] = Field(default=list(USUAL), min_length=1, max_length=10, description="Terms to release under.")
    renewed: bool = Field(default=False, description="Rights are taken to be renewed to the horizon.")
    learn: bool = Field(
        default=True, description="Partners' own use, as the ledger tells it, counts instead of what is assumed of it."
    )
    exact_parts: int = Field(
        default=50,
        ge=0,
        le=1_000,
        description="So many parts, those with most money in stock, are decided by the exact programme.",
    )

    def policy(self) -> Policy:
        """As the core takes it. Raises what ``Policy.check`` raises."""
        given = self.model_dump(include=set(PolicyIn.model_fields))
        made = Policy(**{**given, "presets": tuple(self.presets)})
        made.check()
        return made


class LimitsIn(BodyIn):
    """What all parts together, or each of a criticality, have to keep."""

    cash: float = Field(default=0.0, ge=0, description="Money that has to come in at once.")
    kept: float | None = Field(default=None, ge=0, description="Units that there is room for in all.")
    least: dict[Literal["ordinary", "important", "vital"], float] = Field(
        default_factory=dict, description="Coverage that each part of a criticality has to reach, 0 to 1."
    )
    share: float | None = Field(
        default=None, ge=0, le=1, description="Instead of the others: a point of the frontier, by its share."
    )

    def limits(self) -> Limits:
        """As the core takes it."""
        return Limits(self.cash, self.kept, {LEVEL_WORDS.index(k): v for k, v in self.least.items()}, self.share)


LEVEL_WORDS = ("ordinary", "important", "vital")


class RunIn(PolicyIn):
    """A run; as a scenario it has a name, and ``base_id`` is the run that it is compared with."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"horizon": 20, "hazard": 0.5, "name": "Fast partners", "base_id": "0192f0c4-7f6b-7a51-9b52-0d7c5d3f9a12", "limits": {"cash": 50000}}
        }
    )  # fmt: skip

    name: str | None = Field(default=None, max_length=80)
    base_id: UUID | None = None
    limits: LimitsIn | None = None


class RunOut(BaseModel):
    """A run of the advisor. ``state``: waiting, running, done, failed."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "id": "0192f0c4-7f6b-7a51-9b52-0d7c5d3f9a12", "policy": {"horizon": 20.0, "interest": 0.08}, "currency": "USD", "state": "running", "name": None, "base_id": None, "limits": None,
                "stage": "Deciding", "done": 65536, "total": 1000000, "error": None, "totals": None, "created_at": "2026-01-05T08:00:00Z", "finished_at": None,
            }
        },
    )  # fmt: skip

    id: UUID
    policy: dict[str, Any]
    currency: str
    state: str
    stage: str
    done: int
    total: int
    error: str | None
    totals: dict[str, Any] | None = Field(
        description="Sums over all parts, and by advice, class and terms, calibration by class, use of partners, and what is left when one fails; null until it is done."
    )
    name: str | None
    base_id: UUID | None = Field(description="Of a scenario: the run that it is compared with.")
    limits: dict[str, Any] | None
    created_at: datetime
    finished_at: datetime | None


class AdviceRowOut(BaseModel):
    """What is advised for one part. Coverage and intervals are probabilities; money is in the run's currency."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "part_id": "0192f0c4-7f6b-7a51-9b52-0d7c5d3f9a11", "part_number": "57114-TTA", "description": "Compressor rotor", "unit": "EA", "class": "lumpy", "rate": 0.3, "rate_low": 0.1, "rate_high": 0.6,
                "decline": 0.1, "stock": 10, "cost": 180.0, "advice": "release", "keep": 0, "release": 10, "scrap": 0, "preset": "access-first", "floor": 3, "cash": 918.0, "worth": 3029.0,
                "worth_scrapped": 600.0, "worth_kept": -530.0, "stake": 3559.0, "coverage_before": 0.99, "coverage_after": 0.91, "coverage_cautious": 0.78, "price_needed": 96.0, "hazard": 0.5, "hazard_from": "assumed", "criticality": "ordinary", "exact": True, "steady": True,
                "marks": [], "why": "Release 10 under Access first with 3 to keep (fast users, hazard 0.5 a year): 3,029 against 600 from scrapping and -530 from keeping all; 91 % sure to cover 20 years.",
            }
        }
    )  # fmt: skip

    part_id: UUID
    part_number: str
    description: str
    unit: str
    class_: ClassWord = Field(alias="class")
    rate: float = Field(description="Units a year, now, with its 80 % interval.")
    rate_low: float
    rate_high: float
    decline: float
    stock: int
    cost: float | None
    advice: AdviceWord
    keep: int
    release: int
    scrap: int
    preset: str | None
    floor: int = Field(description="Units that the partner must keep.")
    cash: float
    worth: float
    worth_scrapped: float
    worth_kept: float
    stake: float = Field(description="What the advice is worth more than keeping everything.")
    coverage_before: float
    coverage_after: float
    coverage_cautious: float = Field(description="After, with demand at the upper end of its interval.")
    price_needed: float | None
    hazard: float
    hazard_from: Literal["assumed", "clause", "terms", "partners"] = Field(
        description="Assumed; what the clause allows; learnt from all partners under such terms; or from those that hold the part."
    )
    criticality: Literal["ordinary", "important", "vital"]
    exact: bool
    steady: bool
    marks: list[MarkWord]
    why: str


class AcceptIn(BodyIn):
    """Which advice to take: these parts, or all that match and nobody has decided on (``part_ids`` null)."""

    model_config = ConfigDict(json_schema_extra={"example": {"part_ids": ["0192f0c4-7f6b-7a51-9b52-0d7c5d3f9a11"]}})

    part_ids: list[UUID] | None = Field(default=None, min_length=1, max_length=1_000)
    demand_class: ClassWord | None = None
    mark: MarkWord | None = None
    use_class: Literal["intermediate_good", "non_capital_spare"] = "non_capital_spare"


class AcceptedOut(BaseModel):
    """The draft postings that were made, one for each set of terms."""

    model_config = ConfigDict(json_schema_extra={"example": {"releases": ["0192f0c4-7f6b-7a51-9b52-0d7c5d3f9a13"]}})

    releases: list[UUID]


class DecideIn(BodyIn):
    """Another decision than the advice, and why. ``release`` 0 keeps all."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "release": 5,
                "preset": "standard-buy-back",
                "floor": 0,
                "reason": "Two more machines go to the customer next year.",
            }
        }
    )

    release: int = Field(ge=0, le=1_000_000_000)
    preset: str | None = None
    floor: int = Field(default=0, ge=0, le=1_000_000_000)
    reason: str = Field(max_length=500)
    use_class: Literal["intermediate_good", "non_capital_spare"] = "non_capital_spare"


class PointOut(BaseModel):
    """One point of the frontier: no other choice brings more cash at once and more coverage."""

    share: float = Field(
        description="How far from the most coverage (0) to the most cash (1); a scenario names it in its limits."
    )
    cash: float
    sure: float = Field(
        description="Share of the parts that are expected to see no demand go unmet; an important part counts twice, a vital one three times."
    )
    worth: float
    keep: float
    release: float
    scrap: float


class FrontierOut(BaseModel):
    """Money released against coverage, and where the run itself stands."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"currency": "USD", "cash": 41000.0, "sure": 0.93, "points": [{"share": 0.5, "cash": 40500.0, "sure": 0.95, "worth": 90000.0, "keep": 120, "release": 400, "scrap": 30}]}
        }
    )  # fmt: skip

    currency: str
    cash: float
    sure: float
    points: list[PointOut]


class ComparedOut(BaseModel):
    """One of the runs side by side."""

    run_id: UUID
    name: str | None
    created_at: datetime
    cash: float
    sure: float = Field(description="Weighted coverage as advised.")
    keep: int
    release: int
    scrap: int
    worth: float
    below: int = Field(description="Parts that are covered less than their criticality asks for.")
    differ: int | None = Field(
        description="Parts of which something else is advised than by the run that it was made from; null for a run of its own."
    )
    apart: float | None = Field(description="The cash at once between them.")


class ComparisonOut(BaseModel):
    """Two to four runs side by side, in the order in which they were asked for."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"runs": [{"run_id": "0192f0c4-7f6b-7a51-9b52-0d7c5d3f9a12", "name": "Fast partners", "created_at": "2026-01-05T08:00:00Z", "cash": 41000.0, "sure": 0.93, "keep": 120, "release": 400, "scrap": 30, "worth": 90000.0, "below": 3, "differ": 41, "apart": -1200.0}]}
        }
    )  # fmt: skip

    runs: list[ComparedOut]


class DifferenceOut(BaseModel):
    """A part of which a scenario advises something else; ``was_*`` is the other run, null where that said nothing of the part."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {"part_id": "0192f0c4-7f6b-7a51-9b52-0d7c5d3f9a11", "part_number": "57114-TTA", "description": "Compressor rotor", "uom": "EA", "keep": 4, "release": 6, "scrap": 0, "cash": 550.0, "was_keep": 0, "was_release": 10, "was_scrap": 0, "was_cash": 918.0, "apart": -368.0}
        },
    )  # fmt: skip

    part_id: UUID
    part_number: str
    description: str
    uom: str
    keep: int
    release: int
    scrap: int
    cash: float
    was_keep: int | None
    was_release: int | None
    was_scrap: int | None
    was_cash: float | None
    apart: float


DecidedWord = Literal["advised", "otherwise", "none"]


class OutcomeOut(BaseModel):
    """What was advised for a part, what was decided, and what came of it since."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "part_id": "0192f0c4-7f6b-7a51-9b52-0d7c5d3f9a11", "part_number": "57114-TTA", "keep": 0, "release": 10, "scrap": 0, "decided": "otherwise", "decided_release": 5,
                "reason": "Two more machines go to the customer.", "released": 5, "sold": 3, "called": 1, "used": 0, "demand": 2.0, "expected_demand": 0.6, "asked": 2, "unmet": 0,
                "expected_cash": 918.0, "cash": 275.4, "paid": 90.0,
            }
        }
    )  # fmt: skip

    part_id: UUID
    part_number: str
    keep: int
    release: int
    scrap: int
    decided: DecidedWord
    decided_release: int | None
    reason: str | None
    released: int
    sold: int
    called: int
    used: int
    demand: float | None = Field(
        description="Units that demand files tell of the months after the run; null where none does."
    )
    expected_demand: float = Field(description="Units that were expected until now.")
    asked: int = Field(description="Units of parts requests since.")
    unmet: int
    expected_cash: float
    cash: float
    paid: float = Field(description="For units that were called back.")
