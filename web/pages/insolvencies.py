"""Holders that are insolvent: the maker's record of each, what it put under legal hold, and lifting it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.errors import missing
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.safeguards import queries, service
from marketplace.safeguards.endpoints import INSOLVENCY_COLUMNS, insolvency_cells, insolvency_page
from marketplace.safeguards.queries import InsolvencyRow
from web.exports import list_csv, wants_csv
from web.forms import Form
from web.session import SentForm, Visit, submit, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/insolvencies", include_in_schema=False)
Reads = Annotated[Visit, visits("agreement.read")]
Keeps = Annotated[Visit, visits("agreement.sign")]

PER_PAGE: Final = 50
MOST_CHOICES: Final = 1_000
MOST_TOLD: Final = 20
"""So many of its agreements stand on the page of a record; the API has 200, and the list of agreements all."""
COLUMNS: Final = (
    Column("company", "Company"),
    Column("since", "Since"),
    Column("reason", "Reason"),
    Column("holds", "Agreements", "end"),
    Column("status", "Status"),
)
TABS: Final = (("", "All"), ("yes", "Stands"), ("no", "Lifted"))
LABELS: Final = {
    "company": "Company", "reason": "What happened", "source": "How you know", "opened_on": "Since",
    "administrator": "In charge of the estate", "note": "What is new", "lift_reason": "Why it stands no longer",
}  # fmt: skip


@router.get("")
async def insolvencies(visit: Reads) -> Response:
    """``?stands=`` a tab."""
    tab = visit.choice("stands", {"yes", "no"})
    standing = None if not tab else tab == "yes"

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[InsolvencyRow], str | None]:
        return await insolvency_page(session, visit.actor, standing, mark, rows, visit.secret)

    if wants_csv(visit):
        return list_csv(visit, "insolvencies", INSOLVENCY_COLUMNS, page, insolvency_cells)
    rows, following = await page(visit.session, visit.request.query_params.get("after"), PER_PAGE)
    return visit.show(
        "safeguards/insolvencies.html", rows=rows, view=TableView.of(visit.request, COLUMNS).with_next(following), tab=tab,
        tabs=[(key, words, f"/insolvencies?stands={key}" if key else "/insolvencies", None) for key, words in TABS],
        keeps=keeps(visit.actor),
    )  # fmt: skip


def keeps(actor: Actor) -> bool:
    """Whether the actor keeps such records."""
    return actor.is_manufacturer and actor.may("agreement.sign")


async def holders(visit: Visit) -> list[tuple[str, str]]:
    """Partner companies to choose from."""
    found = await parties.companies(visit.session, partners_only=True, limit=MOST_CHOICES)
    return [(str(c.id), c.name) for c in found if c.id != visit.actor.company_id]


async def _new_page(visit: Visit, form: Form) -> Response:
    if not keeps(visit.actor):
        raise missing("page.not_found", "Only a manufacturer records this of companies that hold its units.")
    return visit.show(
        "safeguards/insolvency_new.html", form=form, labels=LABELS, holders=await holders(visit),
        today=visit.today.isoformat(),
    )  # fmt: skip


@router.get("/new")
async def new_page(visit: Keeps) -> Response:
    """``?company=``: the holder."""
    company = visit.id("company")
    return await _new_page(visit, Form({"company": str(company)} if company else {}))


@router.post("/new")
async def record(request: Request, sent: SentForm, now: Now) -> Response:
    """Records it; every agreement with the company comes under legal hold."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        fields = sent.fields()
        company = fields.id("company", LABELS["company"])
        reason = fields.text("reason", LABELS["reason"], most=500)
        source = fields.text("source", LABELS["source"], most=200)
        opened_on = fields.day("opened_on", LABELS["opened_on"], required=True)
        administrator = fields.text("administrator", LABELS["administrator"], required=False, most=200)
        fields.check("insolvency.invalid", "Nothing was recorded.")
        assert opened_on is not None  # noqa: S101 - checked above
        made = await service.record_insolvency(
            session, actor, company_id=company, reason=reason, source=source, opened_on=opened_on,
            administrator=administrator, now=now,
        )  # fmt: skip
        return made.id

    async def again(visit: Visit, form: Form) -> Response:
        return await _new_page(visit, form)

    return await submit(
        request,
        sent,
        "agreement.sign",
        act,
        now=now,
        to=lambda made: f"/insolvencies/{made}?done=recorded",
        again=again,
    )


@router.get("/{insolvency_id}")
async def insolvency(visit: Reads, insolvency_id: UUID) -> Response:
    """One record: what it says, what it holds, what became known later."""
    return await _page(visit, insolvency_id, Form())


async def _page(visit: Visit, insolvency_id: UUID, form: Form) -> Response:
    row = await queries.insolvency(visit.session, visit.actor.company_id, insolvency_id)
    return visit.show(
        "safeguards/insolvency.html", form=form, row=row, labels=LABELS, keeps=keeps(visit.actor),
        notes=await queries.insolvency_notes(visit.session, insolvency_id),
        agreements=await queries.holds(visit.session, insolvency_id, MOST_TOLD), done=visit.asked("done"),
    )  # fmt: skip


@router.post("/{insolvency_id}/{step}")
async def act_on(request: Request, insolvency_id: UUID, step: str, sent: SentForm, now: Now) -> Response:
    """note, lift."""
    if step not in {"note", "lift"}:
        raise missing("page.not_found", "There is no such page.")

    async def act(session: WriteSession, actor: Actor) -> str:
        fields = sent.fields()
        if step == "note":
            text = fields.text("note", LABELS["note"], most=500)
            administrator = fields.text("administrator", LABELS["administrator"], required=False, most=200)
            fields.check("insolvency.invalid", "Nothing was added.")
            await service.note_insolvency(
                session, actor, insolvency_id, text=text, administrator=administrator, now=now
            )
        else:
            reason = fields.text("lift_reason", LABELS["lift_reason"], most=500)
            fields.check("insolvency.invalid", "Nothing was lifted.")
            await service.lift_insolvency(session, actor, insolvency_id, reason=reason, now=now)
        return step

    async def again(visit: Visit, form: Form) -> Response:
        return await _page(visit, insolvency_id, form)

    return await submit(
        request, sent, "agreement.sign", act, now=now, to=lambda done: f"/insolvencies/{insolvency_id}?done={done}",
        again=again,
    )  # fmt: skip
