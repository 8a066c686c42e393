"""Signing: each side once, on exactly the text it saw; the framework goes with its first schedule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from marketplace.agreements import queries
from marketplace.agreements.deadlines import window
from marketplace.agreements.queries import Locked
from marketplace.agreements.service.booking import keep_books, still_allowed
from marketplace.agreements.service.proposing import facts_of
from marketplace.agreements.service.standing import note, party_lock
from marketplace.agreements.service.term import store_terms
from marketplace.agreements.states import AgreementState, move_agreement
from marketplace.db.session import WriteSession, acting_for, execute
from marketplace.kit.errors import conflict, gone
from marketplace.outbox.service import emit
from marketplace.parties.actor import VERBS, By
from marketplace.parties.queries import people_to_tell
from marketplace.parties.service import know_each_other


@dataclass(frozen=True, slots=True)
class SignedState:
    """Where an agreement stands after a signature. ``side`` signed now; ``waiting_for`` is the company that has
    not signed yet, None when the agreement is active."""

    agreement_id: UUID
    reference: str
    order_id: UUID | None
    status: str
    side: str
    wording_sha256: str
    framework_signed: bool
    waiting_for: UUID | None

    @property
    def active(self) -> bool:
        """Whether both have signed."""
        return self.status == AgreementState.ACTIVE.value


async def sign(
    session: WriteSession, actor: By, agreement_id: UUID, now: datetime, *, wording_sha256: str | None = None
) -> SignedState:
    """This company's signature on the schedule, and on the framework where its signature is missing there.

    ``wording_sha256``: the hash of the text the signer saw; where given it must be the text's. Raises
    ``agreement.not_found``, ``agreement.stale_version`` while other terms are proposed or once they are signed,
    ``agreement.withdrawn``, ``agreement.signed_already``, ``agreement.state``, ``agreement.legal_hold``,
    ``agreement.other_text``, ``law.blocked``.
    """
    found = await party_lock(session, agreement_id, actor)
    await _is_last(session, found, now)
    side = "maker" if actor.company_id == found.maker_id else "holder"
    _check(found, side, wording_sha256)
    await still_allowed(session, agreement_id, now.date())
    await execute(
        session,
        f"UPDATE agreement SET {side}_signed_by = $2, {side}_signed_at = $3 WHERE id = $1",
        agreement_id,
        actor.user_id,
        now,
    )
    sides = (found.maker_id, found.holder_id)
    framework_signed = await _sign_frameworks(session, actor, found, side, now)
    await note(
        session, agreement_id, sides, "signed", actor, now,
        {"side": side, "wording_sha256": found.wording_sha256.hex(), "user_id": actor.user_id},
    )  # fmt: skip
    other_signed = found.holder_signed_at if side == "maker" else found.maker_signed_at
    other = found.holder_id if side == "maker" else found.maker_id
    status = AgreementState(found.status)
    if other_signed is not None:
        status = move_agreement(move_agreement(status, AgreementState.SIGNED), AgreementState.ACTIVE)
        if found.dated_by_signature:
            await _date(session, found, now)
        await execute(session, "UPDATE agreement SET status = $2 WHERE id = $1", agreement_id, status.value)
        await know_each_other(session, *sides)
        await note(session, agreement_id, sides, "active", actor, now, {"schedule_date": found.dated(now)})
    await emit(
        session,
        "agreement.signed",
        "agreement",
        agreement_id,
        sides,
        {
            "reference": found.reference,
            "side": side,
            "status": status.value,
            **await _mail(session, found, other, side, status),
        },
    )
    return SignedState(
        agreement_id, found.reference, found.order_id, status.value, side, found.wording_sha256.hex(),
        framework_signed, None if other_signed else other,
    )  # fmt: skip


async def _date(session: WriteSession, found: Locked, now: datetime) -> None:
    """The second signature gives the schedule its day: from it on the window and every time are counted, and on it the maker
    books the sale."""
    detail, day = await queries.agreement_text(session, found.id), found.dated(now)
    schedule = [line.signed(detail.currency) for line in detail.lines]
    span = window(detail.terms, facts_of(schedule[0], found, now))
    await execute(
        session, "UPDATE agreement SET schedule_date = $2, window_opens_at = $3, window_closes_at = $4 WHERE id = $1",
        found.id, day, span.opens, span.closes,
    )  # fmt: skip
    await store_terms(session, [found.id])
    part_ids = [line.part_id for line in detail.lines]
    await keep_books(session, found.id, found.maker_id, detail.clauses, part_ids, schedule, day, now)


async def _is_last(session: WriteSession, found: Locked, now: datetime) -> None:
    """What is signed is the last version: not one beside which other terms lie, nor one that others have replaced."""
    newer = (await queries.neighbours(session, found.id)).replaced_by
    if newer is not None and found.status == AgreementState.SUPERSEDED:
        raise conflict(
            "agreement.stale_version", f"Other terms were signed in place of {found.reference}: {newer[1]} holds.",
            agreement_id=str(newer[0]),
        )  # fmt: skip
    proposed = await queries.open_terms(session, found.id, now)
    if proposed is not None:
        raise conflict(
            "agreement.stale_version",
            f"Other terms are proposed for {found.reference}. Sign those, propose others, or have the proposal declined or "
            "taken back; then this version can be signed.",
            proposal_id=str(proposed),
        )


def _check(found: Locked, side: str, wording_sha256: str | None) -> None:
    if found.status == AgreementState.WITHDRAWN:
        raise gone("agreement.withdrawn", f"The offer {found.reference} was withdrawn; there is nothing to sign.")
    mine = found.maker_signed_at if side == "maker" else found.holder_signed_at
    if mine is not None:
        raise conflict("agreement.signed_already", f"Your company has signed {found.reference} already.")
    if found.status != AgreementState.OFFERED:
        raise conflict("agreement.state", f"{found.reference} is {found.status} and cannot be signed.")
    if found.legal_hold:
        raise conflict(
            "agreement.legal_hold",
            f"{found.reference} is under legal hold: nobody signs it until the side that set the hold lifts it.",
        )
    if wording_sha256 is not None and wording_sha256.lower() != found.wording_sha256.hex():
        raise conflict(
            "agreement.other_text",
            "The text you saw is not the text on offer. Read it again, then sign.",
            field="wording_sha256",
        )


async def _sign_frameworks(session: WriteSession, actor: By, found: Locked, side: str, now: datetime) -> bool:
    """Signs each framework of the agreement where this side has not. Returns whether it did."""
    ids = await queries.frameworks_of_agreement(session, found.id)
    unsigned = [
        row
        for row in await queries.frameworks_for_update(session, ids)
        if not (row.maker_signed if side == "maker" else row.holder_signed)
    ]
    await execute(
        session,
        f"UPDATE framework SET {side}_signed_by = $2, {side}_signed_at = $3 WHERE id = ANY($1::uuid[])",
        [row.id for row in unsigned],
        actor.user_id,
        now,
    )
    for row in unsigned:
        await note(
            session, row.id, (found.maker_id, found.holder_id), "signed", actor, now,
            {"side": side, "clause_sha256": row.clause_sha256.hex(), "user_id": actor.user_id},
        )  # fmt: skip
    return bool(unsigned)


async def _mail(session: WriteSession, found: Locked, other: UUID, side: str, status: AgreementState) -> dict[str, Any]:
    done = status is AgreementState.ACTIVE
    # A maker signs as it accepts an order, and the order's own mail asks the holder to sign.
    if side == "maker" and not done:
        return {}
    async with acting_for(session, other):
        to = await people_to_tell(session, other, sorted(VERBS["agreement.sign"][0]))
    if not to:
        return {}
    return {
        "mail": {
            "to": to,
            "subject": f"{found.reference} is signed by both sides" if done else f"{found.reference}: your signature",
            "text": "Both sides have signed; the agreement is active."
            if done
            else "The other side has signed this agreement. It becomes active when you sign.",
            "link": f"/agreements/{found.id}",
        }
    }
