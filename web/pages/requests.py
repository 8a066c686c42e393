"""One parts request: what is needed, the plan with its reasons, the orders made, and the steps of it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.db.session import WriteSession
from marketplace.kit.canonical import encode
from marketplace.kit.clock import last_day
from marketplace.kit.errors import DomainError, conflict
from marketplace.kit.money import Money, minor_digits
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.sourcing import queries, service
from marketplace.sourcing.cascading import CAUSES, OUTCOMES
from marketplace.sourcing.schemas.places import KIND_WORDS as KINDS
from marketplace.sourcing.service.giving_way import WORDS
from marketplace.sourcing.service.ordering import Choice
from marketplace.sourcing.service.placing import APPROVAL_MINUTES
from marketplace.sourcing.service.receiving import OUTCOMES as ENDS
from web.availability import URGENCIES
from web.call_words import call_event, page_state
from web.formats import day_words
from web.forms import Form
from web.session import Sent, SentForm, Visit, submit, visits

router = APIRouter(prefix="/requests/{requisition_id}", include_in_schema=False)
Sources = Annotated[Visit, visits("sourcing.read")]

VERBS: Final = {
    "confirm": "sourcing.request",
    "take-over": "sourcing.request",
    "approve": "sourcing.approve",
    "cancel": "sourcing.request",
    "finish": "sourcing.request",
}
DONE: Final = {
    "raised": ("good", "Parts request raised.", "Below is the best plan as things stand now. Nothing is ordered yet."),
    "ordered": ("good", "Ordered.", "The units are reserved and the holder was told. You see every answer here."),
    "reserved": (
        "info",
        "The units are reserved for 30 minutes.",
        "This is above your limit: an approver was told, and nothing is sent before they agree.",
    ),
    "taken": (
        "good",
        "Ordered for the stopped machine.",
        "The other order gave way; what it lacks was planned anew, and everybody concerned was told.",
    ),
    "approved": ("good", "Approved.", "The orders went out; the holders' time to answer runs from now."),
    "changed": (
        "good",
        "The request was changed.",
        "Orders that no longer fitted were taken back where nobody is bound; below is how it stands.",
    ),
    "cancelled": ("good", "Cancelled.", "Every reservation ended; the holders were told."),
    "finished": ("good", "Closed.", "What became of the units is in their history."),
}
CALLS_SHOWN: Final = 100


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One place in a plan. ``each``: all that one unit costs, ``more``: by how much a place left alone is dearer."""

    key: str
    kind: str
    holder: str
    site: str
    condition: str
    distance: str
    quantity: int
    callable: int
    unit_price: Money | None
    arrives: datetime | None
    respond_by: datetime | None
    badge: str
    why: tuple[str, ...]
    freight: Money | None = None
    handling: Money | None = None
    late_days: int = 0
    again: str = ""
    each: Money | None = None
    more: Money | None = None


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan for a page, from the JSON it is kept as."""

    made_at: datetime
    lacking: int
    unmet: int
    total: Money | None
    chosen: tuple[PlanLine, ...]
    not_chosen: tuple[PlanLine, ...]
    not_callable: tuple[PlanLine, ...]
    rates: tuple[str, ...] = ()


def _when(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _minor(amount: int | None, currency: str | None) -> Money | None:
    if amount is None or currency is None:
        return None
    return Money(Decimal(amount).scaleb(-minor_digits(currency)), currency)


def plan_view(stored: Mapping[str, Any]) -> PlanView:
    """The plan as sourcing keeps it, typed for the page."""
    plan = json.loads(encode(dict(stored)))
    # Plans that were kept before prices were compared are in the currency of what they chose.
    kept = plan.get("currency") or next((x["currency"] for x in plan["chosen"] if x.get("currency")), None)
    currency = str(kept) if kept else None
    chosen = tuple(_line(x, currency) for x in plan["chosen"])
    made = _when(plan["made_at"])
    assert made is not None  # noqa: S101 - every plan says when it was made
    return PlanView(
        made, plan["lacking"], plan["unmet"], _minor(plan["total_minor"], currency), chosen,
        tuple(_line(x, currency) for x in plan["not_chosen"]), tuple(_line(x, currency) for x in plan["not_callable"]),
        tuple(plan.get("rates", ())),
    )  # fmt: skip


def _line(x: Mapping[str, Any], of_plan: str | None) -> PlanLine:
    currency = str(x["currency"]) if x.get("currency") else None
    why = x.get("why", ())
    return PlanLine(
        key=x.get("key", ""), kind=x["kind"], holder=x["holder"], site=x["site"], condition=x["condition"],
        distance=x["distance"], quantity=x.get("quantity", x["callable"]), callable=x["callable"],
        unit_price=Money(Decimal(str(x["unit_price"])), currency) if x.get("unit_price") is not None and currency else None,
        arrives=_when(x.get("arrives")), respond_by=_when(x.get("respond_by")), badge=x["badge"],
        why=(why,) if isinstance(why, str) else tuple(w["words"] for w in why),
        freight=_minor(x.get("freight_minor"), of_plan), handling=_minor(x.get("handling_minor"), of_plan),
        late_days=x.get("late_days", 0), each=_minor(x.get("unit_total_minor"), of_plan),
        more=_minor(x.get("more_minor"), of_plan), again=x.get("again", ""),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """Something this person may do to a request now."""

    key: str
    label: str
    icon: str
    primary: bool = False
    danger: bool = False


def steps(
    actor: Actor,
    row: queries.RequisitionRow,
    calls: Sequence[queries.CallRow],
    plan: PlanView | None,
    give_way: Sequence[queries.CallRow] = (),
) -> tuple[Step, ...]:
    """What the actor may do now, the most likely first."""
    found: list[Step] = []
    if row.status == "awaiting_approval" and actor.company_id == row.maker_id and actor.may("sourcing.approve"):
        found.append(Step("approve", "Approve", "check", primary=True))
    if not actor.may("sourcing.request"):
        return tuple(found)
    if row.status in {"open", "ordered"} and row.ordered < row.quantity and plan and plan.chosen:
        found.append(Step("confirm", "Order what the plan says", "truck-return", primary=True))
    if give_way:
        found.append(Step("take-over", "Take units of a less urgent order", "arrows-exchange"))
    open_calls = [c for c in calls if c.status in {"allocated", "noticed", "accepted", "shipped", "received"}]
    if row.received and not open_calls and row.status not in {"closed", "cancelled"}:
        found.append(Step("finish", "Close the request", "square-check", primary=True))
    if row.status in {"open", "ordered", "received"} and row.company_id == actor.company_id:
        found.append(Step("change", "Change it", "pencil"))
    if row.status not in {"closed", "cancelled"} and not row.on_the_way and not row.received:
        found.append(Step("cancel", "Cancel the request", "x"))
    return tuple(found)


async def detail(visit: Visit, requisition_id: UUID) -> dict[str, Any]:
    """What the page of a request and the pages of its steps show."""
    session, actor = visit.session, visit.actor
    row = await queries.requisition(session, requisition_id)
    calls = await queries.calls(session, actor.company_id, requisition_id=requisition_id, limit=CALLS_SHOWN)
    plan: PlanView | None = None
    live = row.status in {"open", "ordered"} and row.ordered < row.quantity
    if live and (actor.is_manufacturer or actor.sources):
        try:
            plan = plan_view((await service.plan(session, actor, row, visit.now)).shown)
        except DomainError:
            live = False
    stored = row.plan_for(actor)
    if plan is None and stored and row.status != "cancelled":
        plan, live = plan_view(stored), False
    give_way: Sequence[queries.CallRow] = ()
    if live and row.urgency == "machine_down":
        give_way = await queries.giving_way(session, actor.company_id, row)
    waits_until = None
    if row.status == "awaiting_approval" and calls:
        waits_until = min(c.created_at for c in calls) + timedelta(minutes=APPROVAL_MINUTES)
    return {
        "row": row,
        "calls": list(reversed(calls)),
        "state": page_state,
        "plan": plan,
        "live": live,
        "choices": [f"{c.key}:{c.quantity}" for c in plan.chosen] if plan and live else [],
        "steps": steps(actor, row, calls, plan if live else None, give_way),
        "give_way": give_way,
        "way_words": WORDS,
        "waits_until": waits_until,
        "site": await parties.site_seen(session, row.destination_site_id),
        "kinds": KINDS,
        "price": lambda c: Money(c.unit_price, c.currency),
        "named": lambda c: c.named_to(actor),
        "total": _total(calls),
        "chain": [_step_of(s, {c.id: c for c in calls}) for s in await queries.chain(session, requisition_id)],
        "changes": [_changed(c, visit.zone) for c in await queries.changes(session, requisition_id)],
        "crumbs": [("Source it back", "/requests"), (row.reference, f"/requests/{row.id}")],
        "outcomes": ENDS,
    }


_TONES: Final = {"ordered": "good", "reserved": "warn", "proposed": "info", "nothing": "bad", "enough": "neutral"}
FIELDS: Final = {
    "quantity": "Quantity", "needed_by": "Needed by", "urgency": "Urgency", "destination_site_id": "Where to", "job_number": "Job",
    "machine_model": "Machine", "machine_serial": "Machine serial", "substitutes": "Substitutes", "complete_only": "Complete only",
    "kit": "Kit",
}  # fmt: skip


def _step_of(step: queries.Cascade, calls: Mapping[UUID, queries.CallRow]) -> dict[str, Any]:
    """An order that came to nothing and what followed, for the page."""
    return {
        "at": step.at, "subject": step.subject, "lacking": step.lacking, "by_itself": step.rule is not None,
        "call": calls.get(step.call_id), "cause": CAUSES[step.cause],
        "outcome": OUTCOMES[step.outcome] if step.outcome else "Being looked for", "words": step.words,
        "tone": _TONES.get(step.outcome or "", "info"), "calls": [calls[i] for i in step.calls if i in calls],
    }  # fmt: skip


def _changed(change: queries.RequestChange, zone: str) -> dict[str, Any]:
    """A change of the request, field by field as it was and as it was made."""
    return {
        "at": change.at, "by": change.by,
        "fields": [
            (FIELDS.get(name, name), _value(name, change.before.get(name), zone), _value(name, value, zone))
            for name, value in change.after.items()
        ],
    }  # fmt: skip


def _value(name: str, value: Any, zone: str) -> str:
    if name == "needed_by" and value:
        return day_words(last_day(datetime.fromisoformat(str(value)), zone))
    if name == "urgency":
        return next((words for key, words, _ in URGENCIES if key == value), str(value))
    if name == "destination_site_id":
        return str(value or "a place that is not visible to you")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "nothing" if value in (None, "") else f"{value:,}" if isinstance(value, int) else str(value)


def _total(calls: Sequence[queries.CallRow]) -> Money | None:
    """What the orders that wait for approval come to."""
    waiting = [Money(c.unit_price * c.quantity, c.currency) for c in calls if c.status == "allocated"]
    return sum(waiting[1:], waiting[0]) if waiting else None


@router.get("")
async def request_page(visit: Sources, requisition_id: UUID) -> Response:
    """One request: where it stands, the plan, the orders, what happened."""
    found = await detail(visit, requisition_id)
    row: queries.RequisitionRow = found["row"]
    return visit.show(
        "requests/request.html", **found, events=await _timeline(visit, row, found["calls"]),
        done=DONE.get(visit.asked("done")), next_words=_next(row, found["calls"], found["plan"] if found["live"] else None),
    )  # fmt: skip


def _next(row: queries.RequisitionRow, calls: Sequence[queries.CallRow], plan: PlanView | None) -> str:
    """What happens next, in one sentence."""
    if row.status == "closed":
        return f"Closed: {ENDS.get(row.outcome or '', row.outcome or '').lower()}."
    if row.status == "cancelled":
        return "This request was cancelled."
    if row.status == "awaiting_approval":
        return "The units are reserved until an approver agrees or the time runs out."
    if plan is not None and row.ordered < row.quantity:
        left = row.quantity - row.ordered
        if not plan.chosen:
            return f"{left} still lacking, and no unit can be ordered back right now. Below is why, place by place."
        late = any(c.late_days for c in plan.chosen)
        how = "the best there is, though not all arrive in time" if late else "the cheapest way to have them in time"
        return f"{left} still to be ordered. The plan below is {how}."
    waiting = [c for c in calls if page_state(c) == "waiting"]
    if waiting:
        return f"{waiting[0].holder} answers next; no response by the deadline counts as {waiting[0].silence}."
    if any(c.status == "received" for c in calls):
        return "Inspect what arrived: accept it, or reject it with a note."
    if any(c.status == "shipped" for c in calls):
        return "On the way. Say when it has arrived."
    if any(page_state(c) == "committed" for c in calls):
        return "Committed: the holder ships next."
    if row.received:
        return "Everything that was ordered is here. Say what became of it to close the request."
    return "Nothing is on order."


async def _timeline(
    visit: Visit, row: queries.RequisitionRow, calls: Sequence[queries.CallRow]
) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = [
        {"at": row.created_at, "title": f"{row.company} raised the request", "text": None, "icon": "clipboard-list",
         "actor": None, "tone": None, "known_at": None}
    ]  # fmt: skip
    by_id = {c.id: c for c in calls}
    for call_id, event in await queries.events_of(visit.session, list(by_id)):
        if event.kind != "requested":
            events.append(call_event(event, by_id[call_id], with_reference=True))
    if row.closed_at:
        words = "cancelled" if row.status == "cancelled" else ENDS.get(row.outcome or "", "closed").lower()
        events.append(
            {"at": row.closed_at, "title": f"Request closed: {words}", "text": None, "icon": "square-check",
             "actor": None, "tone": "good" if row.status == "closed" else None, "known_at": None}
        )  # fmt: skip
    # The request comes first, though its row was written a moment after the clock of the step that ordered with it.
    return [events[0], *sorted(events[1:], key=lambda e: e["at"])]


# -- steps -----------------------------------------------------------------------------------------------


async def _page(visit: Visit, requisition_id: UUID, step: str, form: Form) -> Response:
    visit.actor.require(VERBS[step])
    found = await detail(visit, requisition_id)
    if step not in {s.key for s in found["steps"]} and not form.bad:
        raise conflict("requisition.state", "This step is not possible now. Open the request to see how it stands.")
    return visit.show(f"requests/{step}.html", **found, form=form)


def _step(step: str, act: Callable[[WriteSession, Actor, UUID, Sent, datetime], Awaitable[str]]) -> None:
    """Registers the page of a step (GET) and the step itself (POST); ``act`` answers which words to show after."""

    async def page(visit: Sources, requisition_id: UUID) -> Response:
        return await _page(visit, requisition_id, step, Form())

    async def carry_out(request: Request, requisition_id: UUID, sent: SentForm, now: Now) -> Response:
        async def again(visit: Visit, form: Form) -> Response:
            return await _page(visit, requisition_id, step, form)

        async def confirm(visit: Visit, form: Form, _outcome: Any) -> Response:
            return await _page(visit, requisition_id, step, form)

        async def run(session: WriteSession, actor: Actor) -> str:
            return await act(session, actor, requisition_id, sent, now)

        return await submit(
            request, sent, VERBS[step], run, now=now, to=lambda done: f"/requests/{requisition_id}?done={done}",
            again=again, confirm=confirm,
        )  # fmt: skip

    router.add_api_route(f"/{step}", page, methods=["GET"], response_model=None, name=f"request_{step}_page")
    router.add_api_route(f"/{step}", carry_out, methods=["POST"], response_model=None, name=f"request_{step}")


async def _confirm(session: WriteSession, actor: Actor, requisition_id: UUID, sent: Sent, now: datetime) -> str:
    """Orders exactly the places and quantities that were shown."""
    fields = sent.fields()
    choices = []
    for text in fields.many("choice"):
        key, _, quantity = text.partition(":")
        if quantity.isdecimal():
            choices.append(Choice(key, int(quantity)))
    if not choices:
        raise conflict("requisition.choices", "The plan has changed. Look at it again before you order.")
    done = await service.confirm(session, actor, requisition_id, choices, now)
    return "reserved" if done.awaiting_approval else "ordered"


async def _take_over(session: WriteSession, actor: Actor, requisition_id: UUID, sent: Sent, now: datetime) -> str:
    fields = sent.fields()
    call = fields.id("call", "the order that gives way")
    quantity = fields.whole("quantity", "How many", low=1)
    fields.check("requisition.invalid", "No order gave way.")
    done = await service.take_over(session, actor, requisition_id, call, quantity, now)
    return "reserved" if done.awaiting_approval else "taken"


async def _approve(session: WriteSession, actor: Actor, requisition_id: UUID, _sent: Sent, now: datetime) -> str:
    await service.approve(session, actor, requisition_id, now)
    return "approved"


async def _cancel(session: WriteSession, actor: Actor, requisition_id: UUID, _sent: Sent, now: datetime) -> str:
    await service.withdraw_request(session, actor, requisition_id, now)
    return "cancelled"


async def _finish(session: WriteSession, actor: Actor, requisition_id: UUID, sent: Sent, now: datetime) -> str:
    fields = sent.fields()
    outcome = fields.one_of("outcome", "what became of the units", ENDS)
    machine = fields.text("machine", "Machine", required=False, most=120)
    fields.check("requisition.invalid", "The request could not be closed.")
    await service.finish(session, actor, requisition_id, outcome=outcome, machine=machine, now=now)
    return "finished"


_step("confirm", _confirm)
_step("take-over", _take_over)
_step("approve", _approve)
_step("cancel", _cancel)
_step("finish", _finish)
