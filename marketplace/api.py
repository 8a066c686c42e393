"""Every JSON route, under /api/v1."""

from __future__ import annotations

from importlib import import_module

from fastapi import APIRouter

# Floor to roof, as in the architecture; a domain without routes of its own (the ledger) is not here.
_DOMAINS = (
    "parties",
    "parts",
    "agreements",
    "safeguards",
    "holdings",
    "settlement",
    "resales",
    "listings",
    "orders",
    "sourcing",
    "obligations",
    "imports",
)


def api_router() -> APIRouter:
    """All domains' routers in one."""
    router = APIRouter(prefix="/api/v1")
    for domain in _DOMAINS:
        router.include_router(import_module(f"marketplace.{domain}.endpoints").router)
    return router
