"""What the ledger should do, said a second time and as plainly as possible: a list of what happened to each lot,
and everything else recomputed from that list. Shares no code with ``marketplace.ledger.decide``; the state machine
in ``test_state_machine.py`` holds the two against each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID


class Spot(NamedTuple):
    """Where units are; the same six columns as a stock line."""

    owner: UUID
    holder: UUID
    site: UUID | None
    condition: str
    agreement: UUID | None
    beneficiary: UUID | None


# What may differ between where a unit came from and where it went, said in the words of the design.
MAY_CHANGE = {
    "move": {"site"}, "ship": {"site"}, "receive": {"site", "holder"}, "title": {"owner"},
    "repoint": {"agreement", "beneficiary"}, "repair": {"condition"}, "regrade": {"condition"},
}  # fmt: skip
GOES = {"use_up", "install", "scrap", "lose"}
COMES = {"remove": "install", "find": "lose"}
ALLOWED_ON_QUALITY_HOLD = {
    "title", "repoint",
    "move", "receive", "remove", "regrade", "lose", "find", "count_adjust", "correct", "void", "expire", "freeze", "lift",
}  # fmt: skip
ALLOWED_IN_TRANSIT = {"receive", "title", "repoint", "scrap", "lose"}
NEEDS_LEAVE = {"receive", "title", "use_up", "install", "scrap", "repoint"}
MOVES_NOTHING = {"hold", "void", "expire", "freeze", "lift"}


@dataclass(frozen=True)
class Event:
    """One thing that happened to one lot."""

    seq: int
    kind: str
    effect: str
    quantity: int
    source: Spot | None
    target: Spot | None
    occurred: datetime
    recorded: datetime
    resolves: int | None = None
    corrects: int | None = None
    expires: datetime | None = None


@dataclass
class Lot:
    serialised: bool
    root: UUID
    events: list[Event] = field(default_factory=list)

    def balances(self, *, at: datetime | None = None, known_at: datetime | None = None) -> dict[Spot, int]:
        total: dict[Spot, int] = {}
        for e in self.events:
            late = (at is not None and e.occurred > at) or (known_at is not None and e.recorded > known_at)
            if late or e.kind in MOVES_NOTHING:
                continue
            if e.source is not None:
                total[e.source] = total.get(e.source, 0) - e.quantity
            if e.target is not None:
                total[e.target] = total.get(e.target, 0) + e.quantity
        return {spot: n for spot, n in total.items() if n}

    def holds(self) -> dict[int, Event]:
        answered = {e.resolves for e in self.events if e.resolves is not None}
        return {e.seq: e for e in self.events if e.kind == "hold" and e.seq not in answered}

    def held(self, spot: Spot | None) -> int:
        return sum(e.quantity for e in self.holds().values() if e.source == spot)

    def seen(self) -> set[Spot]:
        return {s for e in self.events for s in (e.source, e.target) if s is not None}

    def frozen(self) -> bool:
        marks = [e.kind for e in self.events if e.kind in ("freeze", "lift")]
        return bool(marks) and marks[-1] == "freeze"

    def out(self, sink: str) -> int:
        """How many are in a sink they may come back from."""
        back = {s: k for k, s in COMES.items()}[sink]
        undone = {e.corrects for e in self.events if e.corrects is not None}
        valid = [e for e in self.events if e.seq not in undone]
        return sum(e.quantity for e in valid if e.effect == sink) - sum(e.quantity for e in valid if e.effect == back)

    def contradiction(self) -> bool:
        """Whether, in the order things happened, some place or returnable sink ever held fewer than none. What was
        corrected happened never."""
        totals: dict[object, int] = {}
        wrong = {e.corrects for e in self.events if e.corrects is not None}
        for e in sorted(self.events, key=lambda e: (e.occurred, e.seq)):
            if e.kind in MOVES_NOTHING or e.corrects is not None or e.seq in wrong:
                continue
            effect = e.effect
            changes: list[tuple[object, int]] = [(e.source, -e.quantity), (e.target, e.quantity)]
            if effect in ("install", "lose"):
                changes.append((effect, e.quantity))
            if effect in COMES:
                changes.append((COMES[effect], -e.quantity))
            for key, change in changes:
                if key is not None:
                    totals[key] = totals.get(key, 0) + change
                    if totals[key] < 0:
                        return True
        return False


@dataclass
class Leave:
    """A permit."""

    lot: UUID
    agreement: UUID
    kind: str
    quantity: int
    expires: datetime
    used: bool = False


@dataclass
class Act:
    """A step in the model's words: places instead of position numbers."""

    kind: str
    lot: UUID
    quantity: int
    source: Spot | None = None
    target: Spot | None = None
    purpose: str | None = None
    resolves: int | None = None
    keep_rest: bool = False
    expires: datetime | None = None
    permit: UUID | None = None
    child: UUID | None = None
    corrects: int | None = None
    occurred: datetime | None = None
    serialised: bool = False


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not an error
    """The act must not be done; the codes are those that a refusal may name."""

    def __init__(self, *codes: str) -> None:
        super().__init__(", ".join(codes))
        self.codes = {f"ledger.{c}" for c in codes}


class Model:
    """Every lot there is. ``carry_out`` does all acts of a command, or raises and has done none."""

    def __init__(self) -> None:
        self.lots: dict[UUID, Lot] = {}
        self.leaves: dict[UUID, Leave] = {}
        self.just_expired: set[tuple[UUID, int | None]] = set()

    def carry_out(self, acts: list[Act], now: datetime) -> None:
        kept = {i: list(lot.events) for i, lot in self.lots.items()}
        used = {i: leave.used for i, leave in self.leaves.items()}
        self.just_expired = set()
        try:
            for lot_id in {a.lot for a in acts}:
                if lot_id in self.lots:
                    self._expire(lot_id, now)
            for act in acts:
                self._do(act, now)
            for lot in self.lots.values():
                if lot.contradiction():
                    raise Refused("late_conflict")
        except Refused:
            self.lots = {i: Lot(self.lots[i].serialised, self.lots[i].root, events) for i, events in kept.items()}
            for i, was in used.items():
                self.leaves[i].used = was
            raise

    def _add(self, lot: Lot, now: datetime, occurred: datetime, **more: object) -> Event:
        last = lot.events[-1].recorded + timedelta(microseconds=1) if lot.events else now
        event = Event(seq=len(lot.events) + 1, recorded=max(now, last), occurred=occurred, **more)  # type: ignore[arg-type]
        lot.events.append(event)
        return event

    def _expire(self, lot_id: UUID, now: datetime) -> None:
        lot = self.lots[lot_id]
        for seq, hold in lot.holds().items():
            if hold.expires is not None and hold.expires <= now:
                self._add(
                    lot, now, _when(lot, None, now), kind="expire", effect="expire", quantity=hold.quantity,
                    source=hold.source, target=None, resolves=seq,
                )  # fmt: skip
                self.just_expired.add((lot_id, seq))

    def _do(self, act: Act, now: datetime) -> None:
        if act.quantity < 1:
            raise Refused("quantity")
        effect = act.purpose or act.kind if act.kind == "post" else act.kind
        if act.permit is not None and effect not in NEEDS_LEAVE:
            raise Refused("permit_needless")
        if act.kind == "register":
            if act.lot in self.lots:
                raise Refused("serial_exists")
            if act.serialised and act.quantity != 1:
                raise Refused("serial_quantity")
            lot = self.lots[act.lot] = Lot(act.serialised, act.lot)
            self._add(
                lot, now, act.occurred or now, kind="register", effect="register", quantity=act.quantity,
                source=None, target=act.target,
            )  # fmt: skip
            return
        lot = self.lots.get(act.lot) or _refuse("not_found")
        if lot.frozen() and effect not in ALLOWED_ON_QUALITY_HOLD:
            raise Refused("frozen")
        occurred = _when(lot, act.occurred, now)
        if act.kind == "correct":
            self._correct(lot, act, now)
        elif act.kind in ("freeze", "lift"):
            if lot.frozen() == (act.kind == "freeze"):
                raise Refused("frozen_already")
            self._add(
                lot,
                now,
                occurred,
                kind=act.kind,
                effect=act.kind,
                quantity=act.quantity,
                source=act.source,
                target=None,
            )
        elif act.kind in ("void", "expire"):
            self._answer(lot, act, now, occurred)
        elif act.kind == "hold":
            self._check_free(lot, act)
            if act.source is not None and act.source.site is None:
                raise Refused("in_transit")
            self._add(
                lot, now, occurred, kind="hold", effect="hold", quantity=act.quantity, source=act.source, target=None,
                expires=act.expires,
            )  # fmt: skip
        else:
            self._transfer(lot, act, effect, now, occurred)

    def _answer(self, lot: Lot, act: Act, now: datetime, occurred: datetime) -> None:
        # The one case in which the caller's expire meets a hold that its own command has just found overdue.
        hold = lot.holds().get(act.resolves or -1)
        if hold is None:
            if act.kind == "expire" and (act.lot, act.resolves) in self.just_expired:
                return
            raise Refused("hold_resolved", "hold_expired")
        if act.kind == "expire":
            raise Refused("hold_running")
        self._add(
            lot, now, occurred, kind="void", effect="void", quantity=hold.quantity, source=hold.source, target=None,
            resolves=hold.seq,
        )  # fmt: skip

    def _check_free(self, lot: Lot, act: Act) -> None:
        if act.source not in lot.seen():
            raise Refused("not_found")
        have = lot.balances().get(act.source, 0)
        if have < act.quantity:
            raise Refused("not_enough", "in_transit")
        if have - lot.held(act.source) < act.quantity:
            raise Refused("reserved", "in_transit")

    def _transfer(self, lot: Lot, act: Act, effect: str, now: datetime, occurred: datetime) -> None:
        if effect == "split" and lot.serialised:
            raise Refused("split_serial")
        if act.source is not None and act.source not in lot.seen():
            raise Refused("not_found")
        if effect == "count_adjust":
            if (act.source is None) == (act.target is None):
                raise Refused("change")
        else:
            leaves = effect in MAY_CHANGE or effect in GOES or effect == "split"
            arrives = effect in MAY_CHANGE or effect in COMES
            if (act.source is not None, act.target is not None) != (leaves, arrives):
                raise Refused("change", "not_found", "in_transit")
        if act.source is not None and act.source.site is None and effect not in ALLOWED_IN_TRANSIT | {"split"}:
            raise Refused("in_transit")
        if effect in MAY_CHANGE:
            assert act.source is not None
            assert act.target is not None
            differs = {f for f in Spot._fields if getattr(act.source, f) != getattr(act.target, f)}
            if not differs:
                raise Refused("already_there")
            wrong = (
                bool(differs - MAY_CHANGE[effect])
                or (effect == "move" and act.target.site is None)
                or (effect == "ship" and act.target.site is not None)
                or (effect == "receive" and (act.source.site is not None or act.target.site is None))
            )
            if wrong:
                raise Refused("change")
        if effect in COMES and lot.out(COMES[effect]) < act.quantity:
            raise Refused("not_enough")
        self._use_leave(act, effect, now)
        hold: Event | None = None
        if act.kind == "post":
            hold = lot.holds().get(act.resolves or -1)
            if hold is None:
                raise Refused("hold_resolved", "hold_expired")
            if hold.source != act.source:
                raise Refused("hold_place")
            if hold.quantity < act.quantity:
                raise Refused("not_enough")
        elif act.source is not None:
            self._check_free(lot, act)
        arriving = sum(lot.balances().values()) + (act.quantity if act.source is None else 0)
        if lot.serialised and act.target is not None and arriving > 1:
            raise Refused("serial_quantity")
        self._add(
            lot, now, occurred, kind=act.kind, effect=effect, quantity=act.quantity, source=act.source,
            target=act.target, resolves=act.resolves if act.kind == "post" else None,
        )  # fmt: skip
        if hold is not None and act.keep_rest and hold.quantity > act.quantity:
            self._add(
                lot, now, occurred, kind="hold", effect="hold", quantity=hold.quantity - act.quantity,
                source=hold.source, target=None, expires=hold.expires,
            )  # fmt: skip
        if effect == "split":
            assert act.child is not None
            child = self.lots[act.child] = Lot(serialised=False, root=lot.root)
            self._add(
                child, now, occurred, kind="split", effect="split", quantity=act.quantity, source=None,
                target=act.source,
            )  # fmt: skip

    def _use_leave(self, act: Act, effect: str, now: datetime) -> None:
        if act.source is None or act.source.agreement is None or effect not in NEEDS_LEAVE:
            if act.permit is not None:
                raise Refused("permit_needless")
            return
        leave = self.leaves.get(act.permit) if act.permit else None
        if leave is None:
            raise Refused("permit_missing", "permit_unknown")
        if leave.lot != act.lot:
            raise Refused("permit_unknown")
        fits = (leave.agreement, leave.kind) == (act.source.agreement, effect) and leave.quantity >= act.quantity
        if leave.used or leave.expires <= now or not fits:
            raise Refused("permit_invalid")
        leave.used = True

    def _correct(self, lot: Lot, act: Act, now: datetime) -> None:
        past = next((e for e in lot.events if e.seq == act.corrects), None)
        if past is None:
            raise Refused("not_found")
        if past.kind in MOVES_NOTHING or past.kind == "correct" or past.effect == "split":
            raise Refused("correct")
        if any(e.corrects == past.seq for e in lot.events):
            raise Refused("corrected")
        if past.quantity != act.quantity:
            raise Refused("correct")
        if past.target is not None:
            self._check_free(lot, Act("", act.lot, past.quantity, past.target))
        if past.effect in ("install", "lose") and lot.out(past.effect) < past.quantity:
            raise Refused("not_enough")
        present = sum(lot.balances().values())
        comes = (past.quantity if past.source is not None else 0) - (past.quantity if past.target is not None else 0)
        if lot.serialised and present + comes > 1:
            raise Refused("serial_quantity")
        self._add(
            lot, now, past.occurred, kind="correct", effect="correct", quantity=past.quantity, source=past.target,
            target=past.source, corrects=past.seq,
        )  # fmt: skip


def _when(lot: Lot, stated: datetime | None, now: datetime) -> datetime:
    """Unsaid, it happened now; and now is never before what the lot saw last, whatever the clocks say."""
    return stated or max([now, *(e.occurred for e in lot.events)])


def _refuse(code: str) -> Lot:
    raise Refused(code)
