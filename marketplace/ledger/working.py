"""The working state of a decision: reserving, taking, arriving, and writing each movement down. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from marketplace.kit.errors import conflict, gone, invalid, missing
from marketplace.ledger.entries import (
    MAX_QUANTITY,
    Command,
    HoldState,
    LotState,
    Movement,
    Place,
    PositionState,
    Step,
)
from marketplace.ledger.history import past_of
from marketplace.ledger.kinds import (
    Kind,
)

_MICROSECOND = timedelta(microseconds=1)


class Working:
    """The state a command has changed so far, and the changes that every kind of step is made of."""

    def __init__(self, command: Command, lots: Mapping[UUID, LotState], now: datetime) -> None:
        self.command = command
        self.lots: dict[UUID, LotState] = dict(lots)
        self.now = now
        self.movements: list[Movement] = []
        self.touched: set[tuple[UUID, int]] = set()
        self.opened: dict[tuple[UUID, int], tuple[HoldState, tuple[UUID, ...]]] = {}
        self.closed: list[tuple[UUID, int]] = []
        self.late: set[UUID] = set()
        self.changed: dict[UUID, None] = {}

    def just_now(self, lot_id: UUID) -> datetime:
        """When an unstated time was: now, but never before what the lot has seen. A request that waited for the
        lock carries an older moment than the one that went before it; that makes it no late report."""
        lot = self.lots.get(lot_id)
        return max(self.now, lot.last_occurred_at) if lot else self.now

    def lot(self, lot_id: UUID) -> LotState:
        lot = self.lots.get(lot_id)
        if lot is None:
            raise missing("ledger.not_found", "No such unit.", lot_id=str(lot_id))
        return lot

    def number_at(self, lot: LotState, place: Place) -> int:
        for number, position in lot.positions.items():
            if position.place == place:
                return number
        raise missing("ledger.not_found", "No such stock line.", lot_id=str(lot.lot_id))

    def position(self, lot: LotState, number: int | None) -> PositionState:
        position = lot.positions.get(number) if number is not None else None
        if position is None:
            raise missing("ledger.not_found", "No such stock line.", lot_id=str(lot.lot_id))
        return position

    def take(self, step: Step, lot: LotState, source: PositionState) -> HoldState | None:
        """Frees the reservation a post answers, or checks that enough is unreserved."""
        if step.kind is Kind.POST or step.resolves is not None:
            hold = self.open_hold(step, lot)
            if hold.position != step.position:
                raise invalid("ledger.hold_place", "The reservation is on another stock line.")
            if step.quantity > hold.quantity:
                raise conflict(
                    "ledger.not_enough",
                    f"The reservation is for {hold.quantity}; {step.quantity} cannot be taken from it.",
                    field="quantity",
                    available=hold.quantity,
                )
            source.held -= hold.quantity
            self.close(lot, hold)
            return hold
        if source.quantity < step.quantity:
            raise conflict(
                "ledger.not_enough",
                f"There {'is' if source.quantity == 1 else 'are'} {source.quantity} here, not {step.quantity}.",
                field="quantity",
                available=source.quantity,
            )
        if source.free < step.quantity:
            raise conflict(
                "ledger.reserved",
                f"Only {source.free} of {source.quantity} are free; {source.held} are reserved.",
                field="quantity",
                available=source.free,
            )
        return None

    def arrive(self, lot: LotState, place: Place, quantity: int) -> int:
        """Adds to the position at ``place``, opening it where there is none; returns its number."""
        for number, position in lot.positions.items():
            if position.place == place:
                self.add(lot, position, quantity)
                return number
        if lot.serialised:
            self._check_one(lot, quantity)
        lot.last_position += 1
        lot.positions[lot.last_position] = PositionState(place, quantity, 0, existed=False)
        return lot.last_position

    def add(self, lot: LotState, position: PositionState, quantity: int) -> None:
        if lot.serialised:
            self._check_one(lot, quantity)
        position.quantity += quantity
        if position.quantity > MAX_QUANTITY:
            raise invalid("ledger.quantity", f"One stock line holds at most {MAX_QUANTITY:,}.", field="quantity")

    def _check_one(self, lot: LotState, quantity: int) -> None:
        if sum(p.quantity for p in lot.positions.values()) + quantity > 1:
            raise conflict(
                "ledger.serial_quantity",
                "This unit has a serial number and is on record elsewhere already; there is only one of it.",
                lot_id=str(lot.lot_id),
            )

    def open(
        self, step: Step, lot: LotState, source: PositionState, occurred: datetime, *, continues: int | None
    ) -> None:
        source.held += step.quantity
        movement = self.write(step, lot, step.position, None, occurred, continues=continues)
        hold = HoldState(
            movement.seq, step.position or 0, step.quantity, step.expires_at, self.command.cause_kind,
            step.cause or self.command.cause_id, self.command.company,
        )  # fmt: skip
        lot.holds[movement.seq] = hold
        self.opened[lot.lot_id, movement.seq] = (hold, movement.parties)

    def expired_now(self, step: Step) -> bool:
        return any(
            m.resolves == step.resolves and m.lot_id == step.lot_id and m.kind is Kind.EXPIRE for m in self.movements
        )

    def open_hold(self, step: Step, lot: LotState) -> HoldState:
        hold = lot.holds.get(step.resolves) if step.resolves is not None else None
        if hold is None:
            if self.expired_now(step):
                raise gone("ledger.hold_expired", "The reservation has expired and the units are free again.")
            raise conflict(
                "ledger.hold_resolved",
                "The reservation has been used, released or has expired already.",
                lot_id=str(lot.lot_id),
            )
        return hold

    def close(self, lot: LotState, hold: HoldState) -> None:
        del lot.holds[hold.seq]
        # A hold opened in this very command never reaches the working set.
        if self.opened.pop((lot.lot_id, hold.seq), None) is None:
            self.closed.append((lot.lot_id, hold.seq))

    def keep_rest(self, step: Step, lot: LotState, hold: HoldState | None, occurred: datetime) -> None:
        rest = hold.quantity - step.quantity if hold else 0
        if hold is None or rest == 0 or not step.keep_rest:
            return
        source = self.position(lot, hold.position)
        again = Step(Kind.HOLD, lot.lot_id, rest, hold.position, expires_at=hold.expires_at)
        self.open(again, lot, source, occurred, continues=hold.seq)

    def expire_overdue(self, lot: LotState) -> None:
        """The server's clock ends holds: whoever meets an overdue one under the lock writes its expiry first."""
        for hold in sorted(lot.holds.values(), key=lambda h: h.seq):
            if hold.expires_at is not None and hold.expires_at <= self.now:
                position = self.position(lot, hold.position)
                position.held -= hold.quantity
                self.close(lot, hold)
                step = Step(Kind.EXPIRE, lot.lot_id, hold.quantity, hold.position, resolves=hold.seq)
                self.write(step, lot, hold.position, None, self.just_now(lot.lot_id))

    def write(
        self,
        step: Step,
        lot: LotState,
        from_position: int | None,
        to_position: int | None,
        occurred: datetime,
        *,
        counterpart: UUID | None = None,
        continues: int | None = None,
    ) -> Movement:
        source = lot.positions[from_position] if from_position is not None else None
        target = lot.positions[to_position] if to_position is not None else None
        parties: set[UUID] = set()
        for number, state in ((from_position, source), (to_position, target)):
            if state is not None and number is not None:
                parties |= state.place.parties()
                self.touched.add((lot.lot_id, number))
        lot.last_seq += 1
        # The clock may jump back; the order inside a lot may not.
        lot.last_recorded_at = max(self.now, lot.last_recorded_at + _MICROSECOND)
        if occurred < lot.last_occurred_at:
            self.late.add(lot.lot_id)
        lot.last_occurred_at = max(lot.last_occurred_at, occurred)
        lot.parties |= parties
        movement = Movement(
            lot_id=lot.lot_id, seq=lot.last_seq, kind=step.kind, purpose=step.purpose, quantity=step.quantity,
            from_position=from_position, to_position=to_position,
            from_quantity_after=source.quantity if source else None, from_held_after=source.held if source else None,
            to_quantity_after=target.quantity if target else None,
            agreement=source.place.agreement if source else None,
            occurred_at=occurred, recorded_at=lot.last_recorded_at, reason=step.reason, note=step.note,
            resolves=step.resolves, continues=continues, corrects=step.corrects, permit=step.permit,
            counterpart=counterpart, machine=step.machine, parties=tuple(sorted(parties)), cause=step.cause,
        )  # fmt: skip
        self.movements.append(movement)
        self.changed[lot.lot_id] = None
        if lot.history is not None:
            lot.history.append(past_of(movement))
        return movement
