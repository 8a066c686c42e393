"""Repeatable made-up facts: ids and draws that depend only on the seed and on what they are for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from hashlib import blake2b
from typing import TypeVar
from uuid import UUID

from marketplace.kit.clock import months_between

T = TypeVar("T")
_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # read over the telephone: no 0 O 1 I L
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_VARIANT = 0b10 << 62


class Draws:
    """All chance of one world. Two draws for different purposes never depend on each other's order."""

    def __init__(self, seed: int) -> None:
        self._key = seed.to_bytes(8, "big")

    def number(self, *purpose: object) -> int:
        """A 64-bit number that belongs to the purpose."""
        text = "|".join(map(str, purpose)).encode()
        return int.from_bytes(blake2b(text, digest_size=8, key=self._key).digest(), "big")

    def below(self, limit: int, *purpose: object) -> int:
        """A whole number in 0 .. limit - 1."""
        return self.number(*purpose) % limit

    def between(self, low: int, high: int, *purpose: object) -> int:
        """A whole number in low .. high."""
        return low + self.number(*purpose) % (high - low + 1)

    def one_of(self, choices: Sequence[T], *purpose: object) -> T:
        """One of the choices, each as likely."""
        return choices[self.number(*purpose) % len(choices)]

    def id(self, moment: datetime, *purpose: object) -> UUID:
        """An id in the shape of a version 7 UUID: sorts by the moment, otherwise fixed by the purpose."""
        text = "|".join(map(str, purpose)).encode()
        tail = int.from_bytes(blake2b(text, digest_size=10, key=self._key).digest(), "big")
        millis = max((moment - _EPOCH) // timedelta(milliseconds=1), 0)
        high = (millis << 16) | 0x7000 | (tail >> 68)
        return UUID(int=(high << 64) | _VARIANT | (tail & ((1 << 62) - 1)))

    def reference(self, prefix: str, *purpose: object) -> str:
        """A short reference such as ``ORD-7F3K2QM`` that belongs to the purpose."""
        number = self.number("reference", prefix, *purpose)
        letters = []
        for _ in range(7):
            number, rest = divmod(number, len(_LETTERS))
            letters.append(_LETTERS[rest])
        return f"{prefix}-{''.join(letters)}"


def elapsed_months(day: date, start: datetime) -> int:
    """Whole months from the day to the start of the demo."""
    return months_between(day, start.date())
