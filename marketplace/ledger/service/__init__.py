"""What is done to the ledger: commands are carried out, movements are sequenced, sealed in the log and signed."""

from __future__ import annotations

from marketplace.ledger.service.beginning_anew import begin_anew
from marketplace.ledger.service.bundling import MOST_LOTS, bundle_of
from marketplace.ledger.service.carrying_out import add_permits, carry_out, expire_overdue
from marketplace.ledger.service.keyring import KeyRing, new_signer
from marketplace.ledger.service.reconciling import look_at_entries, look_at_log, look_at_lots, of_all, write_down
from marketplace.ledger.service.restoring import Verdict as RestoreVerdict
from marketplace.ledger.service.restoring import judge_restored
from marketplace.ledger.service.sequencing import BATCH, sequence
from marketplace.ledger.service.signing import publish_keys, raise_alarm, root_at, sign
from marketplace.ledger.service.verifying import LogVerdict, verify_log
from marketplace.ledger.service.witnessing import (
    Taken,
    hear_evidence,
    register_witness,
    retire_witness,
    take_cosignature,
)

__all__ = [
    "BATCH",
    "MOST_LOTS",
    "KeyRing",
    "LogVerdict",
    "RestoreVerdict",
    "Taken",
    "add_permits",
    "begin_anew",
    "bundle_of",
    "carry_out",
    "expire_overdue",
    "hear_evidence",
    "judge_restored",
    "look_at_entries",
    "look_at_log",
    "look_at_lots",
    "new_signer",
    "of_all",
    "publish_keys",
    "raise_alarm",
    "register_witness",
    "retire_witness",
    "root_at",
    "sequence",
    "sign",
    "take_cosignature",
    "verify_log",
    "write_down",
]
