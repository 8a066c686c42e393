"""What imports look like on the wire."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.imports.staging import DEFAULT_CONDITION
from marketplace.kit.wire import BodyIn
from marketplace.ledger.kinds import Condition

Mode = Literal["good_rows", "all_or_nothing"]
Fate = Literal["good", "new", "changed", "same", "vanished"]
Difference = Literal["more", "less", "vanished", "shortage", "condition"]
Covers = Literal["all", "some"]
FileKind = Literal["stock", "parts", "supersessions", "prices", "sites", "numbers", "counts", "uses"]
Takes = Literal["update", "replace", "add"]
Order = Literal["month_first", "day_first"]


class ImportOut(BaseModel):
    """One file on its way in. ``step``: uploaded, staging, staged, validated, done, failed, cancelled."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "id": "0192f0c4-7f6b-7a51-9b52-0d7c5d3f9a10", "kind": "stock", "file_name": "stock-2026-11-21.csv", "takes": "update", "step": "validated",
                "snapshot_on": "2026-11-21", "mode": "good_rows", "covers": "all", "rows_total": 1600, "rows_staged": 1600,
                "rows_good": 1588, "rows_bad": 12, "lots_new": 31, "lots_changed": 4, "lots_vanished": 2,
                "lots_doubted": 0,
            }
        },
    )  # fmt: skip

    id: UUID
    kind: str = Field(description="stock, parts, supersessions (and alternates), prices, sites, or (other) numbers.")
    file_name: str
    file_size: int
    sheet: str | None
    default_site_id: UUID | None
    default_site: str | None
    default_maker: str | None
    snapshot_on: date
    mode: str
    covers: str = Field(description="'all' stock of its sites, or 'some': then nothing counts as gone.")
    takes: str = Field(description="Of a catalogue file: 'update', 'replace' or 'add'. Of stock see 'covers'.")
    undone_at: datetime | None = Field(description="When the whole import was undone.")
    step: str
    rows_total: int = Field(description="Estimated until the file was read to its end; 0 where unknown.")
    rows_staged: int
    rows_good: int
    rows_bad: int
    lots_new: int = Field(description="Lines that are, or would be, registered.")
    lots_changed: int = Field(description="Lines whose quantity differs from the ledger: proposals.")
    lots_vanished: int = Field(description="Lines of the last file that this one does not name: proposals.")
    lots_doubted: int = Field(
        description="Of the vanished those at sites where the file names less than it leaves out: say 'covers' to land."
    )
    error: str | None
    created_at: datetime
    finished_at: datetime | None
    phase: str | None = Field(
        default=None,
        description="What the worker is at with it: waiting, reading, checking, comparing, landing or finishing; null: nothing.",
    )
    phase_done: int | None = Field(default=None, description="Rows of 'phase_total' that this has been done with.")
    phase_total: int | None = Field(default=None, description="0 where the end is not known.")
    phase_seconds: int | None = Field(default=None, description="For how long it has been at it.")
    phase_silent: int | None = Field(default=None, description="Seconds since this was said; told once a second.")


class ColumnOut(BaseModel):
    """One field, the column it is read from (from 0), and what that rests on."""

    field: str
    label: str
    required: bool
    column: int | None
    why: str | None = Field(description="chosen, saved, name, similar or content.")
    order: str | None = Field(default=None, description="How a date column writes 03/04/2025.")


class ProblemOut(BaseModel):
    """What goes wrong most: so many rows, with an example."""

    field: str
    code: str
    rows: int
    example: str


class ConditionOut(BaseModel):
    """A file's word for a condition and what it is read as."""

    word: str
    rows: int | None = Field(description="Rows that say so; null before the file was read: then of its first rows.")
    condition: str | None = Field(description="Null: we do not know the word; say in the mapping what it means.")
    chosen: bool = Field(description="Whether your company has said so; else it is our reading.")
    elsewhere: bool = Field(description="Whether it said so for files with other headings.")


class SiteWordOut(BaseModel):
    """A word of your files for a site."""

    word: str
    rows: int | None = Field(description="Bad rows of this file that say it while nobody knows what it means.")
    site_id: UUID | None = Field(description="The site it means, as your company said; null: say it in the mapping.")
    site: str | None


class ImportDetail(ImportOut):
    """An import with how its file is read."""

    header: list[str]
    sample: list[list[str]]
    sheets: list[str]
    columns: list[ColumnOut]
    conditions: list[ConditionOut]
    sites: list[SiteWordOut] = Field(
        description="Words for sites that this file has and nobody knows, then those your company has said the meaning of."
    )
    without_condition: int = Field(
        description=f"Good rows of the checked file that say no condition: taken as {DEFAULT_CONDITION!r}."
    )
    missing: list[str]
    warnings: list[str]
    unused: list[str] = Field(description="The file's columns that nothing is read from.")
    problems: list[ProblemOut]
    repeated: bool = Field(default=False, description="The same file for the same site and day was here before.")


class MappingIn(BodyIn):
    """The columns a person has chosen, and what is meant where the file says nothing."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "columns": {"number": 0, "quantity": 3, "condition": 5, "maker": None},
                "conditions": {"Grade A": "used_tested"},
                "save": True,
            }
        },
    )

    columns: dict[str, int | None] = Field(description="Field -> column from 0; null = not read.")
    save: bool = Field(default=True, description="Start with this mapping for the next file of this shape.")
    orders: dict[str, Order] = Field(default_factory=dict)
    conditions: dict[str, Condition | None] | None = Field(
        default=None,
        description="The file's word -> our condition, before our own reading; null leaves a word to our reading. Words "
        "that are not named mean what you said for files with other headings. Unset: as they were.",
    )
    sites: dict[str, UUID | None] | None = Field(
        default=None,
        description="A word of your files -> the site of yours that it means, in this file and all to come; null forgets it.",
    )
    default_site_id: UUID | None = None
    default_maker: str | None = Field(default=None, max_length=80)
    snapshot_on: date | None = None
    mode: Mode | None = None
    covers: Covers | None = Field(default=None, description="Unset: as it was.")
    sheet: str | None = None
    delimiter: Literal[",", ";", "\t", "|"] | None = None
    kind: FileKind | None = Field(
        default=None, description="Another kind of file than recognised: its columns are read anew."
    )
    takes: Takes | None = Field(default=None, description="Unset: as it was.")


class ApplyIn(BodyIn):
    """How to land: the good rows, or nothing unless all are good; all stock of its sites, or some of it. Unset: as
    chosen at upload. Where 'lots_doubted' is not 0, 'covers' is to be said here."""

    model_config = ConfigDict(json_schema_extra={"example": {"mode": "good_rows"}})

    mode: Mode | None = None
    covers: Covers | None = Field(
        default=None, description="'all': what the file does not name is proposed as gone; 'some': it stays."
    )


class IssueOut(BaseModel):
    """One thing wrong with one row."""

    model_config = ConfigDict(from_attributes=True)

    row_no: int
    field: str
    code: str
    message: str
    value: str


class ChangeOut(BaseModel):
    """One thing that a row says otherwise than the record. A price is in your company's currency."""

    model_config = ConfigDict(from_attributes=True)

    field: Literal["quantity", "condition", "bin", "unit_cost", "list_price", "package_quantity", "protected"]
    before: bool | int | str | Decimal | None
    after: bool | int | str | Decimal | None
    proposed: bool = Field(
        description="Landing makes a proposal of it that you accept or dismiss; else the line takes it over as the file says."
    )


class FateRowOut(BaseModel):
    """A row of a checked file, or a line on record that the file does not name: what becomes of it."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "row_no": 17, "line_id": None, "fate": "changed", "number": "57114-TTA", "description": "HYDRAULIC PUMP",
                "quantity": 12, "uom": "EA", "site": "Rockford", "bin": "A01-2", "condition": "new", "serial": None,
                "batch": None, "here_already": 0,
                "changes": [{"field": "quantity", "before": 10, "after": 12, "proposed": True}],
            }
        },
    )  # fmt: skip

    row_no: int | None = Field(description="The row in the file, the header being 1; null for a line it does not name.")
    line_id: UUID | None = Field(description="The line on record that the file does not name; null for a row.")
    fate: Literal["new", "changed", "same", "vanished"] = Field(
        description="'new' on record; 'changed': units or condition differ from the record (a proposal); 'same': as on "
        "record; 'vanished': on record, not in the file (a proposal)."
    )
    number: str
    description: str
    quantity: int | None = Field(description="Of the row; of a vanished line what is on record.")
    uom: str | None
    site: str | None
    bin: str | None
    condition: str | None
    serial: str | None
    batch: str | None
    here_already: int = Field(description="Of a new row: units that came to the site by another way, and are not new.")
    changes: list[ChangeOut]


class ProposalOut(BaseModel):
    """A difference between a file and the ledger."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    part_id: UUID
    part_number: str
    description: str
    uom: str
    lot_id: UUID | None
    site_id: UUID
    site: str
    kind: Difference
    quantity_before: int = Field(description="What the ledger said when the file landed.")
    quantity_file: int
    applicable: int = Field(description="By how much accepting changes the ledger.")
    shortage: int = Field(description="Listed, reserved or under agreement: shown, never changed by a file.")
    detail: dict[str, Any]
    decided: str | None
    decided_at: datetime | None


class DecideIn(BodyIn):
    """Which differences to accept and which to dismiss: one by one, or all that are open of a kind."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"accept": ["0192f0c4-7f6b-7a51-9b52-0d7c5d3f9a10"], "dismiss": []}},
    )

    accept: list[UUID] = Field(default_factory=list, max_length=500)
    dismiss: list[UUID] = Field(default_factory=list, max_length=500)
    accept_all: list[Difference] = Field(
        default_factory=list, max_length=5, description="Kinds of which all open differences are accepted."
    )
    dismiss_all: list[Difference] = Field(
        default_factory=list, max_length=5, description="Kinds of which all open differences are dismissed."
    )


class DecisionOut(BaseModel):
    """What came of it."""

    model_config = ConfigDict(from_attributes=True)

    accepted: int
    dismissed: int
    overtaken: int = Field(
        description="Places that were counted after the file was made, or that all units have left since it landed: they stay as they "
        "are on record, and their differences are dismissed."
    )
    counted_in: int
    counted_away: int
    left_as_shortage: int
    open: int = Field(description="Differences of this import that are still to be decided.")


class FieldChangeOut(BaseModel):
    """A field that a row says otherwise than the record; null = nothing there."""

    model_config = ConfigDict(from_attributes=True)

    field: str
    before: str | None
    after: str | None


class CatalogueChangeOut(BaseModel):
    """A row of a catalogue file with what it changes; ``row_no`` is negative for what the file leaves out."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "row_no": 17, "fate": "changed", "number": "57114-TTA", "other": "", "key": "", "description": "HYDRAULIC PUMP",
                "changes": [{"field": "list_price", "before": "10 USD", "after": "12.5 USD"}], "undone": None, "kept_because": None,
            }
        },
    )  # fmt: skip

    row_no: int
    fate: str = Field(description="new, changed, same (as on record) or vanished; of stock that stays: lot or count.")
    number: str
    other: str = Field(description="The new or other number; of stock a serial number.")
    key: str = Field(description="supersession or alternate, the day a price counts from, or whose number it is.")
    description: str
    changes: list[FieldChangeOut]
    undone: str | None = Field(description="After an undo: 'partly' or 'kept'.")
    kept_because: str | None


class UndoneOut(BaseModel):
    """What came of undoing an import."""

    model_config = ConfigDict(json_schema_extra={"example": {"undone": 1588, "partly": 2, "kept": 10}})

    undone: int = 0
    partly: int = Field(default=0, description="Fields that somebody changed since stay.")
    kept: int = Field(default=0, description="See 'kept' for each with its reason.")


class FixedRowIn(BodyIn):
    """Cells of a bad row, by field."""

    row_no: int = Field(ge=1)
    cells: dict[str, str] = Field(min_length=1, max_length=50)


class FixIn(BodyIn):
    """Bad rows with what they should say."""

    model_config = ConfigDict(json_schema_extra={"example": {"rows": [{"row_no": 17, "cells": {"quantity": "12"}}]}})

    rows: list[FixedRowIn] = Field(min_length=1, max_length=100)
