"""Calls under an agreement that stands still, or of units that their maker has stopped: nothing ships, and no time runs."""

from __future__ import annotations

from datetime import datetime

from marketplace.agreements import queries as agreements
from marketplace.agreements import service as leave
from marketplace.agreements.stops import Span, lasted, moved_by, stopped_between, together
from marketplace.db.session import WriteSession, execute, fetch_value
from marketplace.parties.actor import By
from marketplace.sourcing import queries
from marketplace.sourcing.queries import CallRow
from marketplace.sourcing.service.shared import tell

MOVED = "clock_moved"


async def require_live(session: WriteSession, call: CallRow) -> None:
    """Raises ``agreement.suspended`` or ``agreement.legal_hold``. Asked after the lots are locked."""
    if call.agreement_id is not None:
        await leave.require_live(session, call.agreement_id)


async def still(session: WriteSession, call: CallRow) -> bool:
    """Whether the call's agreement stands still now, or its units are stopped: the clock leaves it alone."""
    if call.agreement_id is not None and await agreements.stands_still(session, call.agreement_id) is not None:
        return True
    return call.shipped_at is None and await queries.units_stopped(session, call)


async def inspection_stands_still(session: WriteSession, call: CallRow) -> bool:
    """Whether the time to inspect does not run now: under the second library no period runs while its agreement stands still."""
    return await still(session, call) and bool(await agreements.second_library(session, [call.agreement_id or call.id]))


async def caught_up(session: WriteSession, by: By, call: CallRow, now: datetime) -> CallRow:
    """The call with its deadlines moved by the time in which its agreement stood still, or its units were stopped, since they were set (or moved last).
    Once for each stop, whoever comes first: the clock or a person."""
    if call.agreement_id is None or call.noticed_at is None:
        return call
    last: datetime | None = await fetch_value(
        session, "SELECT max(at) FROM call_event WHERE call_id = $1 AND kind = $2", call.id, MOVED
    )
    events = await agreements.stops(session, call.agreement_id)

    held = await queries.times_stopped(session, call, call.shipped_at or now)

    def not_shippable() -> tuple[Span, ...]:
        """Since the order's clock began, in which its units could not be shipped."""
        since = max(call.noticed_at or now, last or call.noticed_at or now)
        return tuple((max(begun, since), ended) for begun, ended in held if ended > since)

    def stood_still(begun: datetime | None) -> tuple[Span, ...]:
        """Since a clock began, as far as it has not been counted before."""
        return stopped_between(events, max(begun, last or begun), now) if begun else ()

    stopped, to_replace = together(stood_still(call.noticed_at), not_shippable()), stood_still(call.received_at)
    if not stopped and not to_replace:
        return call
    zone = (await agreements.second_library(session, [call.agreement_id])).get(call.agreement_id)

    def later(deadline: datetime | None, spans: tuple[Span, ...], *, hours: bool = False) -> datetime | None:
        """Days of the second library end as days; hours, and days of the first, move to the minute."""
        return moved_by(deadline, spans, zone or call.zone, exact=hours or zone is None) if deadline else None

    hours = call.urgency == "machine_down"
    await execute(
        session,
        "UPDATE call SET respond_by = $2, ship_by = $3, acknowledge_by = $4, deliver_by = $5, default_from = $6, "
        "replace_by = $7, inspect_by = $8 WHERE id = $1",
        call.id,
        *(later(d, stopped, hours=hours) for d in (call.respond_by, call.ship_by, call.acknowledge_by, call.deliver_by)),
        later(call.default_from, stopped), later(call.replace_by, to_replace),
        # The first library does not say that the time to inspect stands still, too.
        later(call.inspect_by, to_replace) if zone else call.inspect_by,
    )  # fmt: skip
    await tell(session, by, call, MOVED, {"seconds": int(lasted(stopped or to_replace).total_seconds())}, now)
    return await queries.call(session, call.id)
