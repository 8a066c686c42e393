"""A row of a count, a serial list or a use report of a holder's own system: what it is about and what it says. Pure.

The parts are whoever's; what is held of them is told against the ledger later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal
from uuid import UUID

from marketplace.imports.catalogue_rows import Read, Reader, Row
from marketplace.imports.fields import heading
from marketplace.imports.values import parse_quantity
from marketplace.kit.errors import DomainError
from marketplace.ledger.entries import MAX_QUANTITY
from marketplace.parts.numbers import normalise

MOST_ROWS: Final[Mapping[str, int]] = {"counts": 20_000, "uses": 2_000}
"""So many rows of such a file land in one go: each use is an act of its own."""
Act = Literal["use_up", "install", "scrap"]
_SAID: Final[Mapping[Act, str]] = {
    "use_up": "use|used|used up|consumed|consumption|issue|issued|issue to production|goods issue|sold|verbrauch|verbraucht|entnahme",
    "install": "install|installed|fit|fitted|fitted into machine|mounted|eingebaut|einbau",
    "scrap": "scrap|scrapped|scrapping|disposed|disposal|destroyed|verschrottet|verschrottung",
}
_ACTS: Final[Mapping[str, Act]] = {heading(word): act for act, words in _SAID.items() for word in words.split("|")}
_LONGEST_MACHINE = 200


def _about(row: Row) -> tuple[UUID | None, str, str]:
    """(maker where one is named, number as it compares, serial in capitals); says the site."""
    written, texts = row.text("maker"), row.known.texts
    maker = texts.makers.get(written.casefold()) if written else None
    if written and maker is None:
        row.wrong(
            "maker",
            "import.maker",
            f"There is no maker '{written[:40]}'. Write it as the catalogue does, or leave the cell blank.",
        )
    norm = ""
    if number := row.text("number"):
        try:
            norm = normalise(number)
        except DomainError:
            norm = ""
        if not norm:
            row.wrong("number", "import.number", f"'{number[:40]}' has no letter or digit.")
    serial = row.text("serial")
    if len(serial) > 100:
        row.wrong("serial", "import.serial", "A serial number has at most 100 characters.")
    if not number and not serial:
        row.wrong("number", "import.number", "The row names no part and no serial number.")
    place = row.text("site")
    site = texts.sites.get(place.casefold()) if place else texts.default_site
    if site is None:
        words = (
            f"Your company has no site '{place[:40]}'. Yours: {texts.site_words}. Where all rows are of one, choose it for the file; else say in this import which of them it means."
            if place
            else "The site is missing. Fill it in, or choose one for the whole file."
        )
        row.wrong("site", "import.site", words)
    else:
        row.says["site_id"] = str(site)
    return maker.id if maker else None, norm, serial.upper()


def _quantity(row: Row, serial: str, missing: str) -> None:
    text = row.text("quantity")
    if not text:
        if serial:
            row.says["quantity"] = 1
        else:
            row.wrong("quantity", "import.quantity", missing)
        return
    try:
        many = parse_quantity(row.figure("quantity"))
    except DomainError as error:
        row.wrong("quantity", error.code, error.message)
        return
    if many > MAX_QUANTITY:
        row.wrong("quantity", "import.quantity", f"At most {MAX_QUANTITY:,} of a part.")
    elif serial and many > 1:
        row.wrong("quantity", "import.serial_quantity", f"A serial number is one unit; the row says {many:,}.")
    else:
        row.says["quantity"] = many


def _past(row: Row, field: str) -> date:
    """The day of the row, else that of the file. Raises nothing: a day to come is an issue."""
    day = row.day(field)
    if day is not None and day > row.known.day:
        row.wrong(field, "import.date", f"That is after the day the file tells of ({row.known.day:%d %b %Y}).")
    return day or row.known.day


def _count(row: Row) -> Read:
    maker, norm, serial = _about(row)
    _quantity(row, serial, "Say how many were counted; 0 where none is there.")
    day = _past(row, "counted_on")
    row.says["counted_on"] = day.isoformat()
    return _read(row, maker, norm, serial, "")


def _use(row: Row) -> Read:
    maker, norm, serial = _about(row)
    _quantity(row, serial, "Say how many were used.")
    day = _past(row, "used_on")
    written, machine = row.text("what"), row.text("machine")
    act: Act | None = _ACTS.get(heading(written)) if written else ("install" if machine else "use_up")
    if act is None:
        row.wrong("what", "import.what", f"'{written[:40]}' is nothing we know. Write used, fitted or scrapped.")
    if act == "install" and not machine:
        row.wrong("machine", "holding.machine", "Name the machine, by model and serial number as you write it.")
    if len(machine) > _LONGEST_MACHINE:
        row.wrong("machine", "holding.machine", "Name the machine in at most 200 characters.")
    for field in ("machine", "reference", "note"):
        row.say(field)
    if act == "scrap" and not (row.text("note") or row.text("reference")):
        row.wrong("note", "holding.reason", "Give the reason for scrapping in the note.")
    row.says |= {"what": act, "used_on": day.isoformat()}
    return _read(row, maker, norm, serial, f"{act}:{day}:{row.text('reference').casefold()[:100]}")


def _read(row: Row, maker: UUID | None, norm: str, serial: str, key: str) -> Read:
    read = row.read(maker, norm, serial, key)
    return read._replace(other=row.text("serial")[:200])


READERS: Final[Mapping[str, Reader]] = {"counts": _count, "uses": _use}
"""By kind of file."""


@dataclass(frozen=True, slots=True)
class ShelfRow:
    """A row with what it was found to be about: ``part_id`` and ``lot_id`` None where nothing on record is."""

    row_no: int
    maker_id: UUID | None
    number: str
    number_norm: str
    serial: str
    serial_norm: str
    key: str
    site_id: UUID
    quantity: int
    day: date
    what: str
    machine: str
    reference: str
    note: str
    part_id: UUID | None = None
    lot_id: UUID | None = None
    here: bool = False
    """Whether the unit with this serial number is on record at the site."""

    @property
    def same_as(self) -> str:
        """What makes two rows of two reports tell of one use: 'use:' in front, as the index has it."""
        return f"use:{self.site_id}:{self.part_id}:{self.serial_norm}:{self.quantity}:{self.key}"


@dataclass(frozen=True, slots=True)
class Part:
    """A part that a number may mean. ``held``: the company holds units of it."""

    part_id: UUID
    maker_id: UUID
    maker: str
    held: bool


def choose(row: ShelfRow, known: Sequence[Part]) -> Part | str:
    """The part that a number means: of the maker that the row names; else what the company holds; else the only one. Words where
    there is none, or several."""
    found = [p for p in known if row.maker_id in (None, p.maker_id)]
    held = [p for p in found if p.held]
    for some in (held, found):
        if len(some) == 1:
            return some[0]
    if not found:
        return f"No part has the number '{row.number[:40]}'. Check it, or ask whose part it is."
    makers = sorted({p.maker for p in (held or found)})
    return f"{', '.join(makers[:4])} each have a part '{row.number[:40]}'. Say which in a column with the maker."


def repeated(rows: Iterable[ShelfRow], before: Mapping[str, int]) -> frozenset[int]:
    """Rows that an earlier report told of already: of n the same, as many as were told before. A report that adds up the month so
    far comes again and again; two uses alike in one report are two."""
    left, found = Counter(before), set()
    for row in rows:
        if left[row.same_as] > 0:
            left[row.same_as] -= 1
            found.add(row.row_no)
    return frozenset(found)
