"""The log for people: how it stands, who watches it, and checking a bundle without us."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from importlib import resources
from typing import Annotated, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.clock import local_day
from marketplace.kit.errors import DomainError, invalid, missing
from marketplace.kit.pages import cut, read_bookmark
from marketplace.ledger import service
from marketplace.ledger.endpoints import LONGEST_DAYS, agreement_bundle, company_bundle
from marketplace.ledger.log.notes import parse_note
from marketplace.ledger.queries import log as queries
from marketplace.ledger.queries.log import CheckpointRow
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.settings import get_settings
from web.clauses import html
from web.exports import list_csv, wants_csv
from web.forms import Form
from web.rendering import render
from web.session import Anybody, SentForm, Visit, submit, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/proofs", include_in_schema=False)
Reads = Annotated[Visit, visits("stock.read")]
Proves = Annotated[Visit, visits("ledger.prove")]
Registers = Annotated[Visit, visits("ledger.witness")]

PER_PAGE: Final = 50
MOST_ALARMS: Final = 20
COLUMNS: Final = (
    Column("size", "Entries", "end"),
    Column("signed", "Signed"),
    Column("root", "Root"),
    Column("cosigned", "Cosigned by"),
)
CSV_HEADER: Final = ("Entries", "Root", "Signed", "Cosigned by", "Note")
DONE: Final = {
    "registered": (
        "The witness is registered.",
        "From now on its lines are taken. Start it with 'backstock witness run'.",
    ),
    "retired": ("The witness is retired.", "What it has cosigned stays."),
}


def cosigned(row: CheckpointRow) -> list[str]:
    """The names of those who have put a line under it."""
    return [line.name for line in parse_note(row.text).lines[len(parse_note(row.note).lines) :]]


@router.get("")
async def log(visit: Reads) -> Response:
    """How the log stands, its checkpoints, its witnesses and what was found wrong."""

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[CheckpointRow], str | None]:
        after = read_bookmark(mark, visit.secret, int)
        some = await queries.checkpoints(session, below=after[0] if after else None, limit=rows + 1)
        shown = cut(some, rows, lambda r: [r.size], visit.secret)
        return shown.items, shown.next

    if wants_csv(visit):
        return list_csv(visit, "checkpoints", CSV_HEADER, page, _cells)
    rows, following = await page(visit.session, visit.asked("after") or None, PER_PAGE)
    count, since = await queries.waiting(visit.session)
    return visit.show(
        "proofs/log.html", rows=[(r, cosigned(r)) for r in rows], state=await queries.state(visit.session),
        latest=await queries.latest_checkpoint(visit.session), waiting=count, since=since,
        keys=await queries.public_keys(visit.session), witnesses=await queries.witnesses(visit.session, in_force=False),
        alarms=await queries.alarms(visit.session, MOST_ALARMS), registers=visit.actor.may("ledger.witness"),
        proves=visit.actor.may("ledger.prove") and not visit.actor.masked,
        view=TableView.of(visit.request, COLUMNS).with_next(following), done=DONE.get(visit.asked("done")), address=_address(),
    )  # fmt: skip


def _cells(row: CheckpointRow) -> list[object]:
    return [row.size, row.root.hex(), row.signed_at.isoformat(timespec="seconds"), ", ".join(cosigned(row)), row.text]


def _address() -> str:
    """Where the site is, as its operator says and not as whoever asks."""
    return get_settings().base_url.rstrip("/")


@router.get("/evidence")
async def evidence(visit: Proves, request: Request) -> Response:
    """A bundle of what the company recorded between two days of its own, both included; the form until they are given."""
    given = {name: visit.asked(name) for name in ("since", "until")}
    if not any(given.values()):
        last = local_day(visit.now, visit.zone).replace(day=1) - timedelta(days=1)
        return visit.show(
            "proofs/evidence.html", form=Form({"since": last.replace(day=1).isoformat(), "until": last.isoformat()})
        )
    try:
        since, until = (_day(given[name], name) for name in ("since", "until"))
        if until < since or (until - since).days >= LONGEST_DAYS:
            raise invalid(
                "log.period",
                f"The last day is not before the first, and at most {LONGEST_DAYS} days are one file.",
                field="until",
            )
        zone = ZoneInfo(visit.zone)
        begins, ends = (datetime.combine(day, time(), zone) for day in (since, until + timedelta(days=1)))
        return await company_bundle(request, visit.session, visit.actor, begins, ends, visit.now)
    except DomainError as error:
        return visit.show("proofs/evidence.html", status_code=422, form=Form.rejected(given, error))


def _day(text: str, name: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise invalid("log.period", "Give both days.", field=name) from None
    if not 1900 <= day.year <= 2900:
        raise invalid("log.period", "There is nothing on record that long ago, or that far ahead.", field=name)
    return day


@router.get("/agreements/{agreement_id}/evidence")
async def agreement_evidence(visit: Proves, request: Request, agreement_id: UUID) -> Response:
    """The bundle of an agreement's units."""
    return await agreement_bundle(request, visit.session, visit.actor, agreement_id, visit.now)


@router.post("/witnesses")
async def register(request: Request, sent: SentForm, now: Now) -> Response:
    """A witness of the actor's company."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        fields = sent.fields()
        vkey = fields.text("vkey", "Verifier key", most=400)
        fields.check()
        return await service.register_witness(session, actor, vkey, now)

    async def again(visit: Visit, form: Form) -> Response:
        return visit.show("proofs/register.html", form=form, address=_address())

    return await submit(request, sent, "ledger.witness", act, now=now, to="/proofs?done=registered", again=again)


@router.get("/witnesses/new")
async def new_witness(visit: Registers) -> Response:
    """The form for it, with how to run one."""
    return visit.show("proofs/register.html", form=Form(), address=_address())


async def _retiring(visit: Visit, witness_id: UUID, form: Form) -> Response:
    known = await queries.witnesses(visit.session)
    found = next((w for w in known if w.id == witness_id and w.company_id == visit.actor.company_id), None)
    if found is None:
        raise missing("witness.not_found", "Your company has no such witness in service.")
    return visit.show("proofs/retire.html", form=form, witness=found)


@router.get("/witnesses/{witness_id}/retire")
async def retire_page(visit: Registers, witness_id: UUID) -> Response:
    """What retiring a witness means."""
    return await _retiring(visit, witness_id, Form())


@router.post("/witnesses/{witness_id}/retire")
async def retire(request: Request, witness_id: UUID, sent: SentForm, now: Now) -> Response:
    """Takes a witness of the actor's company out of service."""

    async def act(session: WriteSession, actor: Actor) -> None:
        await service.retire_witness(session, actor, witness_id, now)

    async def again(visit: Visit, form: Form) -> Response:
        return await _retiring(visit, witness_id, form)

    return await submit(request, sent, "ledger.witness", act, now=now, to="/proofs?done=retired", again=again)


@router.get("/verify")
async def verify(visit: Anybody, request: Request) -> Response:
    """A bundle is checked by the reader's own browser: nothing of it is sent here."""
    if visit is not None:
        return visit.show("proofs/verify.html")
    return render(request, "proofs/verify.html")


@router.get("/format")
async def formats(visit: Anybody, request: Request) -> Response:
    """The description of the formats, as it stands in the program."""
    text = resources.files("marketplace.ledger.log").joinpath("FORMAT.md").read_text("utf-8")
    paper = html(text)
    if visit is not None:
        return visit.show("proofs/format.html", paper=paper)
    return render(request, "proofs/format.html", paper=paper)
