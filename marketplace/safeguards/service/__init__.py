"""The verbs of safeguards: record an insolvency, add to it, lift it; record, continue, end a security interest."""

from marketplace.safeguards.service.insolvencies import (
    Recorded,
    lift_insolvency,
    note_insolvency,
    record_insolvency,
    refuse_insolvent,
    told,
)
from marketplace.safeguards.service.interests import end_interest, record_interest

__all__ = [
    "Recorded",
    "end_interest",
    "lift_insolvency",
    "note_insolvency",
    "record_insolvency",
    "record_interest",
    "refuse_insolvent",
    "told",
]
