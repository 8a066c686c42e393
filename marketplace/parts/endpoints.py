"""JSON routes of the catalogue."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from marketplace.db.requests import Reading, Writing
from marketplace.kit.wire import Done, Made
from marketplace.parties.permissions import IdempotencyKey
from marketplace.parties.service import once, once_done
from marketplace.parts import queries, service
from marketplace.parts.numbers import parse_list, unknown
from marketplace.parts.permissions import ReadsParts, WritesParts
from marketplace.parts.schemas import (
    FindIn,
    FoundNumber,
    FoundPart,
    NewAlternate,
    NewPart,
    NewSupersession,
    PartDetail,
    PartOut,
    RelatedOut,
)

router = APIRouter(prefix="/parts", tags=["parts"])


@router.post("/find", summary="Find up to 500 part numbers")
async def find(session: Reading, actor: ReadsParts, asked: FindIn) -> list[FoundNumber]:
    """Each number by exact match, else prefix, else substring, else close spelling; the step is part of the answer. A line
    that is no known number but known ones between blanks is looked up as those."""
    numbers = await queries.told_apart(session, parse_list(asked.numbers, field="numbers"), field="numbers")
    found = await queries.find(session, numbers)
    known = await queries.parts(session, {h.part_id for hits in found.hits.values() for h in hits})
    return [
        FoundNumber(
            asked=n.written,
            step=found.hits[n.norm][0].step if n.norm in found.hits else None,
            more=n.norm in found.more,
            words=None if n.norm in found.hits else unknown(n.written),
            parts=[
                FoundPart(
                    step=h.step, through=h.through, closeness=h.closeness, part=PartOut.model_validate(known[h.part_id])
                )
                for h in found.hits.get(n.norm, ())
            ],
        )
        for n in numbers
    ]


@router.get("/{part_id}", summary="One part, what replaces it and what may stand in")
async def get(session: Reading, actor: ReadsParts, part_id: UUID) -> PartDetail:
    """The part with its supersession chain both ways and its alternates."""
    part = await queries.part(session, part_id)
    related = await queries.related(session, [part_id])
    others = await queries.parts(session, {r.other_id for r in related})
    return PartDetail(
        **PartOut.model_validate(part).model_dump(),
        related=[
            RelatedOut(
                relation=r.relation, steps=r.steps, since=r.since, part=PartOut.model_validate(others[r.other_id])
            )
            for r in related
        ],
    )


@router.post("", status_code=201, summary="Add a part to a maker of yours")
async def create(
    session: Writing, actor: WritesParts, new: NewPart, response: Response, key: IdempotencyKey = None
) -> Made:
    """Answers the new part's id."""

    async def act() -> dict[str, Any]:
        return {"id": await service.create_part(session, actor, **new.model_dump())}

    answer = await once(session, actor, key, "parts.create", new.model_dump(), act)
    response.headers["idempotent-replay"] = str(answer.repeated).lower()
    return Made.model_validate(answer.content)


@router.post("/supersessions", status_code=201, summary="Say that one part replaces another")
async def supersede(session: Writing, actor: WritesParts, new: NewSupersession, key: IdempotencyKey = None) -> Done:
    """Circles are refused."""
    return await once_done(
        session, actor, key, "parts.supersede", new.model_dump(),
        lambda: service.supersede(session, actor, **new.model_dump()),
    )  # fmt: skip


@router.post("/alternates", status_code=201, summary="Say that one part may stand in for another")
async def alternate(session: Writing, actor: WritesParts, new: NewAlternate, key: IdempotencyKey = None) -> Done:
    """One direction unless ``both_ways``."""
    return await once_done(
        session, actor, key, "parts.alternate", new.model_dump(),
        lambda: service.add_alternate(session, actor, **new.model_dump()),
    )  # fmt: skip
