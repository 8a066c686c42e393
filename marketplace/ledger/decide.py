"""What a command does to the lots it has locked: pure decisions, no I/O.

``decide`` walks the steps in order over the state read under the locks and either returns everything that is
to be written or raises a refusal; it never does half. The same function is the heart of the service and the
subject of the model-based tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from marketplace.kit.errors import conflict, forbidden, invalid, missing
from marketplace.ledger.checks import check_change, check_place, needs
from marketplace.ledger.entries import (
    MAX_QUANTITY,
    MAX_STEPS,
    Command,
    HoldState,
    LotState,
    NewLot,
    Outcome,
    PositionState,
    Step,
)
from marketplace.ledger.history import check_past, gone_to
from marketplace.ledger.kinds import (
    PERMITTED,
    POSTABLE,
    RESOLVING,
    RETURNS,
    RULES,
    SINKS,
    STANDING,
    Kind,
)
from marketplace.ledger.working import Working

_MICROSECOND = timedelta(microseconds=1)
_FUTURE_TOLERANCE = timedelta(minutes=5)


def decide(command: Command, lots: Mapping[UUID, LotState], now: datetime) -> Outcome:
    """Everything ``command`` writes at ``now``. ``lots`` are the locked lots by id; those a register or split
    makes are added to it.

    Raises (all with stable codes): ``ledger.empty``, ``ledger.quantity``, ``ledger.not_found``,
    ``ledger.not_enough``, ``ledger.reserved``, ``ledger.hold_resolved``, ``ledger.hold_expired``,
    ``ledger.permit_missing``, ``ledger.frozen``, ``ledger.already_there``, ``ledger.change``,
    ``ledger.late_conflict``, ``ledger.serial_exists``.
    """
    return _Decision(command, lots, now).run()


class _Decision(Working):
    """One run over the steps. Holds the working state; written out as an Outcome at the end."""

    def run(self) -> Outcome:
        steps = self.command.steps
        if not steps:
            raise invalid("ledger.empty", "There is nothing to do: give at least one line.")
        if len(steps) > MAX_STEPS:
            raise invalid(
                "ledger.too_many", f"At most {MAX_STEPS:,} lines in one command; this one has {len(steps):,}."
            )
        for lot in list(self.lots.values()):
            self.expire_overdue(lot)
        for step in steps:
            self._step(step)
        written: dict[UUID, set[int]] = {lot_id: set() for lot_id in self.late}
        for movement in self.movements:
            if movement.lot_id in written:
                written[movement.lot_id].add(movement.seq)
        for lot_id, seqs in written.items():
            check_past(self.lots[lot_id], seqs)
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
        if step.permit is not None and (step.purpose or step.kind) not in PERMITTED:
            raise invalid("ledger.permit_needless", "This needs no permit; leave it out.")
        occurred = step.occurred_at or self.just_now(step.lot_id)
        if step.occurred_at and occurred > self.now + _FUTURE_TOLERANCE:
            raise invalid(
                "ledger.future", "What happened cannot lie in the future. Check the date.", field="occurred_at"
            )
        if step.kind is Kind.REGISTER:
            self._register(step, occurred)
            return
        lot = self.lot(step.lot_id)
        if step.at is not None:
            # A step may name a place that an earlier step of the same command opens.
            step = replace(step, position=self.number_at(lot, step.at), at=None)
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

    # -- making lots -------------------------------------------------------------------------------------

    def _register(self, step: Step, occurred: datetime) -> None:
        if step.new_lot is None or step.to is None:
            raise invalid("ledger.register", "Say which unit is registered, and where it is.")
        lot = self._make_lot(step.new_lot, step.new_lot.lot_id, None, occurred)
        if lot.serialised and step.quantity != 1:
            raise invalid("ledger.serial_quantity", "A unit with a serial number has quantity 1.", field="quantity")
        check_place(step.to)
        number = self.arrive(lot, step.to, step.quantity)
        self.write(step, lot, None, number, occurred)

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
        source = self.position(lot, step.position)
        hold = self.take(step, lot, source)
        source.quantity -= step.quantity
        child = self._make_lot(
            NewLot(step.child, lot.part_id, lot.uom, batch=lot.batch), lot.root, lot.lot_id, occurred
        )
        number = self.arrive(child, source.place, step.quantity)
        self.write(step, lot, step.position, None, occurred, counterpart=child.lot_id)
        self.keep_rest(step, lot, hold, occurred)
        arrived = replace(step, kind=Kind.SPLIT, purpose=None, resolves=None, permit=None)
        self.write(arrived, child, None, number, occurred, counterpart=lot.lot_id)

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
            source = self.position(lot, step.position)
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
            raise invalid("ledger.change", f"A '{kind}' needs " + needs(rule.leaves, rule.arrives) + ".")
        if source is not None and target is not None:
            check_change(kind, source.place, target, rule.changes)
        if kind in RETURNS:
            self._check_return(lot, kind, step.quantity)
        if source is not None:
            self._check_permit(step, kind, lot, source)
            hold = self.take(step, lot, source)
            source.quantity -= step.quantity
        number: int | None = None
        if target is not None:
            check_place(target)
            number = self.arrive(lot, target, step.quantity)
        self.write(step, lot, step.position, number, occurred)
        self.keep_rest(step, lot, hold, occurred)

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
        out = gone_to(lot, RETURNS[kind], kind)
        if quantity > out:
            word = "in a machine" if kind is Kind.REMOVE else "missing"
            raise conflict(
                "ledger.not_enough", f"{out} of this lot are {word}, not {quantity}.", field="quantity", available=out
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
            source = self.position(lot, past.to_position)
            self.take(replace(step, position=past.to_position), lot, source)
            source.quantity -= past.quantity
        sink = past.purpose or past.kind
        back = SINKS.get(sink)
        if back is not None and (out := gone_to(lot, sink, back)) < past.quantity:
            raise conflict(
                "ledger.not_enough",
                f"Of these units only {out} are still out; correct their return first.",
                field="quantity",
                available=out,
            )
        if past.from_position is not None:
            self.add(lot, self.position(lot, past.from_position), past.quantity)
        if lot.history is not None:
            lot.history = [replace(m, corrected=True) if m.seq == past.seq else m for m in lot.history]
        dated = replace(step, occurred_at=past.occurred_at)
        self.write(dated, lot, past.to_position, past.from_position, past.occurred_at)

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
            self.write(step, lot, number, None, occurred)
            return
        if step.kind is Kind.HOLD:
            source = self.position(lot, step.position)
            if source.place.site is None:
                raise conflict("ledger.in_transit", "These units are in transit. Receive them first.")
            self.take(step, lot, source)
            self.open(step, lot, source, occurred, continues=None)
            return
        if step.kind is Kind.EXPIRE and self.expired_now(step):
            return
        hold = self.open_hold(step, lot)
        if step.kind is Kind.EXPIRE:
            raise conflict("ledger.hold_running", "The reservation still runs; only its time ends it this way.")
        source = self.position(lot, hold.position)
        source.held -= hold.quantity
        self.close(lot, hold)
        self.write(replace(step, quantity=hold.quantity), lot, hold.position, None, occurred)
