"""JSON routes of releases and listings."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from marketplace.agreements.combinations import ready_made
from marketplace.agreements.prose import badge, summary
from marketplace.agreements.schemas import FindingOut, NamedClauseOut
from marketplace.agreements.terms import ClauseName, dump_terms
from marketplace.db.requests import PageSecret, Reading, Writing
from marketplace.kit.errors import missing
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE, cut, read_bookmark
from marketplace.kit.wire import Done, Made, PageOut
from marketplace.ledger.kinds import Condition
from marketplace.listings import queries, service
from marketplace.listings.permissions import ReadsListings, ReadsReleases, WritesReleases
from marketplace.listings.schemas import (
    ClauseOut,
    CombinationOut,
    LinesIn,
    LinesSet,
    ListingDetail,
    ListingOut,
    OfferFacetsOut,
    ReduceIn,
    ReleaseBooksOut,
    ReleaseDetail,
    ReleaseIn,
    ReleaseOut,
    ReleaseStatus,
    UseClass,
)
from marketplace.listings.schemas.covering import CoverIn, CoverOut
from marketplace.listings.wording import Offered, clauses_of
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once, once_done

router = APIRouter(tags=["listings"])


def _filter(
    part_id: UUID | None = None,
    class_code: str | None = None,
    condition: Condition | None = None,
    clause: ClauseName | None = None,
    use_class: UseClass | None = None,
    seller_id: UUID | None = None,
    maker_id: UUID | None = None,
    country: Annotated[str | None, Query(description="Two letters, ISO 3166-1.", pattern="^[A-Z]{2}$")] = None,
    maximum_price: Decimal | None = None,
    minimum_quantity: int | None = None,
) -> queries.Wanted:
    return queries.Wanted(
        classes=(class_code,) if class_code else (), conditions=(condition,) if condition else (),
        clauses=(clause,) if clause else (), uses=(use_class,) if use_class else (), sellers=(seller_id,) if seller_id else (),
        makers=(maker_id,) if maker_id else (), countries=(country,) if country else (), maximum_price=maximum_price,
        minimum_quantity=minimum_quantity, part_ids=(part_id,) if part_id else None,
    )  # fmt: skip


Filtered = Annotated[queries.Wanted, Depends(_filter)]


@router.get("/listings", summary="What is on offer to you")
async def browse(
    session: Reading,
    secret: PageSecret,
    actor: ReadsListings,
    wanted: Filtered,
    after: str | None = None,
    limit: int = Query(DEFAULT_PAGE, ge=1, le=MAX_PAGE),
) -> PageOut[ListingOut]:
    """Newest first, filtered, paged, at the prices that you pay."""
    mark = read_bookmark(after, secret, UUID, UUID)
    rows = await queries.browse(session, wanted, after=mark, limit=limit + 1)
    page = cut(rows, limit, lambda r: queries.browse_key(r, "newest"), secret)
    return PageOut(items=[ListingOut.model_validate(r) for r in page.items], next=page.next)


@router.get("/listings/facets", summary="What a search can be narrowed by, with counts")
async def facets(session: Reading, actor: ReadsListings, wanted: Filtered) -> OfferFacetsOut:
    """How many of the offers that you see each choice would leave, all other filters in force. Where more than 2,000 fit, counts are
    at least what is said."""
    return OfferFacetsOut.model_validate(await queries.facets(session, wanted))


@router.post("/listings/cover", summary="The cheapest set of offers for a list")
async def cover(session: Reading, actor: ReadsListings, asked: CoverIn) -> CoverOut:
    """At the prices that you pay, with smallest orders and packages; says what nothing covers. Orders nothing: what it answers goes into
    `orders/basket` as it is."""
    return CoverOut.of(await queries.cover_list(session, actor.company_id, asked.needs(), asked.currency))


@router.get("/listings/{listing_id}", summary="One listing with its clause in plain words")
async def listing(session: Reading, actor: ReadsListings, listing_id: UUID, now: Now) -> ListingDetail:
    """Dates and amounts as they would be if you bought today."""
    row = await queries.listing(session, listing_id)
    return _detail(row, now.date())


def _detail(row: queries.ListingRow, today: date) -> ListingDetail:
    # Of a sold-out line the words are those of all that was offered.
    count = row.available or max(row.quantity, 1)
    offer = Offered(count, max(row.quantity, 1), row.unit_price, row.currency, row.list_price, row.minimum_to_keep)
    terms, *further = clauses_of(row.clause, row.version, row.terms, row.further)
    facts = offer.facts(today, "UTC")
    shown = badge(terms, facts, further=further)
    return ListingDetail(
        **ListingOut.model_validate(row).model_dump(), terms=row.terms,
        further=[NamedClauseOut.model_validate(clause) for clause in row.further], clause_badge=shown.short,
        clause_sentence=shown.sentence, clause_summary=list(summary(terms, facts, further)),
    )  # fmt: skip


@router.get("/clauses", summary="Clauses a posting can stand under, with ready-made terms")
async def clauses(session: Reading, actor: ReadsListings) -> list[ClauseOut]:
    """Each published version with its presets: complete terms to use as they are, or to change. A preset of several clauses
    stands with the first of them and names those that go beside it."""
    published = await queries.clause_versions(session)
    starts = ready_made({(clause, version) for clause, version, *_ in published})
    texts = {(clause, version): sha256 for clause, version, _, sha256 in published}
    return [
        ClauseOut(
            clause=clause, version=version, title=title, sha256=sha256,
            presets={s.name: dump_terms(s.terms()[0]) for s in starts if s.clauses[0][:2] == (clause, version)},
            combinations=[
                CombinationOut(
                    name=s.name, title=s.title, when=s.when,
                    further=[
                        NamedClauseOut(
                            clause=t.clause, version=t.version, sha256=texts[t.clause, t.version], terms=dump_terms(t)
                        )
                        for t in s.terms()[1:]
                    ],
                )
                for s in starts
                if s.clauses[0][:2] == (clause, version)
            ],
        )
        for clause, version, title, sha256 in published
    ]  # fmt: skip


@router.get("/releases", summary="Your surplus postings")
async def releases(
    session: Reading,
    secret: PageSecret,
    actor: ReadsReleases,
    status: ReleaseStatus | None = None,
    waits: Annotated[bool | None, Query(description="Only those that you are to approve.")] = None,
    after: str | None = None,
    limit: int = Query(DEFAULT_PAGE, ge=1, le=MAX_PAGE),
) -> PageOut[ReleaseOut]:
    """Newest first."""
    mark = read_bookmark(after, secret, UUID)
    rows = await queries.releases(
        session, actor.company_id, status=status, waits_for=actor.user_id if waits else None, after=mark[0] if mark else None,
        limit=limit + 1,
    )  # fmt: skip
    page = cut(rows, limit, lambda r: [r.id], secret)
    return PageOut(items=[ReleaseOut.model_validate(r) for r in page.items], next=page.next)


@router.get("/releases/{release_id}", summary="One surplus posting with its lines")
async def release(session: Reading, actor: ReadsReleases, release_id: UUID) -> ReleaseDetail:
    """With what is offered and ordered of each line."""
    found = await queries.release(session, release_id)
    lines = await queries.lines(session, release_id)
    shown = ReleaseOut.model_validate(found)
    if found.company_id != actor.company_id:
        # Partners do not learn who else was asked.
        shown.audience_ids = None
    return ReleaseDetail(**shown.model_dump(), line_items=[ListingOut.model_validate(x) for x in lines])


@router.get("/releases/{release_id}/books", summary="How a posting would be booked, and what the law says")
async def books(session: Reading, actor: ReadsReleases, release_id: UUID, now: Now) -> ReleaseBooksOut:
    """Each class of units of each line with the tests asked by IFRS 15 and ASC 606, as if all were sold today; and the legal
    limits that concern the terms. Indicative, auditor to confirm; not legal advice. Of your own postings."""
    found = await queries.release(session, release_id)
    if found.company_id != actor.company_id:
        raise missing("release.not_found", "No such surplus posting of yours.")
    terms = clauses_of(found.clause, found.version, found.terms, found.further)
    lines = await queries.lines(session, release_id)
    whose = await queries.whose_law(session, found)
    law = await queries.law_of_terms(session, actor.company_id, terms, whose, now.date())
    reckoned = await queries.books_of_lines(session, actor.company_id, terms, lines, now.date())
    return ReleaseBooksOut.of(reckoned, law=[FindingOut.model_validate(finding) for finding in law])


@router.post("/releases", status_code=201, summary="Draft a surplus posting")
async def draft(session: Writing, actor: WritesReleases, new: ReleaseIn, key: IdempotencyKey = None) -> Made:
    """Answers its id; every wrong term is named."""

    async def act() -> dict[str, Any]:
        return {"id": await service.draft(session, actor, **new.given())}

    return Made.model_validate((await once(session, actor, key, "releases.draft", new.model_dump(), act)).content)


@router.put("/releases/{release_id}", summary="Change a draft")
async def edit(
    session: Writing, actor: WritesReleases, release_id: UUID, new: ReleaseIn, key: IdempotencyKey = None
) -> Done:
    """Title, clause, terms and audience at once. Lines whose minimum to keep was that of the terms follow."""
    given = {**new.model_dump(), "release_id": release_id}
    return await once_done(
        session, actor, key, "releases.edit", given,
        lambda: service.edit(session, actor, release_id, **new.given()),
    )  # fmt: skip


@router.put("/releases/{release_id}/lines", summary="Set the lines of a draft")
async def set_lines(
    session: Writing, actor: WritesReleases, release_id: UUID, new: LinesIn, key: IdempotencyKey = None
) -> LinesSet:
    """All or nothing; every wrong line is named."""

    async def act() -> dict[str, Any]:
        lines = [service.NewLine(**x.model_dump()) for x in new.lines]
        return {"listing_ids": await service.set_lines(session, actor, release_id, lines)}

    given = {**new.model_dump(), "release_id": release_id}
    return LinesSet.model_validate((await once(session, actor, key, "releases.lines", given, act, status=200)).content)


@router.post("/releases/{release_id}/publish", summary="Publish a draft")
async def publish(
    session: Writing, actor: WritesReleases, release_id: UUID, now: Now, key: IdempotencyKey = None
) -> Done:
    """Partners see it from this moment."""
    return await once_done(
        session, actor, key, f"releases.publish:{release_id}", {},
        lambda: service.publish(session, actor, release_id, now),
    )  # fmt: skip


@router.post("/releases/{release_id}/close", summary="Withdraw everything unsold")
async def close(
    session: Writing, actor: WritesReleases, release_id: UUID, now: Now, key: IdempotencyKey = None
) -> Done:
    """Orders already placed go on."""
    return await once_done(
        session, actor, key, f"releases.close:{release_id}", {},
        lambda: service.close(session, actor, release_id, now),
    )  # fmt: skip


@router.post("/listings/{listing_id}/reduce", summary="Offer fewer of a line")
async def reduce(
    session: Writing, actor: WritesReleases, listing_id: UUID, given: ReduceIn, key: IdempotencyKey = None
) -> Done:
    """What is ordered stays honoured."""
    return await once_done(
        session, actor, key, f"listings.reduce:{listing_id}", given.model_dump(),
        lambda: service.reduce(session, actor, listing_id, given.quantity),
    )  # fmt: skip
