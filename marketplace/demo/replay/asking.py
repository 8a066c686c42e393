"""One request as the people of the manufacturer make it, through the services: look where units are, plan, reserve or be refused.

Looking is a transaction that reads, as a page's is: the nearest places, as a search for several numbers looks, without the clause's
reasons. The order is another one: the parts request, its plan over every place, made after all units in question are locked, and the
reservations and orders of the plan. Where nothing can be ordered nothing stays of it. A unit that is gone between the two has the
request look again.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from marketplace.db.session import Database, ReadSession, Tenant, WriteSession, driver, plan_once
from marketplace.demo.replay.stream import Asking
from marketplace.demo.replay.tally import (
    LEFT_OUT,
    MET,
    NO_QUANTITY,
    NOT_KNOWN,
    NOTHING_LEFT,
    OTHER_UNIT,
    PARTLY,
    UNMET,
    WHY,
    Tally,
)
from marketplace.kit.errors import DomainError, Kind
from marketplace.parties.actor import Actor
from marketplace.parts.numbers import parse_list
from marketplace.parts.queries import find_exactly
from marketplace.sourcing import queries, service
from marketplace.sourcing.freight import Point
from marketplace.sourcing.service.ordering import Choice, Ordered
from marketplace.sourcing.service.requesting import Planned

PLACES: Final = 12
"""Places that looking shows; the plan weighs all of them."""
LOOKS: Final = 4
"""So often a request looks before it gives up: others are faster each time."""
_NEEDED: Final = {"machine_down": timedelta(days=2), "urgent": timedelta(days=7), "stock_order": timedelta(days=30)}


@dataclass(frozen=True, slots=True)
class Desk:
    """Who asks, and where units come to. ``run`` marks the parts requests of this replay (as their job number)."""

    run: str
    technician: Actor
    planner: Actor
    to: Mapping[str, UUID | None]
    points: Mapping[UUID, Point]

    def who(self, asking: Asking) -> Actor:
        """Stock orders are the planner's."""
        return self.planner if asking.urgency == "stock_order" else self.technician


@dataclass(frozen=True, slots=True)
class Seen:
    """What looking found: the part, how many can be ordered, and what keeps the others, by units."""

    part_id: UUID
    callable: int
    unit: str
    there: int
    blocked: Counter[str]


class Counted:
    """A connection of its own whose statements are counted, for a sample of the requests: counting costs time."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.lock = asyncio.Lock()
        self._seen = 0
        self._listening = False

    async def listen(self) -> None:
        """Begins to count on the pool's only connection."""
        async with self.database.read() as session:
            (await driver(session)).add_query_logger(self._note)

    def _note(self, _: object) -> None:
        self._seen += 1

    def taken(self) -> int:
        """How many since the last time."""
        seen, self._seen = self._seen, 0
        return seen


async def answer(database: Database, desk: Desk, asking: Asking, now: datetime, tally: Tally) -> None:
    """Asks once and counts what came of it. Only what nobody expects is raised."""
    began = time.perf_counter()
    outcome, reason = await _asked(database, desk, asking, now, tally)
    tally.time(f"request, {outcome}", time.perf_counter() - began)
    tally.asked += 1
    tally.units_asked += asking.record.quantity
    tally.outcomes[outcome] += 1
    if reason:
        tally.reasons[reason] += 1
    record = asking.record
    recorded = record.outcome if record.outcome == "shipped" else f"{record.outcome}: {record.reason.replace('_', ' ')}"
    tally.recorded[recorded, outcome] += 1


async def _asked(database: Database, desk: Desk, asking: Asking, now: datetime, tally: Tally) -> tuple[str, str | None]:
    record = asking.record
    if not record.nsn:
        return UNMET, LEFT_OUT
    if record.quantity < 1:
        return UNMET, NO_QUANTITY
    actor, site = desk.who(asking), desk.to[record.place]
    assert site is not None  # noqa: S101 - every place has one
    code, seen = "busy", None
    for _ in range(LOOKS):
        began = time.perf_counter()
        try:
            async with database.read(Tenant(actor.company_id)) as session:
                seen = await look(session, actor, asking, desk.points[site], now)
            tally.time("locate", time.perf_counter() - began)
            if seen is None:
                return UNMET, NOT_KNOWN
            if seen.unit != record.unit:
                return UNMET, OTHER_UNIT
            began = time.perf_counter()
            async with database.write(Tenant(actor.company_id)) as writing:
                _, reserved, ordered = await order_by_plan(writing, desk, actor, asking, seen.part_id, site, now)
        except DomainError as refused:
            code = refused.code
            if refused.kind is Kind.BUSY:
                tally.busy += 1
                continue
            tally.time("plan and refuse", time.perf_counter() - began)
            if seen is None or not seen.callable:
                return UNMET, _why(seen)
            tally.retries += 1
            continue
        tally.time("plan and reserve", time.perf_counter() - began)
        tally.units_reserved += reserved
        tally.orders += len(ordered.calls)
        tally.awaiting_approval += ordered.awaiting_approval
        return (MET if reserved == record.quantity else PARTLY), None
    return UNMET, WHY.get(code.rpartition(".")[2], f"refused: {code}")


def _why(seen: Seen | None) -> str:
    if seen is None or not seen.there or not seen.blocked:
        return NOTHING_LEFT
    # Of two with as many units the one that is first by its code: the same answer each time.
    code = min(seen.blocked, key=lambda one: (-seen.blocked[one], one))
    return WHY.get(code, code.replace("_", " "))


async def look(session: ReadSession, actor: Actor, asking: Asking, to: Point, now: datetime) -> Seen | None:
    """The nearest places with units of the number that is asked for; None where no part has it."""
    (number,) = parse_list(asking.record.nsn)
    found = (await find_exactly(session, [number])).get(number.norm, ())
    if not found:
        return None
    part = found[0]
    await plan_once(session)
    located = await queries.locate(
        session, actor, [part], destination=to, urgency=asking.urgency, now=now, with_related=False, explain=False, most=PLACES
    )  # fmt: skip
    candidates = located.candidates[part]
    blocked: Counter[str] = Counter()
    for c in candidates:
        blocked.update({b.code: b.quantity for b in c.blocked})
    return Seen(
        part, sum(c.most(asking.record.quantity) for c in candidates), located.catalogue[part].uom,
        sum(c.quantity for c in candidates), blocked,
    )  # fmt: skip


async def order_by_plan(
    session: WriteSession, desk: Desk, actor: Actor, asking: Asking, part: UUID, site: UUID, now: datetime
) -> tuple[UUID, int, Ordered]:
    """The parts request, how many units its plan reserves, and the orders; raises what the services raise."""
    asked = service.Asked(
        part, asking.record.quantity, site, now + _NEEDED[asking.urgency], asking.urgency, job_number=desk.run,
        machine_model="replayed", machine_serial=str(asking.number),
    )  # fmt: skip
    chosen = 0

    def by_plan(planned: Planned) -> list[Choice] | None:
        nonlocal chosen
        chosen = sum(c.quantity for c in planned.allocation.chosen)
        return None

    requisition = await service.raise_request(session, actor, asked, now)
    ordered = await service.confirm(session, actor, requisition, by_plan, now)
    return requisition, chosen, ordered
