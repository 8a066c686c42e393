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
_MILLISECOND = timedelta(milliseconds=1)
_VARIANT = 0b10 << 62
_LOW = (1 << 62) - 1


class Dice:
    """Draws in a row out of one digest; the order of the draws is part of the world."""

    __slots__ = ("_at", "_digest")

    def __init__(self, digest: bytes) -> None:
        self._digest = digest
        self._at = 0

    def below(self, limit: int) -> int:
        """A whole number in 0 .. limit - 1."""
        at = self._at
        self._at = at + 4
        if at >= 64:
            raise ValueError("sixteen draws are all there are")
        return int.from_bytes(self._digest[at : at + 4], "big") % limit

    def between(self, low: int, high: int) -> int:
        """A whole number in low .. high."""
        return low + self.below(high - low + 1)

    def one_of(self, choices: Sequence[T]) -> T:
        """One of the choices, each as likely."""
        return choices[self.below(len(choices))]


def _shaped(moment: datetime, tail: int) -> UUID:
    """80 bits in the shape of a version 7 UUID of the moment."""
    millis = max((moment - _EPOCH) // _MILLISECOND, 0)
    high = (millis << 16) | 0x7000 | (tail >> 68)
    return UUID(int=(high << 64) | _VARIANT | (tail & _LOW))


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

    def dice(self, *purpose: object) -> Dice:
        """Up to sixteen draws in a row for one purpose: a quarter of the cost of drawing each by itself."""
        text = "|".join(map(str, purpose)).encode()
        return Dice(blake2b(text, digest_size=64, key=self._key).digest())

    def ids(self, moment: datetime, *purpose: object) -> tuple[UUID, ...]:
        """Six ids of one moment and purpose."""
        text = "|".join(map(str, purpose)).encode()
        tails = blake2b(text, digest_size=60, key=self._key).digest()
        return tuple(_shaped(moment, int.from_bytes(tails[i : i + 10], "big")) for i in range(0, 60, 10))

    def id(self, moment: datetime, *purpose: object) -> UUID:
        """An id in the shape of a version 7 UUID: sorts by the moment, otherwise fixed by the purpose."""
        text = "|".join(map(str, purpose)).encode()
        return _shaped(moment, int.from_bytes(blake2b(text, digest_size=10, key=self._key).digest(), "big"))

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
