"""Time that stood still under an agreement: what notices had left of theirs goes on from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from marketplace.agreements import queries
from marketplace.agreements.notice import Notice
from marketplace.agreements.stops import last_stop, moved_by
from marketplace.db.session import WriteSession, execute


async def restart_notices(session: WriteSession, going_on: Mapping[UUID, datetime]) -> None:
    """While an agreement stood still no time ran: what of its notices had not run out when it stopped moves by that time, to the
    end of a day where the second library counts days. To be called once agreements, which are locked, go on, with the event of
    it written at the moment given for each; what still stands still is left alone."""
    stops = {
        agreement_id: stop
        for agreement_id, events in (await queries.stops_of(session, list(going_on))).items()
        if (stop := last_stop(events)) is not None and stop[1] == going_on[agreement_id]
    }
    if not stops:
        return
    zones = await queries.second_library(session, list(stops))
    moved: list[Notice] = []
    for notice in await queries.stood_notices_for_update(session, list(stops)):
        after = _moved(notice, *stops[notice.agreement_id], zones.get(notice.agreement_id))
        if after is not None:
            moved.append(after)
    await execute(
        session,
        "UPDATE notice n SET answer_by = m.answer_by, clear_from = m.clear_from, clear_until = m.clear_until "
        "FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[]) "
        "AS m (id, answer_by, clear_from, clear_until) WHERE n.id = m.id",
        [n.id for n in moved], [n.answer_by for n in moved], [n.clear_from for n in moved], [n.clear_until for n in moved],
    )  # fmt: skip


def _moved(notice: Notice, begun: datetime, ended: datetime, zone: str | None) -> Notice | None:
    """The notice after a stop of that time; None where it had run out before. ``zone``: of the days that the second library
    counts."""
    clears = notice.clear_until is not None and notice.clear_until > begun
    if notice.at > ended or not (clears or notice.answer_by > begun):
        return None

    def later(deadline: datetime | None) -> datetime | None:
        if deadline is None or deadline <= begun:
            return deadline
        return moved_by(deadline, [(begun, ended)], zone or "UTC", exact=zone is None)

    return replace(
        notice, answer_by=later(notice.answer_by) or notice.answer_by, clear_from=later(notice.clear_from),
        clear_until=later(notice.clear_until),
    )  # fmt: skip
