"""Acts by which a holder takes out units that stayed the maker's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from marketplace.agreements import service as leave
from marketplace.agreements.outcomes import Act
from marketplace.db.session import WriteSession
from marketplace.holdings.proposal import Take
from marketplace.parties.actor import Actor


async def taken_out(
    session: WriteSession,
    actor: Actor,
    takes: Sequence[Take],
    act: Act,
    act_id: UUID,
    taken_at: datetime,
    now: datetime,
) -> dict[int, UUID]:
    """What of ``takes`` is the maker's and is taken out by this act is owed for. By index: the leave by which title passes
    before the act, where it passes with it. The caller has leave for the act itself."""
    groups: dict[tuple[UUID, UUID], list[int]] = {}
    for index, take in enumerate(takes):
        place = take.line.place
        if place.agreement is not None and place.owner == place.beneficiary:
            groups.setdefault((place.agreement, take.line.part_id), []).append(index)
    titles: dict[int, UUID] = {}
    for (agreement_id, part_id), indexes in groups.items():
        given = await leave.take_out(
            session, actor, agreement_id=agreement_id, part_id=part_id, act=act,
            lots=[(takes[i].line.lot_id, takes[i].quantity) for i in indexes], act_id=act_id, taken_at=taken_at, now=now,
        )  # fmt: skip
        titles |= {i: permit for i, permit in zip(indexes, given, strict=True) if permit is not None}
    return titles
