"""The outbox: events written in the transaction that caused them, delivered at least once, in order per aggregate."""
