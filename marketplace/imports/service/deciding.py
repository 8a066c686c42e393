"""Deciding on differences: an accepted one becomes a count in the ledger, never more than is free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from marketplace.db.session import WriteSession, execute
from marketplace.imports import queries
from marketplace.imports.queries import ProposalRow, Shelf
from marketplace.kit.errors import conflict, invalid, missing
from marketplace.kit.ids import command_id
from marketplace.ledger.entries import MAX_STEPS, Command, Place, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.service import carry_out
from marketplace.parties.actor import Actor

MAX_DECISIONS = 500
MAX_AT_ONCE = 2_000
"""Below the lines of one ledger command, since a difference may touch several positions."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What came of deciding: how many were accepted and dismissed, by how much the ledger changed, and how much of
    the differences stays because it is listed, reserved or under agreement. ``overtaken``: were to be accepted, but the
    place was counted after the file was made, or all units there have left since the file landed; what is on record stands
    and the difference is dismissed."""

    accepted: int
    dismissed: int
    overtaken: int
    counted_in: int
    counted_away: int
    left_as_shortage: int
    open: int


async def decide(
    session: WriteSession,
    actor: Actor,
    job_id: UUID,
    *,
    accept: Sequence[UUID] = (),
    dismiss: Sequence[UUID] = (),
    accept_all: Sequence[str] = (),
    dismiss_all: Sequence[str] = (),
    now: datetime,
) -> Decision:
    """Accepts and dismisses proposals of an import: those named, and all open ones of the kinds in ``accept_all`` and
    ``dismiss_all``, at most 2,000 at a time (``open`` says how many are left). Deciding again the same way changes
    nothing.

    What is free is read again under the locks of the lots: units listed or reserved meanwhile stay, and a place that was
    counted after the file was made stays as counted; units that have left since are not counted away again. Raises
    ``import.proposal_twice``, ``import.too_many``, ``import.proposal_not_found``, ``import.decided`` (the other way).
    """
    job = await queries.job(session, job_id)
    await queries.imports_for_update(session, job.company_id)
    named = [*accept, *dismiss]
    if len(set(named)) != len(named) or set(accept_all) & set(dismiss_all):
        raise invalid("import.proposal_twice", "A difference is named twice.", field="accept")
    if len(named) > MAX_DECISIONS or not (named or accept_all or dismiss_all):
        raise invalid("import.too_many", f"Decide on 1 to {MAX_DECISIONS} differences at a time.", field="accept")
    room = MAX_AT_ONCE - len(named)
    more = await queries.open_proposals(session, job_id, accept_all, besides=named, limit=room)
    accept = [*accept, *more]
    room -= len(more)
    dismiss = [*dismiss, *await queries.open_proposals(session, job_id, dismiss_all, besides=named, limit=room)]
    wanted = [*accept, *dismiss]
    found = {p.id: p for p in await queries.proposals_for_update(session, job_id, wanted)}
    # Whoever says "all" means what is open; what was decided until the lock was had is not.
    accept, dismiss = (
        [key for key in keys if key in named or (key in found and found[key].decided is None)]
        for keys in (accept, dismiss)
    )
    if any(key not in found for key in named):
        raise missing("import.proposal_not_found", "One of these differences is not there.")
    for ids, word in ((accept, "accepted"), (dismiss, "dismissed")):
        for key in ids:
            if found[key].decided not in (None, word):
                raise conflict("import.decided", f"One of these differences was {found[key].decided} already.")
    open_now = [found[key] for key in accept if found[key].decided is None]
    # Under the locks of the lots, so that no count comes in between.
    await queries.lots_for_update(session, [p.lot_id for p in open_now if p.lot_id])
    counted = await queries.counted_since(session, job, [p.id for p in open_now])
    moved = await queries.moved_since(session, job, [p.id for p in open_now if p.id not in counted])
    left_since = {key for key, there in moved.items() if not there}
    overtaken = counted | left_since
    open_now = [p for p in open_now if p.id not in overtaken]
    accept = [key for key in accept if key not in overtaken]
    rising = sorted({p.site_id for p in open_now if p.kind == "more"})
    if closed := await queries.closed_sites_for_share(session, job.company_id, rising):
        raise conflict(
            "import.site_closed",
            f"{', '.join(closed)} {'was' if len(closed) == 1 else 'were'} closed since: nothing is counted in there, and "
            "nothing was decided. Dismiss those differences, or open the site again under Company.",
        )
    steps, short = await _steps(session, job.company_id, open_now, moved)
    if steps:
        key = command_id("import.decide", job_id, *sorted(p.id for p in open_now))
        command = Command(key, job.company_id, actor.user_id, tuple(steps), "import", job_id)
        await carry_out(session, command, now)
    for ids, word in ((accept, "accepted"), (dismiss, "dismissed")):
        await execute(
            session,
            "UPDATE import_proposal SET decided = $2, decided_at = $3, decided_by = $4 "
            "WHERE id = ANY($1::uuid[]) AND decided IS NULL",
            list(ids), word, now, actor.user_id,
        )  # fmt: skip
    for late, why in ((counted, "counted_since"), (left_since, "left_since")):
        if late:
            await execute(
                session,
                "UPDATE import_proposal SET decided = 'dismissed', decided_at = $2, decided_by = $3, "
                "detail = detail || jsonb_build_object($4::text, true) WHERE id = ANY($1::uuid[]) AND decided IS NULL",
                list(late), now, actor.user_id, why,
            )  # fmt: skip
    arriving = sum(s.quantity for s in steps if s.to is not None and s.kind is Kind.COUNT_ADJUST)
    leaving = sum(s.quantity for s in steps if s.to is None)
    left = await queries.count_open(session, job_id)
    return Decision(len(accept), len(dismiss), len(overtaken), arriving, leaving, short, sum(left.values()))


async def _steps(
    session: WriteSession, company_id: UUID, accepted: Sequence[ProposalRow], moved: Mapping[UUID, int]
) -> tuple[list[Step], int]:
    """The counts that bring the ledger to the file, and what cannot be brought. ``moved``: how many are still there where
    some have left since; no more than those can be short. The lots are locked."""
    lots = [p.lot_id for p in accepted if p.lot_id]
    if not lots:
        return [], sum(p.quantity_before - p.quantity_file for p in accepted if p.kind != "more")
    shelves: dict[tuple[UUID, UUID], list[Shelf]] = {}
    for shelf in await queries.shelves(session, company_id, lots):
        shelves.setdefault((shelf.lot_id, shelf.site_id), []).append(shelf)
    steps: list[Step] = []
    short = 0
    for p in accepted:
        here = shelves.get((p.lot_id, p.site_id), []) if p.lot_id else []
        if p.kind == "condition" and p.lot_id:
            graded = next((s for s in here if s.loose and s.condition == p.detail["was"]), None)
            if graded is None:
                short += p.quantity_file
                continue
            place = Place(company_id, company_id, p.site_id, p.detail["is"])
            steps.append(Step(Kind.REGRADE, p.lot_id, p.quantity_file, graded.position_id, to=place, reason="import"))
            continue
        if p.kind == "more" and p.lot_id:
            if not p.applicable:
                continue
            condition = here[0].condition if here else "new"
            place = Place(company_id, company_id, p.site_id, condition)
            steps.append(Step(Kind.COUNT_ADJUST, p.lot_id, p.applicable, to=place, reason="import"))
            continue
        left = p.quantity_before - p.quantity_file
        left = min(left, moved.get(p.id, left))
        for shelf in here:
            cut = min(left, shelf.loose)
            if cut and p.lot_id:
                steps.append(Step(Kind.COUNT_ADJUST, p.lot_id, cut, shelf.position_id, reason="import"))
                left -= cut
        short += left
    if len(steps) > MAX_STEPS:
        raise invalid("import.too_many", "Decide on fewer differences at a time.", field="accept")
    return steps, short
