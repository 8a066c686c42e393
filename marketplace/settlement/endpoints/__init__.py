"""JSON routes of settlement."""

from __future__ import annotations

from fastapi import APIRouter

from marketplace.settlement.endpoints import disputes, lines, statements

router = APIRouter()
# The routes of one line take any last part of an address: the others go first.
for part in (statements, disputes, lines):
    router.include_router(part.router)
