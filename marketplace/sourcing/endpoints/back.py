"""JSON routes of sourcing: what was not accepted, what replaces drawn units, what a holder sells back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter

from marketplace.db.requests import Reading, Writing
from marketplace.kit.errors import missing
from marketplace.kit.wire import Done, Made, ShipIn
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once, once_done
from marketplace.sourcing import queries, service
from marketplace.sourcing.permissions import (
    ReadsCalls,
    ReadsEqualStock,
    ReceivesCalls,
    ReceivesReplacements,
    Requests,
    SellsBack,
    SettlesUnits,
    ShipsReplacements,
)
from marketplace.sourcing.schemas.back import (
    DestinationIn,
    ObjectIn,
    SellableOut,
    SellBackIn,
)
from marketplace.sourcing.schemas.calls import (
    BackIn,
    EqualStockOut,
    ReceiveReplacementIn,
    ReplaceIn,
    ReplacementOut,
    WayBackOut,
)

sourcing = APIRouter(prefix="/sourcing", tags=["sourcing"])


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
