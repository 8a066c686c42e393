"""What is looked up for a row while it streams in: maker, site, unit, condition, and the id of a unit with a serial."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from marketplace.imports.fields import ONE_OR_OTHER
from marketplace.imports.values import condition_word, parse_condition
from marketplace.kit.errors import DomainError
from marketplace.kit.exports import original_cell
from marketplace.kit.ids import batch_lot_id, serial_lot_id
from marketplace.parts.numbers import normalise

DEFAULT_CONDITION = "new"
"""What a file without a condition means: stock that its maker never sold."""
_PIECES = frozenset("each ea. pc pcs pce piece pieces st stk stck unit units un".split())  # noqa: SIM905
_SPACES = frozenset("\u00a0\u2007\u202f\n\r")
"""Not printable to Python, but no harm here: figures are grouped by some, and by a line's end a glued row is known."""
_NOT_NUMBER = re.compile(r"[^A-Z0-9]")
_ONE = re.compile(r"0*1(?:[.,]0+)?")
_SHOWN = 8

Staged = tuple[list[str], UUID | None, UUID | None, str | None, str | None, str, UUID | None]
"""cells, maker, site, unit, condition, normalised number, computed lot id: the columns of import_stage."""


@dataclass(frozen=True, slots=True)
class KnownMaker:
    """A maker as files may name it."""

    id: UUID
    code: str
    name: str
    own: bool


@dataclass(frozen=True, slots=True)
class Lookups:
    """What texts stand for, by casefolded text."""

    makers: Mapping[str, KnownMaker]
    sites: Mapping[str, UUID]
    uoms: Mapping[str, str]
    default_maker: KnownMaker | None
    default_site: UUID | None
    maker_words: str
    site_words: str
    company: UUID
    chosen_conditions: Mapping[str, str] = field(default_factory=dict)
    """What the company says its words mean, by ``condition_word``; before ours."""
    conditions: dict[str, str | None] = field(default_factory=dict)

    def unit(self, text: str) -> str | None:
        """The code of a unit, None where it is unknown; 'St.' is 'St'."""
        plain = text.casefold()
        return self.uoms.get(plain) or self.uoms.get(plain.rstrip("."))

    def condition(self, text: str) -> str | None:
        """Our word for a condition, None where it is unknown; blank is the default."""
        if not text:
            return DEFAULT_CONDITION
        # Files repeat a handful of texts; a hostile one with a new text in each row must not fill the memory.
        if text not in self.conditions:
            if len(self.conditions) > 1_000:
                self.conditions.clear()
            try:
                self.conditions[text] = self.chosen_conditions.get(condition_word(text)) or parse_condition(text)
            except DomainError:
                self.conditions[text] = None
        return self.conditions[text]


def build_lookups(
    *,
    company: UUID,
    makers: Iterable[KnownMaker],
    sites: Iterable[tuple[UUID, str, str]],
    uoms: Iterable[tuple[str, str]],
    default_maker: str | None,
    default_site: UUID | None,
    conditions: Mapping[str, str] | None = None,
    site_words: Mapping[str, UUID] | None = None,
) -> Lookups:
    """``sites``: (id, code, name); ``uoms``: (code, name). Codes win over names, both over ``site_words`` (casefolded). Without a default maker a company's
    only own maker is meant."""
    known = list(makers)
    by_text = {m.name.casefold(): m for m in known} | {m.code.casefold(): m for m in known}
    own = [m for m in known if m.own]
    default = by_text.get(default_maker.strip().casefold()) if default_maker else (own[0] if len(own) == 1 else None)
    places = list(sites)
    units = list(uoms)
    meant = {name.casefold(): code for code, name in units} | {code.casefold(): code for code, _ in units}
    if "ea" in meant:
        meant = dict.fromkeys(_PIECES, meant["ea"]) | meant
    return Lookups(
        makers=by_text,
        sites=dict(site_words or {})
        | {name.casefold(): key for key, _, name in places}
        | {code.casefold(): key for key, code, _ in places},
        uoms=meant,
        default_maker=default,
        default_site=default_site,
        maker_words=_some(m.code for m in (own or known)),
        site_words=_some(code for _, code, _ in places),
        company=company,
        chosen_conditions=conditions or {},
    )


def _some(words: Iterable[str]) -> str:
    found = sorted(words)
    more = f" and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
    return (", ".join(found[:_SHOWN]) or "none") + more


def _normalised(number: str) -> str:
    """``parts.numbers.normalise``, at a third of its cost for plain text (a test compares)."""
    return _NOT_NUMBER.sub("", number.upper()) if number.isascii() else normalise(number)


def _apart(cells: list[str], columns: Mapping[str, int]) -> list[str]:
    """The row with its serial number and its batch in two more cells, of which one is filled: one unit has a serial
    number, several share a batch. A row with too many cells stays too wide."""
    width = columns["serial"]
    padded = cells + [""] * (width - len(cells))
    written, quantity = padded[columns[ONE_OR_OTHER]], padded[columns["quantity"]] if "quantity" in columns else ""
    two = [written, ""] if _ONE.fullmatch(quantity) else ["", written]
    return [*padded[:width], *two, *padded[width:]]


def _in_one_line(cell: str) -> str:
    """A cell without what no page, label or mail can show in one line: controls, line separators, turned directions."""
    shown = "".join(c if c.isprintable() or c in _SPACES else " " for c in cell)
    return " ".join(part for part in shown.split(" ") if part)


def tidy(cells: Sequence[str]) -> list[str]:
    """Cells trimmed, in one line, and without the apostrophe of our own exports."""
    # 20 cells a row: a call for each would cost more than reading the file, so the row is asked as one text.
    trimmed = list(map(str.strip, cells))
    row = "".join(trimmed)
    if "'" in row:
        trimmed = [cell if cell[:1] != "'" else original_cell(cell) for cell in trimmed]
    if not row.isprintable():
        trimmed = [cell if cell.isprintable() else _in_one_line(cell) for cell in trimmed]
    return trimmed


def stage_row(cells: list[str], columns: Mapping[str, int], known: Lookups) -> Staged:
    """A row as it is copied in. Cells are trimmed, and the apostrophe of our own exports is taken off."""
    trimmed = tidy(cells)
    if ONE_OR_OTHER in columns:
        trimmed = _apart(trimmed, columns)

    def text(name: str) -> str:
        at = columns.get(name)
        return trimmed[at] if at is not None else ""

    written = text("maker")
    maker = known.makers.get(written.casefold()) if written else known.default_maker
    place = text("site")
    site = known.sites.get(place.casefold()) if place else known.default_site
    unit = text("uom")
    norm = _normalised(text("number"))
    lot: UUID | None = None
    if maker is not None and norm:
        # The number enters as it compares, so that '57114-TTA' and '57114TTA' are one part with one serial.
        if serial := text("serial"):
            lot = serial_lot_id(maker.code, norm, serial)
        elif batch := text("batch"):
            lot = batch_lot_id(maker.code, norm, batch, known.company)
    return (
        trimmed, maker.id if maker else None, site, known.unit(unit) if unit else None,
        known.condition(text("condition")), norm, lot,
    )  # fmt: skip
