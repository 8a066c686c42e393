"""Many parts requests from a pasted table or a file: what becomes of each row is shown before anything is stored."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.responses import Response

from marketplace.db.session import WriteSession
from marketplace.imports.files.tables import open_table, read_batches
from marketplace.kit.clock import end_of_day
from marketplace.kit.errors import DomainError, FieldError, invalid
from marketplace.kit.exports import csv_rows, csv_start
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.sourcing import lists, service
from marketplace.sourcing.service import Fate, Row
from web.availability import URGENCIES, own_sites_first
from web.exports import streamed
from web.forms import Form
from web.session import CONFIRMED, Sent, Visit, submit, uuid_of, visits

router = APIRouter(prefix="/requests/bulk", include_in_schema=False)
Requests = Annotated[Visit, visits("sourcing.request")]

MOST_TEXT: Final = 300_000
LABELS: Final = {
    "number": "Part number", "quantity": "Quantity", "needed_by": "Needed by", "urgency": "Urgency", "destination_site_id": "Where to",
    "job_number": "Job", "machine_model": "Machine", "machine_serial": "Machine serial", "kit": "Kit",
}  # fmt: skip
EXAMPLE: Final = "part number\tquantity\tneeded by\turgency\tjob\n8980-12\t2\t2026-12-31\tstock\tWO-7"


@router.get("")
async def page(visit: Requests) -> Response:
    """The form."""
    return await _page(visit, Form())


async def _page(
    visit: Visit, form: Form, fates: list[Fate] | None = None, lines: list[lists.Line] | None = None
) -> Response:
    sites = own_sites_first(await parties.sites(visit.session, visit.actor), visit.home.id if visit.home else None)
    return visit.show(
        "requests/bulk.html", status_code=422 if form.bad else 200, form=form, alone=Form(form.values), sites=sites, urgencies={v: w for v, w, _ in URGENCIES},
        rows=list(zip(lines or [], fates or [], strict=True)), bad=sum(1 for x in fates or [] if x.problems), labels=LABELS, example=EXAMPLE,
    )  # fmt: skip


@router.post("")
async def raise_many(request: Request, now: Now) -> Response:
    """Shows what becomes of each row; once confirmed, raises them all, or the good ones where that was said. A file is read into the
    same text that could be pasted."""
    sent, unread = await _read(request)

    def rows(zone: str) -> tuple[list[lists.Line], list[Row]]:
        if unread is not None:
            raise unread
        return _rows(sent, zone)

    async def act(session: WriteSession, actor: Actor) -> int:
        home = await parties.home_site(session, actor)
        _, wanted = rows(home.timezone if home else "UTC")
        good = sent.form().value("good_rows") == "yes"
        ids, _ = await service.raise_many(session, actor, wanted, now, good_rows=good)
        return len(ids)

    async def again(visit: Visit, form: Form) -> Response:
        try:
            found, wanted = rows(visit.zone)
            fates = await service.fates(visit.session, visit.actor, wanted, now)
        except DomainError as error:
            return await _page(visit, Form.rejected(sent.values, error))
        words = form.problem or ""
        return await _page(visit, Form.rejected(sent.values, invalid("requisition.rows", words)), fates, found)

    async def confirm(visit: Visit, form: Form, _outcome: Any) -> Response:
        found, wanted = rows(visit.zone)
        fates = await service.fates(visit.session, visit.actor, wanted, now)
        return await _page(visit, form, fates, found)

    return await submit(
        request, sent, "sourcing.request", act, now=now, to=lambda made: f"/requests?raised={made}", again=again, confirm=confirm,
    )  # fmt: skip


@router.post("/left.csv")
async def left(visit: Requests) -> Response:
    """The rows that cannot become parts requests, as they were written, each with its reasons: to mend and send again alone."""
    sent, unread = await _read(visit.request)
    if unread is not None:
        raise unread
    lines, wanted = _rows(sent, visit.zone)
    fates = await service.fates(visit.session, visit.actor, wanted, visit.now)
    columns = [name for name in lists.FIELDS if any(line.cells.get(name) for line in lines)]

    async def pieces() -> AsyncIterator[str]:
        yield csv_start([*(lists.FIELDS[c][0] for c in columns), "why"])
        yield csv_rows(
            [
                [*(line.cells.get(c, "") for c in columns), " ".join(p.message for p in fate.problems)]
                for line, fate in zip(lines, fates, strict=True)
                if fate.problems
            ]
        )

    return streamed(visit, "parts-requests-left", pieces())


def _rows(sent: Sent, zone: str) -> tuple[list[lists.Line], list[Row]]:
    form = sent.form()
    found = _lines(form.value("table"))
    site, substitutes = uuid_of(form.value("site")), form.value("substitutes") == "yes"
    return found, [_row(line, site, substitutes, zone) for line in found]


async def _read(request: Request) -> tuple[Sent, DomainError | None]:
    """The form, a file that came with it as text in ``table``; and why the file cannot be read."""
    unread: DomainError | None = None
    data = await request.form(max_fields=100)
    values = {k: v for k, v in data.items() if isinstance(v, str)}
    upload = data.get("file")
    key, confirmed = values.pop("idempotency_key", None), values.pop(CONFIRMED, None) == "yes"
    if isinstance(upload, UploadFile) and upload.filename:
        try:
            values["table"] = await asyncio.to_thread(_text_of, upload.filename, await upload.read())
        except DomainError as error:
            unread = error
    await data.close()
    sent = Sent(values, key or None, confirmed)
    request.state.sent = sent
    return sent, unread


def _text_of(name: str, content: bytes) -> str:
    """A file, CSV or Excel, as the table that could have been pasted. Raises ``import.*`` where it cannot be read."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "list"
        path.write_bytes(content)
        table = open_table(path, named=name)
        # One row more than may be raised at once is enough to say that there are too many.
        found = [list(table.header)]
        for batch in read_batches(path, table, size=service.MOST_ROWS + 1):
            found += [row.cells for row in batch]
            break
    return "\n".join("\t".join(" ".join(cell.split()) for cell in row) for row in found)


def _lines(text: str) -> list[lists.Line]:
    if len(text) > MOST_TEXT:
        raise invalid(
            "requisition.rows", "This is too much text for a list of parts requests. Split it.", field="table"
        )
    found = lists.lines_of(text)
    if not found:
        raise invalid(
            "requisition.rows", "No row could be read. Paste a table, or upload a CSV or Excel file with part numbers and quantities.",
            field="table",
        )  # fmt: skip
    return found


def _row(line: lists.Line, site: UUID | None, substitutes: bool, zone: str) -> Row:
    cells: Mapping[str, str] = line.cells
    unread = []
    quantity = (
        lists.whole(cells.get("quantity", "")) if cells.get("quantity") else 1 if "quantity" not in cells else None
    )
    if quantity is None:
        unread.append(
            FieldError("quantity", "requisition.quantity", f"'{cells.get('quantity', '')[:40]}' is not a whole number.")
        )
    day = lists.day(cells.get("needed_by", ""))
    if day is None:
        said = cells.get("needed_by", "")[:40]
        words = (
            f"'{said}' is not a day. Write it like 2026-12-31."
            if said
            else "Say by when it is needed, like 2026-12-31."
        )
        unread.append(FieldError("needed_by", "requisition.needed_by", words))
    urgency = lists.urgency(cells.get("urgency", ""))
    if urgency is None:
        words = f"'{cells['urgency'][:40]}' is no urgency: write machine down, urgent or stock."
        unread.append(FieldError("urgency", "requisition.urgency", words))
    return Row(
        number=cells.get("number", ""), quantity=quantity, needed_by=end_of_day(day, zone) if day else None, urgency=urgency or "",
        destination_site_id=site, machine_model=cells.get("machine_model", ""), machine_serial=cells.get("machine_serial", ""),
        job_number=cells.get("job_number", ""), kit=cells.get("kit", ""),
        substitutes=substitutes or lists.yes(cells.get("substitutes", "")), complete_only=lists.yes(cells.get("complete_only", "")),
        unread=tuple(unread),
    )  # fmt: skip
