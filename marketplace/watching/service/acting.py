"""What people do with the watch: say what it looks for and how much hangs on a part, and make a parts request of a proposal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from marketplace.db.session import WriteSession, execute, fetch, fetch_value
from marketplace.kit.errors import conflict, invalid
from marketplace.parties.actor import Actor
from marketplace.planning.pools import YEARS
from marketplace.sourcing import service as sourcing
from marketplace.sourcing.service import Asked
from marketplace.watching import queries
from marketplace.watching.reckoning import Level, Setting

_STOCK = timedelta(days=45)
_LEAST = timedelta(days=7)
MOST_PARTS = 1_000


async def set_watch(session: WriteSession, actor: Actor, wanted: Setting, now: datetime) -> None:
    """What the actor's company looks for from its next run on. Raises ``watch.setting`` naming the field."""
    if wanted.horizon not in YEARS:
        raise invalid("watch.setting", "Choose 1, 5, 10 or 20 years.", field="horizon")
    for level, share in zip(Level, wanted.least, strict=True):
        if share is not None and not 0.0001 <= share <= 0.9999:
            raise invalid("watch.setting", "Give more than 0 and less than 100 %, or leave it empty: then it is not watched.", field=level.name.lower())  # fmt: skip
    if not 1 <= wanted.lapse_months <= 120:
        raise invalid("watch.setting", "Give 1 to 120 months.", field="lapse_months")
    if not 0 <= wanted.missing_times <= 1000:
        raise invalid("watch.setting", "Give 0 to 1,000 unit costs.", field="missing_times")
    await execute(
        session,
        "INSERT INTO watch_setting (company_id, horizon, ordinary_bp, important_bp, vital_bp, lapse_months, missing_times, changed_by, changed_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (company_id) DO UPDATE SET horizon = $2, ordinary_bp = $3, "
        "important_bp = $4, vital_bp = $5, lapse_months = $6, missing_times = $7, changed_by = $8, changed_at = $9",
        actor.company_id, wanted.horizon, *(None if s is None else round(s * 10_000) for s in wanted.least), wanted.lapse_months,
        wanted.missing_times, actor.user_id, now,
    )  # fmt: skip


async def state_levels(
    session: WriteSession, actor: Actor, part_ids: Sequence[UUID], level: Level, now: datetime
) -> int:
    """How much hangs on these parts of the company's own makers. Returns how many. Raises ``watch.parts`` for others."""
    wanted = sorted(set(part_ids))
    if not 1 <= len(wanted) <= MOST_PARTS:
        raise invalid("watch.parts", f"Name 1 to {MOST_PARTS:,} parts.", field="parts")
    mine = await fetch(
        session,
        "SELECT p.id FROM part p JOIN maker m ON m.id = p.maker_id WHERE p.id = ANY($1::uuid[]) AND m.company_id = $2",
        wanted, actor.company_id,
    )  # fmt: skip
    if len(mine) < len(wanted):
        raise invalid("watch.parts", f"{len(wanted) - len(mine):,} of them are no parts of your own: nothing was stated.", field="parts")  # fmt: skip
    await execute(
        session,
        "INSERT INTO part_criticality (company_id, part_id, level, stated_by, stated_at) SELECT $1, x.id, $3, $4, $5 "
        "FROM unnest($2::uuid[]) x (id) ON CONFLICT (company_id, part_id) DO UPDATE SET level = $3, stated_by = $4, stated_at = $5",
        actor.company_id, wanted, int(level), actor.user_id, now,
    )  # fmt: skip
    return len(wanted)


async def request_call(
    session: WriteSession,
    actor: Actor,
    run_id: UUID,
    part_id: UUID,
    now: datetime,
    *,
    units: int | None = None,
    site_id: UUID | None = None,
) -> UUID:
    """Makes a parts request of what a run proposes for a part: as many ``units`` as proposed unless others are named, to the person's
    site or the company's first. Answers the request. Raises ``watch.requested`` where that was done before, ``watch.proposal``,
    ``watch.site``, and what a parts request raises."""
    # Two who press at once take turns, and the second finds the request.
    await queries.run_for_update(session, actor.company_id, run_id)
    row = await queries.row(session, actor.company_id, run_id, part_id)
    if row.requisition_id is not None:
        raise conflict(
            "watch.requested", f"This was asked for already: {row.requisition}. Change that request instead."
        )
    latest = await queries.latest(session, actor.company_id)
    if latest is not None and latest.id != run_id:
        raise conflict("watch.old", "The watch has looked again since: take the proposal of its newest run.")
    count = row.call_units if units is None else units
    if not count:
        raise conflict(
            "watch.proposal",
            "The watch proposes nothing to order back for this part. Make a parts request with the number you want.",
        )
    destination = site_id or actor.site_id or await queries.first_site(session, actor.company_id)
    if destination is None:
        raise conflict("watch.site", "Your company has no open site to bring units to: add one under Company.")
    # Before the first right ends, where that is sooner than an order for stock takes.
    left = timedelta(days=row.lapses_in * 365.25) if row.lapses_in == row.lapses_in else _STOCK
    needed = now + max(min(_STOCK, left), _LEAST)
    made = await sourcing.raise_request(
        session, actor, Asked(part_id, count, destination, needed, "stock_order", job_number="Coverage watch"), now
    )
    await fetch_value(
        session,
        "INSERT INTO watch_request (run_id, part_id, company_id, requisition_id, units, asked_by, asked_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING run_id",
        run_id, part_id, actor.company_id, made, count, actor.user_id, now,
    )  # fmt: skip
    return made
