"""JSON routes of sourcing."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query

from marketplace.agreements.states import CallState
from marketplace.db.requests import PageSecret, Reading, Writing
from marketplace.kit.errors import missing
from marketplace.kit.money import Money
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE, cut, read_bookmark
from marketplace.kit.wire import Done, Made, PageOut, ShipIn
from marketplace.parties import queries as parties
from marketplace.parties.permissions import IdempotencyKey, ManagesCompany, Now, ReadsCompany
from marketplace.parties.service import once, once_done
from marketplace.parts import queries as parts
from marketplace.parts.numbers import parse_list, unknown
from marketplace.sourcing import queries, service
from marketplace.sourcing.permissions import (
    AnswersCalls,
    Approves,
    EndsAgreements,
    FindsRecords,
    ReadsBreaches,
    ReadsCalls,
    ReadsEqualStock,
    ReadsSourcing,
    ReceivesCalls,
    ReceivesReplacements,
    ReportsLost,
    Requests,
    SellsBack,
    SettlesUnits,
    ShipsReplacements,
)
from marketplace.sourcing.schemas.back import (
    BreachOut,
    DefaultOut,
    DestinationIn,
    EndedOut,
    EndForBreachIn,
    InspectIn,
    ObjectIn,
    OwedOut,
    SellableOut,
    SellBackIn,
)
from marketplace.sourcing.schemas.calls import (
    AcceptIn,
    BackIn,
    CallOut,
    CandidateOut,
    ConfirmIn,
    ContactOut,
    CoverIn,
    EqualStockOut,
    FinishIn,
    FreightIn,
    LicenceIn,
    LocatedNumber,
    LocatedPart,
    LocateIn,
    LostIn,
    OrderBackIn,
    OrderedOut,
    PlanOut,
    ReceiveReplacementIn,
    RecordOut,
    RefuseIn,
    ReplaceIn,
    ReplacementOut,
    RequestIn,
    RequisitionOut,
    TakeOverIn,
    WayBackOut,
)
from marketplace.sourcing.service.inspecting import Lower
from marketplace.sourcing.service.ordering import Choice

PLACES_OF_MANY = 12
"""Places looked at of each part, at the least, where several numbers are asked for at once; a number alone gets all."""
PLACES_TOGETHER = 2_000
"""So many places are shared out among several numbers: few numbers get many places each."""


def places_each(numbers: int) -> int | None:
    """How many places of a part are looked at when so many numbers are asked for; None = all."""
    return None if numbers <= 1 else max(PLACES_OF_MANY, PLACES_TOGETHER // numbers)


sourcing = APIRouter(prefix="/sourcing", tags=["sourcing"])
company = APIRouter(tags=["company"])
ending = APIRouter(prefix="/agreements", tags=["agreements"])


@sourcing.post("/locate", summary="Where are units of these numbers, and which can be ordered back")
async def locate(session: Reading, actor: ReadsSourcing, asked: LocateIn, now: Now) -> list[LocatedNumber]:
    """Own stock, units that can be ordered back, and units that cannot, each with the reason. A number alone is answered
    with all its places; of several at once only the nearest of each part are looked at: twelve of each where 500 are
    asked for, hundreds of each where a few are. ``farther`` counts the others."""
    numbers = await parts.told_apart(session, parse_list(asked.numbers, field="numbers"), field="numbers")
    found = await parts.find(session, numbers)
    _, destination = await queries.destination_of(session, actor, asked.site_id)
    ids = list(dict.fromkeys(h.part_id for hits in found.hits.values() for h in hits))
    located = await queries.locate(
        session, actor, ids, destination=destination, urgency=asked.urgency, now=now, explain=asked.explain,
        most=places_each(len(numbers)),
    )  # fmt: skip
    related: dict[UUID, list[parts.Related]] = {}
    for r in located.related:
        related.setdefault(r.part_id, []).append(r)
    answer = []
    for n in numbers:
        hits = found.hits.get(n.norm, ())
        shown: list[tuple[UUID, str | None]] = [(h.part_id, None) for h in hits]
        shown += [(r.other_id, r.relation) for h in hits for r in related.get(h.part_id, ())]
        answer.append(
            LocatedNumber(
                asked=n.written,
                step=hits[0].step if hits else None,
                words=None if hits else unknown(n.written),
                parts=[_part(located, part_id, relation) for part_id, relation in dict(shown).items()],
            )
        )
    return answer


@sourcing.get("/records", summary="Your records that bear a number")
async def records(
    session: Reading, actor: FindsRecords, number: str = Query("", max_length=queries.LONGEST)
) -> list[RecordOut]:
    """Orders (by reference or the buyer's purchase order number), postings, agreements, buy-back orders, parts requests
    (by reference or job number) and settlement lines with exactly this number, whatever its case: references first,
    then the newest, at most twenty. Kinds that you may not read are left out."""
    rows = await queries.by_number(session, actor, number)
    return [RecordOut.model_validate(r) for r in rows[: queries.MOST_RECORDS]]


def _part(located: queries.Located, part_id: UUID, relation: str | None) -> LocatedPart:
    part = located.catalogue[part_id]
    return LocatedPart(
        part_id=part_id, number=part.number, description=part.description, uom=part.uom, relation=relation,
        candidates=[CandidateOut.of(c) for c in located.candidates[part_id]], farther=located.farther.get(part_id, 0),
    )  # fmt: skip


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
        asked = service.Asked(**new.model_dump(exclude={"key"}))
        requisition_id, done = await service.order_back(session, actor, asked, new.key, now)
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
    """All of it, or a part; the rest is sourced elsewhere."""
    return await once_done(
        session, actor, key, f"calls.accept:{call_id}", given.model_dump(),
        lambda: service.accept(session, actor, call_id, now, quantity=given.quantity),
    )  # fmt: skip


@sourcing.post("/calls/{call_id}/refuse", summary="Refuse an order with a code")
async def refuse(
    session: Writing, actor: AnswersCalls, call_id: UUID, given: RefuseIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """The next best source is planned at once."""
    return await once_done(
        session, actor, key, f"calls.refuse:{call_id}", given.model_dump(),
        lambda: service.refuse(session, actor, call_id, code=given.code, note=given.note, now=now),
    )  # fmt: skip


@sourcing.post("/calls/{call_id}/ship", summary="Ship an order")
async def ship(
    session: Writing, actor: AnswersCalls, call_id: UUID, given: ShipIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """With carrier and tracking number, or by own transport."""
    return await once_done(
        session, actor, key, f"calls.ship:{call_id}", given.model_dump(),
        lambda: service.ship(session, actor, call_id, given.consignment(), now),
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
    """The holder's units are free again."""
    return await once_done(
        session, actor, key, f"calls.cancel:{call_id}", {}, lambda: service.cancel_call(session, actor, call_id, now)
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


@sourcing.post("/calls/{call_id}/object", status_code=201, summary="Object to the condition that units were found in")
async def object_to_condition(
    session: Writing, actor: SettlesUnits, call_id: UUID, given: ObjectIn, now: Now, key: IdempotencyKey = None
) -> Made:
    """For the holder, where the agreement pays by condition: a dispute about one line of the order. What was found stays paid
    and due meanwhile; the difference becomes a line of its own once both agree on a condition. Answers the dispute's id."""

    async def act() -> dict[str, Any]:
        return {"id": await service.object_to_condition(session, actor, call_id, now=now, **given.model_dump())}

    what = f"calls.object:{call_id}"
    return Made.model_validate((await once(session, actor, key, what, given.model_dump(), act)).content)


@sourcing.get("/calls/{call_id}/way-back", summary="Rejected units on their way back")
async def way_back(session: Reading, actor: ReadsCalls, call_id: UUID) -> WayBackOut:
    """Refused while nothing was sent back."""
    found = await queries.way_back(session, call_id)
    if found is None:
        raise missing("call.no_way_back", "No rejected units of this order were sent back.")
    return WayBackOut.model_validate(found)


@sourcing.post("/calls/{call_id}/send-back", summary="Send rejected units back")
async def send_back(
    session: Writing, actor: ReceivesCalls, call_id: UUID, given: ShipIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """At the holder's cost, once both sides agree on it or the holder has not objected in time. The units stay the holder's,
    and under the agreement."""
    return await once_done(
        session, actor, key, f"calls.send_back:{call_id}", given.model_dump(),
        lambda: service.send_back(session, actor, call_id, given.consignment(), now),
    )  # fmt: skip


@sourcing.post("/calls/{call_id}/keep-rejected", summary="Keep rejected units for nothing")
async def keep_rejected(
    session: Writing, actor: ReceivesCalls, call_id: UUID, now: Now, key: IdempotencyKey = None
) -> Done:
    """Where the agreement has it so, once the holder has not objected in time: they become the maker's."""
    return await once_done(
        session, actor, key, f"calls.keep_rejected:{call_id}", {},
        lambda: service.keep_rejected(session, actor, call_id, now),
    )  # fmt: skip


@sourcing.post("/calls/{call_id}/receive-back", summary="Receive rejected units again")
async def receive_back(
    session: Writing, actor: ReceivesReplacements, call_id: UUID, given: BackIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """For the holder: the units are where they came from again; what is missing is lost."""
    return await once_done(
        session, actor, key, f"calls.receive_back:{call_id}", given.model_dump(),
        lambda: service.receive_back(session, actor, call_id, missing_units=given.missing, note=given.note, now=now),
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


@sourcing.post("/disputes/{dispute_id}/agree", summary="Agree on rejected units")
async def agree_units(
    session: Writing, actor: SettlesUnits, dispute_id: UUID, now: Now, key: IdempotencyKey = None
) -> Done:
    """To the other side's last proposal: what the maker keeps becomes its own at the agreed amount, the rest goes back."""
    return await once_done(
        session, actor, key, f"disputes.agree:{dispute_id}", {},
        lambda: service.agree_units(session, actor, dispute_id, now),
    )  # fmt: skip


@sourcing.post("/disputes/{dispute_id}/accept", summary="Accept rejected units after all")
async def accept_rejected(
    session: Writing, actor: SettlesUnits, dispute_id: UUID, now: Now, key: IdempotencyKey = None
) -> Done:
    """For the maker, which withdraws its rejection: the units are its own at the clause's price."""
    return await once_done(
        session, actor, key, f"disputes.accept:{dispute_id}", {},
        lambda: service.accept_rejected(session, actor, dispute_id, now),
    )  # fmt: skip


@sourcing.get("/sell-back/{agreement_id}", summary="What you can sell back under an agreement")
async def sellable(session: Reading, actor: ReadsCalls, agreement_id: UUID, now: Now) -> list[SellableOut]:
    """By part, site and condition, with the price or the reason why not; for the holder."""
    return [SellableOut.of(s) for s in await service.sellable(session, actor, agreement_id, now)]


@sourcing.post("/sell-back", status_code=201, summary="Sell units back")
async def sell_back(session: Writing, actor: SellsBack, new: SellBackIn, now: Now, key: IdempotencyKey = None) -> Made:
    """Where the agreement gives the holder that right: an order that the manufacturer cannot refuse, of units that are not
    reserved. Both are bound by it; answers its id."""

    async def act() -> dict[str, Any]:
        return {"id": await service.sell_back(session, actor, service.Offered(**new.model_dump()), now)}

    return Made.model_validate((await once(session, actor, key, "sell-back", new.model_dump(), act)).content)


@sourcing.post("/calls/{call_id}/destination", summary="Say where units that are sold back to you go")
async def destination(
    session: Writing, actor: Requests, call_id: UUID, given: DestinationIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """Until the time for it has run, and before they ship."""
    return await once_done(
        session, actor, key, f"calls.destination:{call_id}", given.model_dump(),
        lambda: service.name_destination(session, actor, call_id, given.site_id, now),
    )  # fmt: skip


@sourcing.get("/calls/{call_id}/replacements", summary="What was sent for drawn units")
async def replacements(session: Reading, actor: ReadsCalls, call_id: UUID) -> list[ReplacementOut]:
    """Oldest first; the order itself says how many are still to be replaced, and until when."""
    await queries.call(session, call_id)
    return [ReplacementOut.model_validate(r) for r in await queries.replacements(session, call_id)]


@sourcing.get("/calls/{call_id}/equal-stock", summary="Your free units that can replace drawn ones")
async def equal_stock(session: Reading, actor: ReadsEqualStock, call_id: UUID, now: Now) -> list[EqualStockOut]:
    """The same part number in no worse condition, by place; the most first. For the maker."""
    found = await queries.call(session, call_id)
    if found.maker_id != actor.company_id:
        raise missing("call.not_found", "No such order.")
    return [EqualStockOut.model_validate(r) for r in await queries.equal_stock(session, found, now)]


@sourcing.post("/calls/{call_id}/replacements", summary="Send equal units for drawn ones")
async def send_replacement(
    session: Writing, actor: ShipsReplacements, call_id: UUID, given: ReplaceIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """They go into transit; the holder says when they have arrived. What is not replaced by ``replace_by`` is bought."""
    return await once_done(
        session, actor, key, f"calls.replace:{call_id}", given.model_dump(),
        lambda: service.send_replacement(
            session, actor, call_id, quantity=given.quantity, site_id=given.site_id, condition=given.condition,
            consignment=given.consignment(), now=now, serials=given.serials,
        ),
    )  # fmt: skip


@sourcing.post("/replacements/{replacement_id}/receive", summary="Receive equal units for those that were drawn")
async def receive_replacement(
    session: Writing, actor: ReceivesReplacements, replacement_id: UUID, given: ReceiveReplacementIn, now: Now,
    key: IdempotencyKey = None,
) -> Done:  # fmt: skip
    """Accepted units become the holder's and come under the agreement. What you accept after the time for it has ended
    undoes the purchase: its price is then owed back."""
    return await once_done(
        session, actor, key, f"replacements.receive:{replacement_id}", given.model_dump(),
        lambda: service.receive_replacement(
            session, actor, replacement_id, good=given.good, missing_units=given.missing, note=given.note,
            arrived_on=given.arrived_on, now=now, named=given.units.model_dump(),
        ),
    )  # fmt: skip


@company.get("/sites/{site_id}/contacts", summary="Whom to ring at a site")
async def contacts(session: Reading, actor: ReadsCompany, site_id: UUID) -> list[ContactOut]:
    """Of your own sites and those of companies that you deal with. Where a maker hides its holders, of theirs only once
    an order back was sent there."""
    site = await parties.site(session, site_id)
    if not await queries.may_ring(session, actor, site_id, site.company_id):
        raise missing("site.not_found", "No such site.")
    return [ContactOut.model_validate(c) for c in await parties.contacts(session, [site_id])]


@company.post("/sites/{site_id}/close", summary="Close a site")
async def close_site(
    session: Writing, actor: ManagesCompany, site_id: UUID, now: Now, key: IdempotencyKey = None
) -> Done:
    """Nothing can be sent there any more; its history stays. Refused while units lie there or are to come."""
    given = {"site_id": site_id}
    return await once_done(
        session, actor, key, "sites.close", given, lambda: service.close_site(session, actor, site_id, now)
    )


@ending.get("/{agreement_id}/end-for-breach", summary="What an end for breach would rest on and end")
async def breach(session: Reading, actor: ReadsBreaches, agreement_id: UUID, now: Now) -> BreachOut:
    """Defaults of the other side, and what would end, as things stand."""
    found = await service.breach_of(session, actor, agreement_id, now)
    return BreachOut(
        defaults=[DefaultOut.model_validate(d) for d in found.defaults], units=found.units, on_the_way=found.on_the_way,
        orders=list(found.orders),
        owed=[OwedOut(payer_id=payer, amount=money.amount, currency=money.currency) for payer, money in found.owed],
    )  # fmt: skip


@ending.post("/{agreement_id}/end-for-breach", summary="End an agreement for breach")
async def end_for_breach(
    session: Writing,
    actor: EndsAgreements,
    agreement_id: UUID,
    given: EndForBreachIn,
    now: Now,
    key: IdempotencyKey = None,
) -> EndedOut:
    """By notice that names a default of the other side: the right and orders that are not yet with the carrier end at once."""

    async def act() -> Any:
        done = await service.end_for_breach(
            session, actor, agreement_id, cause=given.cause, reference=given.reference, reason=given.reason, now=now
        )
        return EndedOut.model_validate(done)

    inputs = {"agreement_id": agreement_id, **given.model_dump()}
    return EndedOut.model_validate(
        (await once(session, actor, key, "agreements.breach", inputs, act, status=200)).content
    )


router = APIRouter()
router.include_router(sourcing)
router.include_router(company)
router.include_router(ending)
