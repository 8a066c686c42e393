"""Correcting what was recorded wrongly: by compensation, never by change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from marketplace.agreements import service as leave
from marketplace.db.session import WriteSession
from marketplace.holdings import queries
from marketplace.holdings.service.telling import tell_taken
from marketplace.kit.errors import DomainError, conflict, forbidden, invalid, missing
from marketplace.ledger.entries import Applied, Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.service import carry_out
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor

_OWN_KINDS = frozenset(
    {Kind.MOVE, Kind.USE_UP, Kind.INSTALL, Kind.SCRAP, Kind.COUNT_ADJUST, Kind.REGISTER, Kind.REMOVE}
)
"""What a company recorded about its own units. What passed between two companies is put right by both."""


async def correct(
    session: WriteSession,
    actor: Actor,
    lot_id: UUID,
    seq: int,
    reason: str,
    *,
    now: datetime,
    command_id: UUID | None = None,
) -> Applied:
    """Takes back one of the company's own stock transactions: the same quantity the other way, dated when the
    wrong one happened. Record what is right after it.

    Raises ``ledger.not_found``, ``holding.reason``, ``holding.correct_kind``, ``holding.correct_other``,
    ``holding.correct_owed``,
    ``holding.correct_closed`` (it would bring units back to a site that is closed: nobody would find them), and what the ledger refuses (corrected already, contradicts later transactions).
    """
    if not reason.strip() or len(reason) > 200:
        raise invalid("holding.reason", "Give the reason, in at most 200 characters.", field="reason")
    past = await queries.movement_to_correct(session, lot_id, seq)
    if past is None:
        raise missing("ledger.not_found", "No such stock transaction.")
    if past["company_id"] != actor.company_id:
        raise forbidden("holding.correct_other", "Another company recorded this; only it can correct it.")
    if past["kind"] not in _OWN_KINDS:
        raise invalid(
            "holding.correct_kind",
            f"A '{past['kind']}' is part of an order or call and is put right there, not by a correction.",
        )
    if past["cause_kind"] == "missing" and await queries.is_owed_for(session, past["command_id"]):
        raise conflict(
            "holding.correct_owed",
            "What became of these units was written down, and is owed for: it is not taken back here. Dispute the line under "
            "Settlement. Nothing was changed.",
        )
    if past["from_site_id"] is not None:
        await _open_still(session, actor, past)
    steps = [Step(Kind.CORRECT, lot_id, past["quantity"], corrects=seq, reason=reason.strip())]
    if past["title_seq"] is not None:
        # The unit was taken out by this act: it is the maker's again.
        steps.append(Step(Kind.CORRECT, lot_id, past["quantity"], corrects=past["title_seq"], reason=reason.strip()))
    command = Command(command_id or uuid4(), actor.company_id, actor.user_id, tuple(steps), "correction")
    done = await carry_out(session, command, now)
    if past["agreement_id"] is not None:
        await leave.undo_taking_out(
            session, actor, act_id=past["command_id"], part_id=past["part_id"], quantity=past["quantity"], now=now
        )
    if past["permit_id"] is not None:
        await leave.note_act_undone(session, past["permit_id"])
    if past["agreement_id"] is None:
        gone = [(e.lot_id, e.from_position) for e in done.entries if e.from_position is not None]
        await tell_taken(session, actor, command.command_id, gone)
    return done


async def _open_still(session: WriteSession, actor: Actor, past: Mapping[str, Any]) -> None:
    """The site that units come back to is open, and stays so until this is done."""
    try:
        await parties.site_for_share(session, actor, past["from_site_id"])
    except DomainError as error:
        if error.code != "site.closed":
            raise
        raise conflict(
            "holding.correct_closed",
            f"This would bring {past['quantity']:,} {past['uom']} back to {past['from_site']}, which was closed meanwhile. Open "
            "it again under Company, correct, and close it once the units have left; or record a new transaction where "
            "the units are. Nothing was changed.",
        ) from None
