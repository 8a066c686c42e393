"""What is done to the ledger: commands are carried out, movements are sequenced, sealed in the log and signed."""

from __future__ import annotations

from marketplace.ledger.service.bundling import bundle_of
from marketplace.ledger.service.carrying_out import add_permits, carry_out, expire_overdue
from marketplace.ledger.service.sequencing import sequence
from marketplace.ledger.service.signing import publish_keys, raise_alarm, root_at, sign

__all__ = [
    "add_permits",
    "bundle_of",
    "carry_out",
    "expire_overdue",
    "publish_keys",
    "raise_alarm",
    "root_at",
    "sequence",
    "sign",
]
