"""A bundle made without a server or a database, for everything that reads one."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from marketplace.ledger.log import bundle as bundles
from marketplace.ledger.log import entry as entries
from marketplace.ledger.log.entry import Place, Record, Unit
from marketplace.ledger.log.merkle import leaf_hash
from marketplace.ledger.log.notes import COSIGNATURE, ED25519, Checkpoint, Signer, cosign, sign
from marketplace.ledger.log.tiles import Edge, reader

LOG = Signer("log.example/1", ED25519, bytes(range(32)))
WITNESS = Signer("witness.example/1", COSIGNATURE, bytes(range(1, 33)))


class Made(NamedTuple):
    data: bytes
    point: Checkpoint
    keys: dict[str, tuple[bytes, int]]
    entries: list[bytes]


def sample_bundle() -> Made:
    """Three of three hundred lots in a log of 1,500, one of them with a movement of somebody else's."""
    dice = random.Random(7)
    at = datetime(2026, 11, 29, tzinfo=UTC)
    who = UUID(int=dice.getrandbits(128))
    lots = [(UUID(int=dice.getrandbits(128)), dice.randbytes(32)) for _ in range(300)]
    movements: dict[UUID, list[bundles.Seen | bundles.Hidden]] = {lot: [] for lot, _ in lots}
    edge, data = Edge(0, {}), []
    for position in range(1_500):
        lot, key = lots[position % 300]
        seq = position // 300 + 1
        unit = Unit(
            "NFM", who, "100-A", None, "B-1", "EA", None, None, None, who, None, lot, None, sha256(key).digest()
        )
        before = Place(seq - 1, who, who, None, "new", None, None, 0, 0) if seq > 1 else None
        after = Place(seq, who, who, None, "new", None, None, 5, None)
        record = Record(
            lot, seq, "move" if seq > 1 else "register", None, 5, None, at, at, who, who, who, "test", None, None, None, None, None,
            None, None, None, None, before, after, unit if seq == 1 else None,
        )  # fmt: skip
        salt = dice.randbytes(16)
        committed = entries.commitment(entries.encoded(record), salt)
        data.append(entries.entry(entries.tag(key, seq), committed))
        hidden = position == 906
        movements[lot].append(
            bundles.Hidden(position, committed) if hidden else bundles.Seen(position, salt, entries.encoded(record))
        )
        edge.append(leaf_hash(data[-1]))
    point = Checkpoint(LOG.name, edge.size, edge.root)
    parts = [bundles.LotPart(str(lot), key, movements[lot]) for lot, key in lots[5:8]]
    tiles = {where: bytes(h) for where, h in edge.changed.items()}
    written = bundles.write(
        scope={"kind": "unit"}, made_at="2026-11-29", checkpoint=sign(point.text, [LOG]) + cosign(point.text, WITNESS, 1_700_000_000),
        tails=sign(bundles.tails_text(point.origin, point.size, parts), [LOG]), keys=[LOG.key.vkey], witnesses=[WITNESS.key.vkey],
        lots=parts, size=point.size, read=reader(lambda level, number: tiles[level, number]), labels={str(who): "Northfield"},
    )  # fmt: skip
    return Made(written, point, {str(lot): (key, 5) for lot, key in lots[5:8]}, data)
