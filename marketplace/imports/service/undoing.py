"""Undoing a whole import: stock by compensating transactions, the catalogue by the values before.

What somebody did since is not undone with it: it stays, and a list says what stays and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from uuid import UUID

from marketplace.db.session import WriteSession, be_patient, execute
from marketplace.imports import catalogue_sql as sql
from marketplace.imports.catalogue_rows import Chains
from marketplace.imports.queries import Job, imports_for_update, job_for_update
from marketplace.imports.queries import catalogue as queries
from marketplace.imports.queries.catalogue import StockChange
from marketplace.imports.service import shelf
from marketplace.imports.shapes import SHAPES, SHELF
from marketplace.kit.errors import conflict
from marketplace.kit.ids import command_id
from marketplace.ledger.entries import MAX_STEPS, Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.service import carry_out
from marketplace.parties.actor import Actor
from marketplace.parts import queries as parts

MOST_LOTS = 20_000
"""Units and batches that one undo takes back: each is a transaction of the ledger."""
_SINCE = {
    "hold": "reserved", "post": "taken by an order", "split": "split up", "move": "moved", "ship": "shipped", "receive": "received",
    "use_up": "used", "install": "fitted", "scrap": "scrapped", "lose": "lost", "count_adjust": "counted", "freeze": "put on quality hold",
    "title": "sold", "regrade": "graded anew", "repoint": "put under an agreement", "correct": "corrected by hand",
}  # fmt: skip
_TAKEN_BACK = frozenset({"register", "count_adjust", "regrade"})


async def undo(session: WriteSession, actor: Actor, job_id: UUID, now: datetime) -> dict[str, int]:
    """Takes an import back as far as it can be; how many of what it did were 'undone', 'partly' or 'kept' (those with
    reasons in ``queries.catalogue.kept``). Nothing that landed is deleted from the ledger: compensating transactions take the
    units out again.

    Raises ``import.not_landed``, ``import.undone`` (already), ``import.undo_too_many``.
    """
    job = await job_for_update(session, job_id)
    actor.require(SHAPES[job.kind].verb)
    if job.step != "done":
        raise conflict("import.not_landed", "This import has not landed: there is nothing to undo. Cancel it instead.")
    if job.undone_at is not None:
        raise conflict("import.undone", "This import is undone already.")
    await be_patient(session)
    await imports_for_update(session, job.company_id)
    if job.kind in SHELF:
        many = await shelf.undo(session, job, actor, now)
    else:
        many = await (_stock(session, actor, job, now) if job.kind == "stock" else _catalogue(session, job, now))
    await execute(
        session, "UPDATE import_job SET undone_at = $2, undone_by = $3 WHERE id = $1", job_id, now, actor.user_id
    )
    return many


async def _catalogue(session: WriteSession, job: Job, now: datetime) -> dict[str, int]:
    made = await queries.changed_for_update(session, job)
    used: list[UUID] = []
    words = ""
    if made:
        table = "site" if job.kind == "sites" else "part"
        used = await queries.referred_to(session, table, made)
        words = f"The {table} is in use since: something on record refers to it."
    await execute(session, sql.judge(job.kind), job.id, used, words)
    if job.kind == "supersessions":
        await _keep_circles(session, job)
    about = await queries.parts_of(session, job.id) if job.kind in ("parts", "prices") else []
    for statement in sql.unwrite(job.kind):
        await execute(session, statement, job.id)
    if job.kind == "prices":
        await execute(session, sql.PRICES_OF_THE_DAY, about, now.date())
    if job.kind == "parts":
        await execute(session, sql.PRICES_AS_SAID, about, now.date())
    return await queries.undone(session, job.id)


async def _keep_circles(session: WriteSession, job: Job) -> None:
    """A link that ended does not come back where others have been made since that would lead it in a circle."""
    ends = {(old, new) for _, old, new in await queries.link_changes(session, job.id, act="new")}
    chains = Chains(
        (old, new) for old, new, _ in await parts.supersessions_for_update(session) if (old, new) not in ends
    )
    back = await queries.link_changes(session, job.id, act="vanished")
    if circles := [row for row, old, new in back if not chains.add(old, new)]:
        await execute(
            session,
            "UPDATE catalogue_change SET undone = 'kept', kept_because = 'It would lead in a circle with links made since.' "
            "WHERE job_id = $1 AND row_no = ANY($2::int[])",
            job.id, circles,
        )  # fmt: skip


async def _stock(session: WriteSession, actor: Actor, job: Job, now: datetime) -> dict[str, int]:
    if job.lots_new + job.lots_changed + job.lots_vanished > MOST_LOTS:
        raise conflict(
            "import.undo_too_many",
            f"This import registered more than {MOST_LOTS:,} lines, which is more than is undone at once. Import a list that says "
            "what is there instead: what differs becomes proposals.",
        )
    written = await queries.stock_for_update(session, job.id, job.company_id)
    steps: list[Step] = []
    gone: list[UUID] = []
    kept: list[tuple[StockChange, str]] = []
    for lot, group in groupby(written, key=lambda change: change.lot_id):
        changes = [c for c in group if c.kind in _TAKEN_BACK]
        if not changes:
            continue
        if why := _stays(changes[-1]):
            kept.append((changes[-1], why))
            continue
        steps += [Step(Kind.CORRECT, lot, c.quantity, corrects=c.seq, reason="import undone") for c in changes]
        if changes[-1].kind == "register":
            gone.append(lot)
    for start in range(0, len(steps), MAX_STEPS):
        # Steps of one lot may fall into two commands: they are in order, and all is one transaction.
        some = tuple(steps[start : start + MAX_STEPS])
        key = command_id("import.undo", job.id, start)
        await carry_out(session, Command(key, job.company_id, actor.user_id, some, "import", job.id), now)
    await _note_kept(session, job, kept)
    # What the next file is compared with: without these lines it takes the stock in as new.
    await execute(
        session, "DELETE FROM stock_line WHERE company_id = $1 AND lot_id = ANY($2::uuid[])", job.company_id, gone
    )
    await execute(
        session,
        "UPDATE import_proposal SET decided = 'dismissed', decided_at = $2, decided_by = $3, detail = detail || '{\"undone\": true}' "
        "WHERE job_id = $1 AND decided IS NULL",
        job.id, now, actor.user_id,
    )  # fmt: skip
    return {"undone": len({step.lot_id for step in steps}), "kept": len(kept)}


def _stays(first: StockChange) -> str | None:
    """Why the units of a lot are not taken back, as ``first`` (the first thing that the import did to it) tells."""
    if first.since:
        return f"Its units were {_SINCE.get(first.since, 'changed')} since."
    if first.listed:
        return f"{first.listed:,} of its units stand on a posting: take them off it first, then correct the unit's history."
    return None


async def _note_kept(session: WriteSession, job: Job, kept: Sequence[tuple[StockChange, str]]) -> None:
    await execute(
        session,
        "INSERT INTO catalogue_change (job_id, row_no, company_id, number, other, key, target_id, act, undone, kept_because) "
        "SELECT $1::uuid, x.no, $2::uuid, x.number, x.serial, '', x.lot, CASE WHEN x.kind = 'register' THEN 'lot' ELSE 'count' END, "
        "'kept', x.why FROM unnest($3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[]) WITH ORDINALITY "
        "AS x (number, serial, lot, kind, why, no)",
        job.id, job.company_id, [c.number for c, _ in kept], [c.serial or "" for c, _ in kept], [c.lot_id for c, _ in kept],
        [c.kind for c, _ in kept], [why for _, why in kept],
    )  # fmt: skip
