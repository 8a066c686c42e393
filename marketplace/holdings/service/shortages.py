"""What a count that finds fewer units means under the agreements on them: within what the clause tolerates the record is put
right; otherwise it is a breach, which is said at once, and the holder counts again and says where the units are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from marketplace.agreements import phrases
from marketplace.agreements import queries as agreements
from marketplace.agreements import service as leave
from marketplace.agreements.covered import Covered
from marketplace.agreements.deadlines import after_days
from marketplace.agreements.missing import Shortage, concluded_from, shortage, told
from marketplace.db.session import WriteSession, acting_for, execute, fetch_value
from marketplace.holdings import queries
from marketplace.holdings.proposal import Line, Take
from marketplace.holdings.queries import ShortageRow
from marketplace.kit.money import Money
from marketplace.outbox.service import emit
from marketplace.parties.actor import Actor
from marketplace.parties.queries import people_to_tell


@dataclass(frozen=True, slots=True)
class Finding:
    """What a count says under one agreement: so many of its units missing here, and which of them put the record right.
    ``known``: None under terms that say nothing about counts."""

    covered: Covered
    missing: int
    known: Shortage | None
    adjust: tuple[Take, ...]
    open: ShortageRow | None

    @property
    def breach(self) -> bool:
        """Whether the clause calls it one."""
        return self.known is not None and self.missing > 0 and self.known.result.breach

    @property
    def words(self) -> str:
        """The breach in words, with the section and what is at stake."""
        return f"{self.covered.reference}: {told(self.known)}" if self.known else ""


async def findings(
    session: WriteSession, actor: Actor, site_id: UUID, lines: Sequence[Line], missing: Sequence[Take], now: datetime
) -> list[Finding]:
    """What the agreements on these lines say to a count that did not find ``missing``. The lots are locked; agreements and
    shortages are locked here."""
    pairs = list(dict.fromkeys((x.place.agreement, x.part_id) for x in lines if x.place.agreement is not None))
    if not pairs:
        return []
    await agreements.agreements_for_update(session, [agreement for agreement, _ in pairs])
    covered = await agreements.terms_and_facts(session, pairs)
    on_shelf = await queries.shortages_for_update(
        session, holder_id=actor.company_id, site_id=site_id, part_id=pairs[0][1]
    )
    found = []
    for known in covered.values():
        if known.holder_id != actor.company_id or known.terms.generation == 1:
            continue
        takes = [t for t in missing if t.line.place.agreement == known.agreement_id]
        gone = sum(t.quantity for t in takes)
        before = await queries.with_those_before(session, known.agreement_id)
        standing = next((s for s in on_shelf if s.agreement_id in before), None)
        elsewhere = await queries.missing_elsewhere(session, known.agreement_id, known.part_id, site_id)
        charged = Money(
            await queries.charged(session, known.agreement_id, known.part_id), known.facts.sale_price.currency
        )
        said = shortage(known.clauses, known.facts, gone + elsewhere, now, charged)
        right: tuple[Take, ...] = ()
        if said is not None and not said.result.breach:
            right = tuple(
                Take(t.line, min(t.quantity, t.line.free)) for t in takes if t.line.serial is None and t.line.free > 0
            )
        found.append(Finding(known, gone, said, right, standing))
    return found


async def keep(session: WriteSession, actor: Actor, site_id: UUID, found: Finding, now: datetime) -> datetime | None:
    """Opens a shortage, brings one that is open up to date, or ends it because the units were found. Returns until when the
    holder says where they are, of a breach."""
    if not found.breach:
        if found.open is not None:
            await execute(
                session, "UPDATE shortage SET status = 'found', ended_at = $2 WHERE id = $1", found.open.id, now
            )
            detail = {"part_id": found.covered.part_id, "note": "Counted again: the units were found."}
            await _note(session, actor, found.covered, "shortage_ended", detail, now)
        return None
    known, covered = found.known, found.covered
    assert known is not None  # noqa: S101 - a breach is known
    result, words = known.result, told(known)
    values = (
        result.recorded, result.tolerated, result.below_minimum, known.at_stake.rounded().amount, words, now, actor.user_id,
    )  # fmt: skip
    if found.open is not None:
        await execute(
            session,
            "UPDATE shortage SET recorded = $2, tolerated = $3, below_minimum = $4, at_stake = $5, words = $6, counted_at = $7, "
            "counted_by = $8, missing = answered + $9 WHERE id = $1",
            found.open.id, *values, found.missing,
        )  # fmt: skip
        await _note(session, actor, covered, "shortage_counted", {"part_id": covered.part_id, "note": words}, now)
        return found.open.explain_by
    by = after_days(now, known.terms.report_within_days, covered.facts.zone)
    made: UUID = await fetch_value(
        session,
        "INSERT INTO shortage (agreement_id, part_id, maker_id, holder_id, site_id, recorded, tolerated, below_minimum, at_stake, "
        "words, opened_at, counted_by, counted_at, missing, currency, explain_by, conclude_from) "
        "VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$11,$13,$14,$15,$16) RETURNING id",
        covered.agreement_id, covered.part_id, covered.maker_id, covered.holder_id, site_id, *values, found.missing,
        known.at_stake.currency, by, concluded_from(covered.clauses, covered.facts, by),
    )  # fmt: skip
    detail = {"shortage": made, "part_id": covered.part_id, "note": words, "explain_by": by}
    await _note(session, actor, covered, "shortage", detail, now)
    await _tell(session, covered, made, found.missing, words, detail)
    return by


async def _note(
    session: WriteSession, actor: Actor, covered: Covered, kind: str, detail: Mapping[str, Any], now: datetime
) -> None:
    sides = (covered.maker_id, covered.holder_id)
    await leave.note(session, covered.agreement_id, sides, kind, actor, now, dict(detail))


async def _tell(
    session: WriteSession, covered: Covered, made: UUID, missing: int, words: str, detail: Mapping[str, Any]
) -> None:
    """The manufacturer's planners read of the breach."""
    payload: dict[str, Any] = {"reference": covered.reference, **detail}
    async with acting_for(session, covered.maker_id):
        to = await people_to_tell(session, covered.maker_id, ("planner", "admin"))
    if to:
        payload["mail"] = {
            "to": to, "subject": f"{covered.reference}: a count found {phrases.count(missing, 'unit')} fewer than recorded",
            "text": f"{covered.holder} counted. {words} It says by {phrases.deadline(detail['explain_by'], covered.facts.zone)} "
            "where they are.",
            "link": f"/agreements/{covered.agreement_id}",
        }  # fmt: skip
    await emit(session, "holding.shortage", "shortage", made, (covered.maker_id, covered.holder_id), payload)
