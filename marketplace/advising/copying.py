"""PostgreSQL's binary COPY for rows of fixed width: arrays in, bytes out, and back.

A million rows as Python objects take longer than everything that is computed of them. The layout is the one of the manual
(COPY, Binary Format): a signature, then for each row its number of fields and each field behind its length, most significant byte
first. Rows of fixed width are a table to NumPy; so nothing in them may be null (NaN says that a number is not known).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt

_HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_END = b"\xff\xff"
_FLOAT4 = 700
"""The type's number in PostgreSQL, which an array names in front of its elements."""
TYPES: Mapping[str, str] = {"uuid": "S16", "int2": ">i2", "int4": ">i4", "float4": ">f4", "float8": ">f8", "bool": "?"}
Fields = Sequence[tuple[str, str]]
"""(name, type) of each column: one of ``TYPES``, or ``float4[n]`` for an array of n numbers."""


def ids(found: Sequence[bytes]) -> npt.NDArray[np.bytes_]:
    """16 bytes each as an array that sorts and compares as PostgreSQL does."""
    return np.frombuffer(b"".join(found), dtype="S16")


def same(key: UUID, size: int) -> npt.NDArray[np.bytes_]:
    """One id for every row."""
    return np.full(size, key.bytes, dtype="S16")


def layout(fields: Fields) -> np.dtype[Any]:
    """One row: its number of fields, and each field behind its length."""
    made: list[tuple[Any, ...]] = [("_fields", ">i2")]
    for name, kind in fields:
        made.append((f"_{name}", ">i4"))
        if kind.startswith("float4["):
            made.append((f"_{name}_head", ">i4", (5,)))
            made.append((name, np.dtype([("_size", ">i4"), ("value", ">f4")]), (int(kind[7:-1]),)))
        else:
            made.append((name, TYPES[kind]))
    return np.dtype(made)


def _length(kind: str) -> int:
    return 20 + 8 * int(kind[7:-1]) if kind.startswith("float4[") else np.dtype(TYPES[kind]).itemsize


def packed(fields: Fields, columns: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Whole rows as one COPY. Every column has a value for each row; an array column is two-dimensional."""
    size = len(columns[fields[0][0]])
    rows = np.zeros(size, layout(fields))
    rows["_fields"] = len(fields)
    for name, kind in fields:
        rows[f"_{name}"] = _length(kind)
        if kind.startswith("float4["):
            rows[f"_{name}_head"] = (1, 0, _FLOAT4, int(kind[7:-1]), 1)
            rows[name]["_size"] = 4
            rows[name]["value"] = columns[name]
        else:
            # What is too large for its column is infinite, and an unknown price NaN.
            with np.errstate(over="ignore"):
                rows[name] = columns[name]
    return _HEAD + rows.tobytes() + _END


class Unpacker:
    """Takes a COPY as it comes, piece by piece, and hands on whole rows as arrays; memory stays that of a piece."""

    def __init__(self, fields: Fields, use: Callable[[npt.NDArray[Any]], None]) -> None:
        self._layout = layout(fields)
        self._lengths = [(f"_{name}", _length(kind)) for name, kind in fields]
        self._use = use
        self._rest = b""
        self._begun = False

    def feed(self, piece: bytes) -> None:
        """The next bytes. Raises ``ValueError`` where a row has another width than was said: a null, an array of another length."""
        data = self._rest + piece
        if not self._begun:
            if len(data) < len(_HEAD):
                self._rest = data
                return
            data, self._begun = data[len(_HEAD) :], True
        whole = len(data) // self._layout.itemsize
        if whole:
            rows = np.frombuffer(data, self._layout, whole)
            if any((rows[name] != length).any() for name, length in self._lengths):
                raise ValueError("a row of another width")
            self._use(rows)
        self._rest = data[whole * self._layout.itemsize :]

    def close(self) -> None:
        """Raises ``ValueError`` where the end is not the one of a COPY."""
        if self._rest != _END:
            raise ValueError("rows of another width, or no end")
