"""What may be attached to what, and what a file really is, whatever its name says. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from marketplace.kit.errors import DomainError, invalid
from marketplace.parties.actor import Actor

On = Literal["part", "lot", "listing", "order", "call"]
Kind = Literal["certificate", "photo", "drawing", "data_sheet", "packing_list", "other"]
Audience = Literal["same", "own"]

MOST_BYTES: Final = 15 * 1024 * 1024
LONGEST_NAME: Final = 120
LONGEST_NOTE: Final = 500
KIND_WORDS: Final[Mapping[str, str]] = {
    "certificate": "Certificate", "photo": "Photo", "drawing": "Drawing", "data_sheet": "Data sheet", "packing_list": "Packing list",
    "other": "Other",
}  # fmt: skip
ON_WORDS: Final[Mapping[str, str]] = {
    "part": "part", "lot": "unit", "listing": "listing", "order": "order", "call": "order back",
}  # fmt: skip
READ_VERBS: Final[Mapping[str, str]] = {
    "part": "parts.read", "lot": "stock.read", "listing": "listing.read", "order": "order.read", "call": "call.read",
}  # fmt: skip
"""Who may see a kind of thing may see what hangs on it."""
ADD_VERBS: Final[Mapping[str, tuple[str, ...]]] = {
    "part": ("parts.write",), "lot": ("holding.act", "call.receive"), "listing": ("release.write",),
    "order": ("order.place", "order.decide", "order.ship", "order.receive"), "call": ("call.message",),
}  # fmt: skip
AUDIENCE_WORDS: Final[Mapping[str, str]] = {
    "same": "Everybody who may see this", "own": "My own company only",
}  # fmt: skip
PICTURES: Final = frozenset({"image/jpeg", "image/png", "image/webp"})
EXTENSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "application/pdf": ("pdf",), "image/jpeg": ("jpg", "jpeg"), "image/png": ("png",), "image/webp": ("webp",),
    "model/step": ("stp", "step"), "image/vnd.dxf": ("dxf",),
}  # fmt: skip
TAKEN: Final = "PDF, JPEG, PNG, WebP, STEP (.stp) and DXF"


@dataclass(frozen=True, slots=True)
class Thing:
    """What a document hangs on."""

    on: On
    id: UUID


def may_see(actor: Actor, on: str) -> bool:
    """Whether the actor's role sees things of this kind at all; which of them the database says."""
    return actor.may("document.read") and actor.may(READ_VERBS[on])


def may_add(actor: Actor, on: str) -> bool:
    """Whether the actor's role may attach to things of this kind."""
    return actor.may("document.add") and any(actor.may(verb) for verb in ADD_VERBS[on])


# What begins like this is none of ours; the words say what to do instead.
_REFUSED: Final[tuple[tuple[bytes, str], ...]] = (
    (b"PK\x03\x04", "This is a ZIP archive or an Office file, which may carry macros and whatever else is packed into it. Save it as PDF."),
    (b"PK\x05\x06", "This is an empty ZIP archive. Send the files themselves."),
    (b"\xd0\xcf\x11\xe0", "This is an old Office file, which may carry macros. Save it as PDF."),
    (b"{\\rtf", "This is a text of a word processor, which may carry other files. Save it as PDF."),
    (b"MZ", "This is a program. Send documents and pictures only."),
    (b"\x7fELF", "This is a program. Send documents and pictures only."),
    (b"#!", "This is a program. Send documents and pictures only."),
    (b"GIF8", "GIF is not taken. Save the picture as PNG."),
    (b"BM", "BMP is not taken. Save the picture as PNG."),
    (b"II*\x00", "TIFF is not taken. Save scans as PDF and pictures as PNG."),
    (b"MM\x00*", "TIFF is not taken. Save scans as PDF and pictures as PNG."),
    (b"Rar!", "This is an archive. Send the files themselves."),
    (b"7z\xbc\xaf", "This is an archive. Send the files themselves."),
    (b"\x1f\x8b", "This is an archive. Send the files themselves."),
)  # fmt: skip
_LOOKED_AT: Final = 4096


def sniff(content: bytes) -> str:
    """The media type by what is in the file. Raises ``document.empty``, ``document.too_large``, ``document.kind``."""
    if not content:
        raise invalid("document.empty", "The file is empty. Choose another one.", field="file")
    if len(content) > MOST_BYTES:
        raise too_large()
    head = content[:_LOOKED_AT]
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    if b"%PDF-" in head[:1024]:
        return "application/pdf"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"ISO-10303-21"):
        return "model/step"
    if re.match(rb"0\s*\r?\n\s*SECTION\s*\r?\n", text) or re.match(rb"999\r?\n[^\n]*\n\s*0\s*\r?\n\s*SECTION", text):
        return "image/vnd.dxf"
    raise _wrong_kind(head, text)


def too_large() -> DomainError:
    """More than a file may have."""
    return invalid(
        "document.too_large",
        f"The file is larger than {MOST_BYTES // 1024 // 1024} MB. Scan or save it smaller, or send it in parts.",
        field="file",
    )


def _wrong_kind(head: bytes, text: bytes) -> DomainError:
    words = next((told for begins, told in _REFUSED if head.startswith(begins)), "")
    lower = text[:2048].lower()
    if not words and b"<svg" in lower:
        words = "An SVG drawing can carry a program that runs when somebody looks at it. Save it as PDF or PNG."
    elif not words and lower.startswith((b"<!doctype html", b"<html", b"<?xml", b"<script")):
        words = "This is a web page. Save it as PDF."
    elif not words and head[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypavif"):
        words = "This is a picture in a format (HEIC or AVIF) that many cannot open. Save it as JPEG; phones can send it so."
    return invalid(
        "document.kind", f"{words or 'It cannot be told what this file is.'} Taken are {TAKEN}.", field="file"
    )


_RESERVED: Final = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")


def safe_name(name: str, media_type: str) -> str:
    """The file's own name without folders, control and direction characters and what file systems do not take, at most
    ``LONGEST_NAME`` long, ending as its type does."""
    plain = unicodedata.normalize("NFC", name.replace("\\", "/").rsplit("/", 1)[-1])
    plain = "".join(" " if c in '\t\n\r<>:"|?*' else c for c in plain)
    plain = "".join(c for c in plain if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
    plain = " ".join(plain.split()).rstrip(". ")
    endings = EXTENSIONS[media_type]
    stem, dot, ending = plain.rpartition(".")
    if dot and ending.casefold() in endings:
        plain, ending = stem, ending.casefold()
    else:
        ending = endings[0]
    plain = plain.strip(". ")[: LONGEST_NAME - len(ending) - 1].strip(". ") or "document"
    if _RESERVED.match(plain):
        plain = f"_{plain}"[: LONGEST_NAME - len(ending) - 1]
    return f"{plain}.{ending}"


def checked_note(note: str) -> str:
    """Raises ``document.note``."""
    plain = note.strip()
    if len(plain) > LONGEST_NOTE:
        raise invalid("document.note", f"Shorten the note to {LONGEST_NOTE} characters.", field="note")
    return plain
