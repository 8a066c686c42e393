"""Notices: before a holder uses, fits or scraps units that somebody has a right in. Giving one, and those that run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.agreements import phrases, queries, service
from marketplace.agreements.covered import Covered
from marketplace.agreements.evaluation import AfterNotice, Free, Refused, evaluate_holder_act
from marketplace.agreements.outcomes import Act
from marketplace.agreements.queries import Notice, NoticeRow
from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.canonical import instant
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
}
WISH: Final = {Act.USE: "use up", Act.INSTALL: "fit", Act.SCRAP: "scrap"}
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
        bound = {"running": notice.clear_from, "cleared": notice.clear_until}.get(state)
        return phrases.deadline(bound, zone) if bound else ""

    return {"wish": WISH, "stands_at": lambda n: n.standing(visit.now), "next_day": next_day}


@router.get("/notices")
async def notices(visit: ReadsAgreements) -> Response:
    """The notices to and from the company that still count for something."""

    async def page(session: ReadSession, after: str | None, rows: int) -> tuple[Sequence[NoticeRow], str | None]:
        mark = read_bookmark(after, visit.secret, int)
        found = await queries.open_notices(
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
    usual = next((key for (key, _), (_, kind, _) in zip(ACTS.items(), may, strict=False) if kind == "notice"), "scrap")
    return {
        "found": found,
        "row": found.row,
        "chosen": chosen,
        "parts": [(str(line.part_id), f"{line.number} - {line.description}") for line in found.lines],
        "acts": [(key, words, hint) for key, (_, words, hint) in ACTS.items()],
        "may": may,
        "usual": usual,
        "remaining": known.facts.remaining if known else 0,
    }


def _may(known: Covered, visit: Visit) -> list[tuple[str, str, str]]:
    """(act, 'free' / 'notice' / 'no', why) for one unit, as things stand."""
    found = []
    for act, words, _ in ACTS.values():
        answer = evaluate_holder_act(known.terms, known.facts, act, 1, visit.now)
        kind = "free" if isinstance(answer, Free) else "notice" if isinstance(answer, AfterNotice) else "no"
        # What is refused says what would have to happen, or whom to ring.
        more = f" {answer.until_words}" if isinstance(answer, Refused) else ""
        found.append((words, kind, f"{answer.words}{more}"))
    return found


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
        fields.check("notice.invalid", "No notice was given.")
        answer = await service.give_notice(session, actor, agreement_id, part, ACTS[wish][0], quantity, now)
        assert answer.clear_from is not None  # noqa: S101 - a consent without a date is refused by the service
        assert answer.clear_until is not None  # noqa: S101
        return {
            "from": instant(answer.clear_from),
            "until": instant(answer.clear_until),
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
