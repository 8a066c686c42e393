"""Identifiers: permanent lot ids, and the short references people read to each other.

Row ids are ``uuidv7()`` from PostgreSQL 18. A serialised lot's id is computed, so that one serial can exist
only once on any number of nodes.
"""

from __future__ import annotations

import secrets
from uuid import UUID, uuid5

LOT_NAMESPACE = UUID("8f2c1f0e-5d0b-5b6a-9a54-5f3a0c1d7e42")
COMMAND_NAMESPACE = UUID("1b9f2a64-0c59-5f51-8c0e-0a5d9d6f3b17")
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # no 0 O 1 I L: read over the telephone


def serial_lot_id(maker_code: str, part_number: str, serial: str) -> UUID:
    """The id of one serial-numbered unit. The serial keeps its leading zeros and its case."""
    return _lot_id("serial", maker_code, part_number, serial)


def batch_lot_id(maker_code: str, part_number: str, batch: str, company: UUID) -> UUID:
    """The id of a batch lot as first registered by one company: other companies get split children."""
    return _lot_id("batch", maker_code, part_number, batch, str(company))


def _lot_id(*parts: str) -> UUID:
    # Length-prefixed, so that ("AB", "C") and ("A", "BC") can never meet.
    return uuid5(LOT_NAMESPACE, "".join(f"{len(p)}:{p}" for p in parts))


def command_id(scope: str, *parts: object) -> UUID:
    """A repeatable command id: the same cause always gives the same ledger command."""
    return uuid5(COMMAND_NAMESPACE, "|".join([scope, *map(str, parts)]))


def short_reference(prefix: str) -> str:
    """A reference such as ``CALL-7F3K2Q``: 30 bits, unique by constraint where it is stored."""
    return prefix + "-" + "".join(secrets.choice(_ALPHABET) for _ in range(6))
