"""JSON routes of sourcing: where units are, parts requests, orders back."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query

from marketplace.agreements.states import CallState
from marketplace.db.requests import PageSecret, Reading, Writing
from marketplace.kit.money import Money
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE, cut, read_bookmark
from marketplace.kit.wire import Done, Made, PageOut, ShipIn
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once, once_done
from marketplace.sourcing import queries, service
from marketplace.sourcing.permissions import (
    AnswersCalls,
    Approves,
    FindsRecords,
    ReadsCalls,
    ReadsSourcing,
    ReceivesCalls,
    ReportsLost,
    Requests,
    SettlesUnits,
)
from marketplace.sourcing.schemas.back import (
    InspectIn,
)
from marketplace.sourcing.schemas.calls import (
    AcceptIn,
    CallOut,
    ConfirmIn,
    CoverIn,
    FinishIn,
    FreightIn,
    InPlaceOut,
    LicenceIn,
    LicenceRefusedIn,
    LostIn,
    OrderBackIn,
    OrderedOut,
    PlanOut,
    RecordOut,
    RefuseIn,
    RequestIn,
    RequisitionOut,
    ShipOrderIn,
    StandInOut,
    TakeOverIn,
)
from marketplace.sourcing.service.inspecting import Lower
from marketplace.sourcing.service.ordering import Choice

sourcing = APIRouter(prefix="/sourcing", tags=["sourcing"])


@sourcing.get("/records", summary="Your records that bear a number")
async def records(
    session: Reading, actor: FindsRecords, number: str = Query("", max_length=queries.LONGEST)
) -> list[RecordOut]:
    """Orders (by reference or the buyer's purchase order number), postings, agreements, buy-back orders, parts requests
    (by reference or job number) and settlement lines with exactly this number, whatever its case: references first,
    then the newest, at most twenty. Kinds that you may not read are left out."""
    rows = await queries.by_number(session, actor, number)
    return [RecordOut.model_validate(r) for r in rows[: queries.MOST_RECORDS]]


@sourcing.get("/requests", summary="Your parts requests")
async def requisitions(
    session: Reading,
    secret: PageSecret,
    actor: ReadsSourcing,
    after: str | None = None,
    limit: int = Query(DEFAULT_PAGE, ge=1, le=MAX_PAGE),
) -> PageOut[RequisitionOut]:
    """Newest first."""
    mark = read_bookmark(after, secret, UUID)
    rows = await queries.requisitions(session, actor.company_id, after=mark[0] if mark else None, limit=limit + 1)
    page = cut(rows, limit, lambda r: [r.id], secret)
    return PageOut(items=[RequisitionOut.of(r, actor) for r in page.items], next=page.next)


@sourcing.get("/requests/{requisition_id}", summary="One parts request with its plan")
async def requisition(session: Reading, actor: ReadsSourcing, requisition_id: UUID) -> RequisitionOut:
    """As it stands now."""
    return RequisitionOut.of(await queries.requisition(session, requisition_id), actor)


@sourcing.post("/requests", status_code=201, summary="Raise a parts request")
async def raise_request(
    session: Writing, actor: Requests, new: RequestIn, now: Now, key: IdempotencyKey = None
) -> Made:
    """Answers its id; plan and confirm it next."""

    async def act() -> dict[str, Any]:
        return {"id": await service.raise_request(session, actor, service.Asked(**new.model_dump()), now)}

    return Made.model_validate((await once(session, actor, key, "requests.raise", new.model_dump(), act)).content)


@sourcing.get("/requests/{requisition_id}/plan", summary="The best set of units for a request, as things stand now")
async def plan(session: Reading, actor: ReadsSourcing, requisition_id: UUID, now: Now) -> PlanOut:
    """Changes nothing: what would be chosen, the next best, and why the rest was left."""
    found = await queries.requisition(session, requisition_id)
    return PlanOut.model_validate((await service.plan(session, actor, found, now)).shown)


@sourcing.post("/requests/{requisition_id}/confirm", summary="Order the units of the plan back")
async def confirm(
    session: Writing, actor: Requests, requisition_id: UUID, given: ConfirmIn, now: Now, key: IdempotencyKey = None
) -> OrderedOut:
    """Reserves the units and sends the orders in one transaction. Where a place cannot give what was chosen any
    more, nothing is ordered and the refusal says what is in the way; ask for the plan again."""

    async def act() -> dict[str, Any]:
        choices = [Choice(c.key, c.quantity) for c in given.choices] if given.choices is not None else None
        done = await service.confirm(session, actor, requisition_id, choices, now)
        return _ordered(requisition_id, done)

    answer = await once(session, actor, key, f"requests.confirm:{requisition_id}", given.model_dump(), act)
    return OrderedOut.model_validate(answer.content)


@sourcing.post(
    "/requests/{requisition_id}/take-over", summary="Take units of a less urgent order for a stopped machine"
)
async def take_over(
    session: Writing, actor: Requests, requisition_id: UUID, given: TakeOverIn, now: Now, key: IdempotencyKey = None
) -> OrderedOut:
    """The other order gives the units up, is smaller or ends, and what it lacks is planned anew; the units are ordered for
    this request, in one transaction. Refused once the holder has accepted the other order."""

    async def act() -> dict[str, Any]:
        done = await service.take_over(session, actor, requisition_id, given.call_id, given.quantity, now)
        return _ordered(requisition_id, done)

    answer = await once(session, actor, key, f"requests.take_over:{requisition_id}", given.model_dump(), act)
    return OrderedOut.model_validate(answer.content)


def _ordered(requisition_id: UUID, done: Any) -> dict[str, Any]:
    return {
        "requisition_id": requisition_id, "calls": list(done.calls), "awaiting_approval": done.awaiting_approval,
    }  # fmt: skip


@sourcing.post("/order-back", status_code=201, summary="Order a unit back from a place, in one step")
async def order_back(
    session: Writing, actor: Requests, new: OrderBackIn, now: Now, key: IdempotencyKey = None
) -> OrderedOut:
    """A parts request and its order to the place with this ``key``; neither where the place cannot give so many."""

    async def act() -> dict[str, Any]:
        asked = service.Asked(**new.model_dump(exclude={"key", "notice_id"}))
        requisition_id, done = await service.order_back(session, actor, asked, new.key, now, notice_id=new.notice_id)
        return _ordered(requisition_id, done)

    return OrderedOut.model_validate((await once(session, actor, key, "order-back", new.model_dump(), act)).content)


@sourcing.post("/requests/{requisition_id}/approve", summary="Approve an order above a technician's limit")
async def approve(
    session: Writing, actor: Approves, requisition_id: UUID, now: Now, key: IdempotencyKey = None
) -> Done:
    """The orders go out now."""
    return await once_done(
        session, actor, key, f"requests.approve:{requisition_id}", {},
        lambda: service.approve(session, actor, requisition_id, now),
    )  # fmt: skip


@sourcing.post("/requests/{requisition_id}/cancel", summary="Cancel a parts request and its open orders")
async def cancel_request(
    session: Writing, actor: Requests, requisition_id: UUID, now: Now, key: IdempotencyKey = None
) -> Done:
    """Nothing may be on its way yet."""
    return await once_done(
        session, actor, key, f"requests.cancel:{requisition_id}", {},
        lambda: service.withdraw_request(session, actor, requisition_id, now),
    )  # fmt: skip


@sourcing.post("/requests/{requisition_id}/finish", summary="Close a parts request: received, fitted, returned unused")
async def finish(
    session: Writing, actor: Requests, requisition_id: UUID, given: FinishIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """``fitted`` installs the units in the machine."""
    return await once_done(
        session, actor, key, f"requests.finish:{requisition_id}", given.model_dump(),
        lambda: service.finish(
            session, actor, requisition_id, outcome=given.outcome, machine=given.machine, now=now
        ),
    )  # fmt: skip


@sourcing.get("/calls", summary="Buy-back orders, access draws and pick requests")
async def calls(
    session: Reading,
    secret: PageSecret,
    actor: ReadsCalls,
    side: Literal["any", "holder", "maker"] = "any",
    status: CallState | None = None,
    after: str | None = None,
    limit: int = Query(DEFAULT_PAGE, ge=1, le=MAX_PAGE),
) -> PageOut[CallOut]:
    """Newest first; ``side=holder`` is your inbox."""
    mark = read_bookmark(after, secret, UUID)
    rows = await queries.calls(
        session, actor.company_id, side=side, statuses=[status] if status else None,
        after=mark[0] if mark else None, limit=limit + 1,
    )  # fmt: skip
    page = cut(rows, limit, lambda r: [r.id], secret)
    return PageOut(items=[CallOut.of(r, actor) for r in page.items], next=page.next)


@sourcing.get("/calls/{call_id}", summary="One order")
async def call(session: Reading, actor: ReadsCalls, call_id: UUID) -> CallOut:
    """With the site's telephone, now that the order is sent."""
    return CallOut.of(await queries.call(session, call_id), actor)


@sourcing.post("/calls/{call_id}/accept", summary="Commit to an order")
async def accept(
    session: Writing, actor: AnswersCalls, call_id: UUID, given: AcceptIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """All of it, or a part with the reason why not the rest, which is sourced elsewhere."""
    return await once_done(
        session, actor, key, f"calls.accept:{call_id}", given.model_dump(),
        lambda: service.accept(
            session, actor, call_id, now, quantity=given.quantity, code=given.code, note=given.note
        ),
    )  # fmt: skip


@sourcing.post("/calls/{call_id}/refuse", summary="Refuse an order with a code")
async def refuse(
    session: Writing, actor: AnswersCalls, call_id: UUID, given: RefuseIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """For a reason that the clause allows; any other leaves the order as it is. The next best source is planned at once."""
    return await once_done(
        session, actor, key, f"calls.refuse:{call_id}", given.model_dump(),
        lambda: service.refuse(session, actor, call_id, code=given.code, note=given.note, now=now),
    )  # fmt: skip


@sourcing.post("/calls/{call_id}/ship", summary="Ship an order")
async def ship(
    session: Writing, actor: AnswersCalls, call_id: UUID, given: ShipOrderIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """With carrier and tracking number, or by own transport. Other units of yours can go in place of those that are reserved,
    where the terms allow it; these stay reserved until the others are inspected."""
    others = [service.InPlace(x.lot_id, x.quantity) for x in given.in_place]
    return await once_done(
        session, actor, key, f"calls.ship:{call_id}", given.model_dump(mode="json"),
        lambda: service.ship(session, actor, call_id, given.consignment(), now, in_place=others),
    )  # fmt: skip


@sourcing.get("/calls/{call_id}/in-place", summary="What could go in place of the units of an order, and what did")
async def in_place(session: Reading, actor: ReadsCalls, call_id: UUID, now: Now) -> InPlaceOut:
    """What could go is for the holder, before it ships."""
    call = await queries.call(session, call_id)
    could = await service.stand_in_candidates(session, call, now) if actor.company_id == call.holder_id else ()
    units = await queries.call_units(session, call_id) if call.named_to(actor) else ()
    return InPlaceOut(
        could=[
            StandInOut(
                lot_id=c.unit.lot_id, part_id=c.unit.part_id, part_number=c.unit.number, serial=c.unit.serial,
                condition=c.unit.place.condition, quantity=c.unit.free, allowed=not c.words, words=c.words,
            )
            for c in could
        ],
        travels=[
            StandInOut(
                lot_id=u.shipped_lot_id or u.lot_id, part_id=u.stand_in_part_id, part_number=u.stand_in_number or "",
                serial=u.serial, condition=u.stand_in_condition or call.condition, quantity=u.quantity, allowed=True, words="",
            )
            for u in units
            if u.stand_in_part_id
        ],
    )  # fmt: skip


@sourcing.post("/calls/{call_id}/shipment", summary="Correct carrier and tracking number of an order on its way")
async def correct_shipment(
    session: Writing, actor: AnswersCalls, call_id: UUID, given: ShipIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """What was said before stays in the story."""
    return await once_done(
        session, actor, key, f"calls.shipment:{call_id}", given.model_dump(),
        lambda: service.correct_shipment(session, actor, call_id, given.consignment(), now),
    )  # fmt: skip


@sourcing.post("/calls/{call_id}/cancel", summary="Take an order back before it ships")
async def cancel(session: Writing, actor: Requests, call_id: UUID, now: Now, key: IdempotencyKey = None) -> Done:
    """The holder's units are free again. Once the holder is bound under the second library both have to agree: the answer is then
    `calls.cancel_asked`, and the order goes on until the holder agrees."""

    async def act() -> dict[str, Any]:
        ended = await service.cancel_call(session, actor, call_id, now)
        return {"done": "calls.cancel" if ended else "calls.cancel_asked"}

    return Done.model_validate(
        (await once(session, actor, key, f"calls.cancel:{call_id}", {}, act, status=200)).content
    )


@sourcing.post("/calls/{call_id}/release", summary="Agree that an order which binds you ends")
async def release(session: Writing, actor: AnswersCalls, call_id: UUID, now: Now, key: IdempotencyKey = None) -> Done:
    """Its asker asked to cancel it: your units are free again, and nothing is owed for it."""
    return await once_done(
        session, actor, key, f"calls.release:{call_id}", {}, lambda: service.release(session, actor, call_id, now)
    )


@sourcing.post("/calls/{call_id}/receive", summary="Receive the units of an order")
async def receive(session: Writing, actor: ReceivesCalls, call_id: UUID, now: Now, key: IdempotencyKey = None) -> Done:
    """Custody passes; title only after inspection."""
    return await once_done(
        session, actor, key, f"calls.receive:{call_id}", {}, lambda: service.receive(session, actor, call_id, now)
    )


@sourcing.post("/calls/{call_id}/inspect", summary="Accept or reject what was received")
async def inspect(
    session: Writing, actor: ReceivesCalls, call_id: UUID, given: InspectIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """Title passes for accepted units, and one line at the clause's price is owed; where the agreement states what a condition
    fetches, one for each condition, with its handling beside it."""
    return await once_done(
        session, actor, key, f"calls.inspect:{call_id}", given.model_dump(),
        lambda: service.inspect(
            session, actor, call_id, good=given.good, note=given.note, now=now, named=given.units.model_dump(),
            reason=given.reason, lower=Lower(given.lower.quantity, given.lower.less) if given.lower else None,
            found=[f.finding() for f in given.found],
        ),
    )  # fmt: skip


@sourcing.post("/calls/{call_id}/acknowledge", summary="Say that an order was seen")
async def acknowledge(
    session: Writing, actor: AnswersCalls, call_id: UUID, now: Now, key: IdempotencyKey = None
) -> Done:
    """Where the clause asks for it. It binds to nothing: the order is still to be answered."""
    return await once_done(
        session, actor, key, f"calls.acknowledge:{call_id}", {},
        lambda: service.acknowledge(session, actor, call_id, now),
    )  # fmt: skip


@sourcing.post("/calls/{call_id}/licence-asked", summary="Say that an export licence was asked for")
async def ask_licence(
    session: Writing, actor: ReportsLost, call_id: UUID, now: Now, key: IdempotencyKey = None
) -> Done:
    """For controlled units that cross a border, by the side that clears them for export, before the time for shipping has
    run: that time stands still until the licence is there."""
    return await once_done(
        session, actor, key, f"calls.licence_asked:{call_id}", {},
        lambda: service.ask_licence(session, actor, call_id, now),
    )  # fmt: skip


@sourcing.post("/calls/{call_id}/licence", summary="Record the export licence of an order")
async def record_licence(
    session: Writing, actor: ReportsLost, call_id: UUID, given: LicenceIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """Controlled units do not ship across a border without it."""
    return await once_done(
        session, actor, key, f"calls.licence:{call_id}", given.model_dump(),
        lambda: service.record_licence(session, actor, call_id, given.licence, now),
    )  # fmt: skip


@sourcing.post("/calls/{call_id}/licence-refused", summary="Say that an export licence was refused")
async def refuse_licence(
    session: Writing, actor: ReportsLost, call_id: UUID, given: LicenceRefusedIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """By the side that gets it. Either side may end the order then; until one does, a licence can still be recorded."""
    return await once_done(
        session, actor, key, f"calls.licence_refused:{call_id}", given.model_dump(),
        lambda: service.refuse_licence(session, actor, call_id, given.note, now),
    )  # fmt: skip


@sourcing.post("/calls/{call_id}/end-unlicensed", summary="End an order whose export licence was refused")
async def end_unlicensed(
    session: Writing, actor: ReportsLost, call_id: UUID, now: Now, key: IdempotencyKey = None
) -> Done:
    """By either side. Nothing is owed for that, and it counts as no order; what is lacking is planned anew."""
    return await once_done(
        session, actor, key, f"calls.end_unlicensed:{call_id}", {},
        lambda: service.end_unlicensed(session, actor, call_id, now),
    )  # fmt: skip


@sourcing.post("/calls/{call_id}/cover", summary="Record units bought elsewhere")
async def cover(
    session: Writing, actor: Requests, call_id: UUID, given: CoverIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """For an order in default: it ends, and what the clause has the holder pay becomes a settlement line."""

    async def act() -> None:
        call = await queries.call(session, call_id)
        await service.buy_elsewhere(
            session, actor, call_id, unit_price=Money(given.unit_price, call.currency), document=given.document, now=now
        )

    return await once_done(session, actor, key, f"calls.cover:{call_id}", given.model_dump(), act)


@sourcing.post("/calls/{call_id}/freight", summary="Record freight that you paid for the other side")
async def freight(
    session: Writing, actor: SettlesUnits, call_id: UUID, given: FreightIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """Who bears it says the clause; it becomes a settlement line, to which the other side can object for some days."""
    return await once_done(
        session, actor, key, f"calls.freight:{call_id}", given.model_dump(),
        lambda: service.record_freight(
            session, actor, call_id, trip=given.trip, amount=Money(given.amount, given.currency), document=given.document, now=now
        ),
    )  # fmt: skip


@sourcing.post("/calls/{call_id}/lost", summary="Say that a consignment is lost")
async def lost(
    session: Writing, actor: ReportsLost, call_id: UUID, given: LostIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """Either side may. The order ends, what was asked for is lacking again, and who bore the risk where the units were pays."""
    return await once_done(
        session, actor, key, f"calls.lost:{call_id}", given.model_dump(),
        lambda: service.report_lost(session, actor, call_id, note=given.note, now=now),
    )  # fmt: skip
