"""JSON routes of holdings, and the one of an agreement's schedule as it stands, which asks where units are."""

from __future__ import annotations

from fastapi import APIRouter

from marketplace.holdings.endpoints import agreed, as_of, missing, sheets, stock

router = APIRouter()
for part in (stock, missing, agreed, as_of, sheets):
    router.include_router(part.router)
