"""Orders as both sides see them: the list and one order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.agreements import queries as agreements
from marketplace.agreements.changes import Difference, differences_of_all
from marketplace.agreements.terms import Terms, parse_terms
from marketplace.agreements.title import price_due
from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.clock import local_day
from marketplace.kit.money import Money
from marketplace.kit.pages import cut, read_bookmark
from marketplace.listings import queries as listings
from marketplace.listings.wording import clauses_of
from marketplace.orders import queries, service
from marketplace.orders.delivery import (
    CANCEL_REASONS,
    DIFFERENCE_REASONS,
    DIFFERENCES,
    DISPUTE_REASONS,
    REFUSE_REASONS,
    RETURN_REASONS,
    RETURN_STATES,
    SETTLED,
    CancelRule,
    cancel_rule,
)
from marketplace.orders.endpoints.placed import HEADER, export_line
from marketplace.orders.states import DECLINE_REASONS, WORDS
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from web.exports import list_csv, wants_csv
from web.formats import plural
from web.forms import Form
from web.order_words import way_words
from web.pages import documents
from web.quote_words import in_time, said_entries
from web.session import SentForm, Visit, submit, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/orders", include_in_schema=False)
ReadsOrders = Annotated[Visit, visits("order.read")]

PER_PAGE: Final = 50
MESSAGES: Final = 100
COLUMNS: Final = (
    Column("order", "Order"),
    Column("other", "With"),
    Column("what", "What"),
    Column("units", "Units", "end"),
    Column("total", "Total", "end"),
    Column("status", "Status"),
    Column("placed", "Placed"),
)
STATUSES: Final[Mapping[str, tuple[str, tuple[str, ...] | None]]] = {
    "": ("All", None),
    "placed": ("Placed", ("placed",)),
    "accepted": ("Accepted", ("accepted",)),
    "sign": ("To sign", None),
    "ship": ("To ship", None),
    "receive": ("To receive", None),
    "settle": ("To settle", None),
    "shipped": ("Shipped", ("shipped",)),
    "received": ("Received", ("received",)),
    "ended": ("Not fulfilled", ("declined", "cancelled", "expired")),
}
DONE: Final = {
    "placed": ("Order placed.", "The units are reserved for you until the seller answers or the time below runs out."),
    "accepted": ("Order accepted.", "The buyer was asked to read and sign the agreement."),
    "agreed": ("Offer accepted.", "An order was made of it; its agreement waits for signatures."),
    "accepted_signed": ("Order accepted.", "Both sides have signed: you can ship."),
    "accepted_open": ("Order accepted.", "The other terms wait for your answer; nobody is bound yet."),
    "declined": (
        "Order declined.",
        "The units are free again, and on offer where the posting is still open; the buyer was told why.",
    ),
    "cancelled": ("Order cancelled.", "The units are free again; the seller was told."),
    "signed": ("Signed for your company.", "Both signatures are kept with the exact text."),
    "shipped": ("Marked as shipped.", "The units are on their way in the ledger; the buyer was told."),
    "shipment": ("Corrected.", "The buyer was told how it travels; what was said before stays in the story below."),
    "received": ("Received.", "What arrived in good order is yours, under the agreement."),
    "difference": ("Answered.", "The buyer was told what becomes of it; the ledger has it."),
    "taken": ("Recorded.", "The seller was told."),
    "return_asked": ("Return asked for.", "The seller agrees or refuses; nothing is to be sent before."),
    "return": ("Recorded.", "The other side was told."),
    "cancel_asked": ("Asked.", "The other side agrees or goes on; nothing was cancelled yet."),
    "cancel_answered": ("Answered.", "The other side was told."),
}
ExportRow = tuple[queries.OrderRow, queries.LineRow]
STEPS: Final = ("Placed", "Accepted", "Signed by both", "Shipped", "Received")


@router.get("")
async def orders(visit: ReadsOrders) -> Response:
    """The company's orders, newest first: ``?side=``, ``?status=``, ``?search=``."""
    status = visit.choice("status", STATUSES)
    side = visit.choice("side", {"buying", "selling"}) or None
    company_id = visit.actor.company_id

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[queries.OrderRow], str | None]:
        key = read_bookmark(mark, visit.secret, UUID)
        found = await queries.orders(
            session,
            company_id,
            side=side,
            statuses=STATUSES[status][1],
            search=visit.asked("search"),
            waits_to=status if status in {"sign", "ship", "receive", "settle"} else None,
            after=key[0] if key else None,
            limit=rows + 1,
        )
        some = cut(found, rows, lambda row: [row.id], visit.secret)
        return some.items, some.next

    async def lines(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[ExportRow], str | None]:
        found, following = await page(session, mark, rows)
        of = await queries.lines_of(session, [row.id for row in found])
        return [(row, line) for row in found for line in of[row.id]], following

    if wants_csv(visit):
        return list_csv(visit, "orders", HEADER, lines, lambda row: export_line(*row))
    rows, following = await page(visit.session, visit.request.query_params.get("after"), PER_PAGE)
    view = TableView.of(visit.request, COLUMNS).with_next(following)
    kept = {name: visit.asked(name) for name in ("side", "search") if visit.asked(name)}
    tabs = [(key, words, _href({**kept, "status": key}), None) for key, (words, _) in STATUSES.items()]
    return visit.show(
        "orders/list.html", rows=rows, view=view, tabs=tabs, status=status, money=lambda r: Money(r.total, r.currency)
    )


def _href(query: Mapping[str, str]) -> str:
    kept = {name: value for name, value in query.items() if value}
    return f"/orders?{urlencode(kept)}" if kept else "/orders"


# -- one order -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Action:
    """Something this person may do to an order now."""

    key: str
    label: str
    icon: str
    primary: bool = False
    danger: bool = False
    href: str | None = None
    """Where it is done, if not among the order's own steps."""


def actions(
    actor: Actor,
    order: queries.OrderRow,
    agreement: agreements.AgreementDetail | None,
    terms: agreements.ProposalRow | None = None,
    on_way: Sequence[queries.ShipmentRow] = (),
) -> tuple[Action, ...]:
    """What the actor may do now, the most likely first. ``terms``: those that lie beside the agreement on offer; ``on_way``: shipments
    that nobody has received yet."""
    selling, may = order.seller_id == actor.company_id, actor.may
    signed = order.agreement_status == "active"
    mine = None
    if agreement is not None:
        mine = agreement.row.maker_signed_at if selling else agreement.row.holder_signed_at
    found: list[Action] = []
    if order.status == "accepted" and agreement is not None and not signed and may("agreement.sign"):
        at = f"/agreements/{agreement.row.id}"
        if terms is not None:
            theirs = terms.proposed_by != actor.company_id
            words = "Answer the other terms" if theirs else "Your other terms"
            found.append(Action("terms", words, "message-circle", primary=theirs, href=f"{at}/proposals/{terms.id}"))
        elif mine is None:
            found.append(Action("sign", "Read and sign", "certificate", primary=True))
        if terms is None:
            found.append(Action("change", "Propose other terms", "message-circle", href=f"{at}/change"))
    if selling and order.status == "placed" and may("order.decide"):
        found.append(Action("accept", "Accept", "check", primary=True))
        found.append(Action("decline", "Decline", "x"))
    if selling and order.status == "accepted" and signed and may("order.ship"):
        found.append(Action("ship", "Ship the rest" if order.shipments else "Ship", "truck", primary=True))
    if selling and on_way and may("order.ship"):
        found.append(Action("shipment", "Correct the shipment", "pencil"))
    if not selling and on_way and may("order.receive"):
        href = f"/shipments/{on_way[0].id}" if len(on_way) > 1 else None
        found.append(Action("receive", "Say what arrived", "package-import", primary=True, href=href))
    if not selling and order.arrived and may("order.receive"):
        found.append(Action("return", "Return units", "truck-return"))
    if (rule := _rule(order, selling=selling)).how != "never" and may("order.decide" if selling else "order.place"):
        if rule.how == "end_agreement" and may("agreement.sign"):
            found.append(
                Action("end", "Cancel by ending the agreement", "x", href=f"/agreements/{order.agreement_id}/standing")
            )
        elif rule.how != "end_agreement":
            found.append(Action("cancel", "Cancel the order" if rule.how == "alone" else "Cancel the rest", "x"))
    return tuple(found)


def to_settle(
    actor: Actor,
    order: queries.OrderRow,
    differences: Sequence[queries.DifferenceRow],
    returns: Sequence[queries.ReturnRow],
) -> list[Action]:
    """What waits for this side of what was not as shipped and of returns, the first of each kind: the others stand in its table."""
    selling, may, at = order.seller_id == actor.company_id, actor.may, f"/orders/{order.id}"
    found: list[Action] = []
    waits = next((d for d in differences if d.status == ("open" if selling else "disputed")), None)
    if waits is not None and may("order.decide" if selling else "order.receive"):
        words = "Answer what was not as shipped" if selling else "See what the seller disputes"
        found.append(Action("difference", words, "scale", primary=True, href=f"{at}/differences/{waits.id}"))
    steps = {"asked": ("Answer the return", "order.decide"), "shipped": ("The return is back", "order.ship")}
    if not selling:
        steps = {"agreed": ("Send the return", "order.receive")}
    back = next((r for r in returns if r.status in steps), None)
    if back is not None and may(steps[back.status][1]):
        found.append(
            Action("back", steps[back.status][0], "truck-return", primary=True, href=f"{at}/returns/{back.id}")
        )
    return found


def _rule(order: queries.OrderRow, *, selling: bool) -> CancelRule:
    return cancel_rule(
        order.status, side="seller" if selling else "buyer", signed=order.agreement_status == "active", shipped=order.shipped,
        left=order.units - order.shipped,
    )  # fmt: skip


def _last_day(row: agreements.AgreementRow) -> date:
    """The last day of the window where the holder is; the bound that is kept is the midnight after it."""
    return local_day(row.window_closes_at - timedelta(microseconds=1), row.zone)


async def detail(visit: Visit, order_id: UUID) -> dict[str, Any]:
    """What the page of an order and the pages of its steps show."""
    session = visit.session
    order = await queries.order(session, order_id)
    agreement = await agreements.agreement(session, visit.actor, order.agreement_id) if order.agreement_id else None
    units: dict[int, list[queries.UnitRow]] = {}
    for unit in await queries.units(session, order_id):
        units.setdefault(unit.line_no, []).append(unit)
    selling = order.seller_id == visit.actor.company_id
    lines = await queries.lines(session, order_id)
    terms = None
    if agreement is not None and agreement.row.status == "offered":
        told = await agreements.proposals(session, visit.actor, agreement.row.id)
        terms = next((p for p in told if p.kind == "terms" and p.standing(visit.now) == "open"), None)
    shipments = await queries.shipments(session, order_id)
    on_way = [s for s in shipments if s.received_at is None]
    accepted = sum(((x.good or 0) * x.unit_price for x in lines), Decimal(0))
    less = order.status == "received" and accepted != order.total
    return {
        "order": order,
        "selling": selling,
        "other": order.buyer if selling else order.seller,
        "lines": lines,
        "not_accepted": await queries.left_out(session, order_id) if order.status != "placed" else (),
        "reason_words": REASONS,
        "shipments": shipments,
        "on_way": on_way,
        "progress": order.progress.words(),
        "cancelling": _rule(order, selling=selling),
        "units": units,
        "agreement": agreement,
        "site": await parties.site(session, order.ship_to_site_id),
        "total": Money(order.total, order.currency),
        # The order stays what was ordered; what was accepted of it is told beside it, where it is less.
        "accepted": Money(accepted, order.currency) if less else None,
        "price": lambda line: Money(line.unit_price, order.currency),
        "right_until": _last_day(agreement.row) if agreement else None,
        "actions": actions(visit.actor, order, agreement, terms, on_way),
        "terms": terms,
        "other_terms": await _other_terms(visit, order),
        "price_due": price_due(await _clauses(visit, order, agreement), order.payment_days),
        "crumbs": [("Orders", "/orders"), (order.reference, f"/orders/{order_id}")],
    }


async def _clauses(
    visit: Visit, order: queries.OrderRow, agreement: agreements.AgreementDetail | None
) -> Sequence[Terms]:
    """The clauses that it is ordered under: of its agreement, or of the posting while it waits for an answer."""
    if agreement is not None:
        return agreement.clauses
    if order.status != "placed":
        return ()
    release = await listings.release(visit.session, order.release_id)
    return clauses_of(release.clause, release.version, release.terms, release.further)


async def _other_terms(visit: Visit, order: queries.OrderRow) -> tuple[Difference, ...]:
    """What the buyer's terms would change of the posting's, while the order waits for an answer."""
    if order.proposed is None or order.status != "placed":
        return ()
    release = await listings.release(visit.session, order.release_id)
    use = {"use_class": release.use_class}
    posted, wanted = (
        tuple(parse_terms(c["clause"], c["version"], {**c["terms"], **use}) for c in clauses)
        for clauses in (
            [{"clause": release.clause, "version": release.version, "terms": release.terms}, *release.further],
            order.proposed["clauses"],
        )
    )
    return differences_of_all(posted, wanted)


@router.get("/{order_id}")
async def order(visit: ReadsOrders, order_id: UUID) -> Response:
    """One order: how far it is, what comes next, what happened and what was written. ``?before=``: earlier messages."""
    return await show_order(visit, order_id, Form())


async def show_order(visit: Visit, order_id: UUID, form: Form) -> Response:
    """The page of an order, with what somebody is writing on it."""
    found = await detail(visit, order_id)
    row, agreement = found["order"], found["agreement"]
    happened = await queries.events(visit.session, order_id)
    differences = await queries.differences(visit.session, order_id) if row.shipments else ()
    returns = await queries.returns(visit.session, order_id) if row.shipments else ()
    found["actions"] = (*to_settle(visit.actor, row, differences, returns), *found["actions"])
    quote = await queries.quote_of_order(visit.session, order_id)
    # One more than is shown says that there are earlier ones.
    said = await queries.latest_messages(
        visit.session,
        order_id=order_id,
        quote_id=quote.id if quote else None,
        before=visit.id("before"),
        limit=MESSAGES + 1,
    )
    return visit.show(
        "orders/order.html",
        **found,
        steps=[(words, None) for words in STEPS],
        step=_step(row),
        next_words=_next(row, agreement, found["terms"], selling=found["selling"]),
        events=in_time([*timeline(happened, agreement), *said_entries(said[-MESSAGES:])]),
        earlier=f"/orders/{order_id}?before={said[1].id}" if len(said) > MESSAGES else None,
        quote=quote,
        form=form,
        writes=visit.actor.may("order.message"),
        done=DONE.get(_done(visit.asked("done"), row, found["terms"])),
        documents=await documents.shown(visit, "order", row.id),
        differences=differences,
        parts=await queries.difference_parts(visit.session, order_id) if row.shipments else {},
        returns=returns,
        cancellation=await queries.cancellation(visit.session, order_id) if row.shipments else None,
        words=WORDING,
    )


@router.post("/{order_id}/messages")
async def write(request: Request, sent: SentForm, order_id: UUID, now: Now) -> Response:
    """Adds a message; a refused one is shown again under the thread."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        # As browsers send it, a line break is two characters.
        text = str(sent.values.get("text", "")).replace("\r\n", "\n")
        return await service.write_message(session, actor, text, now, order_id=order_id)

    async def again(visit: Visit, form: Form) -> Response:
        return await show_order(visit, order_id, form)

    return await submit(request, sent, "order.message", act, now=now, to=f"/orders/{order_id}#write", again=again)


REASONS: Final[Mapping[str, str]] = {
    **DECLINE_REASONS, **CANCEL_REASONS, "ended_by_both": "Its agreement was ended by both sides",
    "ended_for_breach": "Its agreement was ended for breach",
}  # fmt: skip
WORDING: Final[Mapping[str, Mapping[str, Any]]] = {
    "kinds": DIFFERENCES, "reasons": DIFFERENCE_REASONS, "settled": SETTLED, "returns": RETURN_REASONS, "refused": REFUSE_REASONS,
    "states": RETURN_STATES, "cancel": CANCEL_REASONS, "disputed": DISPUTE_REASONS,
}  # fmt: skip


def _done(said: str, order: queries.OrderRow, terms: agreements.ProposalRow | None) -> str:
    """What was just done; of an order with other terms also what became of those."""
    if said != "accepted" or order.proposed is None:
        return said
    return "accepted_signed" if order.agreement_status == "active" else "accepted_open" if terms else said


def _step(order: queries.OrderRow) -> int | None:
    """Which of ``STEPS`` comes next, counted from 1; None where the order ended without delivery."""
    if order.status in {"declined", "cancelled", "expired"}:
        return None
    reached = {"placed": 2, "accepted": 4 if order.agreement_status == "active" else 3, "shipped": 5, "received": 6}
    return reached[order.status]


def _next(
    order: queries.OrderRow,
    agreement: agreements.AgreementDetail | None,
    terms: agreements.ProposalRow | None,
    *,
    selling: bool,
) -> str:
    """What happens next, in one sentence to this side."""
    if order.status == "placed":
        return (
            "Accept or decline: the units are reserved for the buyer until then."
            if selling
            else f"{order.seller} accepts or declines; the units are reserved for you until then."
        )
    if order.status == "accepted" and order.agreement_status != "active":
        if terms is not None:
            theirs = terms.proposed_by == (order.buyer_id if selling else order.seller_id)
            who = "Sign, answer or decline the other terms" if theirs else "The other side answers your terms"
            return f"{who}. Until then the version on offer is not signed."
        mine = agreement and (agreement.row.maker_signed_at if selling else agreement.row.holder_signed_at)
        other = order.buyer if selling else order.seller
        return f"{other} reads and signs the agreement." if mine else "Read and sign the agreement."
    if order.status == "accepted":
        if order.shipments:
            return (
                "Ship the rest."
                if selling
                else f"{order.seller} ships the rest; what arrives meanwhile can be received."
            )
        return "Both have signed: ship the units." if selling else f"Both have signed; {order.seller} ships."
    if order.status == "shipped":
        return f"{order.buyer} says what arrived." if selling else "When it arrives, say what arrived, line by line."
    if order.reason_code in ("ended_by_both", "ended_for_breach"):
        who = (
            "both sides ended its agreement"
            if order.reason_code == "ended_by_both"
            else "its agreement was ended for breach"
        )
        return f"This order was cancelled: {who} before it shipped. The units are free again."
    if order.status == "received":
        return "This order was received."
    reason = REASONS.get(order.reason_code or "")
    return f"This order was {WORDS[order.status]}{f': {reason.lower()}' if reason else ''}."


_EVENTS: Final[Mapping[str, tuple[str, str, str | None]]] = {
    "placed": ("{company} placed the order", "send", None),
    "accepted": ("{company} accepted", "check", "good"),
    "declined": ("{company} declined", "x", "bad"),
    "cancelled": ("{company} cancelled", "x", "bad"),
    "expired": ("Nobody answered in time: the units are free again", "hourglass", "warn"),
    "shipped": ("{company} shipped", "truck", "info"),
    "shipment_corrected": ("{company} corrected how it travels", "pencil", None),
    "received": ("{company} received the delivery", "package-import", "good"),
    "difference_settled": ("{company} settled what differed", "circle-check", "good"),
    "difference_disputed": ("{company} disputes what is said to differ", "scale", "bad"),
    "return_asked": ("{company} asks to return units", "truck-return", "warn"),
    "return_agreed": ("{company} agreed to take units back", "check", "good"),
    "return_refused": ("{company} refused to take units back", "x", "bad"),
    "return_withdrawn": ("{company} keeps the units after all", "x", None),
    "return_shipped": ("{company} sent units back", "truck-return", "info"),
    "return_received": ("{company} has the units back", "package-import", "good"),
    "cancel_asked": ("{company} asks to cancel what has not shipped", "message-circle", "warn"),
    "cancel_refused": ("{company} goes on with the order", "x", None),
    "cancel_withdrawn": ("{company} no longer asks to cancel the rest", "x", None),
    "rest_cancelled": ("What had not shipped was cancelled", "x", "bad"),
    "signed": ("{company} signed the agreement", "certificate", "info"),
    "terms_signed": ("{company} signed the last terms", "certificate", "info"),
}


def timeline(
    happened: Sequence[queries.EventRow], agreement: agreements.AgreementDetail | None
) -> list[dict[str, Any]]:
    """The order's events and the signatures, oldest first, as ui/unit.html wants them."""
    found = [_event(event.kind, event.company, event.at, _words(event)) for event in happened]
    signed = [event for event in (agreement.events if agreement else ()) if event.kind == "signed"]
    found += [_event("signed", event.company, event.at, None) for event in signed]
    return sorted(found, key=lambda entry: entry["at"])


def _event(kind: str, company: str, at: datetime, text: str | None) -> dict[str, Any]:
    title, icon, tone = _EVENTS.get(kind, (kind.replace("_", " ").capitalize() + ", {company}", "circle-dashed", None))
    title = title.replace("{company}", company)
    return {"at": at, "title": title, "text": text, "icon": icon, "actor": None, "tone": tone, "known_at": None}


def _words(event: queries.EventRow) -> str | None:
    found = event.detail
    way = way_words(event.kind, found)
    if way is not None:
        return way
    reason = REASONS.get(str(found.get("reason", "")))
    if event.kind == "accepted" and found.get("left_out"):
        each = [f"{x['quantity']} of {x['part']} ({DECLINE_REASONS[x['reason']].lower()})" for x in found["left_out"]]
        return f"In part. Left out: {', '.join(each)}."
    if event.kind == "received":
        wrong = int(found.get("not_good") or 0)
        which = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in (found.get("serials") or {}).items())
        over = int(found.get("over") or 0)
        return (
            (f"Shipment {found['shipment']}: " if found.get("shipment") else "")
            + f"{found.get('good')} in good order"
            + (f", {wrong} short, damaged or wrong{f' ({which})' if which else ''}" if wrong else "")
            + (f", {over} too many." if over else ".")
        )
    part = None
    if found.get("shipment") and found.get("quantity"):
        part = f"Shipment {found['shipment']}: {plural(found['quantity'], 'unit')}, {found['left'] or 'nothing'} still to come"
    said = (part, reason, found.get("note"), found.get("carrier"), found.get("tracking"))
    if event.kind == "placed" and found.get("po_number"):
        others = f" With other terms. {found['note']}".rstrip() if found.get("other_terms") else ""
        of = f" On quote {found['quote']}." if found.get("quote") else ""
        return f"Purchase order {found['po_number']}.{of}{others}"
    return ", ".join(str(part) for part in said if part) or None
