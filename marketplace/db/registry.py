"""Every table, for autogenerate and for the test that compares models with the migrated schema."""

from __future__ import annotations

from importlib import import_module

from sqlalchemy import MetaData

from marketplace.db.base import Row

DOMAINS = (
    "outbox", "parties", "parts", "ledger", "agreements", "safeguards", "holdings", "recalls", "settlement", "resales", "listings", "orders", "sourcing",
    "attachments", "obligations", "imports", "notifications", "advising", "watching",
)  # fmt: skip


def all_tables() -> MetaData:
    """The metadata with every domain's models imported. Used by tests and tools only, never by a request."""
    for domain in DOMAINS:
        import_module(f"marketplace.{domain}.models")
    return Row.metadata
