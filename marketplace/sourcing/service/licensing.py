"""Controlled units that leave a country: who gets the licence, the time that does not run while it is awaited, and no shipment
without it (section 13.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from marketplace.agreements import phrases
from marketplace.agreements import service as agreements
from marketplace.agreements.queries.retained import clauses_of_agreement
from marketplace.agreements.stops import moved_by
from marketplace.agreements.terms_v2 import TermsV2
from marketplace.db.session import ReadSession, WriteSession, acting_for, execute
from marketplace.kit.errors import conflict, forbidden, invalid
from marketplace.parties.actor import Actor, OnBehalf
from marketplace.sourcing import queries
from marketplace.sourcing.queries import CallRow
from marketplace.sourcing.service.clocks import caught_up, require_live
from marketplace.sourcing.service.falling_through import fall_through
from marketplace.sourcing.service.ordering import free_units
from marketplace.sourcing.service.shared import announce, mine, reopen, set_status, tell

BEFORE_SHIPPING = ("noticed", "acknowledged", "accepted", "picked", "defaulted")
"""States of an order whose licence can be recorded."""


@dataclass(frozen=True, slots=True)
class Needed:
    """What an order needs before it may leave the country: the ``export_class`` of its units, the company that gets the
    licence, and why in words."""

    export_class: str
    gets_it: UUID
    words: str


async def licence_needed(session: ReadSession | WriteSession, call: CallRow) -> Needed | None:
    """Whether the order takes controlled units across a border; None where it does not, or where a country is not known."""
    origin, target = ((card or {}).get("country") for card in (call.ship_from, call.ship_to))
    if call.agreement_id is None or not origin or not target or origin == target:
        return None
    for terms in await clauses_of_agreement(session, call.agreement_id):
        if isinstance(terms, TermsV2) and terms.export_class is not None:
            buyer_clears = terms.incoterm.value == "EXW"
            who = call.maker if buyer_clears else call.holder
            words = (
                f"The units are controlled ({terms.export_class}) and leave {origin} for {target}: {who} gets the licence "
                f"({terms.incoterm.value}; {terms.clause} version {terms.version}, section 13.1)."
            )
            return Needed(terms.export_class, call.maker_id if buyer_clears else call.holder_id, words)
    return None


async def ask_licence(session: WriteSession, actor: Actor, call_id: UUID, now: datetime) -> None:
    """Says that the licence was asked for: the time for shipping does not run until it is there. Again changes nothing.

    Raises ``call.not_found``, ``licence.not_needed``, ``licence.other_side``, ``licence.state`` once shipped or not sent,
    ``licence.known``, ``licence.too_late`` when the time for shipping has run."""
    call = await _to_license(session, actor, call_id, now)
    if call.licence_asked_at is not None:
        return
    if call.ship_by is not None and now >= call.ship_by:
        raise conflict(
            "licence.too_late",
            f"The time for shipping ended with {phrases.deadline(call.ship_by, call.zone)}: a licence that is asked for now does "
            "not stop it. Record it once it is there, and ship.",
        )
    await execute(session, "UPDATE call SET licence_asked_at = $2 WHERE id = $1", call.id, now)
    await tell(session, actor, call, "licence_asked", {}, now)
    await _announce(
        session, actor, call, "an export licence was asked for", "The time for shipping stands still until it is there."
    )


async def record_licence(session: WriteSession, actor: Actor, call_id: UUID, number: str, now: datetime) -> None:
    """The licence is there: its number goes with the order, and what was left of the time for shipping goes on.

    Raises what ``ask_licence`` does but for the lateness, ``licence.number``."""
    call = await _to_license(session, actor, call_id, now)
    number = " ".join(number.split())
    if not number or len(number) > 100:
        raise invalid("licence.number", "Give the number of the licence, in at most 100 characters.", field="licence")
    waited = [(call.licence_asked_at, now)] if call.licence_asked_at else []
    exact = call.urgency == "machine_down"
    moved = {
        name: moved_by(by, waited, call.zone, exact=exact) if by else None
        for name, by in (("ship", call.ship_by), ("deliver", call.deliver_by), ("default", call.default_from))
    }
    await execute(
        session,
        "UPDATE call SET licence = $2, licence_at = $3, ship_by = $4, deliver_by = $5, default_from = $6 WHERE id = $1",
        call.id, number, now, moved["ship"], moved["deliver"], moved["default"],
    )  # fmt: skip
    await tell(session, actor, call, "licence", {"licence": number}, now)
    by = f" To be shipped by {phrases.deadline(moved['ship'], call.zone)}." if moved["ship"] else ""
    await _announce(session, actor, call, "the export licence is there", f"Licence {number}.{by}")


async def refuse_licence(session: WriteSession, actor: Actor, call_id: UUID, note: str, now: datetime) -> None:
    """The licence was refused: from now on either side may end the order, and nothing is owed for that. Where it was asked for, the
    time for shipping goes on standing still; it may still come, and is recorded as any other. Again changes nothing.

    Raises what ``ask_licence`` does but for the lateness, ``licence.note``."""
    call = await _to_license(session, actor, call_id, now)
    if call.licence_refused_at is not None:
        return
    if not note.strip() or len(note) > 500:
        words = "Say who refused it and why, in at most 500 characters: the other side reads it."
        raise invalid("licence.note", words, field="note")
    await execute(session, "UPDATE call SET licence_refused_at = $2 WHERE id = $1", call.id, now)
    await tell(session, actor, call, "licence_refused", {"note": note.strip()}, now)
    await _announce(
        session, actor, call, "the export licence was refused", f"{note.strip()} Either side may end the order now.",
    )  # fmt: skip


async def end_unlicensed(session: WriteSession, actor: Actor, call_id: UUID, now: datetime) -> None:
    """Either side ends an order whose export licence was refused: its units are the holder's again, nothing is owed for that, it
    counts as no order, and what is lacking is planned anew.

    Raises ``call.not_found``, ``licence.not_refused``, ``licence.known`` where it came after all, ``licence.state``."""
    call = await queries.call_for_update(session, call_id)
    holds = actor.company_id == call.holder_id
    call = await mine(session, actor, call_id, "holder" if holds else "asker")
    actor.require("call.answer" if holds else "sourcing.request")
    _require_unlicensed(call)
    if call.licence_refused_at is None:
        raise conflict(
            "licence.not_refused",
            "This order ends so only once its export licence is recorded as refused. Nothing was changed.",
        )
    async with acting_for(session, call.maker_id):
        by = OnBehalf(actor.user_id, call.maker_id)
        await free_units(session, by, call, "unlicensed", now)
        # What is sold back, and what makes rejected units good, never counted as an order.
        if call.agreement_id and call.kind != "put" and call.replaces_id is None:
            await agreements.undo_exercise(session, call.agreement_id, call_id=call.id, now=now)
        ended = "closed" if call.status == "defaulted" else "cancelled"
        await set_status(session, call, ended, ended_at=now, note="The export licence was refused.")
        await reopen(session, call)
    await tell(session, actor, call, "ended_unlicensed", {"quantity": call.quantity}, now)
    subject = f"{call.reference} ended: its export licence was refused"
    await fall_through(session, call, "unlicensed", subject, now)
    if not holds:
        await announce(
            session, "call.answered", call, call.holder_id, ("buyer", "warehouse"), subject,
            f"{call.company} ended the order. The {call.quantity} x {call.part_number} are yours again; nothing is owed for that.",
        )  # fmt: skip


async def require_licence(session: WriteSession, call: CallRow) -> None:
    """Raises ``licence.missing`` while controlled units of an order that crosses a border have none."""
    if call.licence is None and (needed := await licence_needed(session, call)) is not None:
        raise conflict(
            "licence.missing", f"{needed.words} Record its number with the order first, then ship. Nothing was changed."
        )


async def _to_license(session: WriteSession, actor: Actor, call_id: UUID, now: datetime) -> CallRow:
    """The order locked, which nobody but its parties sees, if the actor's company gets its licence and has none on record."""
    call = await queries.call_for_update(session, call_id)
    needed = await licence_needed(session, call)
    if needed is None:
        raise conflict(
            "licence.not_needed", "This order takes no controlled units across a border: it needs no licence."
        )
    if needed.gets_it != actor.company_id:
        raise forbidden("licence.other_side", f"{needed.words} Only that side can record it.")
    _require_unlicensed(call)
    call = await caught_up(session, actor, call, now)
    await require_live(session, call)
    return call


def _require_unlicensed(call: CallRow) -> None:
    if call.status not in BEFORE_SHIPPING:
        raise conflict(
            "licence.state", "A licence is recorded between the order and its shipment. Nothing was changed."
        )
    if call.licence is not None:
        raise conflict(
            "licence.known", f"The licence of {call.reference} is on record: {call.licence}. Nothing was changed."
        )


async def _announce(session: WriteSession, actor: Actor, call: CallRow, subject: str, text: str) -> None:
    holds = actor.company_id == call.holder_id
    to, roles = (call.company_id, ("technician", "planner")) if holds else (call.holder_id, ("buyer", "warehouse"))
    await announce(session, "call.licence", call, to, roles, f"{call.reference}: {subject}", text)
