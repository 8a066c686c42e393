"""A paper as typed values: what stands on it, in which order. How it looks is said by ``paper.typ`` alone, which gets
these values as JSON, so that no text of anybody's is ever read as instructions to the typesetter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias

from marketplace.documents.letters import visible

LONG_WORD = 25
"""A word of so many letters is broken wherever its line ends; nothing else would keep it on the paper."""
_LONG = re.compile(rf"(\S{{{LONG_WORD},}})")
_BROAD = re.compile(r"[A-Z@%]|[^\x00-\u02ff]")
LINE = 100
"""How many letters of a table's size stand beside each other on the paper."""
_GUTTER = 3
"""What the space beside a column's text is worth, in letters."""
TALL_ROW = 600
"""Letters in one cell from which its row may go over the end of a page."""


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of text in one style."""

    text: str
    bold: bool = False
    italic: bool = False
    code: bool = False


Text: TypeAlias = tuple[Span, ...]


def words(text: str, *, bold: bool = False, italic: bool = False, code: bool = False) -> Text:
    """A text in one style."""
    return (Span(text, bold, italic, code),)


def plain(text: Text) -> str:
    """A text without its styles."""
    return "".join(span.text for span in text)


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; level 1 is the largest under the title."""

    level: int
    text: Text


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    text: Text


@dataclass(frozen=True, slots=True)
class Listing:
    """A list, numbered from ``start``; None: with bullets."""

    items: tuple[tuple[Block, ...], ...]
    start: int | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """What is set apart from the text around it."""

    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table, its head repeated on every page; ``right`` says which columns hold numbers."""

    head: tuple[Text, ...]
    rows: tuple[tuple[Text, ...], ...]
    right: tuple[bool, ...]
    label: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Labels with what they stand for."""

    rows: tuple[tuple[str, Text], ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """A framed box that never breaks over pages; ``done`` draws it as settled, otherwise as open."""

    title: str
    rows: tuple[tuple[str, Text], ...]
    done: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """A line of small print between two rules: where a part of the paper begins or ends."""

    text: str


@dataclass(frozen=True, slots=True)
class NewPage:
    """What follows begins on a page of its own."""


@dataclass(frozen=True, slots=True)
class Code:
    """A QR code as a picture (``svg``, made here), with what it says in words and who cannot see it hears."""

    svg: str
    alt: str
    text: Text


Block: TypeAlias = Heading | Paragraph | Listing | Quote | Table | Facts | Panel | Mark | NewPage | Code


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside the PDF, byte for byte."""

    name: str
    media_type: str
    description: str
    text: str


@dataclass(frozen=True, slots=True)
class Paper:
    """A whole paper. ``running`` stands at the head of every page and ``foot`` at its end; ``stamp`` lies across every
    page and says why the paper is not to be taken for what it looks like. ``made_at`` is the date in the file: of
    equal papers equal files are made."""

    title: str
    subtitle: str
    author: str
    running: str
    foot: str
    stamp: str | None
    blocks: tuple[Block, ...]
    made_at: datetime
    attachments: tuple[Attachment, ...] = ()


def as_json(paper: Paper, *, fewest_letters: bool = False) -> dict[str, Any]:
    """The paper in JSON types, as ``paper.typ`` reads it. Letters that the typefaces lack are written as their numbers
    (``letters.visible``)."""

    def seen(text: str) -> str:
        return visible(text, fewest=fewest_letters)

    def text(spans: Text) -> list[dict[str, Any]]:
        return [piece for span in spans for piece in _pieces(replace(span, text=seen(span.text)))]

    def block(found: Block) -> dict[str, Any]:
        match found:
            case Heading():
                return {"kind": "heading", "level": found.level, "text": text(found.text)}
            case Paragraph():
                return {"kind": "paragraph", "text": text(found.text)}
            case Listing():
                items = [[block(inner) for inner in item] for item in found.items]
                return {"kind": "list", "start": found.start, "items": items}
            case Quote():
                return {"kind": "quote", "blocks": [block(inner) for inner in found.blocks]}
            case Table():
                return {
                    "kind": "table",
                    "label": seen(found.label),
                    "widths": widths(found),
                    "right": list(found.right),
                    "head": [text(cell) for cell in found.head],
                    "rows": [[text(cell) for cell in row] for row in found.rows],
                    "tall": any(len(plain(cell)) > TALL_ROW for row in found.rows for cell in row),
                }
            case Facts():
                return {"kind": "facts", "rows": [[seen(label), text(value)] for label, value in found.rows]}
            case Panel():
                rows = [[seen(label), text(value)] for label, value in found.rows]
                return {"kind": "panel", "title": text(words(found.title)), "rows": rows, "done": found.done}
            case Mark():
                return {"kind": "mark", "text": text(words(found.text))}
            case NewPage():
                return {"kind": "new_page"}
            case Code():
                return {"kind": "code", "svg": found.svg, "alt": seen(found.alt), "text": text(found.text)}

    return {
        "title": seen(paper.title),
        "subtitle": text(words(paper.subtitle)),
        "author": seen(paper.author),
        "running": seen(paper.running),
        "foot": seen(paper.foot),
        "stamp": seen(paper.stamp) if paper.stamp else None,
        "blocks": [block(found) for found in paper.blocks],
        "attachments": [
            {"name": a.name, "type": a.media_type, "description": seen(a.description), "text": a.text}
            for a in paper.attachments
        ],
    }


def _pieces(span: Span) -> list[dict[str, Any]]:
    style = {"b": span.bold, "i": span.italic, "c": span.code}
    return [
        {"t": piece, "long": bool(number % 2), **style} for number, piece in enumerate(_LONG.split(span.text)) if piece
    ]


def widths(table: Table) -> list[int]:
    """How wide the columns are, in letters: what most of their cells need, never narrower than a word or a number, and
    together no wider than the paper as long as that can be."""
    needs = [_needs(column, right) for column, right in zip(_columns(table), table.right, strict=True)]
    spare = LINE - sum(least for least, _ in needs)
    wished = sum(usual - least for least, usual in needs)
    share = 1.0 if wished <= spare else max(spare, 0) / wished
    return [least + int((usual - least) * share) for least, usual in needs]


def _columns(table: Table) -> list[list[str]]:
    columns = [[plain(cell)] for cell in table.head]
    for row in table.rows:
        for column, cell in zip(columns, row, strict=True):
            column.append(plain(cell))
    return columns


def _needs(cells: Sequence[str], right: bool) -> tuple[int, int]:
    """The least width of a column and the one it would like, the space beside the text included."""
    body = cells[1:] or cells
    word = max((_breadth(word) for cell in body for word in cell.split()), default=1)
    # The head is bold.
    word = max(word, *(_breadth(part) + 1 for part in (cells[0] or "x").split()))
    usual = sorted(map(_breadth, body))[(len(body) - 1) * 9 // 10]
    # Numbers stay on one line.
    least = max(4, min(max(word, *map(_breadth, body)) if right else word, LONG_WORD + 6))
    return least + _GUTTER, max(least, min(usual, 46)) + _GUTTER


def _breadth(text: str) -> int:
    """How many ordinary letters a text is wide; capitals are a third wider."""
    return len(text) + (len(_BROAD.findall(text)) + 2) // 3
