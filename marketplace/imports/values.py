"""What a cell means: the reference for the same rules in SQL. Each raises DomainError with a code and words."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from marketplace.imports.fields import CONDITION_NAMES, CONDITIONS, FALSE_WORDS, TRUE_WORDS, heading
from marketplace.kit.errors import DomainError, FieldError, invalid, invalid_fields
from marketplace.kit.money import parse_amount

MAX_QUANTITY = 1_000_000_000
"""What one movement of the ledger takes at most (ledger.entries.MAX_QUANTITY; a test compares)."""
MAX_AMOUNT_CHARACTERS = 40
MAX_CONDITION_WORDS = 50
_AMOUNT_CHARACTERS = re.compile(r"[$€£]*[-+0-9.,' \u00a0]*", re.ASCII)
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+")
_MONTHS = {m: i for i, m in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1)}  # noqa: SIM905
_SHOWN = 40
_WORD = 40


class DateOrder(StrEnum):
    """How a column writes 03/04/2025."""

    MONTH_FIRST = "month_first"
    DAY_FIRST = "day_first"


def parse_quantity(text: str) -> int:
    """A whole number, 0 or more: '12', '1,200', '12.0', '12.000' is refused as it may be either reading.

    Raises ``import.quantity``.
    """
    raw = text.strip().replace("\u00a0", "").replace(" ", "")
    if _GROUPED.fullmatch(raw):
        raw = raw.replace(",", "")
    elif re.fullmatch(r"\d+[.,]0{1,2}", raw):
        raw = re.split(r"[.,]", raw)[0]
    if not re.fullmatch(r"\d+", raw, re.ASCII):
        why = "is negative" if re.fullmatch(r"-\s*\d[\d.,]*", raw) else "is not a whole number"
        raise invalid("import.quantity", f"'{text[:_SHOWN]}' {why}. Write a whole number such as 12.")
    number = int(raw) if len(raw) <= 12 else MAX_QUANTITY + 1
    if number > MAX_QUANTITY:
        raise invalid("import.quantity", f"'{text[:_SHOWN]}' is more than {MAX_QUANTITY:,}.")
    return number


def parse_price(text: str) -> Decimal:
    """An amount of 0 or more, as ``kit.money.parse_amount`` reads it, but no exponents. Raises ``import.amount``,
    ``money.amount``."""
    if len(text.strip()) > MAX_AMOUNT_CHARACTERS or not _AMOUNT_CHARACTERS.fullmatch(text.strip()):
        raise invalid("import.amount", f"'{text[:_SHOWN]}' is not an amount. Write it like 1234.50.")
    amount = parse_amount(text)
    if amount < 0:
        raise invalid("import.amount", f"'{text[:_SHOWN]}' is negative.")
    return amount


def parse_day(text: str, order: DateOrder = DateOrder.MONTH_FIRST, *, months: bool = True) -> date:
    """A day: 2025-03-04, 20250304, 4.3.2025 (day first), 04-Mar-2025, or with slashes by ``order``; a month (Mar-2025, 2025-03, 3/2025)
    is its first day, unless ``months`` are no days: what expires in a month may be used in it.

    A time behind it is ignored. Raises ``import.date``.
    """
    raw = text.strip()
    found: tuple[int, int, int] | None = None
    iso = r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[T ].*)?"
    if match := re.fullmatch(iso, raw, re.ASCII) or re.fullmatch(r"(\d{4})(\d{2})(\d{2})", raw, re.ASCII):
        found = int(match[1]), int(match[2]), int(match[3])
    elif match := re.fullmatch(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?: .*)?", raw, re.ASCII):
        found = int(match[3]), int(match[2]), int(match[1])
    elif match := re.fullmatch(r"(\d{1,2})[- ]([A-Za-z]{3})[a-z]*[- ](\d{4})(?: .*)?", raw, re.ASCII):
        found = int(match[3]), _MONTHS.get(match[2].lower(), 0), int(match[1])
    elif match := re.fullmatch(r"(\d{1,2})[/-](\d{1,2})[/-](\d{4})(?: .*)?", raw, re.ASCII):
        first, second = int(match[1]), int(match[2])
        month, day = (first, second) if order is DateOrder.MONTH_FIRST else (second, first)
        found = int(match[3]), month, day
    elif months and (match := re.fullmatch(r"(\d{4})[-/](\d{1,2})", raw, re.ASCII)):
        found = int(match[1]), int(match[2]), 1
    elif months and (match := re.fullmatch(r"(\d{1,2})[./-](\d{4})", raw, re.ASCII)):
        found = int(match[2]), int(match[1]), 1
    elif months and (match := re.fullmatch(r"([A-Za-z]{3})[a-z]*[- ](\d{4})", raw, re.ASCII)):
        found = int(match[2]), _MONTHS.get(match[1].lower(), 0), 1
    if found:
        try:
            return date(*found)
        except ValueError:
            pass
    raise invalid("import.date", f"'{text[:_SHOWN]}' is not a date. Write it like 2025-03-04.")


def date_order(cells: Iterable[str]) -> DateOrder | None:
    """Which order a column's dates with slashes must be in; None when they do not tell (or contradict)."""
    orders: set[DateOrder] = set()
    for cell in cells:
        if match := re.match(r"\s*(\d{1,2})[/-](\d{1,2})[/-]\d{4}\b", cell):
            if int(match[1]) > 12:
                orders.add(DateOrder.DAY_FIRST)
            elif int(match[2]) > 12:
                orders.add(DateOrder.MONTH_FIRST)
    return orders.pop() if len(orders) == 1 else None


_COMMA_LAST = re.compile(r"\d\.\d{3},\d|^\W*\d+,(?:\d\d?|\d{4,})$|^0,\d")
_POINT_LAST = re.compile(r"\d,\d{3}\.\d|^\W*\d+\.(?:\d\d?|\d{4,})$|^0\.\d|\d,\d{3},\d")


def decimal_comma(cells: Iterable[str]) -> bool:
    """Whether a file writes a comma before decimals, so that '12,000' in it is twelve and '1.250' is 1250: some cell of its columns of
    figures says so, and none says otherwise."""
    told = {
        comma
        for cell in cells
        for comma, form in ((True, _COMMA_LAST), (False, _POINT_LAST))
        if form.search(cell.strip())
    }
    return told == {True}


_WITH_COMMA = re.compile(r"[^0-9a-zA-Z]*(\d{1,3}([.]\d{3})+|\d+)(,\d+)?[^0-9a-zA-Z]*", re.ASCII)


def pointed(text: str) -> str:
    """A figure of a file that writes a comma before decimals as others write it: '1.250,000' is 1250, '7,50' is 7.50. What is no such
    figure stays as it is."""
    if not _WITH_COMMA.fullmatch(text):
        return text
    return re.sub(r",0+\Z", "", text.replace(".", "")).replace(",", ".")


def parse_flag(text: str) -> bool:
    """Yes or no; blank is no. Raises ``import.flag``."""
    word = text.strip().casefold()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise invalid("import.flag", f"'{text[:_SHOWN]}' is neither yes nor no.")


def condition_word(text: str) -> str:
    """How a file's word for a condition compares: 'A+' and 'A-' differ, ' Grade  a' and 'grade A' do not."""
    return " ".join(text.split()).casefold()


def choose_conditions(given: Mapping[str, str | None]) -> dict[str, str | None]:
    """What a company says its words for conditions mean, by ``condition_word``; None leaves a word to our reading. Raises
    ``import.mapping`` naming each word that is not usable or means no condition of ours."""
    problems = [
        FieldError(f"conditions.{word[:_SHOWN]}", "import.mapping.condition", f"'{word[:_SHOWN]}': {why}")
        for word, name in given.items()
        if (
            why := f"'{name[:_SHOWN]}' is not a condition. Use {', '.join(CONDITION_NAMES)}."
            if name is not None and name not in CONDITION_NAMES
            else f"a word has 1 to {_WORD} characters."
            if not 0 < len(condition_word(word)) <= _WORD
            else ""
        )
    ]
    # Twice as many may be named: a form names every word of the file, also those left to our reading.
    if len([n for n in given.values() if n]) > MAX_CONDITION_WORDS or len(given) > MAX_CONDITION_WORDS * 2:
        problems.append(
            FieldError("conditions", "import.mapping.condition", f"At most {MAX_CONDITION_WORDS} words can be given.")
        )
    if problems:
        raise invalid_fields("import.mapping", "Some words for conditions are not assigned rightly.", tuple(problems))
    return {condition_word(word): name for word, name in given.items()}


@dataclass(frozen=True, slots=True)
class ConditionReading:
    """A file's word for a condition and what it is read as. ``rows`` is None before the file was read; ``condition``
    None where the word is unknown; ``chosen``: the company has said so; ``elsewhere``: for files with other headings."""

    word: str
    rows: int | None
    condition: str | None
    chosen: bool
    elsewhere: bool = False


def condition_readings(
    words: Iterable[tuple[str, int | None]], chosen: Mapping[str, str], elsewhere: Collection[str] = ()
) -> list[ConditionReading]:
    """How each of a file's words is read, in the order given; then what was chosen for words it does not have, but for
    those chosen ``elsewhere``: a company's other files may have any number of them."""
    found, seen = [], set()
    for word, rows in words:
        key = condition_word(word)
        seen.add(key)
        try:
            condition = chosen.get(key) or parse_condition(word)
        except DomainError:
            condition = None
        found.append(ConditionReading(word, rows, condition, key in chosen, key in elsewhere))
    return found + [
        ConditionReading(word, None, name, True)
        for word, name in chosen.items()
        if word not in seen and word not in elsewhere
    ]


def parse_condition(text: str) -> str:
    """Our word for a condition, e.g. 'NOS' -> new_old_stock. Raises ``import.condition``."""
    found = CONDITIONS.get(heading(text))
    if found is None:
        raise invalid(
            "import.condition",
            f"'{text[:_SHOWN]}' is not a condition we know. Known: new, new old stock, remanufactured, used and tested, "
            "used, core.",
        )
    return found
