"""Security interests in units that others hold: recorded, continued before they lapse, ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.agreements import queries as agreements
from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.errors import missing
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.safeguards import queries, service
from marketplace.safeguards.endpoints import INTEREST_COLUMNS, interest_cells, interest_page
from marketplace.safeguards.interest_kinds import KINDS
from marketplace.safeguards.queries import InterestFilter, InterestRow
from web.exports import list_csv, wants_csv
from web.forms import Form, Value
from web.pages.insolvencies import PER_PAGE, holders, keeps
from web.session import SentForm, Visit, submit, uuid_of, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/security-interests", include_in_schema=False)
Reads = Annotated[Visit, visits("agreement.read")]
Keeps = Annotated[Visit, visits("agreement.sign")]

COLUMNS: Final = (
    Column("number", "Number"),
    Column("company", "Holder"),
    Column("for", "For"),
    Column("filed", "Filed"),
    Column("lapses", "Lapses"),
    Column("status", "Status"),
)
TABS: Final = (("", "All"), ("in_force", "In force"), ("lapsed", "Lapsed"), ("ended", "Ended"))
LABELS: Final = {
    "company": "Holder", "kind": "Kind", "filed_with": "Filed with", "number": "Number", "filed_on": "Filed on",
    "expires_on": "Last day", "note": "Note", "reason": "Reason",
}  # fmt: skip


@router.get("")
async def interests(visit: Reads) -> Response:
    """``?standing=`` a tab, ``?agreement=``, ``?company=``."""
    tab = visit.choice("standing", {key for key, _ in TABS if key})
    wanted = InterestFilter(visit.id("company"), visit.id("agreement"), tab or None)
    today = visit.now.date()

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[InterestRow], str | None]:
        return await interest_page(session, visit.actor, wanted, today, mark, rows, visit.secret)

    if wants_csv(visit):
        return list_csv(visit, "security-interests", INTEREST_COLUMNS, page, lambda r: interest_cells(r, today))
    rows, following = await page(visit.session, visit.request.query_params.get("after"), PER_PAGE)
    at = "/security-interests"
    return visit.show(
        "safeguards/interests.html", rows=rows, view=TableView.of(visit.request, COLUMNS).with_next(following), tab=tab,
        tabs=[(key, words, f"{at}?standing={key}" if key else at, None) for key, words in TABS], kinds=KINDS, day_now=today,
        keeps=keeps(visit.actor),
    )  # fmt: skip


async def _new_page(visit: Visit, form: Form) -> Response:
    if not keeps(visit.actor):
        raise missing("page.not_found", "Only a manufacturer keeps these, for units that others hold.")
    agreement_id, continues_id = uuid_of(form.value("agreement")), uuid_of(form.value("continues"))
    found = await agreements.agreement(visit.session, visit.actor, agreement_id) if agreement_id else None
    before = (
        await queries.security_interest(visit.session, visit.actor.company_id, continues_id) if continues_id else None
    )
    return visit.show(
        "safeguards/interest_new.html", form=form, labels=LABELS, kinds=list(KINDS.items()), found=found, before=before,
        holders=[] if found or before else await holders(visit),
    )  # fmt: skip


@router.get("/new")
async def new_page(visit: Keeps) -> Response:
    """``?agreement=`` or ``?company=``: for which; ``?continues=``: the interest that it continues."""
    values: dict[str, Value] = {
        name: str(known) for name in ("agreement", "company", "continues") if (known := visit.id(name))
    }
    if before := visit.id("continues"):
        row = await queries.security_interest(visit.session, visit.actor.company_id, before)
        values |= {"kind": row.kind, "filed_with": row.filed_with, "number": row.number}
    return await _new_page(visit, Form(values))


@router.post("/new")
async def record(request: Request, sent: SentForm, now: Now) -> Response:
    """Records it."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        fields, form = sent.fields(), sent.form()
        agreement_id, continues_id = uuid_of(form.value("agreement")), uuid_of(form.value("continues"))
        company_id = None if agreement_id or continues_id else fields.id("company", LABELS["company"])
        kind = fields.one_of("kind", LABELS["kind"], KINDS)
        filed_with = fields.text("filed_with", LABELS["filed_with"], required=False, most=200)
        number = fields.text("number", LABELS["number"], most=200)
        filed_on = fields.day("filed_on", LABELS["filed_on"], required=True)
        expires_on = fields.day("expires_on", LABELS["expires_on"])
        note = fields.text("note", LABELS["note"], required=False, most=500)
        fields.check("security_interest.invalid", "Nothing was recorded.")
        assert filed_on is not None  # noqa: S101 - checked above
        return await service.record_interest(
            session, actor, company_id=company_id, agreement_id=None if continues_id else agreement_id, kind=kind,
            filed_with=filed_with, number=number, filed_on=filed_on, expires_on=expires_on, text=note,
            continues_id=continues_id, now=now,
        )  # fmt: skip

    async def again(visit: Visit, form: Form) -> Response:
        return await _new_page(visit, form)

    return await submit(
        request, sent, "agreement.sign", act, now=now, to=lambda made: f"/security-interests/{made}?done=recorded",
        again=again,
    )  # fmt: skip


@router.get("/{interest_id}")
async def interest(visit: Reads, interest_id: UUID) -> Response:
    """One interest, its continuation, and ending it."""
    return await _page(visit, interest_id, Form())


async def _page(visit: Visit, interest_id: UUID, form: Form) -> Response:
    row = await queries.security_interest(visit.session, visit.actor.company_id, interest_id)
    return visit.show(
        "safeguards/interest.html", form=form, row=row, labels=LABELS, kinds=KINDS, standing=row.standing(visit.now.date()),
        keeps=keeps(visit.actor), done=visit.asked("done"),
    )  # fmt: skip


@router.post("/{interest_id}/end")
async def end(request: Request, interest_id: UUID, sent: SentForm, now: Now) -> Response:
    """Ends it, with a reason."""

    async def act(session: WriteSession, actor: Actor) -> None:
        fields = sent.fields()
        reason = fields.text("reason", LABELS["reason"], most=500)
        fields.check("security_interest.invalid", "Nothing was ended.")
        await service.end_interest(session, actor, interest_id, reason=reason, now=now)

    async def again(visit: Visit, form: Form) -> Response:
        return await _page(visit, interest_id, form)

    return await submit(
        request, sent, "agreement.sign", act, now=now, to=f"/security-interests/{interest_id}?done=ended", again=again
    )
