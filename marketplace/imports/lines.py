"""What makes two lines of two files the same stock line."""

from __future__ import annotations

from uuid import UUID


def line_family(part_id: UUID, condition: str, serial: str | None, batch: str | None) -> str:
    """Lines that could be meant by the same words. A serial number says it all; without one, part, condition and
    batch do. The bin is left out: stock that was put on another shelf is not new stock. ``imports/queries`` builds
    the same text in SQL."""
    return f"{part_id}:s:{serial}" if serial else f"{part_id}:{condition}:{batch or ''}"


def line_key(family: str, ordinal: int) -> str:
    """The key within a company and site: lines of one family are told apart by a number from 1."""
    return f"{family}#{ordinal}"
