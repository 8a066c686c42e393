"""JSON route of a partner's track record."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from marketplace.db.requests import Reading
from marketplace.kit.errors import missing
from marketplace.parties.permissions import Now
from marketplace.sourcing.permissions import ReadsRecords
from marketplace.sourcing.queries.records import track_record
from marketplace.sourcing.schemas.records import RecordOut, TrackRecordOut
from marketplace.sourcing.track_record import period

company = APIRouter(prefix="/companies", tags=["company"])


@company.get("/{company_id}/track-record", summary="A partner's track record")
async def record(
    session: Reading, actor: ReadsRecords, company_id: UUID, now: Now,
    days: Annotated[int, Query(ge=1, le=1_096, description="Of the last so many days.")] = 365,
) -> TrackRecordOut:  # fmt: skip
    """Computed from orders back, shipments, counts and shortages as they are recorded; nobody enters or corrects any of it. For the partner
    itself and for companies that have an agreement with it; of all manufacturers together where three or more ordered back."""
    since, until = period(now, days)
    found = await track_record(session, company_id, since, until)
    if not found and company_id != actor.company_id:
        raise missing("track_record.not_found", "No such company, or you have no agreement with it.")
    records = [RecordOut.model_validate(r) for r in found]
    return TrackRecordOut(company_id=company_id, since=since, until=until, records=records)
