"""JSON routes of the parties: one's company, one's own account, and who is to join."""

from __future__ import annotations

from fastapi import APIRouter

from marketplace.parties.endpoints import account, company, joining

router = APIRouter()
for part in (company, account, joining):
    router.include_router(part.router)
