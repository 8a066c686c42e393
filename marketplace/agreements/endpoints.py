"""JSON routes of agreements."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from marketplace.agreements import queries, service
from marketplace.agreements.covered import IN_FORCE, Covered
from marketplace.agreements.evaluation import Act, split
from marketplace.agreements.permissions import ActsOnHoldings, ReadsAgreements, SignsAgreements
from marketplace.agreements.printed import printed
from marketplace.agreements.queries import AgreementFilter, LineRow
from marketplace.agreements.schemas import (
    AgreementDetailOut,
    AgreementOut,
    BooksOut,
    EventOut,
    FindingOut,
    LineOut,
    NoticeIn,
    NoticeOut,
    SignedOut,
    SignIn,
    Status,
)
from marketplace.agreements.terms import ClauseName, dump_terms
from marketplace.db.requests import PageSecret, Reading, Writing
from marketplace.db.session import ReadSession
from marketplace.documents.service import typeset
from marketplace.kit.errors import missing
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE
from marketplace.kit.wire import PageOut
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once

router = APIRouter(prefix="/agreements", tags=["agreements"])


@router.get("", summary="Your agreements")
async def agreements(
    session: Reading,
    actor: ReadsAgreements,
    secret: PageSecret,
    status: Status | None = None,
    clause: ClauseName | None = None,
    other_id: Annotated[UUID | None, Query(description="The other company.")] = None,
    reference: str | None = None,
    part_id: UUID | None = None,
    waiting: Annotated[bool, Query(description="Only those that wait for your signature.")] = False,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
) -> PageOut[AgreementOut]:
    """Agreements your company is a party of, newest first."""
    wanted = AgreementFilter(
        status=status, clause=clause, other_id=other_id, reference=reference, part_id=part_id, waiting=waiting
    )
    page = await queries.agreements(session, actor, wanted, after=after, limit=limit, secret=secret)
    return PageOut(items=[AgreementOut.model_validate(r) for r in page.items], next=page.next)


@router.get("/{agreement_id}", summary="One agreement")
async def agreement(session: Reading, actor: ReadsAgreements, agreement_id: UUID, now: Now) -> AgreementDetailOut:
    """The text with its blanks filled in, the schedule as it stands, signatures and history."""
    found = await queries.agreement(session, actor, agreement_id)
    pairs = [(agreement_id, line.part_id) for line in found.lines]
    covered = await queries.terms_and_facts(session, pairs)
    return AgreementDetailOut(
        **AgreementOut.model_validate(found.row).model_dump(),
        zone=found.row.zone,
        terms=dump_terms(found.terms),
        wording=found.wording,
        wording_sha256=found.wording_sha256,
        framework_reference=found.framework_reference,
        schedule=[_line(line, covered.get((agreement_id, line.part_id)), now) for line in found.lines],
        law=[FindingOut.model_validate(finding) for finding in found.law],
        events=[EventOut.model_validate(e) for e in found.events],
    )


@router.get("/{agreement_id}/books", summary="How an agreement is booked by its manufacturer")
async def books(session: Reading, actor: ReadsAgreements, agreement_id: UUID) -> BooksOut:
    """Each class of units with the tests asked by IFRS 15 and ASC 606, as kept when the schedule was made, and what is
    left of them after receipt. Indicative, auditor to confirm. To the manufacturer alone: it is its accounting."""
    found = await queries.agreement(session, actor, agreement_id)
    kept = await queries.agreement_books(session, actor, found)
    if kept is None:
        raise missing("agreement.no_books", "No books of yours for this agreement.")
    return BooksOut.of(kept.signed, kept.recorded_at, kept.accepted, kept.now)


def _line(line: LineRow, covered: Covered | None, now: Now) -> LineOut:
    stands = split(covered.terms, covered.facts, now) if covered and covered.status in IN_FORCE else None
    return LineOut(
        part_id=line.part_id,
        number=line.number,
        description=line.description,
        uom=line.uom,
        quantity_sold=line.quantity_sold,
        accepted=line.accepted,
        not_accepted=line.not_accepted,
        sale_price=line.sale_price,
        list_price=line.list_price,
        minimum_to_keep=line.minimum_to_keep,
        minimum_in_force=line.kept,
        taken_back=line.taken_back,
        remaining=stands.remaining if stands else None,
        callable=stands.callable if stands else None,
        words=stands.words if stands else None,
        badge=covered.badge.short if covered else None,
        summary=list(covered.summary) if covered else [],
    )


@router.get(
    "/{agreement_id}/paper.pdf",
    summary="The agreement as PDF",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}}},
)
async def paper(session: Reading, actor: ReadsAgreements, agreement_id: UUID) -> Response:
    """The stored text exactly as it is signed, the list of terms and the signatures, for the two parties only. Until
    both have signed it is marked as a draft. Who signed is named to the signer's own company. The same state of an
    agreement gives one company the same bytes; the text itself is inside as a file, for its SHA-256."""
    return await pdf_of(session, actor, agreement_id)


async def pdf_of(session: ReadSession, actor: Actor, agreement_id: UUID) -> Response:
    """The paper of an agreement as an answer. ``session`` is closed: nobody's connection waits for the typesetter."""
    found = await queries.printed_agreement(session, actor, agreement_id)
    await session.close()
    headers = {
        "content-disposition": f'attachment; filename="{found.reference}.pdf"',
        "cache-control": "no-store",
    }
    return Response(await typeset(lambda: printed(found)), media_type="application/pdf", headers=headers)


@router.post("/{agreement_id}/sign", summary="Sign an agreement")
async def sign(
    session: Writing,
    actor: SignsAgreements,
    agreement_id: UUID,
    now: Now,
    given: SignIn | None = None,
    key: IdempotencyKey = None,
) -> SignedOut:
    """Your company's signature on the schedule, and on the framework agreement where it is the first."""
    sha256 = given.wording_sha256 if given else None

    async def act() -> Any:
        signed = await service.sign(session, actor, agreement_id, now, wording_sha256=sha256)
        return SignedOut.model_validate(signed)

    inputs = {"agreement_id": agreement_id, "wording_sha256": sha256}
    answer = await once(session, actor, key, "agreements.sign", inputs, act, status=200)
    return SignedOut.model_validate(answer.content)


@router.post("/{agreement_id}/notices", status_code=201, summary="Give notice of use, fitting or scrapping")
async def give_notice(
    session: Writing, actor: ActsOnHoldings, agreement_id: UUID, given: NoticeIn, now: Now, key: IdempotencyKey = None
) -> NoticeOut:
    """Where the clause wants to be asked first: starts the clock in which the manufacturer may order the units."""

    async def act() -> Any:
        answer = await service.give_notice(
            session, actor, agreement_id, given.part_id, Act(given.act), given.quantity, now
        )
        return NoticeOut.model_validate(answer)

    inputs = {"agreement_id": agreement_id, **given.model_dump()}
    answer = await once(session, actor, key, "agreements.notice", inputs, act)
    return NoticeOut.model_validate(answer.content)
