"""Terms before anybody is bound: of an agreement that is offered and that not both have signed, either side may propose other
terms. What both sign is the last version; the one before ends with it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marketplace.agreements import queries
from marketplace.agreements.queries import Locked, ProposalRow
from marketplace.agreements.service.changing import Accepted, check_answer, replace_agreement
from marketplace.agreements.service.proposing import answer, tell
from marketplace.agreements.service.standing import party_lock
from marketplace.agreements.states import AgreementState, move_agreement
from marketplace.db.session import WriteSession, execute
from marketplace.kit.errors import conflict
from marketplace.outbox.service import emit
from marketplace.parties.actor import By
from marketplace.parties.service import know_each_other


async def accept_terms(
    session: WriteSession, actor: By, proposal_id: UUID, now: datetime, *, wording_sha256: str | None = None
) -> Accepted:
    """The other side's signature on terms proposed for an agreement that is only offered: a new agreement with both
    signatures takes its order and the place of the old offer. What the law says and how the maker books it are of
    the version that is signed. The caller, who knows the order, has locked it.

    Raises ``proposal.not_found``, ``proposal.own``, ``proposal.closed``, ``proposal.lapsed``, ``proposal.kind``,
    ``agreement.other_text``, ``agreement.state``, ``law.blocked``.
    """
    agreement_id = await queries.agreement_of_proposal(session, actor.company_id, proposal_id)
    found = await party_lock(session, agreement_id, actor)
    proposal = await queries.proposal_for_update(session, actor.company_id, proposal_id)
    check_answer(proposal, actor, now, wording_sha256)
    _offered(found, proposal)
    await answer(session, proposal.id, "accepted", actor, now)
    await execute(
        session, "UPDATE agreement SET order_id = NULL, status = $2, status_reason = $3 WHERE id = $1",
        found.id, move_agreement(AgreementState(found.status), AgreementState.SUPERSEDED).value,
        f"Signed under other terms as {proposal.reference}.",
    )  # fmt: skip
    new_id = await replace_agreement(session, actor, found, proposal, now, order_id=found.order_id)
    await know_each_other(session, found.maker_id, found.holder_id)
    await tell(
        session, actor, found, proposal.id, "terms_signed", now,
        {"proposal": proposal.id, "note": proposal.note, "replaced_by": proposal.reference},
        f"{proposal.reference} is signed by both sides", "Both sides have signed the last terms; the agreement is active.",
        link=new_id,
    )  # fmt: skip
    sides = (found.maker_id, found.holder_id)
    side = "maker" if actor.company_id == found.maker_id else "holder"
    # As after any second signature, for programs that listen; people were told above.
    await emit(
        session, "agreement.signed", "agreement", new_id, sides,
        {"reference": proposal.reference, "side": side, "status": AgreementState.ACTIVE.value},
    )  # fmt: skip
    return Accepted(new_id, proposal.reference, 0)


def _offered(found: Locked, proposal: ProposalRow) -> None:
    if proposal.kind != "terms":
        raise conflict("proposal.kind", "This proposal changes a signed agreement: sign it with the agreement.")
    if found.status != AgreementState.OFFERED:
        raise conflict("agreement.state", f"{found.reference} is {found.status}: nothing is negotiated about it now.")
