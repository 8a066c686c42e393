"""Home: what waits for me, and for somebody who is not signed in what this is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.agreements import queries as agreements
from marketplace.holdings import queries as holdings
from marketplace.listings import queries as listings
from marketplace.obligations import queries as obligations
from marketplace.obligations.kinds import KINDS, ObligationKind
from marketplace.obligations.queries import ObligationFilter
from marketplace.orders import queries as orders
from marketplace.parties.actor import Actor
from marketplace.sourcing import queries as sourcing
from marketplace.watching import queries as watching
from web import dashboards
from web.charts import columns
from web.clauses import NAMES
from web.formats import plural
from web.rendering import render
from web.session import Anybody, Visit
from web.waiting import Task

router = APIRouter(include_in_schema=False)
FEW: Final = 20
NEXT: Final = 5
SOON: Final = timedelta(days=30)
_TASKS: Final = (
    ObligationKind.ANSWER_CALL, ObligationKind.SHIP_CALL, ObligationKind.INSPECT_CALL, ObligationKind.REPLACE_DRAW, ObligationKind.ANSWER_ORDER, ObligationKind.ORDER_NOTICED,
    ObligationKind.EXPLAIN_SHORTAGE, ObligationKind.ANSWER_RECALL, ObligationKind.ANSWER_OFFER, ObligationKind.SHIP_ORDER,
    ObligationKind.ANSWER_DIFFERENCE, ObligationKind.ANSWER_RETURN, ObligationKind.SEND_RETURN,
)  # fmt: skip
"""What stands above as a task or note already, for whoever may do it."""


def _told(actor: Actor) -> frozenset[ObligationKind]:
    return frozenset(kind for kind in _TASKS if actor.may(KINDS[kind].acts))


@router.get("/")
async def home(request: Request, visit: Anybody) -> Response:
    """What waits for the person by role, and where to go; visitors read what Backstock is."""
    if visit is None:
        return render(request, "home/visitor.html")
    actor = visit.actor
    begun = await listings.begun(visit.session, actor.company_id)
    latest: Sequence[orders.OrderRow] = []
    if actor.may("order.read"):
        latest = await orders.orders(visit.session, actor.company_id, limit=5)
    # Worth a look, but nothing that this person has to answer: not in the bell's number.
    notes: list[Task] = []
    if actor.may("sourcing.approve") and actor.is_manufacturer:
        running = await agreements.notices_running(visit.session, actor.company_id, visit.now)
        words = plural(
            running,
            "notice runs: units may be used, sold or scrapped",
            "notices run: units may be used, sold or scrapped",
        )
        hint = "Order them back before, if you need them"
        notes.append(Task("agreements", running, words, hint, "/agreements/notices", "bell"))
    if actor.may("release.write") and actor.is_manufacturer:
        drafts = len(await listings.releases(visit.session, actor.company_id, status="draft", limit=FEW + 1))
        words = plural(drafts, "surplus posting is a draft", "surplus postings are drafts")
        if drafts > FEW:
            words = f"More than {FEW} surplus postings are drafts"
        notes.append(Task("releases", drafts, words, "Finish and publish", "/releases?status=draft", "pencil"))
    soon = ObligationFilter(
        due_until=visit.now + SOON,
        kinds=frozenset(ObligationKind) - {ObligationKind.WINDOW_OPENS},
        but_mine=_told(actor),
    )
    return visit.show(
        "home/home.html",
        coming=await obligations.coming(visit.session, actor, soon, visit.now, NEXT),
        notes=[note for note in notes if note.count],
        begun=begun,
        latest=latest,
        done=visit.asked("done"),
        **await _dashboards(visit),
    )


async def _dashboards(visit: Visit) -> dict[str, Any]:
    """Where things stand, for a manufacturer's planner and for a partner: a few statements, however many units there are. The sums
    over all of them are those of the watch's newest look."""
    actor, shown = visit.actor, dict[str, Any](clause_names=NAMES)
    if actor.is_manufacturer and actor.may("planning.read"):
        run = await watching.latest(visit.session, actor.company_id)
        shown["watch"] = run
        if run is not None and run.totals and "standing" in run.totals:
            shown["sold"] = dashboards.sold(run.totals["standing"], run.currency, run.created_at)
            shown["open_calls"] = (await sourcing.open_calls(visit.session, actor.company_id))[0]
            shown["ends"] = dashboards.ENDS
    if actor.is_partner and actor.may("stock.read"):
        ends = await agreements.ends_by_quarter(visit.session, actor.company_id, visit.now)
        shown |= {
            "held": await holdings.under_which_strings(visit.session, actor), "ends_held": ends,
            "ends_drawn": columns([(quarter, Decimal(n)) for quarter, n in ends], tone="warn"),
            "held_calls": (await sourcing.open_calls(visit.session, actor.company_id))[1], "wanted": await sourcing.saved_searches(visit.session, actor, limit=5),
        }  # fmt: skip
    return shown
