"""Shelf lives that end before the right does: the clock gives notice in the holder's name, so that the manufacturer can ask for
the units or let them go while they are still good."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from marketplace.agreements import phrases, queries
from marketplace.agreements.combined import holder_act
from marketplace.agreements.covered import Covered
from marketplace.agreements.outcomes import Act, AfterNotice, Free
from marketplace.agreements.queries import Locked
from marketplace.agreements.queries.shelf_life import EndingUnits, ending_under
from marketplace.agreements.service.noticing import Given, give_notice, to_be_named
from marketplace.agreements.service.standing import note
from marketplace.db.session import WriteSession, acting_for, execute, fetch_value
from marketplace.outbox.service import emit
from marketplace.parties.actor import By, OnBehalf
from marketplace.parties.queries import people_to_tell

LIVE: Final = frozenset({"active", "renewed", "expiring"})


async def tell_shelf_lives(session: WriteSession, actor_id: UUID, agreement_id: UUID, now: datetime) -> int:
    """The clock: for units whose shelf life ends before the right does, a notice of scrapping is given in the holder's name,
    once for each lot, of as many as may be scrapped at all; where scrapping is free, or not possible, both sides are only told.
    Returns of how many parts and days it told."""
    found = (await queries.agreements_for_update(session, [agreement_id])).get(agreement_id)
    if found is None or found.status not in LIVE or found.legal_hold:
        return 0
    units = await ending_under(session, agreement_id, now)
    covered = await queries.terms_and_facts(session, [(agreement_id, u.part_id) for u in units])
    clock = OnBehalf(actor_id, found.holder_id)
    done = 0
    for u in units:
        if (known := covered.get((agreement_id, u.part_id))) is not None:
            await _tell(session, clock, found, known, u, now)
            done += 1
    return done


async def _tell(session: WriteSession, clock: By, found: Locked, known: Covered, u: EndingUnits, now: datetime) -> None:
    most = await to_be_named(session, known, now)
    quantity = min(u.quantity, most.left)
    answer = holder_act(known.clauses, known.facts, Act.SCRAP, max(quantity, 1), now).answer
    ends = f"Shelf life ends on {phrases.day(u.expires_on)}"
    given: Given | None = None
    if quantity and isinstance(answer, AfterNotice):
        given = await give_notice(
            session, clock, found.id, u.part_id, Act.SCRAP, quantity, now, note_text=f"{ends}: given by the clock."
        )
    words = f"{ends}: {phrases.count(u.quantity, 'unit')} of {u.number}."
    if given is not None:
        words += f" {_given(known, given, quantity)}"
        if quantity < u.quantity:
            words += f" The other {u.quantity - quantity:,} belong to the minimum to keep, or stand in other notices already."
    elif isinstance(answer, Free):
        words += f" {answer.words} Until then the manufacturer can order them back."
    else:
        kept = (
            "All of them belong to the minimum to keep, or stand in other notices already."
            if not quantity
            else answer.words
        )
        words += f" No notice was given. {kept}"
    made: UUID = await fetch_value(
        session,
        "INSERT INTO shelf_life (agreement_id, part_id, maker_id, holder_id, quantity, expires_on, ends_at, notice_id, words, at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id",
        found.id, u.part_id, found.maker_id, found.holder_id, u.quantity, u.expires_on, u.ends_at,
        given.id if given else None, words, now,
    )  # fmt: skip
    await execute(
        session,
        "INSERT INTO shelf_life_lot (agreement_id, lot_id, shelf_life_id, maker_id, holder_id) "
        "SELECT $1, lot_id, $2, $3, $4 FROM unnest($5::uuid[]) AS u (lot_id)",
        found.id, made, found.maker_id, found.holder_id, list(u.lots),
    )  # fmt: skip
    sides = (found.maker_id, found.holder_id)
    detail = {"part_id": u.part_id, "note": words}
    await note(session, found.id, sides, "shelf_life", clock, now, detail)
    subject = (
        f"{found.reference}: shelf life of {phrases.count(u.quantity, 'unit')} ends on {phrases.day(u.expires_on)}"
    )
    payload: dict[str, Any] = {"reference": found.reference, "shelf_life": made, **detail}
    to: list[str] = []
    for side, roles in ((found.maker_id, ("planner", "admin")), (found.holder_id, ("buyer", "warehouse"))):
        async with acting_for(session, side):
            to += await people_to_tell(session, side, roles)
    if to:
        link = f"/agreements/notices/{given.id}" if given else f"/agreements/{found.id}"
        payload["mail"] = {"to": to, "subject": subject, "text": words, "link": link}
    await emit(session, "agreement.shelf_life", "agreement", found.id, sides, payload)


def _given(known: Covered, given: Given, quantity: int) -> str:
    zone = known.facts.zone
    until = phrases.deadline(given.answer_by, zone)
    told = f"Notice that {known.holder} wants to scrap {quantity:,} of them was given in its name; it can be withdrawn. The manufacturer orders them back, or lets them go, by {until}."
    if given.clear_until is None:
        return f"{told} Without its yes they may not be scrapped."
    return f"{told} Then they may be scrapped until {phrases.deadline(given.clear_until, zone)}."
