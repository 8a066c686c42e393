"""Part numbers as people write them, and how they are compared."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from marketplace.kit.errors import invalid
from marketplace.parts.labels import looks_scanned, number_on

MAX_NUMBERS = 500
MAX_LENGTH = 80
MINIMUM_PREFIX = 3
MINIMUM_SUBSTRING = 4
MINIMUM_FUZZY = 5

_SEPARATORS = re.compile(r"[\n\r\t;]+|,(?!\d{3}\b)")


class Match(StrEnum):
    """How a number was found: each step is tried only when the one before found nothing."""

    EXACT = "exact"
    PREFIX = "prefix"
    SUBSTRING = "substring"
    FUZZY = "fuzzy"


def normalise(number: str) -> str:
    """Upper case, letters and digits only: '57114-tta-J030' and '57114 TTAJ030' are one number. Leading zeros
    stay, and letters that look like digits stay what they are: guessing would lead to the wrong part."""
    folded = unicodedata.normalize("NFKC", number).upper()
    return "".join(c for c in folded if c.isascii() and c.isalnum())


@dataclass(frozen=True, slots=True)
class Asked:
    """One number as somebody asked for it, with its normalised form."""

    written: str
    norm: str


def parse_list(text: str, *, limit: int = MAX_NUMBERS, field: str = "q") -> tuple[Asked, ...]:
    """The numbers in a pasted list: one a line, or parted by commas, semicolons or tabs; repeats dropped.

    A line may carry a quantity or words after a tab; only its first cell is a number. A line that was scanned stands for the number that
    its code names (``labels.read``, which says of a code that cannot be read so). Raises ``parts.too_many``
    beyond ``limit`` and ``parts.too_long`` for a number over 80 characters, naming the ``field`` that the text came in;
    nothing is cut off silently.
    """
    found: dict[str, Asked] = {}
    for piece in _pieces(text, field):
        written = piece.strip().strip("\"'")
        norm = normalise(written)
        if not norm:
            continue
        if len(written) > MAX_LENGTH:
            raise invalid(
                "parts.too_long",
                f"'{written[:30]}...' is too long for a part number ({len(written)} characters, at most {MAX_LENGTH}). "
                "Put one number on each line.",
                field=field,
            )
        found.setdefault(norm, Asked(written, norm))
    refuse_too_many(len(found), limit=limit, field=field)
    return tuple(found.values())


def refuse_too_many(many: int, *, limit: int = MAX_NUMBERS, field: str = "q") -> None:
    """Raises ``parts.too_many`` for a list that is not looked up at once."""
    if many > limit:
        raise invalid(
            "parts.too_many",
            f"These are {many:,} numbers; at most {limit} can be looked up at once. Split the list.",
            field=field,
        )


def between_blanks(asked: Asked) -> tuple[Asked, ...]:
    """The numbers that a line would be if blanks parted them; empty where they cannot: printed numbers hold blanks too,
    and pieces of less than ``MINIMUM_PREFIX`` letters and digits are parts of one."""
    pieces = {piece.norm: piece for word in asked.written.split() if (piece := Asked(word, normalise(word))).norm}
    return tuple(pieces.values()) if len(pieces) > 1 and min(map(len, pieces)) >= MINIMUM_PREFIX else ()


def unknown(written: str) -> str:
    """What is said of a number that leads to no part: what was tried, and what to do."""
    return (
        f"No part has the number '{written}': neither exactly this, nor one that begins with it, contains it or is spelled "
        "much like it. Leave out prefixes that the maker does not print, try the older number, and put one number on each line."
    )


def repeats(text: str, asked: int) -> int:
    """How many numbers of a pasted list stand there again, of which ``parse_list`` made ``asked``."""
    return sum(1 for piece in _pieces(text, "q") if normalise(piece.strip().strip("\"'"))) - asked


def _pieces(text: str, field: str) -> Iterable[str]:
    for line in re.split(r"[\n\r]+", text):
        if looks_scanned(line):
            yield number_on(line, field=field)
        elif "\t" in line:
            yield line.split("\t", 1)[0]
        else:
            yield from _SEPARATORS.split(line)


def after_prefix(prefix: str) -> str:
    """The smallest string greater than every string that begins with ``prefix`` (in byte order)."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
