"""The ledger's values: places, lots as read under their lock, the steps of a command, and what comes of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from marketplace.ledger.kinds import Kind

MAX_QUANTITY = 1_000_000_000
MAX_STEPS = 5_000


def kept_apart(owner_id: UUID, holder_id: UUID, agreement_id: UUID | None) -> bool:
    """Whether units that stand so are somebody else's, under no agreement: received damaged or as the wrong part, to be
    kept for their owner."""
    return agreement_id is None and owner_id != holder_id


@dataclass(frozen=True, slots=True)
class Place:
    """What a position is, apart from how many: who owns, who holds, where, in what condition, under which
    agreement, and who may call. ``site`` None = in transit."""

    owner: UUID
    holder: UUID
    site: UUID | None
    condition: str
    agreement: UUID | None = None
    beneficiary: UUID | None = None

    @property
    def apart(self) -> bool:
        """``kept_apart`` here."""
        return kept_apart(self.owner, self.holder, self.agreement)

    def parties(self) -> set[UUID]:
        """The companies this place concerns."""
        return {p for p in (self.owner, self.holder, self.beneficiary) if p}


@dataclass(frozen=True, slots=True)
class NewLot:
    """A lot that comes into being in this command. ``parent`` is set by split, never by the caller."""

    lot_id: UUID
    part_id: UUID
    uom: str
    serial: str | None = None
    batch: str | None = None
    made_on: date | None = None
    expires_on: date | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    raw_marking: str | None = None
    replaces: UUID | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing a command does to one lot.

    ``position`` (a number) or ``at`` (the place itself): where the quantity comes from. ``to``: where it goes. ``resolves``: the hold a post, void or
    expire answers; ``purpose``: what a post does; ``keep_rest``: a partial post keeps the rest reserved.
    ``child``: the lot a split makes. ``corrects``: the seq a correction takes back.
    """

    kind: Kind
    lot_id: UUID
    quantity: int
    position: int | None = None
    to: Place | None = None
    at: Place | None = None
    purpose: Kind | None = None
    resolves: int | None = None
    keep_rest: bool = False
    expires_at: datetime | None = None
    permit: UUID | None = None
    child: UUID | None = None
    corrects: int | None = None
    new_lot: NewLot | None = None
    machine: str | None = None
    reason: str | None = None
    note: str | None = None
    occurred_at: datetime | None = None
    cause: UUID | None = None
    """On account of which record, where one command is for several of them; else the command's own."""


@dataclass(frozen=True, slots=True)
class Command:
    """Steps that happen together or not at all, by one actor of one company, for one cause."""

    command_id: UUID
    company: UUID
    actor: UUID
    steps: tuple[Step, ...]
    cause_kind: str
    cause_id: UUID | None = None


@dataclass(slots=True)
class PositionState:
    """A position as read under the lot's lock, changed in memory while the command is decided."""

    place: Place
    quantity: int
    held: int
    existed: bool = True

    @property
    def free(self) -> int:
        """How many are not reserved."""
        return self.quantity - self.held


@dataclass(frozen=True, slots=True)
class HoldState:
    """An open hold."""

    seq: int
    position: int
    quantity: int
    expires_at: datetime | None
    cause_kind: str = ""
    cause_id: UUID | None = None
    company: UUID | None = None


@dataclass(frozen=True, slots=True)
class PermitState:
    """Leave for one movement: which agreement, kind and quantity, until when, and whether it was used."""

    permit_id: UUID
    agreement: UUID
    kind: Kind
    quantity: int
    expires_at: datetime
    used: bool


@dataclass(frozen=True, slots=True)
class PastMovement:
    """What the past-sensitive decisions (late reports, corrections, returns from a sink) need of a movement."""

    seq: int
    kind: Kind
    purpose: Kind | None
    quantity: int
    from_position: int | None
    to_position: int | None
    occurred_at: datetime
    corrects: int | None = None
    corrected: bool = False
    resolves: int | None = None


@dataclass(slots=True)
class LotState:
    """A lot as read under its lock, with its positions and open holds."""

    lot_id: UUID
    part_id: UUID
    serialised: bool
    uom: str
    serial: str | None
    batch: str | None
    root: UUID
    frozen: bool
    last_seq: int
    last_position: int
    last_recorded_at: datetime
    last_occurred_at: datetime
    parties: set[UUID]
    positions: dict[int, PositionState] = field(default_factory=dict)
    holds: dict[int, HoldState] = field(default_factory=dict)
    permits: dict[UUID, PermitState] = field(default_factory=dict)
    history: list[PastMovement] | None = None
    is_new: bool = False
    new_lot: NewLot | None = None
    parent: UUID | None = None


@dataclass(frozen=True, slots=True)
class Movement:
    """A movement to be written, and what the caller gets back."""

    lot_id: UUID
    seq: int
    kind: Kind
    purpose: Kind | None
    quantity: int
    from_position: int | None
    to_position: int | None
    from_quantity_after: int | None
    from_held_after: int | None
    to_quantity_after: int | None
    agreement: UUID | None
    occurred_at: datetime
    recorded_at: datetime
    reason: str | None
    note: str | None
    resolves: int | None
    continues: int | None
    corrects: int | None
    permit: UUID | None
    counterpart: UUID | None
    machine: str | None
    parties: tuple[UUID, ...]
    cause: UUID | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a decided command writes: movements, positions touched, holds opened and closed, lots changed."""

    movements: tuple[Movement, ...]
    touched: frozenset[tuple[UUID, int]]
    opened: tuple[tuple[UUID, HoldState, tuple[UUID, ...]], ...]
    closed: tuple[tuple[UUID, int], ...]
    lots: tuple[LotState, ...]


@dataclass(frozen=True, slots=True)
class Applied:
    """What the ledger did. ``replayed``: it had been done before by the same command. ``entries``: expiries met
    on the way first, then what each step wrote, in the order of the steps; the same in every repetition."""

    command_id: UUID
    replayed: bool
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One written movement, as the caller needs it: which lot and seq, what, how many, from and to where."""

    lot_id: UUID
    seq: int
    kind: Kind
    quantity: int
    from_position: int | None
    to_position: int | None
    counterpart: UUID | None


@dataclass(frozen=True, slots=True)
class Written:
    """An entry read back. ``rest``: it is the reservation that a partial post kept, not a step of its own."""

    entry: Entry
    rest: bool


def in_first_order(command: Command, written: Sequence[Written]) -> tuple[Entry, ...]:
    """The entries of a command (given by lot and seq) in the order in which the first answer named them."""
    entries = [w.entry for w in written if w.entry.kind is Kind.EXPIRE]
    queues: dict[UUID, deque[Written]] = {}
    for w in written:
        if w.entry.kind is not Kind.EXPIRE:
            queues.setdefault(w.entry.lot_id, deque()).append(w)
    for step in command.steps:
        if step.kind is Kind.EXPIRE:
            continue
        own = queues[step.lot_id]
        entries.append(own.popleft().entry)
        if own and own[0].rest:
            entries.append(own.popleft().entry)
        if step.child is not None and Kind.SPLIT in (step.kind, step.purpose):
            entries.append(queues[step.child].popleft().entry)
    return tuple(entries)
