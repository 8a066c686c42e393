"""Files about a company's own shelves: counts and serial lists become count sheets, use reports become uses.

A count changes nothing by landing: it is held against the record and confirmed on its page. What a use report would do is found out
by doing it and taking it back: agreements, notices and holds say what they would say. All of a file is one transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from marketplace.agreements import queries as agreements
from marketplace.db.session import WriteSession
from marketplace.holdings import service as holdings
from marketplace.holdings.queries import sheets as sheet_reads
from marketplace.holdings.service import sheets
from marketplace.holdings.service.sheets import Found
from marketplace.imports.fates import all_or_nothing
from marketplace.imports.queries import Job, lots_for_update
from marketplace.imports.queries import catalogue as landed
from marketplace.imports.queries import shelf as queries
from marketplace.imports.queries.shelf import Verdict
from marketplace.imports.shelf_rows import MOST_ROWS, ShelfRow, choose, repeated
from marketplace.kit.clock import end_of_day
from marketplace.kit.errors import DomainError, invalid
from marketplace.kit.ids import command_id
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor

_FIELDS = frozenset({"number", "serial", "quantity", "site", "used_on", "machine", "note"})


@dataclass(slots=True)
class _Checked:
    """Rows with what they are about, what becomes of them, and what is wrong."""

    rows: list[ShelfRow] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    issues: list[tuple[int, str, str, str, str]] = field(default_factory=list)
    left_out: list[tuple[UUID, UUID, int]] = field(default_factory=list)

    def wrong(self, row: ShelfRow, where: str, code: str, words: str) -> None:
        value = row.serial if where == "serial" else str(row.quantity) if where == "quantity" else row.number
        self.issues.append((row.row_no, where if where in _FIELDS else "row", code, words[:500], value[:200]))


async def check(session: WriteSession, job: Job, actor_id: UUID, now: datetime) -> None:
    """What becomes of each row. Nothing is changed: uses are tried and taken back. Raises ``import.too_many``."""
    actor = await _actor(session, actor_id)
    found = await _resolved(session, job, actor)
    if job.kind == "counts":
        await _compare(session, job, actor, found)
    else:
        async with session.begin_nested() as trial:
            await _use(session, job, actor, found, now)
            await trial.rollback()
    await queries.write_verdicts(session, job.id, found.verdicts)
    await queries.write_issues(session, job.id, job.company_id, found.issues)
    await queries.note_left_out(session, job.id, found.left_out)


async def land(session: WriteSession, job: Job, actor_id: UUID, now: datetime) -> None:
    """Begins the counts, or records the uses. Raises ``import.bad_rows`` where all or nothing was to land."""
    actor = await _actor(session, actor_id)
    found = await _resolved(session, job, actor)
    if job.kind == "counts":
        await _compare(session, job, actor, found)
    else:
        await _use(session, job, actor, found, now)
    await queries.write_verdicts(session, job.id, found.verdicts)
    await queries.write_issues(session, job.id, job.company_id, found.issues)
    bad = await queries.bad_rows(session, job.id)
    if bad and job.mode == "all_or_nothing":
        raise all_or_nothing(bad)
    if job.kind == "counts":
        opened = await _begin_counts(session, actor, found, now)
        await queries.keep_sheets(session, job.id, opened)
    fates = [v.fate for v in found.verdicts]
    await landed.keep_changes(session, job)
    await landed.end_landing(
        session, job, bad=bad, new=fates.count("new"), changed=fates.count("changed"), gone=len(found.left_out), now=now
    )


async def undo(session: WriteSession, job: Job, actor: Actor, now: datetime) -> dict[str, int]:
    """Takes a file back: counts that are still open are dropped, uses are corrected one by one, the last first. What cannot be is
    kept, with the reason."""
    if job.kind == "counts":
        return await _drop_counts(session, job, actor, now)
    rows = await queries.rows_landed(session, job.id)
    kept: dict[int, str] = {}
    wrote = await queries.uses_of(session, job.id, {row: _command(job, row) for row in rows})
    lots = sorted({lot for use in wrote for lot, _ in use.movements})
    await lots_for_update(session, lots)
    for use in wrote:
        try:
            async with session.begin_nested():
                for lot, seq in use.movements:
                    await holdings.correct(
                        session, actor, lot, seq, "import undone", now=now,
                        command_id=command_id("import.unuse", job.id, f"{use.row_no}:{lot}:{seq}"),
                    )  # fmt: skip
        except DomainError as refused:
            kept[use.row_no] = refused.message
    await queries.note_undone(session, job.id, kept)
    return {"undone": len(rows) - len(kept), "kept": len(kept)}


async def _actor(session: WriteSession, actor_id: UUID) -> Actor:
    actor = await parties.actor_of_user(session, actor_id)
    actor.require("holding.act")
    return actor


def _command(job: Job, row_no: int) -> UUID:
    """The command of a row's use: the same whenever the file is brought on."""
    return command_id("import.use", job.id, row_no)


async def _resolved(session: WriteSession, job: Job, actor: Actor) -> _Checked:
    """The rows with part and unit; what is wrong with the others. A constant number of statements, and one for each site."""
    rows = await queries.good_rows(session, job.id)
    if len(rows) > MOST_ROWS[job.kind]:
        raise invalid(
            "import.too_many",
            f"At most {MOST_ROWS[job.kind]:,} rows of {'a count' if job.kind == 'counts' else 'a use report'} land in one go; the file has "
            f"{len(rows):,}. Split it, for instance by site.",
            field="file",
        )
    known = await queries.parts_of_numbers(session, actor.company_id, sorted({r.number_norm for r in rows} - {""}))
    units: dict[tuple[UUID, str], list[sheet_reads.Candidate]] = defaultdict(list)
    for site in sorted({r.site_id for r in rows if r.serial_norm}):
        wanted = [r.serial_norm for r in rows if r.site_id == site and r.serial_norm]
        for unit in await sheet_reads.by_serials(session, actor.company_id, site, wanted):
            units[site, unit.serial.upper()].append(unit)
    found = _Checked()
    for row in rows:
        part_id = None
        if row.number_norm:
            chosen = choose(row, known.get(row.number_norm, []))
            if isinstance(chosen, str):
                found.wrong(row, "number", "import.number", chosen)
                continue
            part_id = chosen.part_id
        some = (
            [u for u in units[row.site_id, row.serial_norm] if part_id in (None, u.part_id)] if row.serial_norm else []
        )
        here = [u for u in some if u.here]
        if len(here) > 1 or (not here and len(some) > 1 and part_id is None):
            found.wrong(
                row,
                "serial",
                "import.serial",
                f"Several parts have a unit {row.serial}. Say which in a column with the part number.",
            )
            continue
        known_unit: sheet_reads.Candidate | None = next(iter(here or some), None)
        found.rows.append(
            replace(
                row,
                part_id=part_id or (known_unit.part_id if known_unit else None),
                lot_id=known_unit.lot_id if known_unit else None,
                here=known_unit is not None and known_unit.here,
            )
        )
    return found


async def _compare(session: WriteSession, job: Job, actor: Actor, found: _Checked) -> None:
    """Counts against the record, part by part: the first row of a part tells what the file says of all of it."""
    seen: set[tuple[UUID, str, UUID | None]] = set()
    rows: list[ShelfRow] = []
    for row in found.rows:
        if row.serial_norm:
            if (row.site_id, row.serial_norm, row.part_id) in seen:
                found.wrong(
                    row, "serial", "import.twice", f"{row.serial} stands in the file twice; a unit is counted once."
                )
                continue
            seen.add((row.site_id, row.serial_norm, row.part_id))
        rows.append(row)
    found.rows = rows
    counted: dict[tuple[UUID, UUID], int] = defaultdict(int)
    for row in rows:
        # As the count's page has it: a unit on record elsewhere is no unit of this shelf yet.
        if row.part_id is not None and (row.here or not row.serial_norm):
            counted[row.site_id, row.part_id] += row.quantity
    sites = sorted({r.site_id for r in rows})
    record = await queries.on_record(
        session, actor.company_id, sites, None if job.takes == "replace" else sorted({p for _, p in counted})
    )
    told: set[tuple[UUID, UUID]] = set()
    for row in rows:
        place = (row.site_id, row.part_id) if row.part_id else None
        if place is None or place not in counted or (row.serial_norm and not row.here):
            verdict = Verdict(row.row_no, "new", row.part_id, row.lot_id, "", None, {"serial": row.serial})
        elif place in told or record.get(place, 0) == counted[place]:
            verdict = Verdict(row.row_no, "same", row.part_id, row.lot_id, "", None, None)
        else:
            verdict = Verdict(
                row.row_no,
                "changed",
                row.part_id,
                row.lot_id,
                "",
                {"quantity": record.get(place, 0)},
                {"quantity": counted[place]},
            )
        if place:
            told.add(place)
        found.verdicts.append(verdict)
    if job.takes == "replace":
        found.left_out = [(s, p, many) for (s, p), many in sorted(record.items()) if (s, p) not in counted]


async def _begin_counts(session: WriteSession, actor: Actor, found: _Checked, now: datetime) -> list[dict[str, Any]]:
    """A count for each site of the file, with what it says on it."""
    opened: list[dict[str, Any]] = []
    for site_id in sorted({r.site_id for r in found.rows}):
        sheet_id = await sheets.open_sheet(
            session, actor, site_id, part_id=None, agreement_id=None, blind=False, now=now
        )
        place = await parties.own_site(session, actor, site_id)
        items = [
            Found(r.part_id, r.lot_id, r.serial or None, r.quantity, min(end_of_day(r.day, place.timezone), now))
            for r in found.rows
            if r.site_id == site_id
        ]
        items += [Found(part, None, None, 0, now) for site, part, _ in found.left_out if site == site_id]
        await sheets.enter_found(session, actor, sheet_id, items, now=now)
        kept = await sheet_reads.sheet(session, actor.company_id, sheet_id)
        opened.append({"id": str(sheet_id), "reference": kept.reference, "site": kept.site})
    return opened


async def _drop_counts(session: WriteSession, job: Job, actor: Actor, now: datetime) -> dict[str, int]:
    kept: list[str] = []
    for given in job.mapping.get("count_sheets", []):
        sheet = await sheet_reads.sheet_for_update(session, actor.company_id, UUID(given["id"]))
        if sheet.open:
            await sheets.drop(session, actor, sheet.id, reason="import undone", now=now)
        elif sheet.ended == "confirmed":
            kept.append(f"{sheet.reference} was confirmed. Count again, or correct the units' history.")
    rows = await queries.rows_landed(session, job.id)
    await queries.note_undone(session, job.id, dict.fromkeys(rows, " ".join(kept)) if kept else {})
    return {"kept": len(rows)} if kept else {"undone": len(rows)}


async def _use(session: WriteSession, job: Job, actor: Actor, found: _Checked, now: datetime) -> None:
    """Records the uses in the order of the file, each on its own: one that is refused leaves the others."""
    sites, some = sorted({r.site_id for r in found.rows}), sorted({r.part_id for r in found.rows if r.part_id})
    # All that this may touch is locked at once, in the order in which everybody locks: the rows come in any.
    await agreements.agreements_for_update(
        session, await queries.shelf_for_update(session, actor.company_id, sites, some)
    )
    zones = {s: (await parties.own_site(session, actor, s)).timezone for s in sites}
    before = (
        {}
        if job.takes == "add"
        else await queries.told_before(session, actor.company_id, [r.same_as for r in found.rows])
    )
    known = repeated(found.rows, before)
    left: Mapping[tuple[UUID, UUID], int] = await queries.on_record(session, actor.company_id, sites, some)
    stands = dict(left)
    for row in found.rows:
        if row.part_id is None:
            found.wrong(row, "serial", "import.serial", f"No unit {row.serial} is on record with your company.")
            continue
        place = (row.site_id, row.part_id)
        if row.quantity == 0 or row.row_no in known:
            found.verdicts.append(Verdict(row.row_no, "same", row.part_id, row.lot_id, row.same_as, None, None))
            continue
        try:
            async with session.begin_nested():
                done = await _act(session, job, actor, row, row.part_id, zones[row.site_id], now)
        except DomainError as refused:
            found.wrong(row, refused.fields[0].field if refused.fields else "quantity", refused.code, refused.message)
            continue
        was = stands.get(place, 0)
        stands[place] = was - row.quantity
        found.verdicts.append(
            Verdict(
                row.row_no,
                "new",
                row.part_id,
                row.lot_id,
                row.same_as,
                # By these lots the undo finds what was written.
                {"quantity": was, "lots": sorted({str(t.lot_id) for t in done.taken})},
                {"quantity": stands[place]},
            )
        )


async def _act(
    session: WriteSession, job: Job, actor: Actor, row: ShelfRow, part_id: UUID, zone: str, now: datetime
) -> holdings.Done:
    happened = min(end_of_day(row.day, zone), now)
    shown = "; ".join(x for x in (row.reference, row.note) if x)
    note = f"{shown or 'use report'} (file {job.file_name[:80]}, row {row.row_no})"[:500]
    target = holdings.AtSite(part_id, row.site_id, serial=row.serial or None)
    said: dict[str, Any] = {
        "now": now,
        "command_id": _command(job, row.row_no),
        "note": note,
        "occurred_at": happened if happened < now else None,
    }
    if row.what == "install":
        return await holdings.install(session, actor, target, row.quantity, row.machine, **said)
    if row.what == "scrap":
        return await holdings.scrap(session, actor, target, row.quantity, (row.note or row.reference)[:200], **said)
    return await holdings.use_up(session, actor, target, row.quantity, **said)
