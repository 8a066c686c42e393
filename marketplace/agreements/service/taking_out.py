"""Units that stay the manufacturer's are taken out: by the holder's act, by use without leave, or because they lie too long or
the window has ended. What is taken out is owed for; settlement listens to ``agreement.taken_out``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from marketplace.agreements import queries
from marketplace.agreements.clauses.title_kept import end_by, must_buy
from marketplace.agreements.covered import Covered
from marketplace.agreements.outcomes import Act
from marketplace.agreements.phrases import count
from marketplace.agreements.queries import retained
from marketplace.agreements.service.noticing import covered_part
from marketplace.agreements.service.standing import note, tell_both
from marketplace.agreements.service.titling import steps_of_title
from marketplace.agreements.term_kinds import Title
from marketplace.agreements.terms_v2 import TitleKeptV1
from marketplace.agreements.title import kept_by
from marketplace.db.session import WriteSession, acting_for, execute, fetch_value
from marketplace.kit.clock import local_day
from marketplace.kit.errors import invalid
from marketplace.kit.ids import command_id
from marketplace.ledger.entries import Command
from marketplace.ledger.kinds import Kind
from marketplace.ledger.service import add_permits, carry_out
from marketplace.outbox.service import emit
from marketplace.parties.actor import By

_LEAVE = timedelta(hours=1)
TAKES_OUT = frozenset({Act.USE, Act.INSTALL, Act.RESELL})
"""Acts by which units are taken out. Scrapping with consent is none: nothing is owed for it."""


async def take_out(
    session: WriteSession,
    by: By,
    *,
    agreement_id: UUID,
    part_id: UUID,
    act: Act,
    lots: Sequence[tuple[UUID, int]],
    act_id: UUID,
    taken_at: datetime,
    now: datetime,
) -> list[UUID | None]:
    """The holder takes (lot, quantity) out by ``act``, for which it has leave (``permits_for_act``, which locked the
    agreement): their price is owed. Returns, in order, the leave by which title passes first where the units are on
    consignment; None where it passes with the payment. ``act_id``: the act's ledger command."""
    covered = await covered_part(session, agreement_id, part_id)
    kept = kept_by(covered.clauses)
    if kept is None or act not in TAKES_OUT:
        return [None for _ in lots]
    quantity = sum(q for _, q in lots)
    await _write(session, by, covered, kept, quantity, act.value, taken_at, now, act_id=act_id)
    if kept.title is not Title.CONSIGNED:
        return [None for _ in lots]
    permits = [(lot, uuid4(), Kind.TITLE, q) for lot, q in lots]
    await add_permits(
        session, agreement_id=agreement_id, company_id=covered.holder_id, maker_id=covered.maker_id, permits=permits,
        expires_at=now + _LEAVE, reason="taken_out",
    )  # fmt: skip
    return [permit for _, permit, _, _ in permits]


async def note_taken_without_leave(
    session: WriteSession,
    by: By,
    *,
    agreement_id: UUID,
    part_id: UUID,
    quantity: int,
    act_id: UUID,
    taken_at: datetime,
    now: datetime,
) -> UUID | None:
    """Units placed under title-kept turn out to have been used, sold or scrapped without leave: they count as taken out on
    that day, and their price is owed. The caller puts the ledger right by the command ``act_id``, and has locked lots and
    agreement. None for units that were sold."""
    covered = await covered_part(session, agreement_id, part_id)
    kept = kept_by(covered.clauses)
    if kept is None:
        return None
    return await _write(session, by, covered, kept, quantity, "without_leave", taken_at, now, act_id=act_id)


async def undo_taking_out(
    session: WriteSession, by: By, *, act_id: UUID, part_id: UUID, quantity: int, now: datetime
) -> UUID | None:
    """An act was recorded wrongly and is taken back for so many units: they were not taken out, and what is owed for them is
    taken back too. None where the act took nothing out."""
    out = await retained.taken_by_command(session, act_id, part_id)
    if out is None:
        return None
    if quantity > out.quantity - out.undone:
        raise invalid("act.quantity", "All of these units were put back already.", field="quantity")
    made: UUID = await fetch_value(
        session,
        "INSERT INTO taking_out (agreement_id, part_id, maker_id, holder_id, quantity, unit_price, why, on_payment, taken_at, "
        "due_on, undoes_id, company_id, actor_id, at) SELECT agreement_id, part_id, maker_id, holder_id, $2, unit_price, why, "
        "on_payment, taken_at, due_on, id, $3, $4, $5 FROM taking_out WHERE id = $1 RETURNING id",
        out.id, quantity, by.company_id, by.user_id, now,
    )  # fmt: skip
    await _tell(session, made, out.agreement_id, (out.maker_id, out.holder_id), by, now, "put_back", part_id, quantity)
    return made


async def _write(
    session: WriteSession,
    by: By,
    covered: Covered,
    kept: TitleKeptV1,
    quantity: int,
    why: str,
    taken_at: datetime,
    now: datetime,
    *,
    act_id: UUID | None = None,
    due_by: datetime | None = None,
) -> UUID:
    zone = covered.facts.zone
    due = local_day(taken_at, zone) + timedelta(days=kept.withdrawal_days)
    if due_by is not None:
        due = local_day(due_by - timedelta(microseconds=1), zone)
    made: UUID = await fetch_value(
        session,
        "INSERT INTO taking_out (agreement_id, part_id, maker_id, holder_id, quantity, unit_price, why, on_payment, taken_at, "
        "due_on, command_id, company_id, actor_id, at) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14) RETURNING id",
        covered.agreement_id, covered.part_id, covered.maker_id, covered.holder_id, quantity,
        covered.facts.sale_price.amount, why, kept.title is Title.RETAINED_UNTIL_PAID, taken_at, due, act_id, by.company_id,
        by.user_id, now,
    )  # fmt: skip
    sides = (covered.maker_id, covered.holder_id)
    await _tell(session, made, covered.agreement_id, sides, by, now, "taken_out", covered.part_id, quantity)
    return made


async def _tell(
    session: WriteSession,
    made: UUID,
    agreement_id: UUID,
    sides: tuple[UUID, UUID],
    by: By,
    now: datetime,
    kind: str,
    part_id: UUID,
    quantity: int,
) -> None:
    await note(session, agreement_id, sides, kind, by, now, {"part_id": part_id, "quantity": quantity})
    await emit(session, f"agreement.{kind}", "agreement", agreement_id, sides, {"taking_out_id": made})


async def count_out(session: WriteSession, by: By, agreement_id: UUID, now: datetime) -> int:
    """What is left under an agreement counts as taken out, where it lay too long or is bought at the end (worker): units that
    the manufacturer has asked for do not, nor do any while the agreement stands still. Once for each unit, as of the stored
    day, however late. Returns how many units."""
    async with acting_for(session, by.company_id):
        units = await queries.units_for_update(session, agreement_id)
        found = (await queries.agreements_for_update(session, [agreement_id])).get(agreement_id)
        if found is None or found.legal_hold or found.status not in ("active", "expiring", "run_off"):
            return 0
        mine = [
            u for u in units
            if u.place.owner == found.maker_id and u.place.holder == found.holder_id and u.place.site is not None
        ]  # fmt: skip
        pairs = list(dict.fromkeys((agreement_id, u.part_id) for u in mine))
        counted = 0
        for (_, part_id), covered in (await queries.terms_and_facts(session, pairs)).items():
            there = [(u.lot_id, u.position_id, u.quantity - u.held) for u in mine if u.part_id == part_id]
            counted += await _count_part(session, by, covered, there, now)
        if counted:
            words = f"{count(counted, 'unit')} left with the holder count as taken out: their price is owed."
            await tell_both(
                session,
                found,
                "counted_out",
                {"quantity": counted},
                f"{found.reference}: units count as taken out",
                words,
            )
        return counted


async def _count_part(
    session: WriteSession, by: By, covered: Covered, there: Sequence[tuple[UUID, int, int]], now: datetime
) -> int:
    kept = kept_by(covered.clauses)
    due = must_buy(kept, covered.facts, now) if kept else None
    free = min(covered.facts.remaining, sum(q for _, _, q in there) - covered.facts.circumstances.unpaid)
    if kept is None or due is None or free < 1:
        return 0
    lay = bool(due.reasons) and due.reasons[0].term == "must_buy_months"
    why = "lay_too_long" if lay else "at_end"
    before: int = await fetch_value(
        session, "SELECT count(*) FROM taking_out WHERE agreement_id = $1 AND part_id = $2 AND why = $3",
        covered.agreement_id, covered.part_id, why,
    )  # fmt: skip
    # What was reserved on that day and is free again since counts from today: its price was not due before.
    at = now if before else due.at - timedelta(microseconds=1)
    by_then = None if lay or before else end_by(kept, covered.facts)
    made = await _write(session, by, covered, kept, free, why, at, now, due_by=by_then)
    if kept.title is Title.RETAINED_UNTIL_PAID:
        await execute(
            session, "UPDATE agreement_line SET bought = bought + $3 WHERE agreement_id = $1 AND part_id = $2",
            covered.agreement_id, covered.part_id, free,
        )  # fmt: skip
        return free
    left, taken = free, []
    for lot, number, quantity in there:
        part = min(left, quantity)
        left -= part
        if part:
            taken.append((lot, number, part))
    sides = (covered.maker_id, covered.holder_id)
    steps = await steps_of_title(session, covered.agreement_id, sides, taken, "taken_out", now, free=True)
    key = command_id("title.counted_out", made)
    await carry_out(session, Command(key, covered.maker_id, by.user_id, steps, "agreement", covered.agreement_id), now)
    return free
