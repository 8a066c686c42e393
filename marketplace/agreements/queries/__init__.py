"""Reads of agreements. Row level security shows an agreement to its maker, its holder and the maker's delegates."""

from marketplace.agreements.queries.facts import (
    Locked,
    Notice,
    Pair,
    agreement_for_update,
    agreements_for_update,
    notices,
    terms_and_facts,
)
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

__all__ = [
    "AgreementDetail",
    "AgreementFilter",
    "AgreementRow",
    "ClauseRow",
    "EventRow",
    "LineRow",
    "Locked",
    "Notice",
    "Pair",
    "agreement",
    "agreement_for_update",
    "agreement_of_order",
    "agreements",
    "agreements_for_update",
    "clause_version",
    "clause_versions",
    "notices",
    "terms_and_facts",
    "waiting_for_signature",
]
