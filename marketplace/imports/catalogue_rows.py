"""A row of a catalogue file: what it is about, what it says of that, and what is wrong with it by itself.

A blank cell says nothing. What can only be told against the record (numbers that are not there, circles) is told later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple
from uuid import UUID

from marketplace.imports.fields import heading
from marketplace.imports.staging import Lookups, tidy
from marketplace.imports.values import DateOrder, parse_day, parse_price, parse_quantity, pointed
from marketplace.kit.errors import DomainError
from marketplace.kit.money import Money
from marketplace.parts.numbers import MAX_LENGTH, normalise

Issue = tuple[str, str, str, str]
"""field, code, words, value"""
LONGEST: Mapping[str, int] = {
    "description": 500, "note": 500, "criticality": 20, "export_control": 40, "scheme": 40, "code": 40, "name": 120,
    "place": 80, "region": 80, "country": 80, "address": 300, "timezone": 60, "counter_phone": 40, "after_hours_phone": 40,
}  # fmt: skip
CLEARED: Mapping[str, Mapping[str, str | None]] = {
    "parts": {"class": None, "weight_grams": None, "list_price": None, "criticality": None, "export_control": None},
    "supersessions": {"note": ""},
    "prices": {},
    "sites": {"region": "", "address": "", "counter_phone": "", "after_hours_phone": ""},
    "numbers": {},
    "counts": {},
    "uses": {},
}
"""Fields that 'replace' empties where the cell is blank, and what empty is. What everything needs (a description, a unit, a
place) stays."""
_SUPERSEDED = frozenset(
    [
        "supersededby",
        "superseded",
        "supersedes",
        "supersession",
        "replacedby",
        "replaced",
        "replacement",
        "successor",
        "newnumber",
        "new",
        "ersetztdurch",
    ]
)
_ALTERNATE = frozenset(
    [
        "alternate",
        "alternative",
        "aliasof",
        "alias",
        "interchangeable",
        "interchange",
        "substitute",
        "equivalent",
        "same",
        "samepart",
        "alternativ",
    ]
)
_MOST_GRAMS = 2_000_000_000
_TOTALS = re.compile(
    r"(grand |sub)?totals?|sum|(zwischen|gesamt)?summe|gesamt|(end of|ende) (the |der |des )?(report|list|liste|berichts?)",
    re.IGNORECASE,
)


class Read(NamedTuple):
    """The columns of catalogue_row behind the job and the row."""

    maker_id: UUID | None
    number: str
    number_norm: str
    other: str
    other_norm: str
    key: str
    says: str
    issues: str


@dataclass(frozen=True, slots=True)
class Known:
    """What texts stand for, and what is meant where a file says nothing. ``classes``: code or name -> code; ``zones``: time
    zones; ``zone``: of the company's own sites."""

    texts: Lookups
    classes: Mapping[str, str]
    currency: str
    day: date
    zones: frozenset[str]
    zone: str


def is_total(cells: Sequence[str], number: int | None) -> bool:
    """Whether a row is a sum below the others, or the end of a report: a word for it in its first filled cell, and no number
    of its own. A row of several columns with nothing but such a word, what it is the sum of ('Total Houston') and the sum is one, too."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    first = filled[0].strip(":.*-=_ ") if filled else ""
    if not _TOTALS.fullmatch(first):
        begun = _TOTALS.match(first)
        return bool(begun and first[begun.end()] in " :" and len(filled) <= 2 and len(cells) >= 4)
    first = filled[0]
    return number is None or number >= len(cells) or cells[number].strip() in ("", first)


Reader = Callable[["Row"], Read]
"""What a row of a kind of file is about, and says."""


def read_row(
    reader: Reader,
    cells: Sequence[str],
    columns: Mapping[str, int],
    orders: Mapping[str, DateOrder],
    known: Known,
    width: int,
    *,
    comma: bool = False,
) -> tuple[list[str], Read]:
    """(the cells as they are kept, what they say). ``comma``: the file writes a comma before decimals."""
    kept = tidy(cells)
    row = Row(kept, columns, orders, known, comma=comma)
    if len(kept) > width:
        row.wrong("row", "import.row_too_long", f"The row has {len(kept)} cells, the header {width}: a delimiter stands in a text without quotes.", "")  # fmt: skip
    for field, most in LONGEST.items():
        if len(row.text(field)) > most:
            row.wrong(field, "import.too_long", f"At most {most} characters fit here.")
    return kept, reader(row)


class Row:
    """The cells of a row by field, and what was found wrong."""

    def __init__(
        self,
        cells: Sequence[str],
        columns: Mapping[str, int],
        orders: Mapping[str, DateOrder],
        known: Known,
        *,
        comma: bool = False,
    ) -> None:
        self.cells, self.columns, self.orders, self.known, self.comma = cells, columns, orders, known, comma
        self.says: dict[str, Any] = {}
        self.issues: list[Issue] = []

    def text(self, field: str) -> str:
        at = self.columns.get(field)
        return self.cells[at] if at is not None and at < len(self.cells) else ""

    def figure(self, field: str) -> str:
        """The cell of a figure with a point before decimals, whatever the file writes."""
        return pointed(self.text(field)) if self.comma else self.text(field)

    def wrong(self, field: str, code: str, words: str, value: str | None = None) -> None:
        self.issues.append((field, code, words, (self.text(field) if value is None else value)[:200]))

    def say(self, field: str) -> None:
        """A text is said where it is not blank."""
        if text := " ".join(self.text(field).split()):
            self.says[field] = text

    def number(self, field: str, missing: str) -> str:
        """The number as it compares; '' with an issue where it is none."""
        text = self.text(field)
        if not text:
            self.wrong(field, f"import.{field}", missing)
            return ""
        try:
            norm = normalise(text)
        except DomainError:
            norm = ""
        if not norm:
            self.wrong(field, f"import.{field}", f"'{text[:40]}' has no letter or digit.")
        elif len(text) > MAX_LENGTH:
            self.wrong(field, f"import.{field}", f"A part number has at most {MAX_LENGTH} characters.")
        return norm

    def maker(self) -> UUID | None:
        """An own maker: of other makers' parts a company says nothing."""
        written, texts = self.text("maker"), self.known.texts
        maker = texts.makers.get(written.casefold()) if written else texts.default_maker
        if maker is None:
            words = (
                f"There is no maker '{written[:40]}'. Known: {texts.maker_words}."
                if written
                else "The maker is missing. Fill it in, or choose one for the whole file."
            )
            self.wrong("maker", "import.maker", words)
        elif not maker.own:
            self.wrong("maker", "import.foreign", f"{maker.name} is another company's: only that company says what its parts are. Yours: {texts.maker_words}.")  # fmt: skip
        return maker.id if maker else None

    def price(self, field: str) -> dict[str, str] | None:
        """An amount with its currency; written as numbers are compared. None where it is blank or wrong."""
        text, cur = self.text(field), self.text("currency").upper() or self.known.currency
        if not text:
            return None
        try:
            amount = parse_price(self.figure(field))
        except DomainError as error:
            self.wrong(field, "import.amount", error.message)
            return None
        try:
            Money(amount, cur)
        except DomainError:
            self.wrong("currency", "import.currency", f"'{cur[:20]}' is no currency. Write its three letters, such as {self.known.currency}.")  # fmt: skip
            return None
        return {"amount": format(amount.normalize(), "f"), "currency": cur}

    def day(self, field: str) -> date | None:
        text = self.text(field)
        if not text:
            return None
        try:
            return parse_day(text, self.orders.get(field, DateOrder.MONTH_FIRST))
        except DomainError as error:
            self.wrong(field, "import.date", error.message)
            return None

    def read(self, maker: UUID | None, norm: str, other: str = "", key: str = "", number: str = "number") -> Read:
        return Read(
            maker, self.text(number)[:200], norm, self.text("other")[:200], other, key, json.dumps(self.says), json.dumps(self.issues)
        )  # fmt: skip


def _part(row: Row) -> Read:
    maker, norm = row.maker(), row.number("number", "The part number is missing.")
    row.say("description")
    if text := row.text("class"):
        code = row.known.classes.get(text.casefold())
        if code is None:
            row.wrong("class", "import.class", f"There is no class '{text[:40]}'. Write a supply class such as 2815, or read no column as the class.")  # fmt: skip
        else:
            row.says["class"] = code
    if text := row.text("uom"):
        unit = row.known.texts.unit(text)
        if unit is None:
            row.wrong("uom", "import.uom", f"There is no unit '{text[:40]}'. Use EA for single pieces.")
        else:
            row.says["uom"] = unit
    if price := row.price("list_price"):
        row.says["list_price"] = price
    grams = _grams(row)
    if grams:
        row.says["weight_grams"] = grams
    row.say("criticality")
    row.say("export_control")
    return row.read(maker, norm)


def _grams(row: Row) -> int:
    """The weight in grams, from either column; 0 says nothing."""
    try:
        if text := row.figure("weight_kg"):
            grams = int((parse_price(text) * 1000).quantize(Decimal(1), rounding=ROUND_HALF_UP))
            if grams > _MOST_GRAMS:
                row.wrong("weight_kg", "import.quantity", f"'{text[:40]}' kilograms are more than fit here.")
                return 0
            return grams
        return parse_quantity(row.figure("weight_grams")) if row.text("weight_grams") else 0
    except DomainError as error:
        row.wrong("weight_kg" if row.text("weight_kg") else "weight_grams", error.code, error.message)
        return 0


def _link(row: Row) -> Read:
    maker = row.maker()
    old, new = (
        row.number("number", "The part number is missing."),
        row.number("other", "The new or other number is missing."),
    )
    word = heading(row.text("relation"))
    key = "alternate" if word in _ALTERNATE else "supersession" if not word or word in _SUPERSEDED else ""
    if not key:
        row.wrong("relation", "import.relation", f"'{row.text('relation')[:40]}' is no relation we know. Write superseded by, or alternate.")  # fmt: skip
    if old and old == new:
        row.wrong("other", "import.self", "The number would stand for itself.")
    effective = row.day("effective_on")
    if key == "supersession" and effective:
        row.says["effective_on"] = effective.isoformat()
    row.say("note")
    return row.read(maker, old, new, key)


def _price(row: Row) -> Read:
    maker, norm = row.maker(), row.number("number", "The part number is missing.")
    price = row.price("list_price")
    if price:
        row.says["list_price"] = price
    elif not row.text("list_price"):
        row.wrong("list_price", "import.amount", "The price is missing.")
    day = row.day("valid_from") or row.known.day
    return row.read(maker, norm, key=day.isoformat())


def _site(row: Row) -> Read:
    code = row.text("code")
    if not code:
        row.wrong("code", "import.code", "The site's code is missing.")
    for field in ("name", "place", "region", "country", "address", "counter_phone", "after_hours_phone"):
        row.say(field)
    if zone := row.text("timezone"):
        if zone in row.known.zones:
            row.says["timezone"] = zone
        else:
            row.wrong("timezone", "site.timezone", f"'{zone[:40]}' is not a time zone. Write it like America/Chicago.")
    where = [_degrees(row.text(field)) for field in ("lat", "lon")]
    if row.text("lat") or row.text("lon"):
        lat, lon = where
        if lat is None or lon is None or abs(lat) > 90 or abs(lon) > 180:
            row.wrong("lat", "site.coordinates", "Give latitude (-90 to 90) and longitude (-180 to 180) together.")
        else:
            row.says |= {"lat": lat, "lon": lon}
    return row.read(None, code.casefold(), number="code")


def _degrees(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[-+]?\d{1,3}(\.\d{1,12})?", text, re.ASCII) else None


def _other_number(row: Row) -> Read:
    maker, norm = row.maker(), row.number("number", "The part number is missing.")
    other = row.number("other", "The other number is missing.")
    scheme = " ".join(row.text("scheme").split()).casefold()
    if not scheme:
        row.wrong("scheme", "import.scheme", "Say whose number it is, such as the supplier's name.")
    elif scheme == "maker":
        row.wrong(
            "scheme", "import.scheme", "The maker's own number of a part is not changed by a file of other numbers."
        )
    return row.read(maker, norm, other, scheme)


READERS: Mapping[str, Reader] = {
    "parts": _part,
    "supersessions": _link,
    "prices": _price,
    "sites": _site,
    "numbers": _other_number,
}
"""By kind of file."""


class Chains:
    """Supersessions as they would stand, one link added after the other; never leading back."""

    def __init__(self, links: Iterable[tuple[UUID, UUID]] = ()) -> None:
        self._onward: dict[UUID, set[UUID]] = {}
        for old, new in links:
            self._onward.setdefault(old, set()).add(new)

    def without(self, old: UUID, new: UUID) -> None:
        """A link that ends."""
        self._onward.get(old, set()).discard(new)

    def add(self, old: UUID, new: UUID) -> bool:
        """Adds a link; False, and adds nothing, where that would lead from ``new`` back to ``old``."""
        seen, waiting = set(), [new]
        while waiting:
            here = waiting.pop()
            if here == old:
                return False
            if here not in seen:
                seen.add(here)
                waiting.extend(self._onward.get(here, ()))
        self._onward.setdefault(old, set()).add(new)
        return True


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field that a row says otherwise than the record: None = nothing there."""

    field: str
    before: str | None
    after: str | None


def field_changes(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> tuple[FieldChange, ...]:
    """What changes, as pages write it."""
    was, will = before or {}, after or {}
    return tuple(FieldChange(f, _written(was.get(f)), _written(will.get(f))) for f in will)


def _written(value: object) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, dict):
        return f"{value['amount']} {value['currency']}"
    return str(value)
