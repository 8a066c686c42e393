"""What documents look like on the wire."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.attachments.queries import DocumentRow
from marketplace.attachments.rules import Audience, Kind, On
from marketplace.kit.wire import EXAMPLE_ID


class DocumentOut(BaseModel):
    """A document: what it hangs on, what it is, who added it. ``sha256``: of the file as it is kept and handed out, in hex."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id": EXAMPLE_ID, "on": "lot", "on_id": EXAMPLE_ID, "company_id": EXAMPLE_ID, "company": "Northfield Heavy Equipment",
                    "kind": "certificate", "name": "FAA 8130-3 77-1204.pdf", "media_type": "application/pdf", "size": 182_044,
                    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "width": None, "height": None,
                    "audience": "same", "note": "", "by": None, "added_at": "2026-11-30T10:00:00Z", "withdrawn_at": None,
                }
            ]
        },
    )  # fmt: skip
    id: UUID
    on: On
    on_id: UUID
    company_id: UUID
    company: str
    kind: Kind
    name: str
    media_type: str
    size: int
    sha256: str
    width: int | None = Field(description="Pixels, of pictures.")
    height: int | None
    audience: Audience = Field(
        description="'same': whoever may see what it hangs on; 'own': the company that added it."
    )
    note: str
    by: str | None = Field(description="The person, told to its own company only.")
    added_at: datetime
    withdrawn_at: datetime | None = Field(description="Told to the company that added it; others see it no more.")

    @classmethod
    def of(cls, row: DocumentRow) -> DocumentOut:
        """The wire form of a row."""
        told = {name: getattr(row, name) for name in cls.model_fields}
        return cls.model_validate({**told, "sha256": row.sha256.hex()})
