"""Home: what waits for me, and for somebody who is not signed in what this is."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.agreements import queries as agreements
from marketplace.listings import queries as listings
from marketplace.orders import queries as orders
from marketplace.sourcing import queries as sourcing
from web.formats import plural
from web.rendering import render
from web.session import Anybody, Visit

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Task:
    """Something that waits: how many, what to do, where."""

    count: int
    words: str
    hint: str
    href: str
    icon: str
    urgent: bool = False


@router.get("/")
async def home(request: Request, visit: Anybody) -> Response:
    """What waits for the person by role, and where to go; visitors read what Backstock is."""
    if visit is None:
        return render(request, "home/visitor.html")
    actor = visit.actor
    begun = await listings.begun(visit.session, actor.company_id)
    found: list[Task] = []
    latest = []
    if actor.may("order.read"):
        found += _order_tasks(visit, await orders.waiting_by(visit.session, actor.company_id))
        latest = list(await orders.orders(visit.session, actor.company_id, limit=5))
    if actor.may("sourcing.approve") and actor.is_manufacturer:
        running = await agreements.notices_running(visit.session, actor.company_id, visit.now)
        words = plural(
            running, "notice runs: units may be used or scrapped", "notices run: units may be used or scrapped"
        )
        found.append(Task(running, words, "Order them back before, if you need them", "/agreements/notices", "bell"))
    found += _sourcing_tasks(visit, await sourcing.waiting(visit.session, actor))
    drafts = []
    if actor.may("release.write") and actor.is_manufacturer:
        drafts = list(await listings.releases(visit.session, actor.company_id, status="draft", limit=6))
        if drafts:
            count = min(6, len(drafts))
            words = plural(count, "surplus posting is a draft", "surplus postings are drafts")
            found.append(Task(count, words, "Finish and publish", "/releases?status=draft", "pencil"))
    return visit.show(
        "home/home.html",
        tasks=[task for task in found if task.count],
        begun=begun,
        latest=latest,
        done=visit.asked("done"),
    )


def _order_tasks(visit: Visit, waiting: orders.Waiting) -> list[Task]:
    may = visit.actor.may
    tasks: list[Task] = []
    if may("order.decide"):
        words = plural(waiting.answer, "order waits for your answer", "orders wait for your answer")
        hint = "Accept or decline before the reservation runs out"
        tasks.append(Task(waiting.answer, words, hint, "/orders?side=selling&status=placed", "inbox", urgent=True))
    if may("agreement.sign"):
        to_sign = waiting.sign_selling + waiting.sign_buying
        words = plural(to_sign, "agreement waits for your signature", "agreements wait for your signature")
        tasks.append(Task(to_sign, words, "Read and sign", "/orders?status=accepted", "certificate"))
    if may("order.ship"):
        words = plural(waiting.ship, "order is ready to ship", "orders are ready to ship")
        tasks.append(
            Task(waiting.ship, words, "Both sides have signed", "/orders?side=selling&status=accepted", "truck")
        )
    if may("order.receive"):
        words = plural(waiting.receive, "delivery is on its way to you", "deliveries are on their way to you")
        hint = "Say what arrived, line by line"
        tasks.append(Task(waiting.receive, words, hint, "/orders?side=buying&status=shipped", "package-import"))
    return tasks


def _sourcing_tasks(visit: Visit, waiting: dict[str, int]) -> list[Task]:
    may = visit.actor.may
    tasks: list[Task] = []
    if may("call.answer"):
        words = plural(
            waiting["calls"], "order to give units back waits for you", "orders to give units back wait for you"
        )
        hint = "Commit, refuse with a reason, or ship, before the time runs out"
        tasks.append(Task(waiting["calls"], words, hint, "/calls", "inbox", urgent=True))
    if may("sourcing.approve"):
        words = plural(waiting["approvals"], "parts request waits for approval", "parts requests wait for approval")
        hint = "The units are reserved for 30 minutes"
        tasks.append(
            Task(waiting["approvals"], words, hint, "/requests?status=awaiting_approval", "certificate", urgent=True)
        )
    if may("call.receive"):
        words = plural(waiting["arriving"], "consignment is coming back to you", "consignments are coming back to you")
        tasks.append(
            Task(waiting["arriving"], words, "Receive and inspect the units", "/calls?side=maker", "truck-return")
        )
    return tasks
