"""What is done to the ledger: commands are carried out, movements are sequenced, sealed in the log and signed."""

from __future__ import annotations

from marketplace.ledger.service.carrying_out import add_permits, carry_out, expire_overdue
from marketplace.ledger.service.sequencing import sequence
from marketplace.ledger.service.signing import raise_alarm, root_at, sign

__all__ = ["add_permits", "carry_out", "expire_overdue", "raise_alarm", "root_at", "sequence", "sign"]
