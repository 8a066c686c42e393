"""What the log commits to for one movement: its record, the commitment to it, the tag that says whose it is, the entry.

The record is written in one way only (RFC 8785), here for speed by hand: a test holds it byte for byte against the general
encoder and against the rfc8785 package. FORMAT.md says what each field means. Version 1; it cannot change any more once a
checkpoint was signed over it: another record is another version.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from hashlib import sha256
from json.encoder import encode_basestring as quoted
from typing import Final, NamedTuple
from uuid import UUID

VERSION: Final = 1
SALT_SIZE: Final = 16
KEY_SIZE: Final = 32
ENTRY_SIZE: Final = 65
"""Bytes: version, tag, commitment."""
_TAG: Final = b"\x02"


class Place(NamedTuple):
    """A position as a record has it: whose, where, and what is left there after the movement."""

    position: int
    owner: UUID
    holder: UUID
    site: UUID | None
    condition: str
    agreement: UUID | None
    beneficiary: UUID | None
    quantity_after: int | None
    held_after: int | None
    """Only of the place that something leaves, or is held at."""


class Unit(NamedTuple):
    """What a lot is: part of the record of its first movement, and of no other."""

    maker: str | None
    part: UUID
    part_number: str
    serial: str | None
    batch: str | None
    uom: str
    made_on: date | None
    expires_on: date | None
    raw_marking: str | None
    registered_by: UUID
    parent_lot: UUID | None
    root_lot: UUID
    replaces_lot: UUID | None
    key_sha256: bytes


class Record(NamedTuple):
    """One movement as it is committed to."""

    lot: UUID
    seq: int
    kind: str
    purpose: str | None
    quantity: int
    agreement: UUID | None
    occurred_at: datetime
    recorded_at: datetime
    company: UUID
    actor: UUID
    command: UUID
    cause_kind: str
    cause_id: UUID | None
    reason: str | None
    note_sha256: bytes | None
    resolves: int | None
    continues: int | None
    corrects: int | None
    permit: UUID | None
    counterpart_lot: UUID | None
    machine: str | None
    leaves: Place | None
    reaches: Place | None
    unit: Unit | None


def _id(value: UUID | None) -> str:
    return "null" if value is None else f'"{value}"'


def _wide(value: int | None) -> str:
    """Numbers that could pass 2**53 are strings."""
    return "null" if value is None else f'"{value}"'


def _text(value: str | None) -> str:
    return "null" if value is None else quoted(value)


def _hex(value: bytes | None) -> str:
    return "null" if value is None else f'"{value.hex()}"'


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds")[:26]


def _day(value: date | None) -> str:
    return "null" if value is None else f'"{value.isoformat()}"'


def _count(value: int | None) -> str:
    return "null" if value is None else str(value)


def _place(p: Place | None) -> str:
    if p is None:
        return "null"
    return (
        f'{{"agreement":{_id(p.agreement)},"beneficiary":{_id(p.beneficiary)},"condition":{quoted(p.condition)},'
        f'"held_after":{_count(p.held_after)},"holder":"{p.holder}","owner":"{p.owner}","position":{p.position},'
        f'"quantity_after":{_count(p.quantity_after)},"site":{_id(p.site)}}}'
    )


def _unit(u: Unit | None) -> str:
    if u is None:
        return "null"
    return (
        f'{{"batch":{_text(u.batch)},"expires_on":{_day(u.expires_on)},"key_sha256":"{u.key_sha256.hex()}",'
        f'"made_on":{_day(u.made_on)},"maker":{_text(u.maker)},"parent_lot":{_id(u.parent_lot)},"part":"{u.part}",'
        f'"part_number":{quoted(u.part_number)},"raw_marking":{_text(u.raw_marking)},"registered_by":"{u.registered_by}",'
        f'"replaces_lot":{_id(u.replaces_lot)},"root_lot":"{u.root_lot}","serial":{_text(u.serial)},'
        f'"uom":{quoted(u.uom)}}}'
    )


def encoded(r: Record) -> bytes:
    """The record as canonical bytes."""
    return (
        f'{{"actor":"{r.actor}","agreement":{_id(r.agreement)},"cause":{{"id":{_id(r.cause_id)},'
        f'"kind":{quoted(r.cause_kind)}}},"command":"{r.command}","company":"{r.company}","continues":{_wide(r.continues)},'
        f'"corrects":{_wide(r.corrects)},"counterpart_lot":{_id(r.counterpart_lot)},"from":{_place(r.leaves)},'
        f'"kind":{quoted(r.kind)},"lot":"{r.lot}","machine":{_text(r.machine)},"note_sha256":{_hex(r.note_sha256)},'
        f'"occurred_at":"{_moment(r.occurred_at)}Z","permit":{_id(r.permit)},"purpose":{_text(r.purpose)},'
        f'"quantity":{r.quantity},"reason":{_text(r.reason)},"recorded_at":"{_moment(r.recorded_at)}Z",'
        f'"resolves":{_wide(r.resolves)},"seq":"{r.seq}","to":{_place(r.reaches)},"unit":{_unit(r.unit)},'
        f'"version":{VERSION}}}'
    ).encode()


def commitment(movement: bytes, salt: bytes) -> bytes:
    """SHA-256 over the canonical bytes of {"movement": ..., "salt": ...}: 32 bytes."""
    return sha256(b'{"movement":' + movement + b',"salt":"' + salt.hex().encode() + b'"}').digest()


def tag(lot_key: bytes, seq: int) -> bytes:
    """SHA-256(0x02 || lot key || seq in eight bytes, big-endian): whoever knows the key finds the lot's entries."""
    return sha256(_TAG + lot_key + seq.to_bytes(8, "big")).digest()


def entry(tagged: bytes, committed: bytes) -> bytes:
    """version || tag || commitment: 65 bytes."""
    return bytes((VERSION,)) + tagged + committed


class Parts(NamedTuple):
    """An entry taken apart."""

    version: int
    tag: bytes
    commitment: bytes


def taken_apart(data: bytes) -> Parts:
    """The parts of an entry. Raises ValueError where it is none of a version known here."""
    if len(data) != ENTRY_SIZE or data[0] != VERSION:
        raise ValueError(f"not an entry of version {VERSION}: {len(data)} bytes, version {data[0] if data else 'none'}")
    return Parts(data[0], data[1:33], data[33:])
