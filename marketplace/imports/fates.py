"""What becomes of each row of a checked file, and what a row that is on record already would change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from marketplace.kit.errors import DomainError, conflict, gone

IN_FILE = ("good", "new", "changed", "same")
"""Fates of rows of the file; good is each of the three others. Bad rows are told with their reasons."""
FATES = (*IN_FILE, "vanished")
"""Also of lines on record that the file does not name."""

TAKEN_OVER = ("bin", "unit_cost", "list_price", "package_quantity", "protected")
"""Fields that a line takes over as the file says, told row by row before it lands. What a file says of past usage it takes
over too, but that changes with every file and would hide what matters."""
COMPARED = ("quantity", "condition", *TAKEN_OVER)
"""All fields of a row that are told where they differ from the record."""
Value = int | str | Decimal | None


def refuse_unless_checked(step: str) -> None:
    """Raises ``import.not_validated`` before the rows were checked, and ``import.rows_gone`` once the import has ended:
    then its rows have done their work, and the record says what became of them."""
    if step in ("done", "cancelled"):
        raise gone(
            "import.rows_gone",
            "This import has ended, and its good rows are kept no longer. What landed stands in the stock, what differed "
            "among the differences of the import.",
        )
    if step != "validated":
        raise conflict("import.not_validated", "The rows of this file are not checked yet. Check them first.")


def all_or_nothing(bad: int) -> DomainError:
    """The refusal of a file of which nothing was to land while a row is bad."""
    return conflict(
        "import.bad_rows",
        f"{bad:,} row{'s are' if bad != 1 else ' is'} not right, and nothing was to land unless all are. Correct the "
        "file, or let the good rows land.",
        bad=bad,
    )


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a row says otherwise than the record; None = nothing said. ``proposed``: landing asks before it
    changes this (units, their condition); else the line takes it over as the file says."""

    field: str
    before: Value
    after: Value
    proposed: bool


def changes(told: Iterable[tuple[str, Value, Value, bool]]) -> tuple[Change, ...]:
    """Those of (field, before, after, proposed) that differ."""
    return tuple(Change(f, b, a, p) for f, b, a, p in told if b != a)
