"""Pages of results by keyset: a page knows where the next one starts, never how many rows were skipped.

A bookmark is the sort key of the last row, signed, so that a client can carry it but not make one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from marketplace.kit.canonical import plain
from marketplace.kit.errors import invalid

T = TypeVar("T")
U = TypeVar("U")

MAX_PAGE = 500
DEFAULT_PAGE = 50


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows in order, and the bookmark of the next page (None on the last)."""

    items: Sequence[T]
    next: str | None = None

    def map(self, change: Callable[[T], U]) -> Page[U]:
        """The same page with each row changed."""
        return Page([change(i) for i in self.items], self.next)


def sign_bookmark(key: Sequence[Any], secret: str) -> str:
    """The bookmark that stands for the sort key ``key``."""
    body = json.dumps(plain(list(key)), separators=(",", ":"), ensure_ascii=False).encode()
    mac = hmac.new(secret.encode(), body, hashlib.sha256).digest()[:12]
    return base64.urlsafe_b64encode(mac + body).decode().rstrip("=")


def read_bookmark(
    bookmark: str | None, secret: str, first: Callable[[str], Any], *others: Callable[[str], Any]
) -> list[Any] | None:
    """The sort key in a bookmark, or None for the first page. Raises ``page.bookmark`` when it is not ours.

    ``first`` and ``others``: what each part of the key is read as (UUID, int, str). A bookmark of another list is signed as well, and
    its key would be no place in this one: it is refused the same way.
    """
    if not bookmark:
        return None
    try:
        raw = base64.urlsafe_b64decode(bookmark + "=" * (-len(bookmark) % 4))
        mac, body = raw[:12], raw[12:]
        good = hmac.compare_digest(mac, hmac.new(secret.encode(), body, hashlib.sha256).digest()[:12])
        key = json.loads(body) if good else None
        if key is not None:
            key = [kind(part) for kind, part in zip((first, *others), key, strict=True)]
    except (ValueError, TypeError, AttributeError):
        key = None
    if not isinstance(key, list):
        raise invalid(
            "page.bookmark", "This page link is damaged or outdated. Start again from the first page.", field="after"
        )
    return key


def cut(rows: Sequence[T], limit: int, key: Callable[[T], Sequence[Any]], secret: str) -> Page[T]:
    """A page of ``limit`` from up to ``limit + 1`` fetched rows."""
    if len(rows) <= limit:
        return Page(rows)
    shown = rows[:limit]
    return Page(shown, sign_bookmark(key(shown[-1]), secret))
