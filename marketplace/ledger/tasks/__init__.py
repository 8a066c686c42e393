"""What the worker does for the ledger by itself: it seals it, again and again, and checks it every quarter of an hour."""

from marketplace.ledger.tasks.checking import check, is_due
from marketplace.ledger.tasks.sealing import AFTER_TROUBLE, PAUSE, Sealer

__all__ = ["AFTER_TROUBLE", "PAUSE", "Sealer", "check", "is_due"]
