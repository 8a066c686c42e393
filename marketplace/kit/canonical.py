"""Canonical bytes: one input, one hash, in every process and for good.

The encoding is RFC 8785 (JSON Canonicalization Scheme) restricted to the types we use: str, bool, None,
int within 2^53, list, dict with string keys. Money, wide integers, times and ids are strings by then.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

MAX_SAFE_INTEGER = 2**53 - 1


def plain(value: Any) -> Any:
    """``value`` in JSON types only; raises TypeError for floats and unknown types."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= MAX_SAFE_INTEGER else str(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = [plain(v) for v in value]
        return sorted(items) if isinstance(value, set | frozenset) else items
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"no canonical form for {type(value).__name__}")


def instant(moment: datetime) -> str:
    """An aware time as ``2026-11-22T14:52:55.000001Z``: always UTC, always six decimals."""
    if moment.tzinfo is None:
        raise TypeError("a time without zone has no canonical form")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def encode(value: Any) -> bytes:
    """Canonical bytes of ``value``."""
    ready = plain(value)
    # RFC 8785 sorts keys by UTF-16 code units; that differs from code points only above the BMP.
    return json.dumps(_sorted(ready), ensure_ascii=False, separators=(",", ":")).encode()


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _sorted(value[k]) for k in sorted(value, key=lambda k: k.encode("utf-16-be"))}
    if isinstance(value, list):
        return [_sorted(v) for v in value]
    return value


def loose(value: Any) -> str:
    """JSON text of the same types for the database, which keeps no order of keys: several times as fast as ``encode``, and no
    canonical form."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=plain)


def digest(value: Any) -> bytes:
    """SHA-256 over the canonical bytes of ``value`` (32 bytes)."""
    return hashlib.sha256(encode(value)).digest()
