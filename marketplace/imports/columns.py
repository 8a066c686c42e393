"""Which column is which field: by a saved mapping, by name, by what is in the cells; a person has the last word."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from marketplace.imports.fields import FIELDS, ONE_OR_OTHER, Field, Kind, heading
from marketplace.imports.values import parse_condition, parse_day, parse_flag
from marketplace.kit.errors import DomainError, FieldError, invalid_fields

_ENOUGH = 0.8
"""Share of a column's filled cells that must fit before its contents decide."""
_NUMBER = re.compile(r"(?=.*\d)[A-Za-z0-9][A-Za-z0-9 ./_-]{3,39}")


class Why(StrEnum):
    """What a match rests on, best first."""

    CHOSEN = "chosen"
    SAVED = "saved"
    NAME = "name"
    SIMILAR = "similar"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Match:
    """One field and the column (from 0) it is read from."""

    field: str
    column: int
    why: Why


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """How a file's columns are read. ``unused`` are columns that no field is read from."""

    header: tuple[str, ...]
    matches: tuple[Match, ...]
    unused: tuple[int, ...]
    missing: tuple[str, ...]
    """Required fields without a column."""
    warnings: tuple[str, ...]

    def column(self, field: str) -> int | None:
        """The column of a field, or None."""
        return next((m.column for m in self.matches if m.field == field), None)

    def saved(self) -> dict[str, str]:
        """The mapping to keep for the next file: field -> header."""
        return {m.field: self.header[m.column] for m in self.matches}


CORRECTED = ("Row", "Problems")
"""The columns that the download of bad rows has behind those of the file."""


def is_corrected(header: Sequence[str]) -> bool:
    """Whether this is a download of bad rows that comes back: it tells of those rows only."""
    return tuple(header[-len(CORRECTED) :]) == CORRECTED


def fingerprint(header: Sequence[str]) -> bytes:
    """SHA-256 over the normalised header: files of one shape share it, whatever the case and punctuation, and
    with their corrected rows."""
    own = header[: -len(CORRECTED)] if is_corrected(header) else header
    return hashlib.sha256("\x1f".join(heading(name) for name in own).encode()).digest()


def match_columns(
    header: Sequence[str],
    sample: Sequence[Sequence[str]],
    saved: Mapping[str, str] | None = None,
    fields: Mapping[str, Field] = FIELDS,
) -> ColumnPlan:
    """The best reading of a file's columns. ``sample``: some rows of cells; ``saved``: field -> header; ``fields``: what
    files of its kind can say.

    Each field gets at most one column and each column at most one field; a better reason wins, then the leftmost.
    """
    names = [heading(name) for name in header]
    proposals: list[tuple[int, int, int, Match]] = []
    ranks = list(Why)
    order = list(fields)
    for column, name in enumerate(names):
        for field, why, strength in _readings(name, column, sample, saved or {}, fields):
            proposals.append((ranks.index(why), -strength, column, Match(field, column, why)))
    proposals.sort(key=lambda p: (*p[:3], order.index(p[3].field)))
    matches: dict[str, Match] = {}
    taken: set[int] = set()
    for _, _, column, match in proposals:
        if match.field not in matches and column not in taken:
            matches[match.field] = match
            taken.add(column)
    if ONE_OR_OTHER in matches and ("serial" in matches or "batch" in matches):
        del matches[ONE_OR_OTHER]
    return _plan(header, matches, fields)


def choose_columns(
    header: Sequence[str],
    chosen: Mapping[str, int | None],
    proposed: Mapping[str, tuple[int, str]] | None = None,
    fields: Mapping[str, Field] = FIELDS,
) -> ColumnPlan:
    """The plan a person has chosen: field -> column (None = not read). ``proposed``: field -> (column, why) of the plan that
    was shown; what is left as it was goes on resting on that.

    Raises ``import.mapping`` naming every field that is unknown, out of range, or shares its column.
    """
    problems: list[FieldError] = []
    matches: dict[str, Match] = {}
    used: dict[int, str] = {}
    for field, column in chosen.items():
        if column is None:
            continue
        if field not in fields:
            problems.append(FieldError(field, "import.mapping.unknown", f"There is no field '{field}'."))
        elif not 0 <= column < len(header):
            problems.append(FieldError(field, "import.mapping.range", f"The file has no column {column + 1}."))
        elif column in used:
            words = f"Column '{header[column]}' is already read as {fields[used[column]].label}."
            problems.append(FieldError(field, "import.mapping.twice", words))
        else:
            used[column] = field
            shown = (proposed or {}).get(field)
            matches[field] = Match(field, column, Why(shown[1]) if shown and shown[0] == column else Why.CHOSEN)
    problems += [
        FieldError(
            field, "import.mapping.either",
            f"Serial numbers or batches stand in '{header[matches[ONE_OR_OTHER].column]}': read them from there only, or "
            "only from columns of their own.",
        )
        for field in ("serial", "batch")
        if ONE_OR_OTHER in matches and field in matches
    ]  # fmt: skip
    problems += [
        FieldError(field, "import.mapping.missing", f"Choose the column that holds: {fields[field].label}.")
        for field in _required(fields)
        if field not in matches and not any(p.field == field for p in problems)
    ]
    if problems:
        raise invalid_fields("import.mapping", "Some columns are not assigned rightly.", tuple(problems))
    return _plan(header, matches, fields)


def _required(fields: Mapping[str, Field]) -> list[str]:
    return [name for name, field in fields.items() if field.required]


def _plan(header: Sequence[str], matches: Mapping[str, Match], fields: Mapping[str, Field]) -> ColumnPlan:
    used = {match.column for match in matches.values()}
    counts = Counter(heading(name) for name in header if heading(name))
    warnings = [
        f"{count} columns are called '{next(h for h in header if heading(h) == name)}': the first that fits is read."
        for name, count in counts.items()
        if count > 1
    ]
    blank = sum(1 for name in header if not name.strip())
    if blank:
        warnings.append(f"{blank} column{'s have' if blank > 1 else ' has'} no name.")
    return ColumnPlan(
        tuple(header),
        tuple(matches[field] for field in fields if field in matches),
        tuple(column for column in range(len(header)) if column not in used),
        tuple(field for field in _required(fields) if field not in matches),
        tuple(warnings),
    )


def _readings(
    name: str, column: int, sample: Sequence[Sequence[str]], saved: Mapping[str, str], fields: Mapping[str, Field]
) -> list[tuple[str, Why, int]]:
    """Every field the column may be: (field, reason, strength)."""
    found: list[tuple[str, Why, int]] = []
    for field, spec in fields.items():
        if field in saved and name and heading(saved[field]) == name:
            found.append((field, Why.SAVED, 1))
        if name == "state" and spec.kind is Kind.CONDITION and not fits(spec.kind, _cells(column, sample)):
            continue  # of the union, as often as not
        if name in spec.names:
            # Earlier synonyms are the more usual ones.
            found.append((field, Why.NAME, len(spec.names) - spec.names.index(name)))
        else:
            # A known name inside a longer header ("Qty on hand (EA)"), long ones only: short ones hide in words.
            inside = max((len(known) for known in spec.names if len(known) >= 5 and known in name), default=0)
            if inside and not any(x in name for x in spec.unlike) and fits(spec.kind, _cells(column, sample)):
                found.append((field, Why.SIMILAR, inside))
    if not found:
        found = [(field, Why.CONTENT, 1) for field in _by_content(_cells(column, sample)) if field in fields]
    return found


def _cells(column: int, sample: Sequence[Sequence[str]]) -> list[str]:
    return [row[column].strip() for row in sample if column < len(row) and row[column].strip()]


def fits(kind: Kind, cells: Sequence[str]) -> bool:
    """Whether most of the filled cells can be read as the kind; text takes all, no cells fit anything."""
    if not cells or kind is Kind.TEXT:
        return True
    good = sum(1 for cell in cells if _reads(kind, cell))
    return good >= _ENOUGH * len(cells)


def _reads(kind: Kind, cell: str) -> bool:
    if kind in (Kind.QUANTITY, Kind.AMOUNT):
        return re.fullmatch(r"[-$€£]?\s*\d[\d.,' ]*", cell) is not None
    try:
        if kind is Kind.DATE:
            parse_day(cell, months=False)
        elif kind is Kind.FLAG:
            parse_flag(cell)
        else:
            parse_condition(cell)
    except DomainError:
        return False
    return True


def _by_content(cells: Sequence[str]) -> list[str]:
    """Fields that only the cells suggest. Numbers alone suggest nothing: they could be anything."""
    if len(cells) < 2:
        return []
    words = [cell for cell in cells if not cell.isdigit()]
    if words and fits(Kind.CONDITION, words) and len(set(words)) <= 6 and all(len(w) > 1 for w in words):
        return ["condition"]
    numberlike = sum(1 for cell in cells if _NUMBER.fullmatch(cell) and not re.fullmatch(r"[\d.,]+", cell))
    if numberlike >= _ENOUGH * len(cells) and not fits(Kind.DATE, cells) and len(set(cells)) * 2 >= len(cells):
        return ["number"]
    return []
