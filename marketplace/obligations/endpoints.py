"""JSON routes of obligations."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from marketplace.db.requests import PageSecret, Reading, Writing, database
from marketplace.db.session import Tenant
from marketplace.kit.exports import csv_rows, csv_start
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE
from marketplace.kit.wire import Moment, PageOut
from marketplace.obligations import queries, service
from marketplace.obligations.kinds import Obligation, ObligationKind
from marketplace.obligations.permissions import ChangesReminders, ReadsObligations
from marketplace.obligations.queries import ObligationFilter
from marketplace.obligations.reminding import Setting
from marketplace.obligations.schemas import ObligationOut, ReminderSettingIn, ReminderSettingOut
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once

router = APIRouter(prefix="/obligations", tags=["obligations"])


def _filter(
    side: Annotated[Literal["mine", "theirs"] | None, Query(description="mine: what your company has to do.")] = None,
    kind: ObligationKind | None = None,
    overdue: Annotated[bool, Query(description="Only what is past its deadline.")] = False,
    agreement_id: UUID | None = None,
    due_after: Annotated[Moment | None, Query(description="Exclusive, as deadlines are.")] = None,
    due_until: Annotated[Moment | None, Query(description="Inclusive.")] = None,
) -> ObligationFilter:
    return ObligationFilter(side, frozenset({kind}) if kind else None, overdue, agreement_id, due_after, due_until)


Wanted = Annotated[ObligationFilter, Depends(_filter)]


@router.get("", summary="What is due")
async def obligations(
    session: Reading,
    actor: ReadsObligations,
    secret: PageSecret,
    wanted: Wanted,
    now: Now,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
) -> PageOut[ObligationOut]:
    """What your company has to do and waits for, what is due first before the rest, of the kinds of records that you may
    see."""
    page = await queries.obligations(session, actor, wanted, now, after=after, limit=limit, secret=secret)
    return PageOut(items=[ObligationOut.model_validate(r) for r in page.items], next=page.next)


COLUMNS = (
    "Due", "Told", "Zone", "Kind", "What", "If not", "Who", "To whom", "Reference", "Agreement", "Part number",
    "Quantity",
)  # fmt: skip


@router.get(".csv", summary="What is due, as CSV", response_class=StreamingResponse)
async def export(
    request: Request, actor: ReadsObligations, secret: PageSecret, wanted: Wanted, now: Now
) -> StreamingResponse:
    """The whole list, streamed; cells that a spreadsheet would run as formulas are written as text."""

    async def pages() -> AsyncIterator[str]:
        yield csv_start(COLUMNS)
        after: str | None = None
        # The request's own session is closed before the body is sent.
        async with database(request).read(Tenant(actor.company_id, actor.sources)) as session:
            while True:
                page = await queries.obligations(
                    session, actor, wanted, now, after=after, limit=MAX_PAGE, secret=secret
                )
                yield csv_rows(cells(r) for r in page.items)
                after = page.next
                if after is None:
                    return

    headers = {"content-disposition": 'attachment; filename="obligations.csv"'}
    return StreamingResponse(pages(), media_type="text/csv; charset=utf-8", headers=headers)


def cells(r: Obligation) -> tuple[object, ...]:
    """One row of the file."""
    return (
        r.due.isoformat(timespec="seconds"), r.by, r.zone, r.kind.value, r.what, r.otherwise, r.owes, r.owed, r.reference,
        r.agreement, r.part_number, r.quantity,
    )  # fmt: skip


@router.get("/reminders", summary="How your company is reminded")
async def reminders(session: Reading, actor: ReadsObligations) -> ReminderSettingOut:
    """One mail for all that comes due about the same time. For stopped machines there is a rule of its own: when a quarter
    of the time is left, and at least an hour before."""
    return ReminderSettingOut.model_validate(await queries.setting(session, actor.company_id))


@router.put("/reminders", summary="Change how your company is reminded")
async def set_reminders(
    session: Writing, actor: ChangesReminders, new: ReminderSettingIn, now: Now, key: IdempotencyKey = None
) -> ReminderSettingOut:
    """Counts for reminders from now on; what was told already is not told again."""

    async def act() -> Any:
        return ReminderSettingOut.model_validate(
            await service.set_reminders(session, actor, Setting(**new.model_dump()), now)
        )

    answer = await once(session, actor, key, "obligations.reminders", new.model_dump(), act, status=200)
    return ReminderSettingOut.model_validate(answer.content)
