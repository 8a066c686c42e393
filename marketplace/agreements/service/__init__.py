"""The verbs of agreements: publish clauses, offer, sign, withdraw, change, end, suspend, and give permits."""

from marketplace.agreements.service.acceding import (
    Leave,
    accede,
    draft_accession,
    may_resell,
    pass_on,
    permits_for_resale,
    undo_accession,
)
from marketplace.agreements.service.changing import Accepted, accept_proposal, close_ended
from marketplace.agreements.service.drafting import new_version, release_version
from marketplace.agreements.service.offering import OfferLine, offer
from marketplace.agreements.service.permitting import (
    give_notice,
    note_exercise,
    note_given_back,
    note_not_accepted,
    permits_for_act,
    permits_for_kept,
    permits_for_return,
    permits_for_way_back,
    refusal,
)
from marketplace.agreements.service.proposing import (
    MOST_VALID_DAYS,
    VALID_DAYS,
    Proposed,
    decline_proposal,
    propose_change,
    propose_end,
)
from marketplace.agreements.service.publishing import publish_library
from marketplace.agreements.service.signing import SignedState, sign
from marketplace.agreements.service.standing import (
    note_endings,
    require_live,
    resume,
    set_legal_hold,
    suspend,
    withdraw,
)
from marketplace.agreements.service.titling import pass_title

__all__ = [
    "MOST_VALID_DAYS",
    "VALID_DAYS",
    "Accepted",
    "Leave",
    "OfferLine",
    "Proposed",
    "SignedState",
    "accede",
    "accept_proposal",
    "close_ended",
    "decline_proposal",
    "draft_accession",
    "give_notice",
    "may_resell",
    "new_version",
    "note_endings",
    "note_exercise",
    "note_given_back",
    "note_not_accepted",
    "offer",
    "pass_on",
    "pass_title",
    "permits_for_act",
    "permits_for_kept",
    "permits_for_resale",
    "permits_for_return",
    "permits_for_way_back",
    "propose_change",
    "propose_end",
    "publish_library",
    "refusal",
    "release_version",
    "require_live",
    "resume",
    "set_legal_hold",
    "sign",
    "suspend",
    "undo_accession",
    "withdraw",
]
