"""Rows of the ledger. Every lot-scoped table leads its key with ``lot_id``, so that it can be sharded by lot."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db.base import Big, Created, Id, Row

CONDITIONS = "'new','new_old_stock','remanufactured','used_tested','used','core'"
KINDS = (
    "'register','split','move','ship','receive','title','hold','post','void','expire','use_up','install','remove',"
    "'repair','regrade','scrap','lose','find','count_adjust','repoint','correct','freeze','lift'"
)
PERMIT_KIND = "CASE WHEN permit_id IS NOT NULL THEN coalesce(purpose, kind) END"
# Leaving an agreement's units needs leave: these kinds from an encumbered position must name a permit.
PERMITTED_KINDS = "'receive','title','use_up','install','scrap','repoint'"


class Lot(Row):
    """What the ledger follows: one serial-numbered unit, or an indistinguishable quantity of one batch."""

    __tablename__ = "lot"
    lot_id: Mapped[UUID] = mapped_column(primary_key=True)
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"))
    serial: Mapped[str | None]
    batch: Mapped[str | None]
    serialised: Mapped[bool]
    uom: Mapped[str]
    made_on: Mapped[date | None]
    expires_on: Mapped[date | None]
    attributes: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    raw_marking: Mapped[str | None]
    registered_by: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    parent_lot_id: Mapped[UUID | None]
    root_lot_id: Mapped[UUID]
    replaces_lot_id: Mapped[UUID | None]
    parties: Mapped[list[UUID]]
    frozen: Mapped[bool] = mapped_column(server_default=text("false"))
    last_seq: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    last_position: Mapped[int] = mapped_column(server_default=text("0"))
    last_recorded_at: Mapped[datetime]
    last_occurred_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("serialised = (serial IS NOT NULL)", name="serial"),
        Index("ix_lot_part", "part_id"),
        Index("ix_lot_serial", text("upper(serial)"), postgresql_where=text("serial IS NOT NULL")),
        Index("ix_lot_root", "root_lot_id"),
        Index("ix_lot_expires_on", "expires_on", postgresql_where=text("expires_on IS NOT NULL")),
    )


class Position(Row):
    """Where (part of) a lot sits now. ``site_id`` null = in transit. Only quantity and held ever change."""

    __tablename__ = "position"
    lot_id: Mapped[UUID] = mapped_column(ForeignKey("lot.lot_id"), primary_key=True)
    position_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    part_id: Mapped[UUID]
    serialised: Mapped[bool]
    owner_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("site.id"))
    condition: Mapped[str]
    agreement_id: Mapped[UUID | None]
    beneficiary_id: Mapped[UUID | None]
    quantity: Mapped[int]
    held: Mapped[int] = mapped_column(server_default=text("0"))
    __table_args__ = (
        CheckConstraint("0 <= held AND held <= quantity", name="held"),
        CheckConstraint("(agreement_id IS NULL) = (beneficiary_id IS NULL)", name="beneficiary"),
        CheckConstraint("NOT serialised OR quantity <= 1", name="one_unit"),
        CheckConstraint(f"condition IN ({CONDITIONS})", name="condition"),
        UniqueConstraint(
            "lot_id", "owner_id", "holder_id", "site_id", "condition", "agreement_id",
            name="uq_position_place", postgresql_nulls_not_distinct=True,
        ),
        Index("uq_position_serialised", "lot_id", unique=True, postgresql_where=text("serialised AND quantity > 0")),
        Index("ix_position_part", "part_id", "lot_id", postgresql_where=text("quantity > 0")),
        Index("ix_position_holder", "holder_id", "part_id", "lot_id", postgresql_where=text("quantity > 0")),
        Index("ix_position_owner", "owner_id", "part_id", "lot_id", postgresql_where=text("quantity > 0")),
        Index("ix_position_agreement", "agreement_id", postgresql_where=text("agreement_id IS NOT NULL AND quantity > 0")),
        Index("ix_position_site", "site_id", "part_id", postgresql_where=text("quantity > 0")),
        # Where units were once. A line stands in these or in those above, so that a move writes no more.
        Index("ix_position_part_emptied", "part_id", "lot_id", postgresql_where=text("quantity = 0")),
        Index("ix_position_holder_emptied", "holder_id", "part_id", "lot_id", postgresql_where=text("quantity = 0")),
        Index("ix_position_agreement_emptied", "agreement_id", postgresql_where=text("agreement_id IS NOT NULL AND quantity = 0")),
    )  # fmt: skip


class Permit(Row):
    """Leave, given by an agreement, for one movement of encumbered units. Written by agreements/ only."""

    __tablename__ = "permit"
    lot_id: Mapped[UUID] = mapped_column(ForeignKey("lot.lot_id"), primary_key=True)
    permit_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    agreement_id: Mapped[UUID]
    kind: Mapped[str]
    quantity: Mapped[int]
    expires_at: Mapped[datetime]
    reason: Mapped[str]
    company_id: Mapped[UUID]
    maker_id: Mapped[UUID]
    created_at: Mapped[Created]
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        UniqueConstraint("lot_id", "permit_id", "agreement_id", "kind"),
    )


class Command(Row):
    """One command the ledger carried out: the same key with the same input answers the same, once."""

    __tablename__ = "command"
    command_id: Mapped[UUID] = mapped_column(primary_key=True)
    company_id: Mapped[UUID]
    input_hash: Mapped[bytes] = mapped_column(BYTEA)
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Movement(Row):
    """One immutable entry. Deltas: ``from`` loses, ``to`` gains ``quantity`` (hold, void, expire, freeze and lift
    move nothing). A ``post`` row resolves a hold and is also the transfer named in ``purpose``."""

    __tablename__ = "movement"
    lot_id: Mapped[UUID] = mapped_column(ForeignKey("lot.lot_id"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    kind: Mapped[str]
    purpose: Mapped[str | None]
    quantity: Mapped[int]
    from_position: Mapped[int | None]
    to_position: Mapped[int | None]
    from_quantity_after: Mapped[int | None]
    from_held_after: Mapped[int | None]
    to_quantity_after: Mapped[int | None]
    agreement_id: Mapped[UUID | None]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    company_id: Mapped[UUID]
    actor_id: Mapped[UUID]
    command_id: Mapped[UUID]
    cause_kind: Mapped[str]
    cause_id: Mapped[UUID | None]
    reason_code: Mapped[str | None]
    note_hash: Mapped[bytes | None] = mapped_column(BYTEA)
    resolves: Mapped[int | None] = mapped_column(BigInteger)
    continues: Mapped[int | None] = mapped_column(BigInteger)
    corrects: Mapped[int | None] = mapped_column(BigInteger)
    permit_id: Mapped[UUID | None]
    permit_kind: Mapped[str | None] = mapped_column(Text, Computed(PERMIT_KIND, persisted=True))
    """What the permit must be for, where one is named."""
    counterpart_lot_id: Mapped[UUID | None]
    machine: Mapped[str | None]
    parties: Mapped[list[UUID]]
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint(f"kind IN ({KINDS})", name="kind"),
        CheckConstraint(
            "(kind IN ('post','void','expire')) = (resolves IS NOT NULL) AND (kind = 'post') = (purpose IS NOT NULL)",
            name="resolves",
        ),
        CheckConstraint(
            f"agreement_id IS NULL OR coalesce(purpose, kind) NOT IN ({PERMITTED_KINDS}) OR permit_id IS NOT NULL",
            name="permit",
        ),
        CheckConstraint("from_position IS NOT NULL OR to_position IS NOT NULL", name="somewhere"),
        ForeignKeyConstraint(
            ["lot_id", "permit_id", "agreement_id", "permit_kind"],
            ["permit.lot_id", "permit.permit_id", "permit.agreement_id", "permit.kind"],
            name="fk_movement_permit",
        ),
        # Without an agreement the key above would not be looked at.
        CheckConstraint("permit_id IS NULL OR agreement_id IS NOT NULL", name="permit_agreement"),
        ForeignKeyConstraint(["lot_id", "resolves"], ["movement.lot_id", "movement.seq"], name="fk_movement_resolves"),
        Index("uq_movement_resolves", "lot_id", "resolves", unique=True, postgresql_where=text("resolves IS NOT NULL")),
        Index("uq_movement_permit", "lot_id", "permit_id", unique=True, postgresql_where=text("permit_id IS NOT NULL")),
        Index("uq_movement_corrects", "lot_id", "corrects", unique=True, postgresql_where=text("corrects IS NOT NULL")),
        Index("ix_movement_cause", "cause_id", postgresql_where=text("cause_id IS NOT NULL")),
        Index("ix_movement_recorded", "company_id", "recorded_at"),
        # What happened, or became known, between two dates, whatever it moved.
        Index(
            "ix_movement_times",
            "occurred_at",
            "recorded_at",
            postgresql_using="brin",
            postgresql_ops={
                "occurred_at": "timestamptz_minmax_multi_ops",
                "recorded_at": "timestamptz_minmax_multi_ops",
            },
            postgresql_with={"pages_per_range": 32, "autosummarize": True},
        ),
        # What was used or fitted under an agreement: allowances are counted from it.
        Index(
            "ix_movement_agreement_use",
            "agreement_id",
            postgresql_where=text("kind IN ('use_up','install') AND agreement_id IS NOT NULL"),
        ),
    )


class MovementNote(Row):
    """The words behind a movement's note hash. May be erased; the hash stays."""

    __tablename__ = "movement_note"
    lot_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    note: Mapped[str | None]
    parties: Mapped[list[UUID]]
    __table_args__ = (ForeignKeyConstraint(["lot_id", "seq"], ["movement.lot_id", "movement.seq"]),)


class Unsequenced(Row):
    """A movement that has no place in the log yet. Written with the movement; the sequencer takes it away."""

    __tablename__ = "unsequenced"
    lot_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)


class LogState(Row):
    """The log as a whole, in one row: its name and how many entries it has."""

    __tablename__ = "log_state"
    single: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    origin: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    started_at: Mapped[datetime]
    sequenced_at: Mapped[datetime]
    __table_args__ = (CheckConstraint("single", name="single"), CheckConstraint("size >= 0", name="size"))


class LogEntry(Row):
    """What the log commits to at one position. Says nothing to whoever does not know the lot's key."""

    __tablename__ = "log_entry"
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    entry: Mapped[bytes] = mapped_column(BYTEA)
    __table_args__ = (CheckConstraint("length(entry) = 65", name="entry"),)


class LogSalt(Row):
    """Where a movement stands in the log, and its salt: shown to whoever may see the movement."""

    __tablename__ = "log_salt"
    lot_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger)
    salt: Mapped[bytes] = mapped_column(BYTEA)
    __table_args__ = (Index("uq_log_salt_position", "position", unique=True),)


class LogLotKey(Row):
    """The key of a lot: shown to whoever may see the lot."""

    __tablename__ = "log_lot_key"
    lot_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[bytes] = mapped_column(BYTEA)
    __table_args__ = (CheckConstraint("length(key) = 32", name="key"),)


class LogTile(Row):
    """Hashes of the tree as tlog-tiles has them; the last tile of a level grows until it is full."""

    __tablename__ = "log_tile"
    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hashes: Mapped[bytes] = mapped_column(BYTEA)
    __table_args__ = (CheckConstraint("length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0", name="hashes"),)


class LogCheckpoint(Row):
    """A size of the log that was signed, with its root and the note."""

    __tablename__ = "log_checkpoint"
    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    root: Mapped[bytes] = mapped_column(BYTEA)
    note: Mapped[str]
    signed_at: Mapped[datetime]
    __table_args__ = (CheckConstraint("size > 0 AND length(root) = 32", name="root"),)


class LogKey(Row):
    """A public key by which the log's checkpoints are verified."""

    __tablename__ = "log_key"
    vkey: Mapped[str] = mapped_column(primary_key=True)
    added_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]


class LogWitness(Row):
    """A company's witness: whose cosignatures are taken."""

    __tablename__ = "log_witness"
    id: Mapped[Id]
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"), index=True)
    name: Mapped[str]
    vkey: Mapped[str] = mapped_column(unique=True)
    registered_by: Mapped[UUID]
    registered_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]
    __table_args__ = (Index("uq_log_witness_name", "name", unique=True, postgresql_where=text("retired_at IS NULL")),)


class LogCosignature(Row):
    """A witness's line under a checkpoint."""

    __tablename__ = "log_cosignature"
    size: Mapped[int] = mapped_column(BigInteger, ForeignKey("log_checkpoint.size"), primary_key=True)
    witness_id: Mapped[UUID] = mapped_column(ForeignKey("log_witness.id"), primary_key=True)
    line: Mapped[str]
    said_at: Mapped[datetime]
    received_at: Mapped[datetime]
    __table_args__ = (Index("ix_log_cosignature_witness_id", "witness_id", "size"),)


class LogEnded(Row):
    """A log that could not go on: its name, its newest checkpoint here, the newest that was published, and why it was ended."""

    __tablename__ = "log_ended"
    id: Mapped[Id]
    origin: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    note: Mapped[str | None]
    published: Mapped[str | None]
    because: Mapped[str]
    ended_at: Mapped[datetime]
    __table_args__ = (CheckConstraint("because <> ''", name="because"),)


class LogAlarm(Row):
    """Something that must not be: a log that shrank or forked, a key that is gone, a check that found something."""

    __tablename__ = "log_alarm"
    id: Mapped[Id]
    at: Mapped[datetime]
    kind: Mapped[str]
    words: Mapped[str]
    evidence: Mapped[str | None]
    witness_id: Mapped[UUID | None] = mapped_column(ForeignKey("log_witness.id"))
    __table_args__ = (CheckConstraint("kind IN ('smaller','forked','key','check')", name="kind"),)


OUTCOMES = "outcome IN ('holds','late','broken')"


class CheckRun(Row):
    """One run of the checks: what it came to, how much it looked at, how the log stood, how far it got."""

    __tablename__ = "check_run"
    id: Mapped[Id]
    at: Mapped[datetime] = mapped_column(index=True)
    milliseconds: Mapped[int]
    outcome: Mapped[str]
    lots: Mapped[Big]
    transactions: Mapped[Big]
    entries: Mapped[Big]
    waiting: Mapped[Big]
    lag_seconds: Mapped[int]
    touched_through: Mapped[int | None] = mapped_column(BigInteger)
    swept_through: Mapped[UUID | None]
    entries_through: Mapped[Big]
    log_size: Mapped[Big]
    signed_size: Mapped[Big]
    __table_args__ = (CheckConstraint(OUTCOMES, name="outcome"),)


class CheckResult(Row):
    """What one check came to in one run."""

    __tablename__ = "check_result"
    run_id: Mapped[UUID] = mapped_column(ForeignKey("check_run.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[str]
    looked: Mapped[Big]
    found: Mapped[Big]
    milliseconds: Mapped[int]
    words: Mapped[str]
    __table_args__ = (CheckConstraint(OUTCOMES, name="outcome"),)


class CheckFinding(Row):
    """Where something does not hold. Names lots of anybody: for operators alone."""

    __tablename__ = "check_finding"
    id: Mapped[Id]
    run_id: Mapped[UUID] = mapped_column(ForeignKey("check_run.id", ondelete="CASCADE"), index=True)
    key: Mapped[str]
    words: Mapped[str]
    lot_id: Mapped[UUID | None]
    number: Mapped[int | None] = mapped_column(BigInteger)
    kept: Mapped[int | None] = mapped_column(BigInteger)
    rebuilt: Mapped[int | None] = mapped_column(BigInteger)


class OpenHold(Row):
    """The holds not yet resolved: a working set that can be rebuilt from the movements."""

    __tablename__ = "open_hold"
    lot_id: Mapped[UUID] = mapped_column(ForeignKey("lot.lot_id"), primary_key=True)
    hold_seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    position_id: Mapped[int]
    quantity: Mapped[int]
    expires_at: Mapped[datetime | None]
    cause_kind: Mapped[str]
    cause_id: Mapped[UUID | None]
    company_id: Mapped[UUID]
    parties: Mapped[list[UUID]]
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        ForeignKeyConstraint(["lot_id", "hold_seq"], ["movement.lot_id", "movement.seq"]),
        Index("ix_open_hold_expiry", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
        Index("ix_open_hold_cause", "cause_id"),
    )
