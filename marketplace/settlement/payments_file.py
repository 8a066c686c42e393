"""A file of payments, as accounting programs write one: read, and judged row by row against what is owed."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from marketplace.kit.errors import DomainError, invalid
from marketplace.kit.exports import BOM, original_cell
from marketplace.kit.money import Money, parse_amount

MOST_ROWS = 2_000
"""Rows of one file."""
MOST_REFERENCES = 5_000
"""Line references in one file."""
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "reference": ("reference", "bank reference", "payment reference", "payment"),
    "amount": ("amount", "paid", "value"),
    "currency": ("currency",),
    "date": ("date", "paid on", "payment date", "value date"),
    "lines": ("lines", "line", "line references", "settlement lines", "settlement line"),
}
"""What a column may be called, in any case; ``currency`` may be left out."""
_SPLIT = re.compile(r"[\s;,|+]+")


@dataclass(frozen=True, slots=True)
class FileRow:
    """A row as it was read; ``number`` counts from 2, the header being 1."""

    number: int
    reference: str
    amount_text: str
    amount: Decimal | None
    currency: str
    paid_on: date | None
    lines: tuple[str, ...]
    problems: tuple[str, ...]

    def key(self, company_id: UUID) -> str:
        """What tells this payment from another of the same company."""
        text = "" if self.amount is None else f"{self.amount.normalize():f}"
        return "|".join((str(company_id), self.reference, text, str(self.paid_on), " ".join(sorted(self.lines))))


@dataclass(frozen=True, slots=True)
class Owed:
    """What a line says, as far as a payment cares."""

    id: UUID
    reference: str
    payer_id: UUID
    payee_id: UUID
    payer: str
    payee: str
    currency: str
    left: Decimal
    due_on: date


@dataclass(frozen=True, slots=True)
class Judged:
    """What becomes of a row: 'good' (it lands, ``amounts`` by line), 'known' (recorded before as ``known``) or 'bad' with
    every reason."""

    row: FileRow
    fate: str
    from_id: UUID | None = None
    to_id: UUID | None = None
    other: str = ""
    currency: str = ""
    amounts: Mapping[UUID, Decimal] = field(default_factory=dict)
    known: str | None = None
    problems: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Why, in one text."""
        return " ".join(self.problems)


def read_payments(text: str) -> list[FileRow]:
    """The rows of a CSV text (comma, semicolon or tab). Raises ``payments.file`` where the header lacks a column, or there
    are no rows or too many."""
    text = text.removeprefix(BOM)
    first = text.lstrip("\r\n").split("\n", maxsplit=1)[0]
    separator = max(",;\t", key=first.count)
    try:
        found = [row for row in csv.reader(io.StringIO(text), delimiter=separator) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise invalid("payments.file", f"The file cannot be read as CSV: {error}.", field="text") from None
    if not found:
        raise invalid("payments.file", "The file is empty.", field="text")
    header = [original_cell(cell).strip().lower().replace("_", " ") for cell in found[0]]
    at = {name: next((header.index(n) for n in names if n in header), None) for name, names in COLUMNS.items()}
    lacking = [name for name, place in at.items() if place is None and name != "currency"]
    if lacking:
        raise invalid(
            "payments.file",
            f"The header has no column {' or '.join(lacking)}. It needs: reference, amount, date, lines; currency where it "
            "is not that of the lines.",
            field="text",
        )
    if not 1 < len(found) <= MOST_ROWS + 1:
        raise invalid("payments.file", f"A file has 1 to {MOST_ROWS:,} rows below its header.", field="text")
    rows = [_read(number, row, at) for number, row in enumerate(found[1:], start=2)]
    if sum(len(row.lines) for row in rows) > MOST_REFERENCES:
        raise invalid("payments.file", f"A file names at most {MOST_REFERENCES:,} lines.", field="text")
    return rows


def _read(number: int, cells: Sequence[str], at: Mapping[str, int | None]) -> FileRow:
    def cell(name: str) -> str:
        place = at[name]
        return original_cell(cells[place]).strip() if place is not None and place < len(cells) else ""

    problems: list[str] = []
    reference = cell("reference")[:140]
    if not reference:
        problems.append("The payment has no reference: without one, the same file twice would pay twice.")
    amount: Decimal | None = None
    try:
        amount = parse_amount(cell("amount"))
    except DomainError as error:
        problems.append(error.message)
    if amount is not None and amount <= 0:
        problems.append("The amount must be above zero.")
    paid_on: date | None = None
    try:
        paid_on = date.fromisoformat(cell("date"))
    except ValueError:
        problems.append(f"'{cell('date')[:40]}' is not a day. Write it like 2026-11-30.")
    lines = tuple(dict.fromkeys(x.upper() for x in _SPLIT.split(cell("lines")) if x))
    if not lines:
        problems.append("It names no settlement line, such as SET-7F3K2Q.")
    return FileRow(number, reference, cell("amount"), amount, cell("currency").upper(), paid_on, lines, tuple(problems))


def judge(
    rows: Sequence[FileRow],
    owed: Mapping[str, Owed],
    known: Mapping[str, str],
    company_id: UUID,
    today: date,
) -> list[Judged]:
    """What becomes of each row, in the order of the file: a row is judged after what the rows above it pay. ``owed``: the
    visible lines by reference; ``known``: what the company recorded before, by the rows' key."""
    left = {line.id: line.left for line in owed.values()}
    seen: dict[str, int] = {}
    found: list[Judged] = []
    for row in rows:
        key = row.key(company_id)
        if not row.problems and key in known:
            found.append(Judged(row, "known", known=known[key], problems=(f"Recorded before as {known[key]}.",)))
            continue
        problems = [*row.problems]
        if not problems and key in seen:
            problems.append(f"It stands in row {seen[key]} already.")
        lines = [owed[reference] for reference in row.lines if reference in owed]
        unknown = [reference for reference in row.lines if reference not in owed]
        if unknown:
            problems.append(f"There is no line {', '.join(x[:20] for x in unknown[:5])}.")
        sides = {(line.payer_id, line.payee_id, line.currency) for line in lines}
        if len(sides) > 1:
            problems.append("Its lines are owed between different companies, in different directions or currencies.")
        currency = lines[0].currency if lines else row.currency
        if lines and row.currency and row.currency != currency:
            problems.append(f"Its lines are in {currency}, the payment is in {row.currency}.")
        if row.paid_on and row.paid_on > today + timedelta(days=1):
            problems.append("Its day is still to come.")
        amounts: dict[UUID, Decimal] = {}
        if not problems and row.amount is not None:
            money = Money(row.amount, currency)
            if money != money.rounded():
                problems.append(f"{money} cannot be paid: it has too many digits for {currency}.")
            rest = row.amount
            for line in sorted(lines, key=lambda x: (x.due_on, x.id)):
                share = min(rest, left[line.id])
                if share > 0:
                    amounts[line.id] = share
                    rest -= share
            if rest > 0:
                there = Money(row.amount - rest, currency).rounded()
                problems.append(
                    f"{there} of its lines is left to be paid, or said to be paid already; {money} was paid."
                )
        if problems:
            found.append(Judged(row, "bad", problems=tuple(problems)))
            continue
        seen[key] = row.number
        for line_id, share in amounts.items():
            left[line_id] -= share
        one = lines[0]
        other = one.payee if one.payer_id == company_id else one.payer
        found.append(Judged(row, "good", one.payer_id, one.payee_id, other, currency, amounts))
    return found
