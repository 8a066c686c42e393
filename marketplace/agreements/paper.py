"""The paper both sides sign: particulars, the schedule of units, and the clause with its blanks filled in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from marketplace.agreements import phrases
from marketplace.agreements.prose import escaped, render_clause
from marketplace.agreements.terms import AppliesTo, Terms
from marketplace.kit.errors import FieldError, invalid, invalid_fields
from marketplace.kit.money import Money

MAX_LINES = 2_000
SCHEDULE_HEADING = "Schedule of units"


@dataclass(frozen=True, slots=True)
class ScheduleLine:
    """One line of the schedule: which part, how many base units, at what price per unit, how many to keep."""

    number: str
    description: str
    uom: str
    quantity: int
    sale_price: Money
    list_price: Money | None
    minimum_to_keep: int


def minimum_of_line(terms: Terms, quantity: int, stated: int | None) -> int:
    """The minimum to keep of a line: its own, or the terms', which never asks for more than was sold."""
    return min(terms.minimum_to_keep, quantity) if stated is None else stated


def check_schedule(terms: Terms, lines: Sequence[ScheduleLine]) -> None:
    """Raises ``agreement.lines`` naming every line that cannot be."""
    if not 1 <= len(lines) <= MAX_LINES:
        raise invalid("agreement.lines", f"A schedule has 1 to {MAX_LINES:,} lines; this one has {len(lines):,}.")
    wrong: list[FieldError] = []

    def refuse(index: int, field: str, words: str) -> None:
        wrong.append(FieldError(f"lines.{index}.{field}", "agreement.line", words))

    for index, line in enumerate(lines):
        if line.quantity < 1:
            refuse(index, "quantity", "The quantity must be at least 1.")
        if line.sale_price.amount < 0 or (line.list_price is not None and line.list_price.amount < 0):
            refuse(index, "sale_price", "A price cannot be negative.")
        if not 0 <= line.minimum_to_keep <= max(line.quantity, 0):
            refuse(index, "minimum_to_keep", f"The minimum to keep must be from 0 to {line.quantity:,}.")
        elif terms.applies_to is AppliesTo.FLOOR and line.minimum_to_keep <= terms.holder_reserve:
            refuse(
                index,
                "minimum_to_keep",
                "The right reaches only the minimum to keep, which must be larger than the holder's reserve of "
                f"{phrases.count(terms.holder_reserve, 'unit')}; otherwise nothing could be ordered back.",
            )
    if wrong:
        message = f"The schedule is not right: {' '.join(f'{w.field}: {w.message}' for w in wrong[:5])}"
        raise invalid_fields("agreement.lines", message, tuple(wrong))


def schedule_table(lines: Sequence[ScheduleLine]) -> str:
    """The units as a markdown table."""
    rows = [
        "| part | description | units | price paid per unit | list price per unit | minimum to keep |",
        "|---|---|---:|---:|---:|---:|",
    ]
    rows += [
        f"| {escaped(line.number)} | {escaped(line.description)} | {line.quantity:,} {escaped(line.uom)} | "
        f"{line.sale_price} | {line.list_price or 'none stated'} | {line.minimum_to_keep:,} |"
        for line in lines
    ]
    return "\n".join(rows)


def write_paper(
    clause_text: str,
    terms: Terms,
    particulars: Mapping[str, str],
    lines: Sequence[ScheduleLine],
    further: Sequence[tuple[str, Terms]] = (),
) -> tuple[str, bytes]:
    """The whole text of an agreement (markdown) and its SHA-256, which both signatures name. ``further``: the texts of
    clauses beside the first, each with its terms."""
    texts = [render_clause(clause_text, terms, particulars), *(render_clause(text, more) for text, more in further)]
    body = "\n\n".join(text.rstrip() for text in texts)
    text = f"{body}\n\n## {SCHEDULE_HEADING}\n\n{schedule_table(lines)}\n"
    return text, hashlib.sha256(text.encode()).digest()
