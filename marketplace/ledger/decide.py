"""What a command does to the lots it has locked: pure decisions, no I/O.

``decide`` walks the steps in order over the state read under the locks and either returns everything that is
to be written or raises a refusal; it never does half. The same function is the heart of the service and the
subject of the model-based tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from datetime import datetime, timedelta
from uuid import UUID

from marketplace.kit.errors import conflict, forbidden, gone, invalid, missing
from marketplace.ledger.entries import (
    MAX_QUANTITY,
    MAX_STEPS,
    Command,
    HoldState,
    LotState,
    Movement,
    NewLot,
    Outcome,
    PastMovement,
    Place,
    PositionState,
    Step,
)
from marketplace.ledger.kinds import (
    CONDITIONS,
    PERMITTED,
    POSTABLE,
    RESOLVING,
    RETURNS,
    RULES,
    SINKS,
    STANDING,
    Kind,
)

_MICROSECOND = timedelta(microseconds=1)
_FUTURE_TOLERANCE = timedelta(minutes=5)
_PLACE_FIELDS = tuple(f.name for f in fields(Place))


def decide(command: Command, lots: Mapping[UUID, LotState], now: datetime) -> Outcome:
    """Everything ``command`` writes at ``now``. ``lots`` are the locked lots by id; those a register or split
    makes are added to it.

    Raises (all with stable codes): ``ledger.empty``, ``ledger.quantity``, ``ledger.not_found``,
    ``ledger.not_enough``, ``ledger.reserved``, ``ledger.hold_resolved``, ``ledger.hold_expired``,
    ``ledger.permit_missing``, ``ledger.frozen``, ``ledger.already_there``, ``ledger.change``,
    ``ledger.late_conflict``, ``ledger.serial_exists``.
    """
    return _Decision(command, lots, now).run()


class _Decision:
    """One run over the steps. Holds the working state; written out as an Outcome at the end."""

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

    def run(self) -> Outcome:
        steps = self.command.steps
        if not steps:
            raise invalid("ledger.empty", "There is nothing to do: give at least one line.")
        if len(steps) > MAX_STEPS:
            raise invalid(
                "ledger.too_many", f"At most {MAX_STEPS:,} lines in one command; this one has {len(steps):,}."
            )
        for lot in list(self.lots.values()):
            self._expire_overdue(lot)
        for step in steps:
            self._step(step)
        for lot_id in self.late:
            self._check_past(self.lots[lot_id])
        return Outcome(
            tuple(self.movements),
            frozenset(self.touched),
            tuple((lot_id, hold, parties) for (lot_id, _), (hold, parties) in self.opened.items()),
            tuple(self.closed),
            tuple(self.lots[lot_id] for lot_id in self.changed),
        )

    # -- one step ----------------------------------------------------------------------------------------

    def _step(self, step: Step) -> None:
        if not 0 < step.quantity <= MAX_QUANTITY:
            raise invalid(
                "ledger.quantity",
                f"The quantity must be a whole number from 1 to {MAX_QUANTITY:,}; it was {step.quantity}.",
                field="quantity",
            )
        if step.resolves is not None and step.kind not in RESOLVING:
            raise invalid("ledger.resolves", f"A '{step.kind}' answers no reservation; post it instead.")
        occurred = step.occurred_at or self._just_now(step.lot_id)
        if step.occurred_at and occurred > self.now + _FUTURE_TOLERANCE:
            raise invalid(
                "ledger.future", "What happened cannot lie in the future. Check the date.", field="occurred_at"
            )
        if step.kind is Kind.REGISTER:
            self._register(step, occurred)
            return
        lot = self._lot(step.lot_id)
        if step.at is not None:
            # A step may name a place that an earlier step of the same command opens.
            step = replace(step, position=self._number_at(lot, step.at), at=None)
        if step.kind is Kind.POST and step.purpose not in POSTABLE:
            raise invalid("ledger.purpose", "Say what posting the reservation does: ship, use, split, and so on.")
        rule = RULES[step.purpose or step.kind] if step.kind is Kind.POST else RULES[step.kind]
        if lot.frozen and not rule.while_frozen:
            raise conflict(
                "ledger.frozen",
                "This unit is on quality hold by its maker: it may be counted and moved, but not used, sold or shipped "
                "until the hold is lifted.",
                lot_id=str(lot.lot_id),
            )
        if step.kind is Kind.CORRECT:
            self._correct(step, lot)
        elif step.kind is Kind.SPLIT or step.purpose is Kind.SPLIT:
            self._split(step, lot, occurred)
        elif step.kind in STANDING:
            self._standing(step, lot, occurred)
        else:
            self._transfer(step, lot, occurred)

    def _just_now(self, lot_id: UUID) -> datetime:
        """When an unstated time was: now, but never before what the lot has seen. A request that waited for the
        lock carries an older moment than the one that went before it; that makes it no late report."""
        lot = self.lots.get(lot_id)
        return max(self.now, lot.last_occurred_at) if lot else self.now

    def _lot(self, lot_id: UUID) -> LotState:
        lot = self.lots.get(lot_id)
        if lot is None:
            raise missing("ledger.not_found", "No such unit.", lot_id=str(lot_id))
        return lot

    def _number_at(self, lot: LotState, place: Place) -> int:
        for number, position in lot.positions.items():
            if position.place == place:
                return number
        raise missing("ledger.not_found", "No such stock line.", lot_id=str(lot.lot_id))

    def _position(self, lot: LotState, number: int | None) -> PositionState:
        position = lot.positions.get(number) if number is not None else None
        if position is None:
            raise missing("ledger.not_found", "No such stock line.", lot_id=str(lot.lot_id))
        return position

    # -- making lots -------------------------------------------------------------------------------------

    def _register(self, step: Step, occurred: datetime) -> None:
        if step.new_lot is None or step.to is None:
            raise invalid("ledger.register", "Say which unit is registered, and where it is.")
        lot = self._make_lot(step.new_lot, step.new_lot.lot_id, None, occurred)
        if lot.serialised and step.quantity != 1:
            raise invalid("ledger.serial_quantity", "A unit with a serial number has quantity 1.", field="quantity")
        _check_place(step.to)
        number = self._arrive(lot, step.to, step.quantity)
        self._write(step, lot, None, number, occurred)

    def _make_lot(self, new: NewLot, root: UUID, parent: UUID | None, occurred: datetime) -> LotState:
        if new.lot_id in self.lots:
            raise conflict(
                "ledger.serial_exists",
                f"Serial number {new.serial} of this part is registered already. Receive or correct that unit instead."
                if new.serial
                else "This lot is registered already.",
                lot_id=str(new.lot_id),
            )
        lot = LotState(
            lot_id=new.lot_id, part_id=new.part_id, serialised=new.serial is not None, uom=new.uom, serial=new.serial,
            batch=new.batch, root=root, frozen=False, last_seq=0, last_position=0,
            last_recorded_at=self.now - _MICROSECOND, last_occurred_at=occurred, parties=set(),
            history=[], is_new=True, new_lot=new, parent=parent,
        )  # fmt: skip
        self.lots[new.lot_id] = lot
        return lot

    def _split(self, step: Step, lot: LotState, occurred: datetime) -> None:
        """Part of an anonymous or batch lot becomes a lot of its own, at the same place."""
        if lot.serialised:
            raise invalid("ledger.split_serial", "A unit with a serial number cannot be split.")
        if step.child is None:
            raise invalid("ledger.split_child", "A split names the lot it makes.")
        if step.to is not None:
            raise invalid("ledger.change", "A split moves nothing; the new lot is where the old one was.")
        source = self._position(lot, step.position)
        hold = self._take(step, lot, source)
        source.quantity -= step.quantity
        child = self._make_lot(
            NewLot(step.child, lot.part_id, lot.uom, batch=lot.batch), lot.root, lot.lot_id, occurred
        )
        number = self._arrive(child, source.place, step.quantity)
        self._write(step, lot, step.position, None, occurred, counterpart=child.lot_id)
        self._keep_rest(step, lot, hold, occurred)
        arrived = replace(step, kind=Kind.SPLIT, purpose=None, resolves=None, permit=None)
        self._write(arrived, child, None, number, occurred, counterpart=lot.lot_id)

    # -- moving quantity ---------------------------------------------------------------------------------

    def _transfer(self, step: Step, lot: LotState, occurred: datetime) -> None:
        kind = step.purpose if step.kind is Kind.POST else step.kind
        if kind is None:
            raise AssertionError("a post without a purpose was refused before")
        rule = RULES[kind]
        hold: HoldState | None = None
        source: PositionState | None = None
        target = step.to
        if step.position is not None:
            source = self._position(lot, step.position)
            if source.place.site is None and not rule.in_transit:
                raise conflict("ledger.in_transit", "These units are in transit. Receive them first.")
            if kind is Kind.COUNT_ADJUST and target is not None:
                raise invalid("ledger.change", "A count changes a quantity at one place; it moves nothing.")
        if kind is Kind.COUNT_ADJUST:
            if source is None and target is None:
                raise invalid(
                    "ledger.change", "A count is of a place: name the stock line, or the place of what was found."
                )
        elif (rule.leaves, rule.arrives) != (source is not None, target is not None):
            raise invalid("ledger.change", f"A '{kind}' needs " + _needs(rule.leaves, rule.arrives) + ".")
        if source is not None and target is not None:
            _check_change(kind, source.place, target, rule.changes)
        if kind in RETURNS:
            self._check_return(lot, kind, step.quantity)
        if source is not None:
            self._check_permit(step, kind, lot, source)
            hold = self._take(step, lot, source)
            source.quantity -= step.quantity
        number: int | None = None
        if target is not None:
            _check_place(target)
            number = self._arrive(lot, target, step.quantity)
        self._write(step, lot, step.position, number, occurred)
        self._keep_rest(step, lot, hold, occurred)

    def _take(self, step: Step, lot: LotState, source: PositionState) -> HoldState | None:
        """Frees the reservation a post answers, or checks that enough is unreserved."""
        if step.kind is Kind.POST or step.resolves is not None:
            hold = self._open_hold(step, lot)
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
            self._close(lot, hold)
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

    def _check_permit(self, step: Step, kind: Kind, lot: LotState, source: PositionState) -> None:
        if source.place.agreement is None or kind not in PERMITTED:
            if step.permit is not None:
                raise invalid("ledger.permit_needless", "This needs no permit; leave it out.")
            return
        if step.permit is None:
            raise forbidden(
                "ledger.permit_missing",
                "These units are under an agreement that does not give leave for this. Ask the maker first.",
                lot_id=str(lot.lot_id),
            )
        permit = lot.permits.get(step.permit)
        if permit is None:
            raise missing("ledger.permit_unknown", "No such permit for this unit.")
        fits = permit.agreement == source.place.agreement and permit.kind is kind and permit.quantity >= step.quantity
        if permit.used or permit.expires_at <= self.now or not fits:
            raise forbidden(
                "ledger.permit_invalid",
                "The permit was used, has expired, or is for something else. Ask for a new one.",
                lot_id=str(lot.lot_id),
            )
        lot.permits[step.permit] = replace(permit, used=True)

    def _check_return(self, lot: LotState, kind: Kind, quantity: int) -> None:
        out = _gone(lot, RETURNS[kind], kind)
        if quantity > out:
            word = "in a machine" if kind is Kind.REMOVE else "missing"
            raise conflict(
                "ledger.not_enough", f"{out} of this lot are {word}, not {quantity}.", field="quantity", available=out
            )

    def _arrive(self, lot: LotState, place: Place, quantity: int) -> int:
        """Adds to the position at ``place``, opening it where there is none; returns its number."""
        for number, position in lot.positions.items():
            if position.place == place:
                self._add(lot, position, quantity)
                return number
        if lot.serialised:
            self._check_one(lot, quantity)
        lot.last_position += 1
        lot.positions[lot.last_position] = PositionState(place, quantity, 0, existed=False)
        return lot.last_position

    def _add(self, lot: LotState, position: PositionState, quantity: int) -> None:
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

    def _correct(self, step: Step, lot: LotState) -> None:
        """Takes back one movement: the same quantity the other way, dated when the corrected one happened."""
        past = next((m for m in lot.history or () if m.seq == step.corrects), None)
        if past is None:
            raise missing("ledger.not_found", "No such stock transaction.")
        if past.kind in STANDING or past.kind in (Kind.SPLIT, Kind.CORRECT) or past.purpose is Kind.SPLIT:
            raise invalid(
                "ledger.correct", f"A '{past.kind}' cannot be corrected; it moved nothing that could go back."
            )
        if past.corrected:
            raise conflict("ledger.corrected", "This transaction was corrected already.")
        if step.quantity != past.quantity:
            raise invalid("ledger.correct", f"A correction takes back all {past.quantity}; then record what is right.")
        if past.to_position is not None:
            source = self._position(lot, past.to_position)
            self._take(replace(step, position=past.to_position), lot, source)
            source.quantity -= past.quantity
        sink = past.purpose or past.kind
        back = SINKS.get(sink)
        if back is not None and (out := _gone(lot, sink, back)) < past.quantity:
            raise conflict(
                "ledger.not_enough",
                f"Of these units only {out} are still out; correct their return first.",
                field="quantity",
                available=out,
            )
        if past.from_position is not None:
            self._add(lot, self._position(lot, past.from_position), past.quantity)
        if lot.history is not None:
            lot.history = [replace(m, corrected=True) if m.seq == past.seq else m for m in lot.history]
        dated = replace(step, occurred_at=past.occurred_at)
        self._write(dated, lot, past.to_position, past.from_position, past.occurred_at)

    # -- reserving, freeing, freezing --------------------------------------------------------------------

    def _standing(self, step: Step, lot: LotState, occurred: datetime) -> None:
        if step.kind in (Kind.FREEZE, Kind.LIFT):
            wanted = step.kind is Kind.FREEZE
            if lot.frozen == wanted:
                raise conflict(
                    "ledger.frozen_already", "It is on quality hold already." if wanted else "It is not on hold."
                )
            lot.frozen = wanted
            number = step.position if step.position is not None else next(iter(lot.positions))
            self._write(step, lot, number, None, occurred)
            return
        if step.kind is Kind.HOLD:
            source = self._position(lot, step.position)
            if source.place.site is None:
                raise conflict("ledger.in_transit", "These units are in transit. Receive them first.")
            self._take(step, lot, source)
            self._open(step, lot, source, occurred, continues=None)
            return
        if step.kind is Kind.EXPIRE and self._expired_now(step):
            return
        hold = self._open_hold(step, lot)
        if step.kind is Kind.EXPIRE:
            raise conflict("ledger.hold_running", "The reservation still runs; only its time ends it this way.")
        source = self._position(lot, hold.position)
        source.held -= hold.quantity
        self._close(lot, hold)
        self._write(replace(step, quantity=hold.quantity), lot, hold.position, None, occurred)

    def _open(
        self, step: Step, lot: LotState, source: PositionState, occurred: datetime, *, continues: int | None
    ) -> None:
        source.held += step.quantity
        movement = self._write(step, lot, step.position, None, occurred, continues=continues)
        hold = HoldState(
            movement.seq, step.position or 0, step.quantity, step.expires_at, self.command.cause_kind,
            self.command.cause_id, self.command.company,
        )  # fmt: skip
        lot.holds[movement.seq] = hold
        self.opened[lot.lot_id, movement.seq] = (hold, movement.parties)

    def _expired_now(self, step: Step) -> bool:
        return any(
            m.resolves == step.resolves and m.lot_id == step.lot_id and m.kind is Kind.EXPIRE for m in self.movements
        )

    def _open_hold(self, step: Step, lot: LotState) -> HoldState:
        hold = lot.holds.get(step.resolves) if step.resolves is not None else None
        if hold is None:
            if self._expired_now(step):
                raise gone("ledger.hold_expired", "The reservation has expired and the units are free again.")
            raise conflict(
                "ledger.hold_resolved",
                "The reservation has been used, released or has expired already.",
                lot_id=str(lot.lot_id),
            )
        return hold

    def _close(self, lot: LotState, hold: HoldState) -> None:
        del lot.holds[hold.seq]
        # A hold opened in this very command never reaches the working set.
        if self.opened.pop((lot.lot_id, hold.seq), None) is None:
            self.closed.append((lot.lot_id, hold.seq))

    def _keep_rest(self, step: Step, lot: LotState, hold: HoldState | None, occurred: datetime) -> None:
        rest = hold.quantity - step.quantity if hold else 0
        if hold is None or rest == 0 or not step.keep_rest:
            return
        source = self._position(lot, hold.position)
        again = Step(Kind.HOLD, lot.lot_id, rest, hold.position, expires_at=hold.expires_at)
        self._open(again, lot, source, occurred, continues=hold.seq)

    def _expire_overdue(self, lot: LotState) -> None:
        """The server's clock ends holds: whoever meets an overdue one under the lock writes its expiry first."""
        for hold in sorted(lot.holds.values(), key=lambda h: h.seq):
            if hold.expires_at is not None and hold.expires_at <= self.now:
                position = self._position(lot, hold.position)
                position.held -= hold.quantity
                self._close(lot, hold)
                step = Step(Kind.EXPIRE, lot.lot_id, hold.quantity, hold.position, resolves=hold.seq)
                self._write(step, lot, hold.position, None, self._just_now(lot.lot_id))

    # -- writing it down ---------------------------------------------------------------------------------

    def _write(
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
            counterpart=counterpart, machine=step.machine, parties=tuple(sorted(parties)),
        )  # fmt: skip
        self.movements.append(movement)
        self.changed[lot.lot_id] = None
        if lot.history is not None:
            lot.history.append(past_of(movement))
        return movement

    def _check_past(self, lot: LotState) -> None:
        """A late report must not take units out of a place before they had come there."""
        if lot.history is None:
            raise AssertionError("a late report needs the lot's history")
        balances: dict[int | Kind, int] = {}
        by_seq = {m.seq: m for m in lot.history}
        for past in sorted(lot.history, key=lambda m: (m.occurred_at, m.seq)):
            changes: list[tuple[int | Kind, int]] = [*deltas(past), *_returnable(past, by_seq)]
            for place, change in changes:
                balances[place] = balances.get(place, 0) + change
                if balances[place] < 0:
                    raise conflict(
                        "ledger.late_conflict",
                        f"Reported late, this contradicts what is on record: on {past.occurred_at:%Y-%m-%d} there would "
                        "have been fewer than none. Correct the later transaction and report both again.",
                        lot_id=str(lot.lot_id),
                    )


def past_of(movement: Movement) -> PastMovement:
    """What later decisions need to know of a movement."""
    return PastMovement(
        movement.seq, movement.kind, movement.purpose, movement.quantity, movement.from_position,
        movement.to_position, movement.occurred_at, movement.corrects, resolves=movement.resolves,
    )  # fmt: skip


def deltas(past: PastMovement) -> Iterable[tuple[int, int]]:
    """The changes in quantity a movement makes, as (position, signed quantity)."""
    if past.kind in STANDING:
        return
    if past.from_position is not None:
        yield past.from_position, -past.quantity
    if past.to_position is not None:
        yield past.to_position, past.quantity


def _gone(lot: LotState, sink: Kind, back: Kind) -> int:
    """How many of a lot are in a sink that they may come back from."""
    if lot.history is None:
        raise AssertionError("what went to a sink is known from the lot's history")
    out = 0
    for past in lot.history:
        if not past.corrected and past.kind is not Kind.CORRECT:
            effect = past.purpose or past.kind
            out += past.quantity if effect is sink else -past.quantity if effect is back else 0
    return out


def _returnable(past: PastMovement, by_seq: Mapping[int, PastMovement]) -> Iterable[tuple[Kind, int]]:
    """The change a movement makes in a sink that units may come back from, as (sink, signed quantity)."""
    sign = 1
    if past.kind is Kind.CORRECT and past.corrects is not None:
        sign, past = -1, by_seq[past.corrects]
    effect = past.purpose or past.kind
    if SINKS.get(effect) is not None:
        yield effect, sign * past.quantity
    elif effect in RETURNS:
        yield RETURNS[effect], -sign * past.quantity


def _check_place(place: Place) -> None:
    if place.condition not in CONDITIONS:
        raise invalid(
            "ledger.condition", f"'{place.condition}' is not a condition. Use one of: {', '.join(CONDITIONS)}.",
            field="condition",
        )  # fmt: skip
    if (place.agreement is None) != (place.beneficiary is None):
        raise invalid("ledger.beneficiary", "An agreement and who may call go together.")


def _check_change(kind: Kind, before: Place, after: Place, allowed: frozenset[str]) -> None:
    changed = {name for name in _PLACE_FIELDS if getattr(before, name) != getattr(after, name)}
    if not changed:
        raise conflict("ledger.already_there", "It is there already: nothing would change.")
    if not changed <= allowed:
        raise invalid("ledger.change", f"A '{kind}' cannot change the {' or '.join(sorted(changed - allowed))}.")
    if kind is Kind.MOVE and after.site is None:
        raise invalid("ledger.change", "A move goes from site to site; to send units away, ship them.")
    if kind is Kind.SHIP and after.site is not None:
        raise invalid("ledger.change", "Shipped units are in transit until they are received.")
    if kind is Kind.RECEIVE and (before.site is not None or after.site is None):
        raise invalid("ledger.change", "Only units in transit can be received, and at a site.")


def _needs(leaves: bool, arrives: bool) -> str:
    if leaves and arrives:
        return "a stock line it comes from and a place it goes to"
    return "only a stock line it comes from" if leaves else "only a place it goes to"
