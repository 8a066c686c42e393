"""Every JSON route, under /api/v1."""

from __future__ import annotations

from importlib import import_module

from fastapi import APIRouter

# Floor to roof, as in the architecture. The ledger has routes of its own for reading and for its log alone: what is done to units
# is done by the domains above it.
_DOMAINS = (
    "parties",
    "parts",
    "ledger",
    "agreements",
    "safeguards",
    "holdings",
    "recalls",
    "settlement",
    "resales",
    "listings",
    "orders",
    "sourcing",
    "attachments",
    "obligations",
    "imports",
    "notifications",
    "activity",
    "advising",
    "watching",
)


def api_router() -> APIRouter:
    """All domains' routers in one."""
    router = APIRouter(prefix="/api/v1")
    for domain in _DOMAINS:
        router.include_router(import_module(f"marketplace.{domain}.endpoints").router)
    return router
