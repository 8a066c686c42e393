"""Controlled units that leave a country: who gets the licence, the time that does not run while it is awaited, and no shipment
without it (section 13.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from marketplace.agreements import phrases
from marketplace.agreements.queries.retained import clauses_of_agreement
from marketplace.agreements.stops import moved_by
from marketplace.agreements.terms_v2 import TermsV2
from marketplace.db.session import ReadSession, WriteSession, execute
from marketplace.kit.errors import conflict, forbidden, invalid
from marketplace.parties.actor import Actor
from marketplace.sourcing import queries
from marketplace.sourcing.queries import CallRow
from marketplace.sourcing.service.clocks import caught_up, require_live
from marketplace.sourcing.service.shared import announce, tell

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
    waited = now - call.licence_asked_at if call.licence_asked_at else timedelta()
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
    if call.status not in BEFORE_SHIPPING:
        raise conflict(
            "licence.state", "A licence is recorded between the order and its shipment. Nothing was changed."
        )
    call = await caught_up(session, actor, call, now)
    await require_live(session, call)
    if call.licence is not None:
        raise conflict(
            "licence.known", f"The licence of {call.reference} is on record: {call.licence}. Nothing was changed."
        )
    return call


async def _announce(session: WriteSession, actor: Actor, call: CallRow, subject: str, text: str) -> None:
    holds = actor.company_id == call.holder_id
    to, roles = (call.company_id, ("technician", "planner")) if holds else (call.holder_id, ("buyer", "warehouse"))
    await announce(session, "call.licence", call, to, roles, f"{call.reference}: {subject}", text)
