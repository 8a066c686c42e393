"""Notices: before a holder uses, fits, scraps or sells on units that somebody has a right in. Giving one, those that run, and
their answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.agreements import phrases, queries, service
from marketplace.agreements.combined import holder_act
from marketplace.agreements.covered import Covered
from marketplace.agreements.evaluation import AfterNotice, Free, Need, Refused
from marketplace.agreements.notice import Standing
from marketplace.agreements.outcomes import Act
from marketplace.agreements.queries import Notice, NoticeRow
from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.errors import missing
from marketplace.kit.pages import cut, read_bookmark
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from web.exports import list_csv, wants_csv
from web.forms import Form
from web.session import SentForm, Visit, submit, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/agreements", include_in_schema=False)
ReadsAgreements = Annotated[Visit, visits("agreement.read")]
Acts = Annotated[Visit, visits("holding.act")]

PER_PAGE: Final = 50
ACTS: Final[Mapping[str, tuple[Act, str, str]]] = {
    "use": (Act.USE, "Use up", "Issue them to production."),
    "install": (Act.INSTALL, "Fit", "Fit them in a machine."),
    "scrap": (Act.SCRAP, "Scrap", "Give them up for good."),
    "resell": (Act.RESELL, "Sell on", "Sell them to somebody else."),
}
WISH: Final = {Act.USE: "use up", Act.INSTALL: "fit", Act.SCRAP: "scrap", Act.RESELL: "sell on", Act.MOVE_SITE: "move"}
COLUMNS: Final = (
    Column("part", "Part"),
    Column("wish", "Notice"),
    Column("with", "With"),
    Column("standing", "Status"),
    Column("until", "Next date"),
    Column("agreement", "Agreement"),
    Column("act", "Actions", "end", hidden_label=True),
)
CSV_HEADER: Final = (
    "Agreement", "Manufacturer", "Holder", "Part number", "Description", "Wants to", "Quantity", "Left", "Unit", "Given",
    "Status", "Cleared from", "Cleared until",
)  # fmt: skip


def standing(visit: Visit) -> dict[str, Any]:
    """What templates need to say how a notice stands: its state, and the day that comes next, in the agreement's zone."""

    def next_day(notice: Notice, zone: str) -> str:
        state = notice.standing(visit.now)
        bound = {Standing.RUNNING: notice.answer_by, Standing.CLEARED: notice.clear_until}.get(state)
        return phrases.deadline(bound, zone) if bound else ""

    return {"wish": WISH, "stands_at": lambda n: n.standing(visit.now), "next_day": next_day}


@router.get("/notices")
async def notices(visit: ReadsAgreements) -> Response:
    """The notices to and from the company that still count for something."""

    async def page(session: ReadSession, after: str | None, rows: int) -> tuple[Sequence[NoticeRow], str | None]:
        mark = read_bookmark(after, visit.secret, UUID)
        found = await queries.open_notices_now(
            session, visit.actor.company_id, visit.now, after=mark[0] if mark else None, limit=rows + 1
        )
        some = cut(found, rows, lambda row: [row.notice.id], visit.secret)
        return some.items, some.next

    if wants_csv(visit):
        return list_csv(visit, "notices", CSV_HEADER, page, lambda row: _csv_row(row, visit))
    rows, following = await page(visit.session, visit.request.query_params.get("after"), PER_PAGE)
    view = TableView.of(visit.request, COLUMNS).with_next(following)
    return visit.show("agreements/notices.html", rows=rows, view=view, **standing(visit))


def _csv_row(r: NoticeRow, visit: Visit) -> list[object]:
    n = r.notice
    return [
        r.agreement, r.maker, r.holder, r.part_number, r.description, WISH[n.act], n.quantity, n.left, r.uom,
        n.at.isoformat(timespec="seconds"), n.standing(visit.now),
        n.clear_from.isoformat(timespec="seconds") if n.clear_from else "",
        n.clear_until.isoformat(timespec="seconds") if n.clear_until else "",
    ]  # fmt: skip


async def _context(visit: Visit, agreement_id: UUID, form: Form) -> dict[str, Any]:
    """The agreement, its parts, and in plain words what the holder may do with one unit of the chosen part."""
    found = await queries.agreement(visit.session, visit.actor, agreement_id)
    if found.row.holder_id != visit.actor.company_id:
        raise missing("agreement.not_found", "No such agreement under which you hold units.")
    covered = await queries.terms_and_facts(visit.session, [(agreement_id, line.part_id) for line in found.lines])
    chosen = next((line for line in found.lines if str(line.part_id) == form.value("part")), found.lines[0])
    known = covered.get((agreement_id, chosen.part_id))
    may = _may(known, visit) if known else []
    # A sale that needs consent is asked for itself, naming the buyer: a notice is for units that are offered first.
    offers = known is not None and _offered_first(known, visit)
    usual = next((key for (key, _), (_, kind, _) in zip(ACTS.items(), may, strict=False) if kind == "notice"), "scrap")
    return {
        "found": found,
        "row": found.row,
        "chosen": chosen,
        "parts": [(str(line.part_id), f"{line.number} - {line.description}") for line in found.lines],
        "acts": [(key, words, hint) for key, (_, words, hint) in ACTS.items() if key != "resell" or offers],
        "can_sell": offers,
        "matched": known is not None
        and any(t.clause == "first-refusal" and t.price.kind == "match_third_party" for t in known.clauses),
        "currency": found.row.currency,
        "may": may,
        "usual": usual,
        "remaining": known.facts.remaining if known else 0,
    }


def _offered_first(known: Covered, visit: Visit) -> bool:
    answer = holder_act(known.clauses, known.facts, Act.RESELL, 1, visit.now).answer
    return isinstance(answer, AfterNotice) and answer.needs is Need.OFFER


def _may(known: Covered, visit: Visit) -> list[tuple[str, str, str]]:
    """(act, 'free' / 'notice' / 'no', why) for one unit, as things stand."""
    found = []
    for act, words, _ in ACTS.values():
        answer = holder_act(known.clauses, known.facts, act, 1, visit.now).answer
        kind = "free" if isinstance(answer, Free) else "notice" if isinstance(answer, AfterNotice) else "no"
        # What is refused says what would have to happen, or whom to ring.
        more = f" {answer.until_words}" if isinstance(answer, Refused) else ""
        found.append((words, kind, f"{answer.words}{more}"))
    return found


ANSWERS: Final = ("agree", "refuse", "withdraw")


@router.get("/notices/{notice_id}")
async def one_notice(visit: ReadsAgreements, notice_id: UUID) -> Response:
    """A notice, where it stands, and what the reader can do about it."""
    return await _one(visit, notice_id, Form({}))


async def _one(visit: Visit, notice_id: UUID, form: Form) -> Response:
    row = await queries.one_notice_now(visit.session, visit.actor.company_id, notice_id, visit.now)
    state, actor = row.notice.standing(visit.now), visit.actor
    maker, runs = row.maker_id == actor.company_id, state is Standing.RUNNING
    signs = maker and runs and actor.may("agreement.sign")
    may = {
        "order": maker and runs and actor.may("sourcing.request"),
        "agree": signs,
        "refuse": signs and row.notice.needs is Need.CONSENT,
        "withdraw": not maker and state in (Standing.RUNNING, Standing.CLEARED) and actor.may("holding.act"),
    }
    return visit.show(
        "agreements/one_notice.html", row=row, state=state, may=may, form=form, told=_told(row, state), done=visit.asked("done"),
        until_words=phrases.deadline(row.notice.answer_by, row.zone), deadline=phrases.deadline,
        deadline_from=lambda moment, zone: f"the moment after {phrases.deadline(moment, zone)}", **standing(visit),
    )  # fmt: skip


def _told(row: NoticeRow, state: Standing) -> str:
    n, zone = row.notice, row.zone
    if state is Standing.RUNNING:
        means = "no response is a no" if n.clear_from is None else "without an answer the holder may act after that"
        return f"{row.maker} answers by {phrases.deadline(n.answer_by, zone)}; {means}."
    if state is Standing.CLEARED and n.clear_until is not None:
        return f"{row.holder} may {WISH[n.act]} {phrases.count(n.left, 'unit')} until {phrases.deadline(n.clear_until, zone)}."
    return {
        Standing.ORDERED: f"{row.maker} has ordered all of its units.",
        Standing.USED: "All of it has been acted on or ordered.",
        Standing.GONE: "Its units went by another act: none is left above the minimum to keep.",
        Standing.REFUSED: "Refused, or not answered where that means no.",
        Standing.WITHDRAWN: f"{row.holder} withdrew it.",
    }.get(state, "The time in which the holder could act has passed: it gives notice again.")


@router.post("/notices/{notice_id}/{step}")
async def answer(request: Request, notice_id: UUID, step: str, sent: SentForm, now: Now) -> Response:
    """agree, refuse, withdraw."""
    if step not in ANSWERS:
        raise missing("page.not_found", "There is no such page.")

    async def act(session: WriteSession, actor: Actor) -> str:
        row = await queries.one_notice(session, actor.company_id, notice_id)
        if step == "withdraw":
            await service.withdraw_notice(session, actor, row.agreement_id, notice_id, now)
        else:
            fields = sent.fields()
            words = fields.text("note", "What you want to say", required=False, most=500)
            fields.check("notice.note", "Nothing was answered.")
            await service.answer_notice(
                session, actor, row.agreement_id, notice_id, agree=step == "agree", words=words, now=now
            )
        return f"/agreements/notices/{notice_id}?done={step}"

    async def again(visit: Visit, form: Form) -> Response:
        return await _one(visit, notice_id, form)

    verb = "holding.act" if step == "withdraw" else "agreement.sign"
    return await submit(request, sent, verb, act, now=now, to=lambda address: address, again=again)


@router.get("/{agreement_id}/notice")
async def notice_page(visit: Acts, agreement_id: UUID) -> Response:
    """The form: ``?part=``, ``?act=``, ``?quantity=``."""
    form = Form({k: v for k, v in visit.request.query_params.items() if v.strip()})
    return visit.show("agreements/notice.html", form=form, **await _context(visit, agreement_id, form))


@router.post("/{agreement_id}/notice")
async def give_notice(request: Request, agreement_id: UUID, sent: SentForm, now: Now) -> Response:
    """Shows from when the holder may act and what the maker can do until then; once confirmed, gives the notice."""

    async def act(session: WriteSession, actor: Actor) -> dict[str, Any]:
        fields = sent.fields()
        wish = fields.one_of("act", "what you want to do", list(ACTS))
        part = fields.id("part", "part")
        quantity = fields.whole("quantity", "Quantity", low=1)
        offer = fields.amount("offer", "Offer for one unit") if sent.form().value("offer").strip() else None
        offered_by = fields.text("offered_by", "Offered by", required=False)
        words = fields.text("note", "What you want to say", required=False, most=500)
        fields.check("notice.invalid", "No notice was given.")
        answer = await service.give_notice(
            session, actor, agreement_id, part, ACTS[wish][0], quantity, now, offer=offer, offered_by=offered_by,
            note_text=words,
        )  # fmt: skip
        return {
            "words": answer.words,
            # Who may not read agreements (a warehouse clerk) goes back to the stock.
            "to": f"/agreements/{agreement_id}" if actor.may("agreement.read") else "/holdings",
        }

    async def again(visit: Visit, form: Form) -> Response:
        return visit.show("agreements/notice.html", form=form, **await _context(visit, agreement_id, form))

    async def confirm(visit: Visit, form: Form, outcome: dict[str, Any]) -> Response:
        context = await _context(visit, agreement_id, form)
        wish = ACTS[form.value("act")]
        return visit.show("agreements/notice_confirm.html", form=form, outcome=outcome, wish=wish, **context)

    return await submit(
        request,
        sent,
        "holding.act",
        act,
        now=now,
        to=lambda given: f"{given['to']}?done=noticed",
        again=again,
        confirm=confirm,
    )
