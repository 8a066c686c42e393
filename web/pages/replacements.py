"""Drawn units are replaced: the maker sends equal ones from its stock, the holder says what has arrived."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.db.session import WriteSession
from marketplace.kit.clock import local_day
from marketplace.kit.errors import conflict, missing
from marketplace.kit.money import Money
from marketplace.ledger.kinds import CONDITION_WORDS
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.sourcing import queries, service
from marketplace.sourcing.queries import CallRow, EqualStock
from web.formats import plural
from web.forms import Form
from web.pages.calls import replace_words
from web.session import Sent, SentForm, Visit, submit, uuid_of, visits

router = APIRouter(prefix="/calls", include_in_schema=False)
Sends = Annotated[Visit, visits("order.ship")]
Receives = Annotated[Visit, visits("order.receive")]


def _shared(call: CallRow) -> dict[str, Any]:
    return {
        "call": call,
        "price": Money(call.unit_price, call.currency),
        "replace_words": replace_words(call),
        "crumbs": [("Buy-back orders", "/calls"), (call.reference, f"/calls/{call.id}")],
    }


# -- the maker sends -------------------------------------------------------------------------------------


def _key(row: EqualStock) -> str:
    return f"{row.site_id}/{row.condition}"


async def _send_page(visit: Visit, call_id: UUID, form: Form) -> Response:
    call = await queries.call(visit.session, call_id)
    if call.maker_id != visit.actor.company_id:
        raise missing("call.not_found", "No such order.")
    if call.to_replace <= call.replacing and not form.bad:
        raise conflict(
            "replacement.not_due", "Nothing of this order is to be replaced now. Open it to see how it stands."
        )
    equal = await queries.equal_stock(visit.session, call, visit.now)
    places = [(_key(row), f"{row.site}: {row.free:,} {CONDITION_WORDS[row.condition].lower()}") for row in equal]
    return visit.show(
        "calls/replace.html", **_shared(call), form=form, places=places, most=call.to_replace - call.replacing,
        condition=CONDITION_WORDS[call.condition].lower(), serials=[n for row in equal for n in row.serials],
    )  # fmt: skip


@router.get("/{call_id}/replace")
async def replace_page(visit: Sends, call_id: UUID) -> Response:
    """How many equal units, from where, how they travel."""
    return await _send_page(visit, call_id, Form())


@router.post("/{call_id}/replace")
async def replace(request: Request, call_id: UUID, sent: SentForm, now: Now) -> Response:
    """Sends them."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        fields = sent.fields()
        quantity = fields.whole("quantity", "Quantity", low=0)
        site, _, condition = fields.text("place", "Where they come from").partition("/")
        site_id = uuid_of(site)
        if site_id is None:
            fields.wrong("place", "Choose where they come from.")
        serials = fields.text("serials", "Serial numbers", required=False, most=20_000).replace(",", "\n").splitlines()
        consignment = fields.consignment()
        fields.check("replacement.invalid", "The replacement could not be sent.")
        assert site_id is not None  # noqa: S101 - checked above
        return await service.send_replacement(
            session, actor, call_id, quantity=quantity, site_id=site_id, condition=condition,
            consignment=consignment, now=now, serials=serials,
        )  # fmt: skip

    async def again(visit: Visit, form: Form) -> Response:
        return await _send_page(visit, call_id, form)

    return await submit(request, sent, "order.ship", act, now=now, to=f"/calls/{call_id}?done=replace", again=again)


# -- the holder receives ---------------------------------------------------------------------------------

FATES = ("good", "refused", "missing")


async def _receive_page(visit: Visit, call_id: UUID, replacement_id: UUID, form: Form) -> Response:
    call = await queries.call(visit.session, call_id)
    found = next((r for r in await queries.replacements(visit.session, call_id) if r.id == replacement_id), None)
    if found is None or found.holder_id != visit.actor.company_id:
        raise missing("replacement.not_found", "No such replacement.")
    if found.good is not None and not form.bad:
        raise conflict("replacement.received", "This replacement was received already.")
    units = await queries.replacement_units(visit.session, replacement_id)
    serials = [u for u in units if u.serial]
    zone = call.zone
    return visit.show(
        "calls/replacement.html", **_shared(call), form=form, sent=found, serials=serials,
        loose=found.quantity - len(serials), today=local_day(visit.now, zone), first=local_day(found.shipped_at, zone),
        late=call.replace_by is not None and visit.now >= call.replace_by, bought=plural(call.bought, "unit"),
    )  # fmt: skip


@router.get("/{call_id}/replacements/{replacement_id}")
async def replacement_page(visit: Receives, call_id: UUID, replacement_id: UUID) -> Response:
    """What has arrived, and what receiving does."""
    return await _receive_page(visit, call_id, replacement_id, Form())


@router.post("/{call_id}/replacements/{replacement_id}")
async def receive(request: Request, call_id: UUID, replacement_id: UUID, sent: SentForm, now: Now) -> Response:
    """Receives it."""

    async def act(session: WriteSession, actor: Actor) -> str:
        good = await _receive(session, actor, replacement_id, sent, now)
        return "replaced" if good else "not_replaced"

    async def shown(visit: Visit, form: Form, _outcome: object = None) -> Response:
        return await _receive_page(visit, call_id, replacement_id, form)

    return await submit(
        request, sent, "order.receive", act, now=now, to=lambda done: f"/calls/{call_id}?done={done}", again=shown
    )  # fmt: skip


async def _receive(session: WriteSession, actor: Actor, replacement_id: UUID, sent: Sent, now: datetime) -> int:
    fields = sent.fields()
    units = await queries.replacement_units(session, replacement_id)
    named: dict[str, list[str]] = {fate: [] for fate in FATES}
    for unit in units:
        if unit.serial:
            fate = fields.one_of(f"unit_{unit.lot_id}", f"what became of {unit.serial}", FATES)
            named.setdefault(fate, []).append(str(unit.lot_id))
    loose = any(not unit.serial for unit in units)
    good = len(named["good"]) + (fields.whole("good", "Accepted", low=0) if loose else 0)
    gone = len(named["missing"]) + (fields.whole("missing", "Missing", low=0, empty=0) if loose else 0)
    note = fields.text("note", "What is wrong", required=False, most=500)
    day = fields.day("arrived_on", "Arrived on")
    fields.check("replacement.invalid", "The receipt could not be recorded.")
    await service.receive_replacement(
        session, actor, replacement_id, good=good, missing_units=gone, note=note, arrived_on=day, now=now, named=named
    )  # fmt: skip
    return good
