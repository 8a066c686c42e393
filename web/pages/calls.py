"""Buy-back orders and access draws: the inbox of who holds the units, and what we asked for; one order with its steps."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.agreements import phrases
from marketplace.agreements.graded import OTHER_REASONS
from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.errors import conflict
from marketplace.kit.money import Money, parse_amount, price_cell
from marketplace.kit.pages import cut, read_bookmark
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.settlement import queries as settlement
from marketplace.settlement.disputes import REASONS
from marketplace.settlement.queries import DisputeRow, SettlementRow
from marketplace.sourcing import queries, service
from marketplace.sourcing.queries import CallRow
from marketplace.sourcing.refusals import REFUSALS, WITHDRAWING
from marketplace.sourcing.schemas.places import KIND_WORDS as KINDS
from marketplace.sourcing.service.inspecting import Lower
from marketplace.sourcing.service.licensing import BEFORE_SHIPPING, Needed, licence_needed
from marketplace.sourcing.service.writing import MOST as MOST_WRITTEN
from marketplace.sourcing.states import BINDING
from web.call_words import (
    SETTLEMENT_WORDS,
    call_event,
    licence_awaited,
    page_state,
    paid_by_condition,
    refusal_words,
    thread,
)
from web.exports import list_csv, wants_csv
from web.formats import plural
from web.forms import Form, Value, shipment_values
from web.objections import objection
from web.pages import documents, inspecting
from web.session import Sent, SentForm, Visit, submit, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/calls", include_in_schema=False)
ReadsCalls = Annotated[Visit, visits("call.read")]

PER_PAGE: Final = 50
MESSAGES: Final = 100
COLUMNS: Final = (
    Column("order", "Order"),
    Column("what", "What"),
    Column("quantity", "Quantity", "end"),
    Column("price", "Price each", "end"),
    Column("other", "With"),
    Column("status", "Status"),
    Column("act", "Actions", "end", hidden_label=True),
)


@dataclass(frozen=True, slots=True)
class Tab:
    """A tab of the list: which calls stand under it. ``unanswered``: only those that ended by silence or default
    (True), or only the others (False). ``due``: the deadline that they are sorted by; without one the newest is first."""

    words: str
    statuses: tuple[str, ...] | None
    unanswered: bool | None = None
    due: str | None = None
    replacing: bool = False
    """Only those with a replacement on its way."""
    coming_back: bool = False
    """Only those with rejected units on their way back."""
    to_release: bool = False
    """Only those that their asker asked to cancel."""
    to_direct: bool = False
    """Only those that sell back and can still be told where to go."""


TABS: Final[Mapping[str, Tab]] = {
    "": Tab("Waiting", ("noticed", "acknowledged", "silent"), due="respond_by"),
    "committed": Tab("Committed", ("accepted", "picked"), due="ship_by"),
    "in_default": Tab("In default", ("defaulted",)),
    "shipped": Tab("Shipped", ("shipped",)),
    "inspect": Tab("To inspect", ("received",)),
    "received": Tab("Received", ("received", "inspected", "graded", "priced", "disputed")),
    "replace": Tab("To replace", ("inspected", "disputed"), due="replace_by"),
    "replacing": Tab("Replacement on its way", None, replacing=True),
    "back": Tab("Rejected, on their way back", None, coming_back=True),
    "release": Tab("Asked to cancel", None, to_release=True),
    "direct": Tab("Sold back: where to", None, to_direct=True),
    "settled": Tab("Settled", ("settled", "closed")),
    "missed": Tab("No response", None, unanswered=True),
    "declined": Tab("Declined", ("refused", "cancelled"), unanswered=False),
    "all": Tab("All", None),
}
CSV_HEADER: Final = (
    "Order", "Kind", "Status", "Part number", "Description", "Quantity", "Unit", "Price each", "Currency", "Holder",
    "Place", "Asked by", "Maker", "Agreement", "Urgency", "Sent", "Respond by", "Ship by", "Shipped", "Carrier",
    "Tracking", "Received", "Accepted units", "Refused because", "Note", "Draw fee each", "Inspect by", "Replace by",
    "Replaced units", "Bought units",
)  # fmt: skip
DONE: Final = {
    "accept": ("Committed.", "The units stay reserved; ship them by the date below."),
    "refuse": ("Refused.", "The asker was told why, and which source is next best, where there is one."),
    "ship": ("Marked as shipped.", "The units are on their way in the ledger; the asker was told."),
    "shipment": ("Corrected.", "The asker was told how it travels; what was said before stays in the story below."),
    "cancel_asked": ("Asked.", "The holder is bound to this order: it agrees that it ends, or ships. It was told."),
    "release": ("Agreed.", "The order has ended: the units are free again, and nothing is owed for it."),
    "cancel": ("Cancelled.", "The holder's units are free again; they were told."),
    "receive": ("Received.", "The units are in your custody. Inspect them next: only then do they become yours."),
    "inspect": ("Inspected.", "What was accepted is yours, and its price is owed under the agreement."),
    "keep-rejected": (
        "Recorded.",
        "The rejected units are yours, and nothing is paid for them, as the agreement has it.",
    ),
    "send-back": ("Sent back.", "The holder was told and says when the units have arrived. They stay the holder's."),
    "freight": ("Recorded.", "The other side owes it, and was told until when it can object."),
    "cover": (
        "Recorded.",
        "The order has ended. What the agreement has the holder pay for it is a line under Settlement.",
    ),
    "lost": ("Recorded as lost.", "The order has ended, and the other side was told. What is owed stands below."),
    "licence": ("Recorded.", "The other side was told."),
    "unlicensed": ("Ended.", "The units are the holder's again, and nothing is owed for that."),
    "acknowledge": ("Acknowledged.", "The other side sees that you have seen it. Answer it next."),
    "sell-back": (
        "Sold back.",
        "The units are reserved, and the manufacturer was told. Ship them once it has said where they go.",
    ),
    "destination": ("Recorded.", "The holder was told where the units go."),
    "receive-back": ("Received.", "The units are with you again, under the agreement as before."),
    "replace": (
        "Sent.",
        "The units are on their way in the ledger; the holder was told and says when they have arrived.",
    ),
    "replaced": (
        "Received.",
        "What you accepted is yours and stands under the agreement, like the units that were drawn.",
    ),
    "not_replaced": (
        "Recorded.",
        "Nothing was accepted: the units are still to be replaced, and the maker was told why.",
    ),
}
VERBS: Final = {
    "accept": "call.answer",
    "refuse": "call.answer",
    "ship": "call.answer",
    "shipment": "call.answer",
    "cancel": "sourcing.request",
    "release": "call.answer",
    "receive": "call.receive",
    "inspect": "call.receive",
}


@router.get("")
async def calls(visit: ReadsCalls) -> Response:
    """``?side=`` holder (the inbox) or maker (what we asked for), ``?status=`` a tab."""
    actor = visit.actor
    usual = "holder" if not (actor.is_manufacturer or actor.sources) else "maker"
    side = visit.choice("side", {"holder", "maker", "ours"}) or usual
    tab = visit.choice("status", TABS)
    chosen = TABS[tab]
    statuses = chosen.statuses
    if side != "holder" and not tab:
        statuses = ("requested", "allocated", *(statuses or ()))

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[CallRow], str | None]:
        if chosen.due and statuses:
            return await _by_deadline(visit, session, side, statuses, chosen.due, mark, rows)
        key = read_bookmark(mark, visit.secret, UUID)
        found = await queries.calls(
            session, actor.company_id, side=side, statuses=statuses, unanswered=chosen.unanswered,
            replacing=chosen.replacing, coming_back=chosen.coming_back, to_direct=visit.now if chosen.to_direct else None, to_release=chosen.to_release, after=key[0] if key else None, limit=rows + 1,
        )  # fmt: skip
        some = cut(found, rows, lambda row: [row.id], visit.secret)
        return some.items, some.next

    if wants_csv(visit):
        return list_csv(
            visit, "buy-back-orders", CSV_HEADER, page, lambda row: _csv_row(row, named=row.named_to(actor))
        )
    rows, following = await page(visit.session, visit.request.query_params.get("after"), PER_PAGE)
    view = TableView.of(visit.request, COLUMNS).with_next(following)
    tabs = [(key, t.words, f"/calls?{urlencode({'side': side, 'status': key})}", None) for key, t in TABS.items()]
    return visit.show(
        "calls/list.html", rows=rows, view=view, tabs=tabs, status=tab, side=side, state=page_state, kinds=KINDS,
        price=lambda c: Money(c.unit_price, c.currency), both=actor.is_manufacturer or bool(actor.sources),
        sides=[("holder", "Asked of us", "/calls?side=holder", None), ("maker", "Asked by us", "/calls?side=maker", None)],
        quick=lambda c: c.status == "noticed" and actor.company_id == c.holder_id and actor.may("call.answer"),
        done=DONE.get(visit.asked("done")), refusal_words=refusal_words,
        named=lambda c: c.named_to(actor),
    )  # fmt: skip


async def _by_deadline(
    visit: Visit, session: ReadSession, side: str, statuses: Sequence[str], due: str, mark: str | None, rows: int
) -> tuple[Sequence[CallRow], str | None]:
    """What still runs against a clock: what is due first stands first."""
    found = await queries.calls_by_deadline(
        session, visit.actor.company_id, due, side=side, statuses=statuses,
        after=read_bookmark(mark, visit.secret, *queries.DEADLINE_KINDS), limit=rows + 1,
    )  # fmt: skip
    some = cut(found, rows, lambda row: queries.deadline_key(row, due), visit.secret)
    return some.items, some.next


def _csv_row(c: CallRow, *, named: bool) -> list[object]:
    def iso(moment: datetime | None) -> str:
        return moment.isoformat(timespec="minutes") if moment else ""

    return [
        c.reference, KINDS[c.kind], page_state(c), c.part_number, c.description, c.quantity, c.uom,
        price_cell(c.unit_price, c.currency), c.currency, c.holder if named else "", (c.site or "") if named else "", c.company, c.maker,
        (c.agreement_reference or "") if named else "", c.urgency, iso(c.noticed_at), iso(c.respond_by), iso(c.ship_by), iso(c.shipped_at),
        c.carrier or "", c.tracking or "", iso(c.received_at), "" if c.inspected_good is None else c.inspected_good,
        refusal_words(c.refusal_code), c.note or "", "" if c.draw_fee is None else f"{c.draw_fee.normalize():f}",
        iso(c.inspect_by), iso(c.replace_by), c.replaced if c.draw_fee is not None else "",
        c.bought if c.draw_fee is not None else "",
    ]  # fmt: skip


# -- one order -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """Something this person may do to an order now."""

    key: str
    label: str
    icon: str
    primary: bool = False
    danger: bool = False


def steps(actor: Actor, call: CallRow, now: datetime, licence: Needed | None = None) -> tuple[Step, ...]:
    """What the actor may do now, the most likely first."""
    holds, asks = actor.company_id == call.holder_id, actor.company_id in {call.maker_id, call.company_id}
    found: list[Step] = []
    unlicensed = licence is not None and call.licence is None
    if unlicensed and licence and licence.gets_it == actor.company_id and call.status in BEFORE_SHIPPING:
        found.append(Step("licence", "Export licence", "certificate", primary=call.status == "accepted"))
    elif unlicensed and call.licence_refused_at and call.status in BEFORE_SHIPPING:
        found.append(Step("licence", "Licence refused", "certificate"))
    in_time = call.respond_by is None or now < call.respond_by
    if holds and actor.may("call.answer"):
        if call.status == "noticed" and in_time:
            found.append(Step("accept", "Commit", "check", primary=True))
            found.append(Step("refuse", "Refuse", "circle-x"))
        if call.status == "defaulted" and not unlicensed:
            found.append(Step("ship", "Ship", "truck", primary=True))
        if call.status == "accepted":
            if not _to_direct(call, now) and not unlicensed:
                found.append(Step("ship", "Ship", "truck", primary=True))
            if call.agreement_id is None:
                found.append(Step("refuse", "Cannot ship", "circle-x"))
        if call.cancel_asked_at is not None and call.status in BINDING:
            found.append(Step("release", "Agree that it ends", "x"))
        if call.status == "shipped":
            found.append(Step("shipment", "Correct the shipment", "pencil"))
            found.append(Step("lost", "Lost on its way", "package-off"))
    if asks and actor.may("call.receive"):
        if call.status == "shipped":
            found.append(Step("receive", "It has arrived", "package-import", primary=True))
            found.append(Step("lost", "Lost on its way", "package-off"))
        if call.status == "received" and call.kind != "own_stock":
            found.append(Step("inspect", "Inspect", "shield-check", primary=True))
    if actor.company_id == call.maker_id and actor.may("order.ship") and _may_replace(call, now):
        found.append(Step("replace", "Send a replacement", "truck-return", primary=True))
    if asks and actor.may("sourcing.request") and call.kind == "put" and call.replaces_id is None:
        if _to_direct(call, now) or (call.acknowledged_at is not None and call.status == "accepted"):
            found.append(Step("destination", "Say where they go", "truck-return", primary=call.acknowledged_at is None))
        return tuple(found)
    if asks and actor.may("sourcing.request") and call.status == "defaulted":
        found.append(Step("cover", "Bought elsewhere", "shopping-cart"))
    if (
        asks
        and actor.may("sourcing.request")
        and call.status in {"allocated", "noticed", "accepted"}
        and call.cancel_asked_at is None
    ):
        found.append(Step("cancel", "Cancel the order", "x"))
    return tuple(found)


def _to_direct(call: CallRow, now: datetime) -> bool:
    """Whether the manufacturer can still say where units that are sold back go, and has not."""
    waits = call.kind == "put" and call.status == "accepted" and call.acknowledged_at is None
    return waits and call.acknowledge_by is not None and now < call.acknowledge_by


def _may_replace(call: CallRow, now: datetime) -> bool:
    return call.to_replace > call.replacing and call.replace_by is not None and now < call.replace_by


def replace_words(call: CallRow) -> str:
    """Until when drawn units can be replaced, as people say it: the end of a day at the holder's site."""
    return phrases.deadline(call.replace_by, call.zone) if call.replace_by else ""


async def detail(visit: Visit, call_id: UUID) -> dict[str, Any]:
    """What the page of an order and the pages of its steps show."""
    session, actor = visit.session, visit.actor
    call = await queries.call(session, call_id)
    licence = await licence_needed(session, call) if call.noticed_at is not None else None
    holds = actor.company_id == call.holder_id and actor.company_id not in {call.maker_id, call.company_id}
    return {
        "call": call,
        "holds": holds,
        "bound": holds and call.agreement_id is not None and call.status in BINDING,
        "other": call.maker if holds else call.holder,
        "kind": KINDS[call.kind],
        "state": page_state(call),
        # The places as they were when it was ordered: both sides see the same, whose sites they may see or not.
        "ship_from": call.ship_from,
        "ship_to": call.ship_to,
        "units": await queries.call_units(session, call_id),
        "price": Money(call.unit_price, call.currency),
        "total": Money(call.unit_price * call.quantity, call.currency),
        "replace_words": replace_words(call),
        "fee": None if call.draw_fee is None else Money(call.draw_fee, call.currency),
        "steps": steps(actor, call, visit.now, licence),
        "licence": licence,
        "licence_awaited": licence_awaited(call),
        "pays": paid_by_condition(call.grades["pays"]) if call.grades else (),
        "crumbs": [("Buy-back orders", "/calls"), (call.reference, f"/calls/{call_id}")],
        "refusal": refusal_words(call.refusal_code),
        # Who may be rung: once the order is sent, never before (a masked holder stays masked until then).
        "sent": call.noticed_at is not None,
        "named": call.named_to(actor),
    }


@router.get("/{call_id}")
async def call_page(visit: ReadsCalls, call_id: UUID) -> Response:
    """One order: where it stands, who to ring, what happened and what was written. ``?before=``: earlier messages."""
    return await show_call(visit, call_id, Form())


async def show_call(visit: Visit, call_id: UUID, form: Form) -> Response:
    """The page of an order, with what somebody is writing on it."""
    found = await detail(visit, call_id)
    call: CallRow = found["call"]
    told = await queries.call_events(visit.session, call_id)
    # One more than is shown says that there are earlier ones.
    said = await queries.latest_messages(visit.session, call_id, before=visit.id("before"), limit=MESSAGES + 1)
    earlier = f"/calls/{call_id}?before={said[1].id}" if len(said) > MESSAGES else None
    events = thread([call_event(e, call) for e in told if e.kind != "requested"], said[-MESSAGES:])
    found_units = next((e.detail["found"] for e in told if "found" in e.detail), ())
    owed = await settlement.lines_of_cause(visit.session, call_id) if visit.actor.may("settlement.read") else ()
    sent = await queries.replacements(visit.session, call_id) if call.draw_fee is not None else ()
    back = await queries.way_back(visit.session, call_id)
    others = await queries.in_place_of(visit.session, call_id) if call.inspected_good is not None else ()
    at_odds = await settlement.disputes_of_cause(visit.session, call_id) if visit.actor.may("settlement.read") else ()
    asks = visit.actor.company_id in {call.maker_id, call.company_id}
    may_send = call.status == "disputed" and back is None and asks and visit.actor.may("call.receive")
    about = await settlement.disputes_of_cause(visit.session, call_id) if may_send else ()
    units = next((d for d in about if d.subject == "units"), None)
    may_keep = may_send and _may_keep(call, units)
    become = "be kept" if may_keep else "go back"
    waits = await settlement.units_wait(visit.session, units, become, visit.now, zone=call.zone) if units else ""
    asked = visit.asked("done")
    done = DONE.get("cancel_asked" if asked == "cancel" and call.status != "cancelled" else asked)
    return visit.show(
        "calls/call.html", **found, events=events, form=form, earlier=earlier, most=MOST_WRITTEN,
        writes=found["sent"] and visit.actor.may("call.message"), found_units=found_units, owed=owed, done=done, next_words=_next(call, found["holds"]),
        delay=await service.delay_so_far(visit.session, call, visit.now),
        may_end=call.status == "defaulted" and call.maker_id == visit.actor.company_id and visit.actor.may("agreement.sign"),
        amount=lambda line: Money(line.amount, line.currency), kind_words=SETTLEMENT_WORDS, sent_back=sent,
        may_freight=call.shipped_at is not None and call.agreement_id is not None
        and visit.actor.company_id in {call.maker_id, call.holder_id} and visit.actor.may("settlement.mark"),
        acknowledge_key=Form().key, may_acknowledge=call.status == "noticed" and call.acknowledge_by is not None and call.acknowledged_at is None
        and call.holder_id == visit.actor.company_id and visit.actor.may("call.answer"),
        paid=_paid(call, owed, found_units), back=back, others=others, disputes=at_odds, may_send_back=may_send, rejected_wait=waits, may_keep=may_keep,
        receives=call.holder_id == visit.actor.company_id and visit.actor.may("order.receive"),
        objections=[o for line in owed if (o := objection(visit.actor, call, line, at_odds, visit.now))],
        documents=await documents.shown(visit, "call", call.id),
    )  # fmt: skip


_FOR_UNITS: Final = {"call_price": 1, "handling": 1, "grade_adjustment": -1, "credit": -1}


def _paid(call: CallRow, owed: Sequence[SettlementRow], found: Sequence[Mapping[str, Any]]) -> Money | None:
    """What is owed for the units after their inspection, handling included; None before it, and of what is drawn or own stock."""
    if call.inspected_good is None or call.draw_fee is not None or call.agreement_id is None:
        return None
    lines = {line.id for line in owed if line.kind in {"call_price", "handling"}}
    sums = [_FOR_UNITS[x.kind] * x.amount for x in owed if x.id in lines or x.counters_id in lines]
    if sums:
        return Money(sum(sums, Decimal(0)), call.currency)
    # Whoever reads no settlement reads what was found.
    each = [parse_amount(f["each"]) * int(f["quantity"]) for f in found if f["accepted"]]
    return Money(sum(each, Decimal(0)) if found else call.unit_price * call.inspected_good, call.currency)


def _may_keep(call: CallRow, units: DisputeRow | None) -> bool:
    """Whether rejected units come to be kept for nothing: the agreement says so, and their dispute is open."""
    return (call.grades or {}).get("remedy") == "credit" and units is not None and units.status == "open"


def _next(call: CallRow, holds: bool) -> str:
    """What happens next, in one sentence to this side."""
    silence = f"No response by the deadline counts as {call.silence}."
    state = page_state(call)
    if call.kind == "put" and call.status == "accepted" and call.acknowledged_at is None and call.acknowledge_by:
        by = phrases.deadline(call.acknowledge_by, call.zone)
        return (
            f"{call.maker} says until {by} where the units go; otherwise they go to {call.destination}. Then ship them."
            if holds
            else f"Say until {by} where the units go; otherwise {call.holder} ships them to {call.destination}."
        )
    if call.status == "allocated":
        return "Reserved. It is sent once an approver agrees."
    if state == "waiting":
        return f"Commit or refuse. {silence}" if holds else f"{call.holder} commits or refuses. {silence}"
    if licence_awaited(call):
        return "An export licence was asked for: the time for shipping stands still until its number is recorded."
    if call.cancel_asked_at is not None and call.status in BINDING:
        return (
            f"{call.company} asks to cancel this order. You are bound to it and need not agree: agree that it ends, or ship."
            if holds
            else f"{call.holder} was asked to agree that this order ends. Until it does, the order goes on."
        )
    if state == "committed":
        return "Ship the units and say how." if holds else f"{call.holder} ships next."
    if call.status == "defaulted":
        return (
            f"In default. Ship the units before {call.company} buys elsewhere; delay is owed for as the agreement says."
            if holds
            else f"{call.holder} did not ship in time. Wait for it, or buy elsewhere and record that here."
        )
    if call.status == "shipped":
        return f"{call.company} says when it has arrived." if holds else "On the way. Say when it has arrived."
    if call.status == "received":
        return (
            f"{call.company} inspects within {call.inspection_days} days; what is not rejected by then is accepted."
            if holds
            else "Inspect what arrived: accept it, or reject it with a note. Only then is it yours; what you do not reject "
            "in time counts as accepted."
        )
    if call.to_replace:
        units = plural(call.to_replace, "unit is", "units are")
        way = f" ({call.replacing:,} on the way)" if call.replacing else ""
        return f"{units} to be replaced{way}, or bought at {Money(call.unit_price, call.currency)} each."
    if call.status == "priced":
        return "Inspected and priced. Both sides mark each settlement line once it is paid."
    words = {
        "settled": "Settled by both sides.", "refused": f"Refused: {refusal_words(call.refusal_code).lower()}.",
        "lost": "It was lost on its way: the order has ended, and who bore the risk pays.", "missed": "There was no response by the deadline.", "disputed": "Some units were rejected: agree on them below, or they go back at the holder's cost.",
        "cancelled": "This order was cancelled; the units are free again.",
    }  # fmt: skip
    return words.get(state, "Nothing more to do.")


# -- steps -----------------------------------------------------------------------------------------------


_IN_PLACE = re.compile(r"in_place_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


def in_place_of(name: str) -> str | None:
    """The lot that a field of the form to ship is about, where it is one of those for other units."""
    found = _IN_PLACE.fullmatch(name)
    return found[1] if found else None


async def _page(visit: Visit, call_id: UUID, step: str, form: Form) -> Response:
    visit.actor.require(VERBS[step])
    found = await detail(visit, call_id)
    if step not in {s.key for s in found["steps"]} and not form.bad:
        raise conflict("call.state", "This step is not possible now. Open the order to see how it stands.")
    call: CallRow = found["call"]
    grounds = await service.grounds_of(visit.session, call)
    withdraws = [words for code, words in REFUSALS.items() if code in WITHDRAWING]
    found["by_both"] = step == "cancel" and await service.cancels_by_both(visit.session, call, visit.now)
    found |= {"grounds": grounds, "refusals": [(code, REFUSALS[code]) for code in grounds.codes]}
    unfit = {"price", "not_owed", "quantity", "condition"}
    if call.grades:
        found |= {"rows": inspecting.rows(call, found["units"]), "conditions": inspecting.conditions(call)}
        # What a unit lacks by the table says its condition; these are for what no condition says.
        unfit |= set(REASONS) - OTHER_REASONS
    reasons = [(code, words) for code, words in REASONS.items() if code not in unfit]
    if step == "ship":
        found["could"] = await service.stand_in_candidates(visit.session, call, visit.now)
    return visit.show(f"calls/{step}.html", **found, form=form, withdraws=withdraws, reasons=reasons)


def _step(step: str, act: Callable[[WriteSession, Actor, UUID, Sent, datetime], Awaitable[object]]) -> None:
    """Registers the page of a step (GET) and the step itself (POST)."""

    async def page(visit: ReadsCalls, call_id: UUID) -> Response:
        values: dict[str, Value] = {}
        if step == "shipment":
            call = await queries.call(visit.session, call_id)
            values = shipment_values(call.carrier, call.tracking)
        return await _page(visit, call_id, step, Form(values))

    async def carry_out(request: Request, call_id: UUID, sent: SentForm, now: Now) -> Response:
        async def again(visit: Visit, form: Form) -> Response:
            return await _page(visit, call_id, step, form)

        async def confirm(visit: Visit, form: Form, _outcome: object) -> Response:
            return await _page(visit, call_id, step, form)

        async def run(session: WriteSession, actor: Actor) -> str:
            await act(session, actor, call_id, sent, now)
            return step

        return await submit(
            request, sent, VERBS[step], run, now=now, to=f"/calls/{call_id}?done={step}", again=again, confirm=confirm
        )

    router.add_api_route(f"/{{call_id}}/{step}", page, methods=["GET"], response_model=None, name=f"call_{step}_page")
    router.add_api_route(f"/{{call_id}}/{step}", carry_out, methods=["POST"], response_model=None, name=f"call_{step}")


async def _accept(session: WriteSession, actor: Actor, call_id: UUID, sent: Sent, now: datetime) -> None:
    fields = sent.fields()
    quantity = fields.whole("quantity", "Quantity", low=0, empty=0)
    code = fields.one_of("code", "the reason", REFUSALS) if sent.form().value("code") else None
    note = fields.text("note", "Note", required=False, most=500)
    fields.check("call.invalid", "The answer could not be recorded.")
    # An empty field commits to all of it: the one-click answer from the inbox sends none.
    given = bool(sent.form().value("quantity"))
    await service.accept(session, actor, call_id, now, quantity=quantity if given else None, code=code, note=note)


async def _refuse(session: WriteSession, actor: Actor, call_id: UUID, sent: Sent, now: datetime) -> None:
    fields = sent.fields()
    code = fields.one_of("code", "the reason", REFUSALS)
    note = fields.text("note", "Note", required=False, most=500)
    fields.check("call.invalid", "The refusal could not be recorded.")
    await service.refuse(session, actor, call_id, code=code, note=note, now=now)


async def _ship(session: WriteSession, actor: Actor, call_id: UUID, sent: Sent, now: datetime) -> None:
    fields = sent.fields()
    consignment = fields.consignment()
    others = [
        service.InPlace(UUID(lot), quantity)
        for name in sent.values
        if (lot := in_place_of(name)) and (quantity := fields.whole(name, "Units in place", empty=0))
    ]
    fields.check("call.invalid", "The shipment could not be recorded.")
    await service.ship(session, actor, call_id, consignment, now, in_place=others)


async def _shipment(session: WriteSession, actor: Actor, call_id: UUID, sent: Sent, now: datetime) -> None:
    fields = sent.fields()
    consignment = fields.consignment()
    fields.check("call.invalid", "The correction could not be recorded.")
    await service.correct_shipment(session, actor, call_id, consignment, now)


async def _cancel(session: WriteSession, actor: Actor, call_id: UUID, _sent: Sent, now: datetime) -> None:
    await service.cancel_call(session, actor, call_id, now)


async def _release(session: WriteSession, actor: Actor, call_id: UUID, _sent: Sent, now: datetime) -> None:
    await service.release(session, actor, call_id, now)


async def _receive(session: WriteSession, actor: Actor, call_id: UUID, _sent: Sent, now: datetime) -> None:
    await service.receive(session, actor, call_id, now)


async def _inspect(session: WriteSession, actor: Actor, call_id: UUID, sent: Sent, now: datetime) -> None:
    call = await queries.call(session, call_id)
    if call.grades:
        stated = inspecting.findings(sent, call, await queries.call_units(session, call_id))
        fields = sent.fields()
        note = fields.text("note", "What is wrong", required=False, most=500)
        reason = fields.one_of("reason", "the reason", REASONS) if sent.form().value("reason") else "other"
        fields.check("call.invalid", "The inspection could not be recorded.")
        late = inspecting.ended(call, now) and all(f.accepted for f in stated)
        await service.inspect(
            session, actor, call_id, note=note, now=now, reason=reason, found=() if late else stated,
            good=call.quantity if late else None,
        )  # fmt: skip
        return
    fields = sent.fields()
    serialised = [u for u in await queries.call_units(session, call_id) if u.serial]
    named: dict[str, list[str]] = {"good": [], "rejected": []}
    for unit in serialised:
        found = fields.one_of(f"unit_{unit.lot_id}", f"what you found of {unit.serial}", named)
        named.setdefault(found, []).append(str(unit.lot_id))
    loose = call.quantity > len(serialised)
    good = len(named["good"]) + (fields.whole("good", "Accepted", low=0) if loose else 0)
    note = fields.text("note", "What is wrong", required=False, most=500)
    reason = fields.one_of("reason", "the reason", REASONS) if sent.form().value("reason") else "other"
    lower = None
    if number := fields.whole("lower", "Of a lower grade", low=0, empty=0):
        lower = Lower(number, fields.amount("less", "Pay less by"))
    fields.check("call.invalid", "The inspection could not be recorded.")
    await service.inspect(
        session, actor, call_id, good=good, note=note, now=now, named=named, reason=reason, lower=lower
    )


_step("accept", _accept)
_step("refuse", _refuse)
_step("ship", _ship)
_step("shipment", _shipment)
_step("cancel", _cancel)
_step("release", _release)
_step("receive", _receive)
_step("inspect", _inspect)
