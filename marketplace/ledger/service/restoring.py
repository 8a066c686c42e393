"""What was restored is compared with what had been published: outside of the database, so that it can be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from marketplace.db.session import ReadSession
from marketplace.ledger.log.notes import Checkpoint
from marketplace.ledger.queries import CHECKS, verify
from marketplace.ledger.queries import log as queries
from marketplace.ledger.service.signing import root_at
from marketplace.ledger.service.verifying import verify_log

AT_ONCE: Final = timedelta(seconds=5)
"""Clocks of two machines, and the moment between committing and publishing: what was published so shortly before the time that was
restored may be missing."""


@dataclass(slots=True)
class Verdict:
    """What was found to hold and what not, in sentences; ``beyond``: what was published and is not in what was restored."""

    holds: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    beyond: Checkpoint | None = None


async def judge_restored(
    session: ReadSession,
    history: Sequence[tuple[datetime, Checkpoint]],
    to: datetime | None,
    progress: Callable[[int], None] | None = None,
) -> Verdict:
    """Compares the log with what was published up to ``to`` (None: at any time), and recomputes log, stock lines and reservations.
    ``history``: what was published when, the oldest first."""
    verdict = Verdict()
    await _published(session, history, to, verdict)
    log = await verify_log(session, progress)
    if log.faults:
        verdict.faults += log.faults
    else:
        verdict.holds.append(
            f"The whole log was recomputed: {log.entries:,} entries, {log.checkpoints:,} signed sizes, every root and signature."
        )
    for name in CHECKS:
        found = await verify(session, name)
        if found:
            one = found[0]
            verdict.faults.append(
                f"Not so: {name}. First: lot {one.lot_id} #{one.number}, kept {one.kept}, rebuilt {one.rebuilt}."
            )
        else:
            verdict.holds.append(f"{name[0].upper()}{name[1:]}.")
    return verdict


async def _published(
    session: ReadSession, history: Sequence[tuple[datetime, Checkpoint]], to: datetime | None, verdict: Verdict
) -> None:
    state = await queries.state(session)
    size, origin = (state.size, state.origin) if state is not None else (0, "")
    due = [(at, point) for at, point in history if to is None or at <= to]
    missing = [(at, point) for at, point in due if point.size > size]
    late = [at for at, _ in missing if to is not None and to - at <= AT_ONCE]
    if len(missing) > len(late):
        at, point = next((a, p) for a, p in missing if a not in late)
        verdict.faults.append(
            f"Published by {at.isoformat(timespec='seconds')} was size {point.size:,}; what was restored has {size:,} entries."
        )
    inside = [(at, point) for at, point in due if point.size <= size]
    wrong = [(at, p) for at, p in inside if p.origin != origin or await root_at(session, p.size) != p.root]
    for at, point in wrong[:5]:
        verdict.faults.append(
            f"The root at size {point.size:,} is not the one that was published at {at.isoformat(timespec='seconds')}."
        )
    if inside and not wrong:
        at, point = inside[-1]
        verdict.holds.append(
            f"The root at size {point.size:,} is the one that was published at {at.isoformat(timespec='seconds')} "
            f"({point.root.hex()[:16]}…), the last before the time restored; so is each of the {len(inside) - 1:,} before it that are kept."
        )
    elif not due:
        verdict.holds.append("Nothing had been published by that time, as far as is kept outside of the database.")
    beyond = [point for _, point in history if point.size > size]
    verdict.beyond = beyond[-1] if beyond else None
