"""Calls under an agreement that stands still: nothing is answered or shipped, and no time runs."""

from __future__ import annotations

from datetime import datetime, timedelta

from marketplace.agreements import queries as agreements
from marketplace.agreements import service as leave
from marketplace.agreements.stops import stopped_between
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
    """Whether the call's agreement stands still now: the clock leaves it alone."""
    return call.agreement_id is not None and await agreements.stands_still(session, call.agreement_id) is not None


async def caught_up(session: WriteSession, by: By, call: CallRow, now: datetime) -> CallRow:
    """The call with its deadlines moved by the time in which its agreement stood still since they were set (or moved last).
    Once for each stop, whoever comes first: the clock or a person."""
    if call.agreement_id is None or call.noticed_at is None:
        return call
    last: datetime | None = await fetch_value(
        session, "SELECT max(at) FROM call_event WHERE call_id = $1 AND kind = $2", call.id, MOVED
    )
    events = await agreements.stops(session, call.agreement_id)

    def stood_still(begun: datetime | None) -> timedelta:
        """Since a clock began, as far as it has not been counted before."""
        return stopped_between(events, max(begun, last or begun), now) if begun else timedelta()

    stopped, to_replace = stood_still(call.noticed_at), stood_still(call.received_at)
    if not stopped and not to_replace:
        return call
    await execute(
        session,
        "UPDATE call SET respond_by = respond_by + $2, ship_by = ship_by + $2, replace_by = replace_by + $3, "
        "acknowledge_by = acknowledge_by + $2, deliver_by = deliver_by + $2, default_from = default_from + $2 WHERE id = $1",
        call.id, stopped, to_replace,
    )  # fmt: skip
    await tell(session, by, call, MOVED, {"seconds": int((stopped or to_replace).total_seconds())}, now)
    return await queries.call(session, call.id)
