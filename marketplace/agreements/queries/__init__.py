"""Reads of agreements. Row level security shows an agreement to its maker, its holder and the maker's delegates; as a record
it is its two parties' only."""

from marketplace.agreements.queries.books import AgreementBooks, agreement_books
from marketplace.agreements.queries.facts import (
    Locked,
    Pair,
    agreement_for_update,
    agreements_for_update,
    rights,
    terms_and_facts,
)
from marketplace.agreements.queries.law import places_of, question_of, rules
from marketplace.agreements.queries.lists import (
    AgreementDetail,
    AgreementFilter,
    AgreementRow,
    ClauseRow,
    EventRow,
    LineRow,
    agreement,
    agreement_of_order,
    agreements,
    clause_version,
    clause_versions,
    waiting_for_signature,
)
from marketplace.agreements.queries.notices import Notice, NoticeRow, notices, notices_running, open_notices
from marketplace.agreements.queries.papers import printed_agreement

__all__ = [
    "AgreementBooks",
    "AgreementDetail",
    "AgreementFilter",
    "AgreementRow",
    "ClauseRow",
    "EventRow",
    "LineRow",
    "Locked",
    "Notice",
    "NoticeRow",
    "Pair",
    "agreement",
    "agreement_books",
    "agreement_for_update",
    "agreement_of_order",
    "agreements",
    "agreements_for_update",
    "clause_version",
    "clause_versions",
    "notices",
    "notices_running",
    "open_notices",
    "places_of",
    "printed_agreement",
    "question_of",
    "rights",
    "rules",
    "terms_and_facts",
    "waiting_for_signature",
]
