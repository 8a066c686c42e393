"""From advice to a release: chosen lines become draft postings with the advised terms and minimum in one step, a draft for each set of
terms; what is decided otherwise keeps its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import numpy as np

from marketplace.advising import queries
from marketplace.advising.queries import AdviceRow, RowFilter, RunRow
from marketplace.advising.reckoning import Kind, parts_of, policy_from
from marketplace.agreements.combinations import COMBINATIONS
from marketplace.agreements.queries import clause_versions
from marketplace.db.session import WriteSession, execute
from marketplace.kit.errors import conflict, invalid
from marketplace.kit.money import Money
from marketplace.listings import queries as listed
from marketplace.listings import service as listings
from marketplace.listings.service import MAX_LINES, NewLine
from marketplace.parties.actor import Actor
from marketplace.planning.advice import Policy, money_of
from marketplace.planning.clauses import read

MOST_REASON = 500
_NAMED = 5


@dataclass(frozen=True, slots=True)
class _Choice:
    """What becomes of one part: ``release`` units under the terms ``preset``, of which partners keep ``floor``."""

    row: AdviceRow
    release: int
    preset: str | None
    floor: int
    reason: str | None = None


async def accept(
    session: WriteSession,
    actor: Actor,
    run_id: UUID,
    *,
    part_ids: Sequence[UUID] | None = None,
    wanted: RowFilter | None = None,
    use_class: str = "non_capital_spare",
    now: datetime,
) -> Sequence[UUID]:
    """Takes what is advised for these parts, or for all that ``wanted`` finds and nobody has decided on yet, into drafts: one for each
    set of terms. Nothing is published. Raises ``advice.nothing``, ``advice.taken``, ``advice.too_many``, ``advice.stock_changed``,
    ``advice.terms``, and what a draft raises; then nothing is kept."""
    run = await _done(session, actor, run_id)
    policy = policy_from(run.policy, run.totals)
    if part_ids is not None:
        rows = await queries.advice_rows(session, actor.company_id, run_id, part_ids)
    else:
        every = wanted or RowFilter()
        only = RowFilter(int(Kind.RELEASE), every.kind, every.marks, every.preset, every.number)
        if every.advice not in (None, Kind.RELEASE):
            raise invalid("advice.nothing", "Only parts with the advice to release can be taken into a posting.")
        # Of those that match, as many as were decided on already may stand in front.
        rows = await queries.rows(session, actor.company_id, run_id, only, limit=MAX_LINES + 1)
    rows = [r for r in rows if r.release > 0]
    before = await queries.decisions(session, actor.company_id, run_id, [r.part_id for r in rows])
    if part_ids is not None and before:
        names = [r.part_number for r in rows if r.part_id in before]
        raise conflict(
            "advice.taken",
            f"{_some(names)}: decided on already. Take {'it' if len(names) == 1 else 'them'} off the choice.",
        )
    rows = [r for r in rows if r.part_id not in before]
    if part_ids is None:
        # What was protected since the run stays; a line that somebody chose is refused by the draft, in words.
        stays = await listed.protected(session, actor.company_id, [r.part_id for r in rows])
        rows = [r for r in rows if r.part_id not in stays]
    if not rows:
        raise invalid(
            "advice.nothing", "Nothing to take: choose parts with the advice to release that nobody has decided on yet."
        )
    if len(rows) > MAX_LINES:
        raise invalid(
            "advice.too_many",
            f"These are more than {MAX_LINES:,} parts: narrow the filters, and take them in several steps.",
        )
    names = [policy.presets[r.preset] for r in rows]
    choices = [_Choice(r, r.release, n, min(read(n).floor, r.release)) for r, n in zip(rows, names, strict=True)]
    return await _take(session, actor, run, policy, choices, use_class, now)


async def decide_otherwise(
    session: WriteSession,
    actor: Actor,
    run_id: UUID,
    part_id: UUID,
    *,
    release: int,
    preset: str | None,
    floor: int,
    reason: str,
    use_class: str = "non_capital_spare",
    now: datetime,
) -> UUID | None:
    """Decides on one part otherwise than advised, and why: so many units into a draft, or none (0 keeps them all). Answers the draft.
    Raises ``advice.reason``, ``advice.units``, ``advice.taken``, and as ``accept``."""
    run = await _done(session, actor, run_id)
    row = await queries.advice_row(session, actor.company_id, run_id, part_id)
    said = reason.strip()
    if not 1 <= len(said) <= MOST_REASON:
        raise invalid(
            "advice.reason",
            f"Say why, in up to {MOST_REASON} characters: it is kept beside the advice.",
            field="reason",
        )
    if not 0 <= release <= row.stock:
        raise invalid("advice.units", f"Release 0 to {row.stock:,}: so many were free.", field="release")
    if release and preset not in COMBINATIONS:
        raise invalid("advice.terms", f"Choose the terms to release under: {', '.join(COMBINATIONS)}.", field="preset")
    if not release:
        floor = 0  # nobody is to keep units that are not released
    if not 0 <= floor <= release:
        raise invalid("advice.units", "The minimum to keep is from 0 to what is released.", field="floor")
    before = (await queries.decisions(session, actor.company_id, run_id, [part_id])).get(part_id)
    if before is not None and before.release_id is not None:
        raise conflict(
            "advice.taken", f"{row.part_number} is in the draft {before.reference} already: change it there."
        )
    choice = _Choice(row, release, preset if release else None, floor, said)
    made = await _take(session, actor, run, policy_from(run.policy, run.totals), [choice], use_class, now)
    return made[0] if made else None


async def _done(session: WriteSession, actor: Actor, run_id: UUID) -> RunRow:
    """The run, locked: two people who take the same lines at once take turns."""
    run = await queries.run_for_update(session, actor.company_id, run_id)
    if run.state != "done":
        raise conflict("advice.not_done", "This run has not ended: there is no advice to take yet.")
    return run


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")


async def _take(
    session: WriteSession,
    actor: Actor,
    run: RunRow,
    policy: Policy,
    choices: Sequence[_Choice],
    use_class: str,
    now: datetime,
) -> Sequence[UUID]:
    drafts: dict[str, UUID] = {}
    released = [c for c in choices if c.release]
    if released:
        lines = await _lines(session, actor, run, policy, released)
        published = {(c.clause, c.version) for c in await clause_versions(session)}
        for preset, some in lines.items():
            made = COMBINATIONS[preset]
            if not made.released(published):
                raise conflict(
                    "advice.terms",
                    f"Nothing can be posted under '{made.title}' yet: its clauses are not released. Ask for advice under other terms, or decide otherwise.",
                )
            drafts[preset] = await listings.draft(
                session, actor, title=f"{made.title}: advice of {run.created_at:%d %b %Y}", clause=made.first.clause, version=made.first.version,
                terms=made.first.terms, use_class=use_class, further=made.further,
            )  # fmt: skip
            await listings.set_lines(session, actor, drafts[preset], some)
    await execute(
        session,
        "INSERT INTO advice_decision (run_id, part_id, company_id, release, preset, floor, reason, release_id, decided_by, decided_at) "
        "SELECT $1, x.part, $2, x.release, x.preset, x.floor, x.reason, x.draft, $3, $4 "
        "FROM unnest($5::uuid[], $6::int[], $7::text[], $8::int[], $9::text[], $10::uuid[]) AS x (part, release, preset, floor, reason, draft)",
        run.id, actor.company_id, actor.user_id, now, [c.row.part_id for c in choices], [c.release for c in choices], [c.preset for c in choices],
        [c.floor for c in choices], [c.reason for c in choices], [drafts.get(c.preset or "") for c in choices],
    )  # fmt: skip
    return list(drafts.values())


async def _lines(
    session: WriteSession, actor: Actor, run: RunRow, policy: Policy, choices: Sequence[_Choice]
) -> Mapping[str, list[NewLine]]:
    """The lines of each draft, from where the units lie now, the fullest place first; in their order the minimum is laid on them."""
    part_ids = sorted({c.row.part_id for c in choices})
    await listed.stock_for_update(session, actor.company_id, part_ids)
    where: dict[UUID, list[queries.Place]] = {p: [] for p in part_ids}
    for place in await queries.places_of(session, actor.company_id, part_ids):
        where[place.part_id].append(place)
    short = [c.row.part_number for c in choices if sum(p.free for p in where[c.row.part_id]) < c.release]
    if short:
        raise conflict(
            "advice.stock_changed",
            f"{_some(short)}: fewer units are free by now than are to be released. Leave {'it' if len(short) == 1 else 'them'} out, or ask for advice anew.",
            part_numbers=short,
        )
    prices = _prices(policy, choices)
    found: dict[str, list[NewLine]] = {}
    for choice, price in zip(choices, prices, strict=True):
        left, floor = choice.release, choice.floor
        for place in where[choice.row.part_id]:
            some = min(place.free, left)
            if some <= 0:
                break
            keep = min(floor, some)
            line = NewLine(
                place.part_id,
                place.site_id,
                place.condition,
                some,
                Money(price, run.currency).rounded().amount,
                minimum_to_keep=keep,
            )
            found.setdefault(str(choice.preset), []).append(line)
            left, floor = left - some, floor - keep
    return found


def _prices(policy: Policy, choices: Sequence[_Choice]) -> list[Decimal]:
    """What the run took a partner to pay under the terms; 0 where no cost is known, for people to fill in."""
    names = ("stock", "rate", "cost", "rate_low", "rate_high", "decline", "marks", "hazard", "use_from", "level")
    parts = parts_of({name: np.array([getattr(c.row, name) for c in choices], dtype=np.float64) for name in names})
    by_terms = {
        name: np.asarray(money_of(parts, policy, read(name)).price) for name in {str(c.preset) for c in choices}
    }
    return [Decimal(str(round(float(by_terms[str(c.preset)][n]), 4))) for n, c in enumerate(choices)]
