"""The verbs of agreements: publish clauses, offer, sign, withdraw, suspend, and give permits."""

from marketplace.agreements.service.drafting import new_version, release_version
from marketplace.agreements.service.offering import OfferLine, offer
from marketplace.agreements.service.permitting import (
    give_notice,
    note_exercise,
    note_given_back,
    note_not_accepted,
    permits_for_act,
    permits_for_return,
    refusal,
)
from marketplace.agreements.service.publishing import publish_library
from marketplace.agreements.service.signing import SignedState, sign
from marketplace.agreements.service.standing import By, resume, set_legal_hold, suspend, withdraw

__all__ = [
    "By",
    "OfferLine",
    "SignedState",
    "give_notice",
    "new_version",
    "note_exercise",
    "note_given_back",
    "note_not_accepted",
    "offer",
    "permits_for_act",
    "permits_for_return",
    "publish_library",
    "refusal",
    "release_version",
    "resume",
    "set_legal_hold",
    "sign",
    "suspend",
    "withdraw",
]
