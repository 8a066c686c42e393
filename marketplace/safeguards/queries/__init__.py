"""Reads of safeguards. Row level security shows them to the maker whose records they are, and to nobody else."""

from marketplace.safeguards.queries.insolvencies import (
    HoldRow,
    InsolvencyRow,
    NoteRow,
    Standing,
    held_before,
    holds,
    insolvencies,
    insolvency,
    insolvency_notes,
    latest_for_update,
    standing_of,
    standing_of_for_share,
)
from marketplace.safeguards.queries.interests import (
    InterestFilter,
    InterestRow,
    security_interest,
    security_interest_for_update,
    security_interests,
)

__all__ = [
    "HoldRow",
    "InsolvencyRow",
    "InterestFilter",
    "InterestRow",
    "NoteRow",
    "Standing",
    "held_before",
    "holds",
    "insolvencies",
    "insolvency",
    "insolvency_notes",
    "latest_for_update",
    "security_interest",
    "security_interest_for_update",
    "security_interests",
    "standing_of",
    "standing_of_for_share",
]
