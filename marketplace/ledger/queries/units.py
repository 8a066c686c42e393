"""One lot as it stands, its history, and lots by serial number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch, fetch_one
from marketplace.ledger.entries import Place
from marketplace.parties.actor import HIDDEN, Actor


@dataclass(frozen=True, slots=True)
class UnitLine:
    """One stock line of a lot as it stands now. ``veiled``: a maker hides its holders from the reader, so companies and
    place are told only roughly, and neither ``site_id`` nor ``agreement_id`` may be shown. ``party``: the reader's company
    owns or holds it or has the right in it, so that it may read the agreement."""

    position_id: int
    owner_id: UUID
    owner: str
    holder_id: UUID
    holder: str
    site_id: UUID | None
    site: str | None
    condition: str
    agreement_id: UUID | None
    beneficiary_id: UUID | None
    beneficiary: str | None
    quantity: int
    held: int
    veiled: bool
    party: bool


@dataclass(frozen=True, slots=True)
class Unit:
    """A lot with what the tenant may know of it."""

    lot_id: UUID
    part_id: UUID
    part_number: str
    description: str
    maker_id: UUID
    maker: str
    serial: str | None
    batch: str | None
    uom: str
    frozen: bool
    made_on: object
    expires_on: object
    registered_by: str
    parent_lot_id: UUID | None
    replaces_lot_id: UUID | None
    lines: tuple[UnitLine, ...]


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One movement of a lot, with names in place of ids. ``depth``: 0 for the lot that was asked for, below for the lots
    it was split off from, above for those split off from it. ``*_site`` None with a holder = in transit. ``veiled``: a maker
    hides its holders from the reader, so companies and places are told only roughly, what others wrote not at all, and
    no agreement may be shown. ``party``: the reader's company owned or held it or had the right in it, before or after."""

    lot_id: UUID
    seq: int
    kind: str
    purpose: str | None
    quantity: int
    occurred_at: datetime
    recorded_at: datetime
    company: str
    cause_kind: str
    cause_id: UUID | None
    reason: str | None
    note: str | None
    from_position: int | None
    from_owner: str | None
    from_holder: str | None
    from_site: str | None
    to_position: int | None
    to_owner: str | None
    to_holder: str | None
    to_site: str | None
    from_condition: str | None
    to_condition: str | None
    agreement_id: UUID | None
    to_agreement_id: UUID | None
    resolves: int | None
    corrects: int | None
    counterpart_lot_id: UUID | None
    machine: str | None
    depth: int
    veiled: bool
    party: bool


async def unit(session: AsyncSession, reader: Actor, lot_id: UUID) -> Unit | None:
    """A lot and its present stock lines as the reader may see them, or None where the tenant sees none."""
    lot = await fetch_one(
        session,
        "SELECT l.*, p.number, p.description, m.name AS maker_name, m.id AS maker_id, c.name AS registered_name "
        "FROM lot l JOIN part p ON p.id = l.part_id JOIN maker m ON m.id = p.maker_id "
        "JOIN company c ON c.id = l.registered_by WHERE l.lot_id = $1",
        lot_id,
    )
    if lot is None:
        return None
    rows = await fetch(
        session,
        "SELECT p.*, o.name AS owner_name, h.name AS holder_name, b.name AS beneficiary_name, s.name AS site_name, "
        "s.region "
        "FROM position p JOIN company o ON o.id = p.owner_id JOIN company h ON h.id = p.holder_id "
        "LEFT JOIN company b ON b.id = p.beneficiary_id LEFT JOIN site s ON s.id = p.site_id "
        "WHERE p.lot_id = $1 AND p.quantity > 0 ORDER BY p.position_id",
        lot_id,
    )
    lines = tuple(_line(r, reader) for r in rows)
    # Who registered a lot may have held it ever since: where any of it is veiled, or nothing is left to tell by, so is that.
    veiled = bool(reader.masked) and (not lines or any(line.veiled for line in lines))
    return Unit(
        lot_id=lot["lot_id"], part_id=lot["part_id"], part_number=lot["number"], description=lot["description"],
        maker_id=lot["maker_id"], maker=lot["maker_name"], serial=lot["serial"], batch=lot["batch"], uom=lot["uom"],
        frozen=lot["frozen"], made_on=lot["made_on"], expires_on=lot["expires_on"],
        registered_by=reader.told(lot["registered_by"], lot["registered_name"], veiled=veiled), parent_lot_id=lot["parent_lot_id"],
        replaces_lot_id=lot["replaces_lot_id"], lines=lines,
    )  # fmt: skip


def _line(r: asyncpg.Record, reader: Actor) -> UnitLine:
    veiled = reader.veils(r["owner_id"], r["holder_id"], r["beneficiary_id"])
    return UnitLine(
        r["position_id"], r["owner_id"], reader.told(r["owner_id"], r["owner_name"], veiled=veiled), r["holder_id"],
        reader.told(r["holder_id"], r["holder_name"], veiled=veiled, region=r["region"]), r["site_id"],
        reader.told_place(r["holder_id"], r["site_name"], veiled=veiled, region=r["region"]), r["condition"],
        r["agreement_id"], r["beneficiary_id"],
        r["beneficiary_id"] and reader.told(r["beneficiary_id"], r["beneficiary_name"], veiled=veiled),
        r["quantity"], r["held"], veiled, reader.company_id in (r["owner_id"], r["holder_id"], r["beneficiary_id"]),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SerialHit:
    """A visible lot that somebody looked for; ``serial`` is empty where it has none."""

    lot_id: UUID
    serial: str
    part_number: str
    description: str
    part_id: UUID


_HIT = (
    "SELECT l.lot_id, coalesce(l.serial, '') AS serial, p.number AS part_number, p.description, l.part_id FROM lot l "
    "JOIN part p ON p.id = l.part_id "
)


async def by_serial(session: AsyncSession, serial: str, *, limit: int = 20) -> Sequence[SerialHit]:
    """Visible lots with this serial, whatever its case; the same serial may stand on parts of several makers."""
    rows = await fetch(
        session,
        _HIT + "WHERE upper(l.serial) = upper($1) AND l.serial IS NOT NULL ORDER BY p.number_norm, l.lot_id LIMIT $2",
        serial,
        limit,
    )
    return [SerialHit(**dict(r)) for r in rows]


async def by_lot(session: AsyncSession, lot_id: UUID) -> Sequence[SerialHit]:
    """The lot, if it is visible."""
    return [SerialHit(**dict(r)) for r in await fetch(session, _HIT + "WHERE l.lot_id = $1", lot_id)]


MOST_LOTS = 100
"""Lots split off from one whose stories are told along with it."""
# A lot's whole chain: the lots it was split off from, each up to the split that led here, and those split off from it.
# Of lots that the tenant may not see nothing is told, nor of what lies behind them.
_CHAIN = f"""
WITH RECURSIVE me AS (SELECT lot_id, parent_lot_id, root_lot_id FROM lot WHERE lot_id = $1),
family AS MATERIALIZED (SELECT l.lot_id, l.parent_lot_id FROM me JOIN lot l ON l.root_lot_id = me.root_lot_id WHERE $4),
up AS (
    SELECT lot_id, parent_lot_id, 0 AS depth, NULL::uuid AS child FROM me
    UNION ALL
    SELECT f.lot_id, f.parent_lot_id, u.depth - 1, u.lot_id FROM up u JOIN family f ON f.lot_id = u.parent_lot_id
), down AS (
    SELECT lot_id, 0 AS depth FROM me
    UNION ALL
    SELECT f.lot_id, d.depth + 1 FROM down d JOIN family f ON f.parent_lot_id = d.lot_id
), chain AS MATERIALIZED (
    SELECT u.lot_id, u.depth, (SELECT s.seq FROM movement s WHERE s.lot_id = u.lot_id AND s.counterpart_lot_id = u.child
                               AND s.from_position IS NOT NULL ORDER BY s.seq LIMIT 1) AS until FROM up u
    UNION ALL
    (SELECT d.lot_id, d.depth, NULL FROM down d WHERE d.depth > 0 ORDER BY d.depth, d.lot_id LIMIT {MOST_LOTS})
)
"""

# A movement with names, and with what decides how it is told.
MOVED = """
m.lot_id, m.seq, m.kind, m.purpose, m.quantity, m.occurred_at, m.recorded_at, c.name AS company, m.cause_kind, m.cause_id,
m.reason_code AS reason, n.note, m.from_position, fo.name AS from_owner, fh.name AS from_holder, fs.name AS from_site,
m.to_position, xo.name AS to_owner, xh.name AS to_holder, xs.name AS to_site, f.condition AS from_condition,
t.condition AS to_condition, m.agreement_id, t.agreement_id AS to_agreement_id, m.resolves, m.corrects,
m.counterpart_lot_id, m.machine, m.company_id, f.owner_id AS from_owner_id, f.holder_id AS from_holder_id,
f.beneficiary_id AS from_beneficiary_id, fs.region AS from_region, t.owner_id AS to_owner_id, t.holder_id AS to_holder_id,
t.beneficiary_id AS to_beneficiary_id, xs.region AS to_region
"""
MOVED_FROM = """
JOIN company c ON c.id = m.company_id
LEFT JOIN movement_note n ON n.lot_id = m.lot_id AND n.seq = m.seq
LEFT JOIN position f ON f.lot_id = m.lot_id AND f.position_id = m.from_position
LEFT JOIN company fo ON fo.id = f.owner_id LEFT JOIN company fh ON fh.id = f.holder_id
LEFT JOIN site fs ON fs.id = f.site_id
LEFT JOIN position t ON t.lot_id = m.lot_id AND t.position_id = m.to_position
LEFT JOIN company xo ON xo.id = t.owner_id LEFT JOIN company xh ON xh.id = t.holder_id
LEFT JOIN site xs ON xs.id = t.site_id
"""


async def history(
    session: AsyncSession,
    reader: Actor,
    lot_id: UUID,
    *,
    at: datetime | None = None,
    known_at: datetime | None = None,
    chain: bool = False,
) -> Sequence[HistoryRow]:
    """The movements of a lot the tenant may see, told as the reader may see them, as they happened: oldest first by
    occurrence. ``at`` leaves out what happened later, ``known_at`` what was recorded later. ``chain``: along with the
    lots it was split off from, up to there, and the first ``MOST_LOTS`` split off from it. One statement."""
    rows = await fetch(
        session,
        f"""{_CHAIN}
        SELECT {MOVED}, x.depth FROM chain x JOIN movement m ON m.lot_id = x.lot_id
        {MOVED_FROM}
        WHERE ($2::timestamptz IS NULL OR m.occurred_at <= $2) AND ($3::timestamptz IS NULL OR m.recorded_at <= $3)
          AND (x.until IS NULL OR m.seq <= x.until OR m.corrects <= x.until)
        ORDER BY m.occurred_at, x.depth, m.lot_id, m.seq
        """,
        lot_id,
        at,
        known_at,
        chain,
    )
    return [told_movement(dict(r), reader) for r in rows]


_SIDES = ("from", "to")


def told_movement(values: dict[str, Any], reader: Actor) -> HistoryRow:
    """A movement, read with the columns of ``MOVED``, as the reader may see it. One of which the reader sees no stock line is veiled as soon as anything is
    hidden from the reader: nothing says whose units it moved."""
    seen = [side for side in _SIDES if values[f"{side}_owner_id"]]
    ids = {f"{side}_{what}": values.pop(f"{side}_{what}_id") for side in _SIDES for what in ("owner", "holder")}
    rights = {side: values.pop(f"{side}_beneficiary_id") for side in _SIDES}
    regions = {side: values.pop(f"{side}_region") for side in _SIDES}
    by = values.pop("company_id")
    veiled = bool(reader.masked) and (
        not seen or any(reader.veils(ids[f"{s}_owner"], ids[f"{s}_holder"], rights[s]) for s in seen)
    )
    if veiled:
        for side in seen:
            owner, holder, region = ids[f"{side}_owner"], ids[f"{side}_holder"], regions[side]
            values[f"{side}_owner"] = reader.told(owner, values[f"{side}_owner"], veiled=True)
            values[f"{side}_holder"] = reader.told(holder, values[f"{side}_holder"], veiled=True, region=region)
            values[f"{side}_site"] = reader.told_place(holder, values[f"{side}_site"], veiled=True, region=region)
    ours = reader.company_id not in reader.masked and reader.company_id in ids.values()
    if (veiled or (reader.masked and not ours)) and not reader.knows(by):
        # Also of units that were the maker's alone: a buyer's order reserves them. What people wrote may name them and
        # their machines.
        values |= {"company": HIDDEN, "reason": None, "note": None, "machine": None}
    party = reader.company_id in {*ids.values(), *rights.values()}
    return HistoryRow(**values, veiled=veiled, party=party)


async def places(
    session: AsyncSession, keys: Sequence[tuple[UUID | None, int | None]]
) -> dict[tuple[UUID, int], Place]:
    """Where units stand, by (lot, number of the stock line); what is not there or not visible is left out."""
    rows = await fetch(
        session,
        "SELECT p.lot_id, p.position_id, p.owner_id, p.holder_id, p.site_id, p.condition, p.agreement_id, p.beneficiary_id "
        "FROM position p JOIN unnest($1::uuid[], $2::int[]) AS k (lot_id, position_id) USING (lot_id, position_id)",
        [lot for lot, _ in keys],
        [number for _, number in keys],
    )
    return {
        (r["lot_id"], r["position_id"]): Place(
            r["owner_id"], r["holder_id"], r["site_id"], r["condition"], r["agreement_id"], r["beneficiary_id"]
        )
        for r in rows
    }
