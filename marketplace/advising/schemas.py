"""What histories and advice look like on the wire."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


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
