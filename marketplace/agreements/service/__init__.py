"""The verbs of agreements: publish clauses, offer, sign, withdraw, change, end, suspend, and give permits."""

from marketplace.agreements.refusing import refusal
from marketplace.agreements.service.acceding import (
    Leave,
    accede,
    draft_accession,
    may_resell,
    pass_on,
    permits_for_resale,
    undo_accession,
)
from marketplace.agreements.service.breaking import end_for_breach, free_if_ended, may_be_broken
from marketplace.agreements.service.changing import Accepted, accept_proposal, close_ended
from marketplace.agreements.service.drafting import new_version, release_version
from marketplace.agreements.service.exercising import (
    Exercise,
    discount_exercise,
    lessen_exercise,
    note_exercises,
    note_in_place,
    note_reserved,
    undo_exercise,
)
from marketplace.agreements.service.exporting import note_export
from marketplace.agreements.service.frameworks import require_texts
from marketplace.agreements.service.legal_holds import hold_all, lift_all, set_legal_hold
from marketplace.agreements.service.negotiating import accept_terms
from marketplace.agreements.service.noticing import (
    Given,
    answer_notice,
    give_notice,
    note_act_undone,
    note_used,
    withdraw_notice,
)
from marketplace.agreements.service.offering import OfferLine, offer
from marketplace.agreements.service.permitting import (
    note_given_back,
    note_not_accepted,
    note_taken_back,
    permits_for_act,
    permits_for_fact,
    permits_for_kept,
    permits_for_return,
    permits_for_way_back,
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
from marketplace.agreements.service.renewing import LIVE as RENEWABLE
from marketplace.agreements.service.renewing import give_non_renewal, propose_renewal, renew_due
from marketplace.agreements.service.shelf_life import tell_shelf_lives
from marketplace.agreements.service.signing import SignedState, sign
from marketplace.agreements.service.standing import note, note_endings, require_live, withdraw
from marketplace.agreements.service.suspending import end_suspension_due, resume, suspend
from marketplace.agreements.service.taking_out import (
    count_out,
    note_taken_without_leave,
    take_out,
    undo_taking_out,
)
from marketplace.agreements.service.term import settle_storage_year
from marketplace.agreements.service.titling import note_title_given_up, pass_title, pass_title_due
from marketplace.agreements.service.valuing import keep_index_values, state_value

__all__ = [
    "MOST_VALID_DAYS",
    "RENEWABLE",
    "VALID_DAYS",
    "Accepted",
    "Exercise",
    "Given",
    "Leave",
    "OfferLine",
    "Proposed",
    "SignedState",
    "accede",
    "accept_proposal",
    "accept_terms",
    "answer_notice",
    "close_ended",
    "count_out",
    "decline_proposal",
    "discount_exercise",
    "draft_accession",
    "end_for_breach",
    "end_suspension_due",
    "free_if_ended",
    "give_non_renewal",
    "give_notice",
    "hold_all",
    "keep_index_values",
    "lessen_exercise",
    "lift_all",
    "may_be_broken",
    "may_resell",
    "new_version",
    "note",
    "note_act_undone",
    "note_endings",
    "note_exercises",
    "note_export",
    "note_given_back",
    "note_in_place",
    "note_not_accepted",
    "note_reserved",
    "note_taken_back",
    "note_taken_without_leave",
    "note_title_given_up",
    "note_used",
    "offer",
    "pass_on",
    "pass_title",
    "pass_title_due",
    "permits_for_act",
    "permits_for_fact",
    "permits_for_kept",
    "permits_for_resale",
    "permits_for_return",
    "permits_for_way_back",
    "propose_change",
    "propose_end",
    "propose_renewal",
    "publish_library",
    "refusal",
    "release_version",
    "renew_due",
    "require_live",
    "require_texts",
    "resume",
    "set_legal_hold",
    "settle_storage_year",
    "sign",
    "state_value",
    "suspend",
    "take_out",
    "tell_shelf_lives",
    "undo_accession",
    "undo_exercise",
    "undo_taking_out",
    "withdraw",
    "withdraw_notice",
]
