"""Lots that were called: what each call did to the ledger, from the reservation to the unit back in the works."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from marketplace.demo.cast import Cast
from marketplace.demo.draws import Dice, Draws
from marketplace.demo.lots import Cause, LotStory
from marketplace.demo.rows import Agreement, Basis, Part, Site


class Manner(StrEnum):
    """How far a call has come when the demo starts."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    ON_THE_WAY = "on_the_way"
    UNSETTLED = "unsettled"
    """Back and inspected; one side or both still have to mark it as settled."""
    RETURNED = "returned"
    """Back, paid for, closed."""
    REFUSED = "refused"


@dataclass(slots=True)
class Called:
    """One call over one lot, with its true times; those that have not come yet are None."""

    id: UUID
    number: int
    manner: Manner
    urgency: str
    lot_id: UUID
    position: int
    hold_seq: int
    quantity: int
    part: Part
    agreement: Agreement
    site: Site
    destination: Site
    condition: str
    company: UUID
    """Who asks: the manufacturer, or the service company on its behalf."""
    technician: UUID
    machine: tuple[str, str]
    parties: tuple[UUID, ...]
    noticed_at: datetime
    answered_at: datetime | None = None
    shipped_at: datetime | None = None
    received_at: datetime | None = None
    inspected_at: datetime | None = None
    settled_at: datetime | None = None
    refusal: str | None = None
    outcome: str | None = None
    shipped_position: int | None = None


_REFUSALS = ("not_on_shelf", "not_on_shelf", "damaged", "used_unreported", "short")


class Caller:
    """Writes the ledger's side of calls."""

    def __init__(self, cast: Cast, start: datetime, draws: Draws) -> None:
        self._cast = cast
        self._start = start
        self._draws = draws

    def call(
        self,
        lot: LotStory,
        own: int,
        part: Part,
        number: int,
        agreement: Agreement,
        site: Site,
        condition: str,
        quantity: int,
        manner: Manner,
    ) -> Called:
        """Reserve ``quantity`` at position ``own`` and carry the story on as far as ``manner`` says."""
        draws, cast = self._draws, self._cast
        dice = draws.dice("call", number)
        urgency = dice.one_of(("machine_down", "urgent", "stock_order", "stock_order"))
        noticed = self._start - self._ago(manner, urgency, dice)
        key = draws.id(noticed, "call", number)
        # Every fourth comes from the service company's technician, as far as its limits allow; it has the units sent
        # to one of its bases, so only calls that are not back yet: what is back stands in the maker's own works.
        within = (
            quantity <= cast.delegation.quantity_limit
            and (part.list_price or 0) * quantity <= cast.delegation.value_limit
        )
        delegated = within and manner in (Manner.WAITING, Manner.ACCEPTED) and dice.below(4) == 0
        company = cast.service if delegated else cast.maker
        called = Called(
            key, number, manner, urgency, lot.id, own, 0, quantity, part, agreement, site,
            dice.one_of(cast.bases if delegated else cast.plants), condition, company, cast.actor[company, "technician"],
            (f"NF-{dice.one_of((320, 450, 610, 900))}", f"{dice.below(90_000) + 10_000}"),
            tuple(sorted((cast.maker, agreement.holder_id))), noticed,
        )  # fmt: skip
        commands = draws.ids(noticed, "call commands", number)
        asks = Cause(cast.maker, called.technician, commands[0], "call", key, Basis.MADE_UP)
        called.hold_seq = lot.move("hold", own, None, quantity, noticed, asks, known_after=timedelta(seconds=1))
        if manner is Manner.WAITING:
            return called
        called.answered_at = noticed + timedelta(minutes=dice.between(15, 110))
        if manner is Manner.REFUSED:
            called.refusal = dice.one_of(_REFUSALS)
            refuses = asks._replace(
                company_id=agreement.holder_id,
                actor_id=cast.actor[agreement.holder_id, "warehouse"],
                command_id=commands[1],
            )
            lot.move("void", own, None, quantity, called.answered_at, refuses, resolves=called.hold_seq)
            return called
        if manner is Manner.ACCEPTED:
            return called
        self._bring_back(lot, called, dice, commands)
        return called

    def _ago(self, manner: Manner, urgency: str, dice: Dice) -> timedelta:
        """How long before the start notice was given. Clocks of waiting calls must still run."""
        if manner is Manner.WAITING:
            if urgency == "machine_down":
                return timedelta(minutes=dice.between(5, 60))
            return timedelta(hours=dice.between(1, 5 if urgency == "urgent" else 40))
        if manner is Manner.ACCEPTED:
            return timedelta(hours=dice.between(3, 6))
        if manner is Manner.ON_THE_WAY:
            return timedelta(hours=dice.between(40, 60))
        if manner is Manner.UNSETTLED:
            return timedelta(days=dice.between(10, 16), hours=dice.below(9))
        if manner is Manner.REFUSED and dice.below(2):
            return timedelta(days=dice.between(1, 5), hours=dice.below(9))
        return timedelta(days=dice.between(40, 1400), hours=dice.below(9))

    def _bring_back(self, lot: LotStory, called: Called, dice: Dice, commands: tuple[UUID, ...]) -> None:
        """Shipped, and where the time has come received, paid for, freed of its right, and fitted."""
        cast, draws = self._cast, self._draws
        agreement, quantity, maker, holder = called.agreement, called.quantity, cast.maker, called.agreement.holder_id
        bound = (agreement.id, maker)
        assert called.answered_at is not None  # noqa: S101 - set by the caller
        called.shipped_at = called.answered_at + timedelta(
            hours=dice.between(2, 9) if called.urgency == "machine_down" else dice.between(5, 30)
        )
        store = Cause(holder, cast.actor[holder, "warehouse"], commands[1], "call", called.id, Basis.MADE_UP)
        works = Cause(maker, cast.actor[maker, "warehouse"], commands[2], "call", called.id, Basis.MADE_UP)
        moving = lot.place(holder, holder, None, called.condition, *bound)
        lot.move(
            "post", called.position, moving, quantity, called.shipped_at, store, purpose="ship",
            resolves=called.hold_seq, known_after=timedelta(minutes=1),
        )  # fmt: skip
        called.shipped_position = moving
        if called.manner is Manner.ON_THE_WAY:
            return
        received = called.received_at = called.shipped_at + timedelta(hours=dice.between(20, 90))
        leave = draws.ids(received, "leave", called.number)
        until = received + timedelta(days=180)

        def permitted(number: int, position: int, kind: str) -> UUID:
            return lot.permit(leave[number], position, kind, quantity, until, "called back by the manufacturer")

        here = called.destination.id
        arrived = lot.place(holder, maker, here, called.condition, *bound)
        lot.move("receive", moving, arrived, quantity, received, works, permit=permitted(0, moving, "receive"))
        inspected = called.inspected_at = received + timedelta(hours=dice.between(2, 40))
        owned = lot.place(maker, maker, here, called.condition, *bound)
        lot.move("title", arrived, owned, quantity, inspected, works, permit=permitted(1, arrived, "title"))
        freed = lot.place(maker, maker, here, called.condition)
        lot.move("repoint", owned, freed, quantity, inspected, works, permit=permitted(2, owned, "repoint"))
        if called.manner is Manner.UNSETTLED:
            return
        called.settled_at = inspected + timedelta(days=dice.between(3, 12))
        called.outcome = "received" if called.urgency == "stock_order" else "fitted"
        if called.outcome == "fitted":
            fits = Cause(maker, called.technician, commands[3], "requisition", None, Basis.MADE_UP)
            lot.move(
                "install", freed, None, quantity, inspected + timedelta(hours=3), fits, machine=" ".join(called.machine)
            )
