"""Changing a parts request: the form, what it does to the orders, and only then the change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.db.session import WriteSession
from marketplace.kit.clock import end_of_day, last_day
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.sourcing import queries, service
from web.availability import URGENCIES, own_sites_first
from web.forms import Form
from web.session import Sent, SentForm, Visit, submit, visits

router = APIRouter(prefix="/requests/{requisition_id}/change", include_in_schema=False)
Requests = Annotated[Visit, visits("sourcing.request")]

LABELS: Final[Mapping[str, str]] = {"destination_site_id": "Where to"}


@router.get("")
async def page(visit: Requests, requisition_id: UUID) -> Response:
    """The form as the request stands."""
    return await _page(visit, requisition_id, None)


async def _page(visit: Visit, requisition_id: UUID, form: Form | None) -> Response:
    row = await queries.requisition(visit.session, requisition_id)
    values = {
        "quantity": str(row.quantity), "needed_by": last_day(row.needed_by, visit.zone).isoformat(), "urgency": row.urgency,
        "site": str(row.destination_site_id), "machine_model": row.machine_model, "machine_serial": row.machine_serial,
        "job_number": row.job_number, "kit": row.kit, "substitutes": "yes" if row.substitutes else "",
        "complete_only": "yes" if row.complete_only else "",
    }  # fmt: skip
    sites = own_sites_first(await parties.sites(visit.session, visit.actor), visit.home.id if visit.home else None)
    return visit.show(
        "requests/change.html", status_code=422 if form and form.bad else 200, form=form or Form(values), row=row, sites=sites,
        urgencies=URGENCIES, least=max(row.received + row.on_the_way, 1),
        crumbs=[("Source it back", "/requests"), (row.reference, f"/requests/{row.id}")],
    )  # fmt: skip


def _change(sent: Sent, row: queries.RequisitionRow, zone: str) -> service.Change:
    fields = sent.fields()
    day = fields.day("needed_by", "Needed by", required=True)
    quantity = fields.whole("quantity", "Quantity", low=1, high=1_000_000)
    site = fields.id("site", "where to")
    urgency = fields.one_of("urgency", "how urgent it is", [u[0] for u in URGENCIES])
    texts = {
        name: fields.text(name, label, required=False, most=120)
        for name, label in (
            ("machine_model", "Machine"), ("machine_serial", "Machine serial"), ("job_number", "Job number"), ("kit", "Kit"),
        )
    }  # fmt: skip
    fields.check("requisition.invalid", "The parts request was not changed.")
    assert day is not None  # noqa: S101 - required, so check has refused its absence
    # The hour that it was asked for by stays where the day does.
    needed: datetime | None = None if day == last_day(row.needed_by, zone) else end_of_day(day, zone)
    return service.Change(
        quantity, needed, urgency, site, substitutes=fields.yes("substitutes"), complete_only=fields.yes("complete_only"), **texts
    )  # fmt: skip


@router.post("")
async def change(request: Request, requisition_id: UUID, sent: SentForm, now: Now) -> Response:
    """Shows which orders are taken back and which stay; once confirmed, changes the request."""

    async def act(session: WriteSession, actor: Actor) -> list[str]:
        home = await parties.home_site(session, actor)
        row = await queries.requisition(session, requisition_id)
        done = await service.change_request(
            session, actor, requisition_id, _change(sent, row, home.timezone if home else "UTC"), now
        )
        return done.words

    async def again(visit: Visit, form: Form) -> Response:
        return await _page(visit, requisition_id, form)

    async def confirm(visit: Visit, form: Form, outcome: Any) -> Response:
        row = await queries.requisition(visit.session, requisition_id)
        return visit.show(
            "requests/change_confirm.html", form=form, row=row, words=outcome,
            crumbs=[("Source it back", "/requests"), (row.reference, f"/requests/{row.id}")],
        )  # fmt: skip

    return await submit(
        request, sent, "sourcing.request", act, now=now, to=f"/requests/{requisition_id}?done=changed", again=again, confirm=confirm,
    )  # fmt: skip
