"""What is printed on a part's plate, label or bag, as a scanner gives it: which numbers and which serial it names. Pure.

GS1 element strings (with and without brackets, from a GS1-128, GS1 DataMatrix or GS1 QR) and Digital Links are read by biip; ISO/IEC
15434 envelopes, which machine makers and MIL-STD-130 put on plates, by the data identifiers of ANSI MH10.8.2 and the text elements of
ATA CSDD; NATO stock numbers; and the links on our own labels. Anything else is a number as somebody writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from biip import ParseError
from biip.gs1_digital_link_uris import GS1DigitalLinkURI
from biip.gs1_messages import GS1Message
from biip.gtin import Gtin

from marketplace.kit.errors import invalid

MOST: Final = 512
"""Longer than any code on a part (a DataMatrix of one square holds more, but nobody writes a number so)."""
FIELD, RECORD, END = "\x1d", "\x1e", "\x04"
_CONTROLS: Final = {"GS": FIELD, "RS": RECORD, "EOT": END, "US": "\x1f", "FS": "\x1c"}
# How readers write characters that a screen does not show.
_WRITTEN = re.compile(r"<(GS|RS|EOT|US|FS)>")
_SYMBOLOGY = re.compile(r"\][A-Za-z][0-9A-Za-z]")
_BRACKETS = re.compile(r"\(\d{2,4}\)")
_UNIT = re.compile(r"/units/([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})(?:[/?#]|$)", re.IGNORECASE)
_NSN = re.compile(r"(\d{4})[- ]?(\d{2})[- ]?(\d{3})[- ]?(\d{4})")
_IDENTIFIER = re.compile(r"(\d{0,3}[A-Z])(.*)", re.DOTALL)


class Kind(StrEnum):
    """How a label is written."""

    UNIT_LINK = "unit_link"
    DIGITAL_LINK = "digital_link"
    GS1 = "gs1"
    ISO15434 = "iso15434"
    NSN = "nsn"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a label says. ``numbers``: numbers of the part, the maker's own before those of other schemes; ``unit``: of a label of
    this site, the lot that it leads to."""

    kind: Kind
    numbers: tuple[str, ...] = ()
    serial: str | None = None
    batch: str | None = None
    unit: UUID | None = None

    @property
    def words(self) -> str:
        """What was read, for a person: 'part 4711-9, serial A7'."""
        said = [f"part {self.numbers[0]}"] if self.numbers else []
        said += [f"serial {self.serial}"] if self.serial else []
        said += [f"batch {self.batch}"] if self.batch else []
        return ", ".join(said) or ("one unit" if self.unit else "nothing that names a part")


def read(raw: str, *, field: str = "q") -> Label:
    """What a scanned or typed text says. Raises ``label.too_long``, ``label.binary`` for what is no text, and ``label.unreadable`` for a
    code that says of itself that it is GS1 or ISO 15434 and is not: with what is wrong, and nothing guessed."""
    text = _WRITTEN.sub(lambda name: _CONTROLS[name[1]], raw.strip(" \t\r\n\x00"))
    if len(text) > MOST:
        raise invalid(
            "label.too_long",
            f"This code has {len(text):,} characters; no label of a part has more than {MOST}. Type the number.",
            field=field,
        )
    if any(ord(c) < 32 and c not in f"\t\r\n\x1c{FIELD}{RECORD}\x1f{END}" for c in text) or "\ufffd" in text:
        raise invalid(
            "label.binary", "This code holds data that is no text. Type the part number or the serial.", field=field
        )
    text = _SYMBOLOGY.sub("", text, count=1) if (marked := _SYMBOLOGY.match(text)) else text
    if found := _UNIT.search(text):
        return Label(kind=Kind.UNIT_LINK, unit=UUID(found[1]))
    if text.lower().startswith(("http://", "https://")):
        return _digital_link(text, field)
    if text.startswith("[)>"):
        return _envelope(text, field)
    says_gs1 = (
        FIELD in text
        or bool(_BRACKETS.match(text))
        or (marked is not None and marked[0] in {"]C1", "]d2", "]Q3", "]e0"})
    )
    if says_gs1 or _is_gtin_first(text):
        return _gs1(text, field)
    if whole := _NSN.fullmatch(text):
        return Label(kind=Kind.NSN, numbers=(text, "".join(whole.groups()[1:])))
    return Label(kind=Kind.PLAIN, numbers=_each(text), serial=text or None)


def number_on(line: str, *, field: str = "q") -> str:
    """The number to look for in one line of a pasted list: as it stands, or the one that a scanned code names."""
    label = read(line, field=field) if looks_scanned(line) else None
    return label.numbers[0] if label is not None and label.numbers else line


def looks_scanned(line: str) -> bool:
    """Whether a line of a list is a code, and no number: it may hold what would part a list."""
    text = line.strip()
    return (
        FIELD in text
        or "<GS>" in text
        or bool(_BRACKETS.match(text) or _SYMBOLOGY.match(text))
        or text.startswith("[)>")
        or "://" in text[:9]
    )


def _is_gtin_first(text: str) -> bool:
    """A scanner that gives neither a mark nor separators: '01', a GTIN whose check digit holds, and more."""
    return len(text) > 16 and text.startswith("01") and text[2:16].isdecimal() and _holds(text[2:16])


def _holds(gtin: str) -> bool:
    try:
        Gtin.parse(gtin)
    except ParseError:
        return False
    return True


def _digital_link(text: str, field: str) -> Label:
    try:
        elements = {e.ai.ai: e.value for e in GS1DigitalLinkURI.parse(text).element_strings}
    except ParseError:
        host = re.split(r"[/?#]", text.split("://", 1)[1], maxsplit=1)[0] or "somewhere"
        raise invalid(
            "label.no_part",
            f"This is a web address of {host} that names no part. Type the part number or the serial.",
            field=field,
        ) from None
    return _of_elements(Kind.DIGITAL_LINK, elements, field)


def _gs1(text: str, field: str) -> Label:
    try:
        message = GS1Message.parse_hri(text) if text.startswith("(") else GS1Message.parse(text.removeprefix(FIELD))
    except ParseError:
        raise invalid(
            "label.unreadable",
            "This is a GS1 code that is not whole, or was misread. Scan it again, or type the number.",
            field=field,
        ) from None
    return _of_elements(Kind.GS1, {e.ai.ai: e.value for e in message.element_strings}, field)


def _of_elements(kind: Kind, elements: Mapping[str, str], field: str) -> Label:
    gtin = elements.get("01") or elements.get("02")
    if gtin is not None and not _holds(gtin):
        raise invalid(
            "label.unreadable",
            f"The check digit of {gtin} is wrong: the code was misread. Scan it again, or type the number.",
            field=field,
        )
    return Label(
        kind=kind,
        # The maker's own number, its component number, the NATO stock number, and the number in trade, as long as it may be written.
        numbers=_each(elements.get("240"), elements.get("241"), elements.get("8010"), elements.get("7001"), *_gtins(gtin)),
        serial=elements.get("21") or elements.get("8011") or elements.get("8004"), batch=elements.get("10"),
    )  # fmt: skip


def _gtins(gtin: str | None) -> Iterable[str]:
    """A GTIN as catalogues hold it: 13 digits most often, 12 in America, 14 of a case."""
    if gtin is None:
        return ()
    short = gtin.lstrip("0")
    return [gtin.zfill(14)[-n:] for n in (13, 12, 8, 14) if n >= len(short)]


def _envelope(text: str, field: str) -> Label:
    body = text.removeprefix("[)>").strip(f"{RECORD}{END}\r\n ")
    form, _, rest = body.partition(FIELD)
    fields = [part.strip(f"{RECORD}{END}") for part in rest.split(FIELD)]
    if form == "05":
        return _gs1(rest.strip(f"{RECORD}{END}"), field)
    if form == "06":
        found = {match[1]: match[2] for part in fields if (match := _IDENTIFIER.fullmatch(part))}
        return Label(
            kind=Kind.ISO15434, numbers=_each(found.get("1P"), found.get("30P"), found.get("P")),
            serial=found.get("S") or found.get("13S"), batch=found.get("1T") or found.get("T"),
        )  # fmt: skip
    if form == "12":
        told = {part[:3]: part[3:].strip() for part in fields}
        return Label(
            kind=Kind.ISO15434, numbers=_each(told.get("PNR"), told.get("PNO")), serial=told.get("SER") or told.get("SEQ"),
            batch=told.get("LOT"),
        )  # fmt: skip
    raise invalid(
        "label.unreadable",
        f"This plate is written in format '{form[:4]}', which names no part here. Type the part number.",
        field=field,
    )


def _each(*numbers: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(n for n in numbers if n and any(c.isalnum() for c in n)))
