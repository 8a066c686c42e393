"""Looking at runs that are done: side by side, along their frontier, and beside what came of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.advising import queries
from marketplace.advising.comparing import MOST_COMPARED, demand_since, expected_since, figures
from marketplace.advising.overlay import months_of
from marketplace.advising.queries import AdviceRow, Came, DecisionRow, RunRow
from marketplace.kit.errors import conflict, invalid


async def compared(
    session: AsyncSession, company_id: UUID, run_ids: Sequence[UUID]
) -> Sequence[tuple[RunRow, Mapping[str, Any]]]:
    """Two to four runs with their figures (``comparing.figures``). Raises ``advice.compare``, ``advice.not_done``, ``advice.not_found``."""
    wanted = list(dict.fromkeys(run_ids))
    if not 2 <= len(wanted) <= MOST_COMPARED:
        raise invalid("advice.compare", f"Choose two to {MOST_COMPARED} runs to compare.", field="run")
    found = await queries.some_runs(session, company_id, wanted)
    return [(r, figures(_totals(r))) for r in found]


def frontier_of(run: RunRow) -> Mapping[str, Any]:
    """The totals of a run that has a frontier. Raises ``advice.not_done``."""
    return _totals(run)


def _totals(run: RunRow) -> Mapping[str, Any]:
    if run.totals is None:
        raise conflict("advice.not_done", "This run has not ended, or it failed: there is nothing to look at yet.")
    if "frontier" not in run.totals:
        raise conflict("advice.not_done", "This run is from before its frontier was kept: ask for advice anew.")
    return run.totals


@dataclass(frozen=True, slots=True)
class Outcome:
    """A part: what was advised, decided and came. ``demand``: units that files tell of since (None: none does), ``expected`` until now."""

    row: AdviceRow
    decision: DecisionRow | None
    came: Came
    demand: float | None
    expected: float

    @property
    def word(self) -> str:
        """How it was decided: advised, otherwise, or none."""
        return "none" if self.decision is None else "advised" if self.decision.reason is None else "otherwise"


async def came(session: AsyncSession, run: RunRow, rows: Sequence[AdviceRow], now: datetime) -> Sequence[Outcome]:
    """What came of these rows; as many statements for many as for one."""
    parts = [r.part_id for r in rows]
    decided = await queries.decisions(session, run.company_id, run.id, parts)
    since = await queries.came_of(session, run.company_id, run.id, parts, run.created_at)
    said: dict[UUID, list[tuple[int, Sequence[float]]]] = {}
    for part, one in await queries.said_of_parts(session, run.company_id, parts):
        said.setdefault(part, []).append((one.first, one.units))
    return [
        Outcome(
            r, decided.get(r.part_id), since[r.part_id], demand_since(months_of(said.get(r.part_id, [])), run.created_at),
            expected_since(r.rate, r.decline, run.created_at, now),
        )
        for r in rows
    ]  # fmt: skip
