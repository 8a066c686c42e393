"""JSON routes of agreements."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from marketplace.agreements import queries, service
from marketplace.agreements.changes import LineMinimum, differences_of_all, minimum_after
from marketplace.agreements.covered import IN_FORCE, Covered
from marketplace.agreements.evaluation import Act, split
from marketplace.agreements.holds import standing
from marketplace.agreements.permissions import ActsOnHoldings, AnswersNotices, ReadsAgreements, SignsAgreements
from marketplace.agreements.printed import printed
from marketplace.agreements.prose import badge
from marketplace.agreements.queries import (
    AgreementDetail,
    AgreementFilter,
    AgreementText,
    LineRow,
    Pair,
    ProposalRow,
    retained,
)
from marketplace.agreements.queries.retained import WhoseRow
from marketplace.agreements.schemas import (
    AgreementDetailOut,
    AgreementOut,
    BooksOut,
    DifferenceOut,
    EventOut,
    FindingOut,
    FrameworkOut,
    HoldIn,
    HoldOut,
    IndexOut,
    IndexValueOut,
    LineOut,
    NonRenewalIn,
    NoticeAnswerIn,
    NoticeIn,
    NoticeOut,
    NoticeRowOut,
    ProposalIn,
    ProposalOut,
    ReasonIn,
    RenewalIn,
    SignedOut,
    SignIn,
    StandingOut,
    Status,
    SuspensionOut,
    TakingOutRow,
    TermOut,
    ValueIn,
    ValueOut,
)
from marketplace.agreements.suspensions import standing as suspensions_standing
from marketplace.agreements.term_kinds import Title
from marketplace.agreements.terms import ClauseName, Terms, dump_terms
from marketplace.agreements.title import owner_words, title_of
from marketplace.db.requests import PageSecret, Reading, Writing
from marketplace.db.session import ReadSession
from marketplace.documents.service import typeset
from marketplace.kit.errors import invalid, missing
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE, cut, read_bookmark
from marketplace.kit.wire import PageOut
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once

agreed = APIRouter(prefix="/agreements", tags=["agreements"])
notices = APIRouter(prefix="/notices", tags=["agreements"])
indexes = APIRouter(prefix="/indexes", tags=["agreements"])


@agreed.get("", summary="Your agreements")
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


async def detail(
    session: ReadSession, found: AgreementDetail, covered: Mapping[Pair, Covered], now: datetime
) -> AgreementDetailOut:
    """One agreement as an answer. ``covered``: its schedule as it stands, with units that are being looked for, which holdings
    above know of; so holdings serves it (``holdings/endpoints/agreed.py``)."""
    agreement_id = found.row.id
    keeps = title_of(found.clauses) is not Title.SOLD
    kept = {w.part_id: w for w in await retained.whose(session, agreement_id)} if keeps else {}
    return AgreementDetailOut(
        **AgreementOut.model_validate(found.row).model_dump(),
        zone=found.row.zone,
        terms=dump_terms(found.terms),
        wording=found.wording,
        wording_sha256=found.wording_sha256,
        framework_reference=found.framework_reference,
        frameworks=[FrameworkOut.model_validate(f) for f in found.frameworks],
        schedule=[
            _line(line, covered.get((agreement_id, line.part_id)), found.further, kept.get(line.part_id), now)
            for line in found.lines
        ],
        title_words=owner_words(found.clauses),
        law=[FindingOut.model_validate(finding) for finding in found.law],
        events=[EventOut.model_validate(e) for e in found.events],
        holds=[HoldOut.model_validate(h) for h in found.holds],
        suspensions=[SuspensionOut.model_validate(s) for s in found.suspensions],
    )


@agreed.get("/{agreement_id}/taken-out", summary="What was taken out of units that stay the manufacturer's")
async def taken_out(
    session: Reading,
    actor: ReadsAgreements,
    agreement_id: UUID,
    secret: PageSecret,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
) -> PageOut[TakingOutRow]:
    """Each time that units were taken out or came to count as taken out, newest first: how many, why, at which price and due
    when. What is owed for it stands under settlement."""
    mark = read_bookmark(after, secret, UUID)
    await queries.agreement(session, actor, agreement_id)
    found = await retained.taken_under(session, agreement_id, after=mark[0] if mark else None, limit=limit + 1)
    page = cut(found, limit, lambda row: [row.id], secret)
    return PageOut(items=[TakingOutRow.model_validate(row) for row in page.items], next=page.next)


@agreed.get("/{agreement_id}/books", summary="How an agreement is booked by its manufacturer")
async def books(session: Reading, actor: ReadsAgreements, agreement_id: UUID) -> BooksOut:
    """Each class of units with the tests asked by IFRS 15 and ASC 606, as kept when the schedule was made, and what is
    left of them after receipt. Indicative, auditor to confirm. To the manufacturer alone: it is its accounting."""
    found = await queries.agreement(session, actor, agreement_id)
    kept = await queries.agreement_books(session, actor, found)
    if kept is None:
        raise missing("agreement.no_books", "No books of yours for this agreement.")
    return BooksOut.of(kept.signed, kept.recorded_at, kept.accepted, kept.now)


def _line(
    line: LineRow, covered: Covered | None, further: Sequence[Terms], whose: WhoseRow | None, now: datetime
) -> LineOut:
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
        manufacturers=whose.makers if whose else 0,
        counted_out=whose.bought if whose else 0,
        remaining=stands.remaining if stands else None,
        callable=stands.callable if stands else None,
        words=stands.words if stands else None,
        badge=badge(covered.terms, covered.facts, further=further).short if covered else None,
        summary=list(covered._replace(further=tuple(further)).summary) if covered else [],
    )


@agreed.get(
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


@agreed.post("/{agreement_id}/sign", summary="Sign an agreement")
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


@agreed.post("/{agreement_id}/notices", status_code=201, summary="Give notice of use, fitting, scrapping or sale")
async def give_notice(
    session: Writing, actor: ActsOnHoldings, agreement_id: UUID, given: NoticeIn, now: Now, key: IdempotencyKey = None
) -> NoticeOut:
    """Where the clause wants to be asked first: starts the clock in which the manufacturer may order the units, or answers."""

    async def act() -> Any:
        answer = await service.give_notice(
            session, actor, agreement_id, given.part_id, Act(given.act), given.quantity, now, offer=given.offer,
            offered_by=given.offered_by, note_text=given.note,
        )  # fmt: skip
        return NoticeOut.model_validate(answer)

    inputs = {"agreement_id": agreement_id, **given.model_dump()}
    answer = await once(session, actor, key, "agreements.notice", inputs, act)
    return NoticeOut.model_validate(answer.content)


# -- standing ------------------------------------------------------------------------------------------------


async def _stands(session: Writing, agreement_id: UUID, now: datetime) -> StandingOut:
    found = await queries.agreement_for_update(session, agreement_id)
    suspended = await queries.suspension_events(session, agreement_id) if found.status == "suspended" else ()
    said = (await queries.hold_events(session, [agreement_id])).get(agreement_id, ()) if found.legal_hold else ()
    return StandingOut.model_validate(
        {
            "agreement_id": agreement_id,
            "status": found.status,
            "legal_hold": found.legal_hold,
            "suspension_ends_at": found.suspension_ends_at,
            "holds": [HoldOut.model_validate(h) for h in standing(said)],
            "suspensions": [SuspensionOut.model_validate(s) for s in suspensions_standing(suspended, now)],
        }
    )


async def _once(
    session: Writing, actor: Actor, key: str | None, verb: str, inputs: Any, act: Callable[[], Awaitable[Any]]
) -> Any:
    return (await once(session, actor, key, f"agreements.{verb}", inputs, act, status=200)).content


@agreed.post("/{agreement_id}/suspend", summary="Suspend an agreement")
async def suspend(
    session: Writing, actor: SignsAgreements, agreement_id: UUID, given: ReasonIn, now: Now, key: IdempotencyKey = None
) -> StandingOut:
    """For a stated reason: nothing is called, moved or used until your company resumes it. The days are added to the end
    of the right. Under the second library of clauses it ends by itself after 30 days, and your company can state another one
    when 90 days have passed since its last one ended. One of the other side stands beside it on its own."""

    async def act() -> Any:
        await service.suspend(session, agreement_id, actor, given.reason, now)
        return await _stands(session, agreement_id, now)

    inputs = {"agreement_id": agreement_id, **given.model_dump()}
    return StandingOut.model_validate(await _once(session, actor, key, "suspend", inputs, act))


@agreed.post("/{agreement_id}/resume", summary="Resume a suspended agreement")
async def resume(
    session: Writing, actor: SignsAgreements, agreement_id: UUID, now: Now, key: IdempotencyKey = None
) -> StandingOut:
    """Lifts your company's own suspension; while one of the other side stands, the agreement stays suspended by that."""

    async def act() -> Any:
        await service.resume(session, agreement_id, actor, now)
        return await _stands(session, agreement_id, now)

    return StandingOut.model_validate(await _once(session, actor, key, "resume", {"agreement_id": agreement_id}, act))


@agreed.post("/{agreement_id}/legal-hold", summary="Put an agreement under legal hold, or lift it")
async def legal_hold(
    session: Writing, actor: SignsAgreements, agreement_id: UUID, given: HoldIn, now: Now, key: IdempotencyKey = None
) -> StandingOut:
    """Law, a sanction or a court forbids performance: the units stay where and as they are. Only the side that set it lifts
    it. Under the second library of clauses it names what it rests on, and its days are added to the end of the right."""

    async def act() -> Any:
        await service.set_legal_hold(session, agreement_id, actor, given.held, given.reason, now, basis=given.basis)
        return await _stands(session, agreement_id, now)

    inputs = {"agreement_id": agreement_id, **given.model_dump()}
    return StandingOut.model_validate(await _once(session, actor, key, "legal_hold", inputs, act))


@agreed.post("/{agreement_id}/close", summary="Close an agreement whose right has ended")
async def close(
    session: Writing, actor: SignsAgreements, agreement_id: UUID, now: Now, key: IdempotencyKey = None
) -> StandingOut:
    """By either side alone: the units that the holder has stand under no agreement any more."""

    async def act() -> Any:
        await service.close_ended(session, actor, agreement_id, now)
        return await _stands(session, agreement_id, now)

    return StandingOut.model_validate(await _once(session, actor, key, "close", {"agreement_id": agreement_id}, act))


# -- renewal -------------------------------------------------------------------------------------------------


async def term_of(session: Writing | Reading, actor: Actor, agreement_id: UUID) -> TermOut:
    """How an agreement of the actor's company ends or goes on."""
    found = await queries.agreement(session, actor, agreement_id)
    told = await queries.term(session, agreement_id, found.row.zone)
    stored = told.stored
    return TermOut.model_validate(
        {
            "agreement_id": agreement_id, "renewal": stored.renewal or "none", "renewals": stored.renewals,
            "last_day": told.last_day, "ended_on": told.over_on, "decide_by": None if told.over_on else stored.decide_by, "words": told.words,
            "renews_until": told.end.renews_until if told.end and stored.decide_by and not told.over_on else None,
            "survives_until": told.end.survives_until if told.end else None, "non_renewal_at": stored.non_renewal_at,
        }
    )  # fmt: skip


@agreed.get("/{agreement_id}/term", summary="How an agreement ends or goes on")
async def term(session: Reading, actor: ReadsAgreements, agreement_id: UUID) -> TermOut:
    """Its last day, by when a renewal is decided, and how long duties survive."""
    return await term_of(session, actor, agreement_id)


@agreed.post("/{agreement_id}/non-renewal", summary="Give notice that an agreement is not to be renewed")
async def give_non_renewal(
    session: Writing,
    actor: SignsAgreements,
    agreement_id: UUID,
    given: NonRenewalIn,
    now: Now,
    key: IdempotencyKey = None,
) -> TermOut:
    """By either side, until the deadline; later ones are refused. Without a notice it is renewed by itself."""

    async def act() -> Any:
        await service.give_non_renewal(session, actor, agreement_id, given.reason, now, ends_on=given.ends_on)
        return await term_of(session, actor, agreement_id)

    inputs = {"agreement_id": agreement_id, **given.model_dump(mode="json")}
    return TermOut.model_validate(await _once(session, actor, key, "non_renewal", inputs, act))


@agreed.post("/{agreement_id}/renewal", status_code=201, summary="Offer to renew an agreement")
async def propose_renewal(
    session: Writing, actor: SignsAgreements, agreement_id: UUID, given: RenewalIn, now: Now, key: IdempotencyKey = None
) -> ProposalOut:
    """Signed by your company with this; the other side signs it, like any proposal, until the terms' deadline."""

    async def act() -> Any:
        made = await service.propose_renewal(
            session, actor, agreement_id, text=given.note, now=now, valid_days=given.valid_days
        )
        text = await queries.agreement_text(session, agreement_id)
        row = next(p for p in await queries.proposals(session, actor, agreement_id) if p.id == made.id)
        return _proposal(row, text, now)

    inputs = {"agreement_id": agreement_id, **given.model_dump(mode="json")}
    answer = await once(session, actor, key, "agreements.propose_renewal", inputs, act)
    return ProposalOut.model_validate(answer.content)


# -- changing and ending by both sides -------------------------------------------------------------------------


@agreed.get("/{agreement_id}/proposals", summary="Proposals to change or end an agreement")
async def proposals(session: Reading, actor: ReadsAgreements, agreement_id: UUID, now: Now) -> list[ProposalOut]:
    """Newest first, with what each would change term by term; at most 100."""
    await queries.agreement(session, actor, agreement_id)
    text = await queries.agreement_text(session, agreement_id)
    return [_proposal(p, text, now) for p in await queries.proposals(session, actor, agreement_id)]


def minimums_of(text: AgreementText, proposal: ProposalRow) -> Sequence[LineMinimum]:
    """By line the minimum to keep as signed and as proposed; none where the agreement is to end."""
    if proposal.terms is None:
        return ()
    after = proposal.terms
    return [
        LineMinimum(
            line.number,
            line.minimum_to_keep,
            minimum_after(
                text.terms, after, quantity=line.quantity_sold, minimum=line.minimum_to_keep,
                stated=proposal.minimums.get(line.part_id),
            ),
        )
        for line in text.lines
    ]  # fmt: skip


def _proposal(row: ProposalRow, text: AgreementText, now: datetime) -> ProposalOut:
    changed = differences_of_all(text.clauses, row.clauses, minimums_of(text, row)) if row.terms else ()
    return ProposalOut.model_validate(
        {
            "id": row.id, "agreement_id": row.agreement_id, "kind": row.kind, "status": row.standing(now),
            "proposed_by": row.proposer, "proposed_at": row.proposed_at, "valid_until": row.valid_until,
            "answers_id": row.answers_id, "note": row.note, "reason": row.reason, "reference": row.reference,
            "differences": [DifferenceOut.model_validate(d) for d in changed],
            "terms": dump_terms(row.terms) if row.terms else None,
            "further": [{"clause": t.clause, "version": t.version, "terms": dump_terms(t)} for t in row.further],
            "wording": row.wording,
            "wording_sha256": row.wording_sha256.hex(),
        }
    )  # fmt: skip


@agreed.post("/{agreement_id}/proposals", status_code=201, summary="Propose to change or end an agreement")
async def propose(
    session: Writing,
    actor: SignsAgreements,
    agreement_id: UUID,
    given: ProposalIn,
    now: Now,
    key: IdempotencyKey = None,
) -> ProposalOut:
    """Signed by your company with this; the other side signs, counters with a proposal of its own, or declines. One is
    open at a time. A change makes a new agreement in the old one's place and moves every unit to it."""

    async def act() -> Any:
        if given.ends:
            if given.terms or given.clause or given.version or given.minimums or given.further:
                raise invalid("proposal.terms", "An end has no terms: leave them out.", field="terms")
            made = await service.propose_end(
                session, actor, agreement_id, text=given.note, now=now, valid_days=given.valid_days
            )
        elif given.terms is None or given.clause is None or given.version is None:
            raise invalid(
                "proposal.terms", "Give clause, version and all terms as they are to be, or say that it ends.",
                field="terms",
            )  # fmt: skip
        elif len({m.part_id for m in given.minimums}) < len(given.minimums):
            raise invalid("proposal.minimums", "A part may be named once in the minimums.", field="minimums")
        else:
            made = await service.propose_change(
                session, actor, agreement_id, clause=given.clause, version=given.version, terms=given.terms,
                minimums={m.part_id: m.minimum_to_keep for m in given.minimums}, text=given.note, now=now,
                valid_days=given.valid_days, further=given.beside,
            )  # fmt: skip
        text = await queries.agreement_text(session, agreement_id)
        row = next(p for p in await queries.proposals(session, actor, agreement_id) if p.id == made.id)
        return _proposal(row, text, now)

    inputs = {"agreement_id": agreement_id, **given.model_dump(mode="json")}
    answer = await once(session, actor, key, "agreements.propose", inputs, act)
    return ProposalOut.model_validate(answer.content)


@agreed.post("/proposals/{proposal_id}/decline", status_code=204, summary="Decline a proposal, or take your own back")
async def decline(
    session: Writing, actor: SignsAgreements, proposal_id: UUID, now: Now, given: ReasonIn | None = None,
    key: IdempotencyKey = None,
) -> None:  # fmt: skip
    """The agreement stays as it is. The other side's is declined with a reason; your own is taken back without one."""

    async def act() -> Any:
        await service.decline_proposal(session, actor, proposal_id, given.reason if given else "", now)
        return {}

    inputs = {"proposal_id": proposal_id, "reason": given.reason if given else ""}
    await _once(session, actor, key, "decline_proposal", inputs, act)


# -- notices ---------------------------------------------------------------------------------------------------


@notices.get("", summary="Notices that still count")
async def open_notices(
    session: Reading,
    actor: ReadsAgreements,
    secret: PageSecret,
    now: Now,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
) -> PageOut[NoticeRowOut]:
    """Notices to and from your company that run, or under which the holder may act, newest first."""
    mark = read_bookmark(after, secret, UUID)
    found = await queries.open_notices_now(
        session, actor.company_id, now, after=mark[0] if mark else None, limit=limit + 1
    )
    page = cut(found, limit, lambda row: [row.notice.id], secret)
    return PageOut(items=[NoticeRowOut.of(row, now) for row in page.items], next=page.next)


@notices.get("/{notice_id}", summary="One notice")
async def notice(session: Reading, actor: ReadsAgreements, notice_id: UUID, now: Now) -> NoticeRowOut:
    """A notice to or from your company, as it stands."""
    return NoticeRowOut.of(await queries.one_notice_now(session, actor.company_id, notice_id, now), now)


@notices.post("/{notice_id}/answer", summary="Answer a notice")
async def answer_notice(
    session: Writing,
    actor: AnswersNotices,
    notice_id: UUID,
    given: NoticeAnswerIn,
    now: Now,
    key: IdempotencyKey = None,
) -> NoticeRowOut:
    """The manufacturer agrees, or refuses what needs its consent. To take the units, order them back while the notice runs."""

    async def act() -> Any:
        row = await queries.one_notice(session, actor.company_id, notice_id)
        await service.answer_notice(
            session, actor, row.agreement_id, notice_id, agree=given.agree, words=given.note, now=now
        )
        return NoticeRowOut.of(await queries.one_notice_now(session, actor.company_id, notice_id, now), now)

    inputs = {"notice_id": notice_id, **given.model_dump()}
    answer = await once(session, actor, key, "agreements.answer_notice", inputs, act, status=200)
    return NoticeRowOut.model_validate(answer.content)


@notices.post("/{notice_id}/withdraw", summary="Withdraw a notice")
async def withdraw_notice(
    session: Writing, actor: ActsOnHoldings, notice_id: UUID, now: Now, key: IdempotencyKey = None
) -> NoticeRowOut:
    """The holder no longer wants to. What was ordered on the notice stays ordered."""

    async def act() -> Any:
        row = await queries.one_notice(session, actor.company_id, notice_id)
        await service.withdraw_notice(session, actor, row.agreement_id, notice_id, now)
        return NoticeRowOut.of(await queries.one_notice_now(session, actor.company_id, notice_id, now), now)

    answer = await once(session, actor, key, "agreements.withdraw_notice", {"notice_id": notice_id}, act, status=200)
    return NoticeRowOut.model_validate(answer.content)


# -- what prices follow ----------------------------------------------------------------------------------------


@agreed.post("/{agreement_id}/values", status_code=201, summary="State what a unit cost or is worth")
async def state_value(
    session: Writing,
    actor: ActsOnHoldings,
    agreement_id: UUID,
    given: ValueIn,
    now: Now,
    key: IdempotencyKey = None,
) -> ValueOut:
    """For prices that follow a cost or a market value: the holder states costs with their evidence, either side a market value
    with its source. The newest of a kind counts from now on; orders given before keep their price."""

    async def act() -> Any:
        made = await service.state_value(
            session, actor, agreement_id, given.part_id, kind=given.kind, amount=given.amount, source=given.source,
            valued_on=given.valued_on, now=now,
        )  # fmt: skip
        return ValueOut(id=made, **given.model_dump(), company=actor.company_name, at=now)

    inputs = {"agreement_id": agreement_id, **given.model_dump()}
    answer = await once(session, actor, key, "agreements.value", inputs, act)
    return ValueOut.model_validate(answer.content)


@agreed.get("/{agreement_id}/values", summary="What was stated of its units")
async def stated_values(session: Reading, actor: ReadsAgreements, agreement_id: UUID) -> list[ValueOut]:
    """The newest fifty statements of costs and market values, newest first."""
    await queries.agreement(session, actor, agreement_id)
    return [ValueOut.model_validate(v) for v in await queries.stated_values(session, agreement_id)]


@indexes.get("", summary="Published indexes on record")
async def published_indexes(
    session: Reading,
    actor: ReadsAgreements,
    secret: PageSecret,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
) -> PageOut[IndexOut]:
    """Indexes that prices can follow, by name, with the newest value of each. The operator keeps them."""
    mark = read_bookmark(after, secret, str)
    found = await queries.index_series(session, after=mark[0] if mark else "", limit=limit + 1)
    page = cut(found, limit, lambda row: [row.series], secret)
    return PageOut(items=[IndexOut.model_validate(row) for row in page.items], next=page.next)


@indexes.get("/values", summary="The values of an index")
async def index_values(
    session: Reading,
    actor: ReadsAgreements,
    secret: PageSecret,
    series: Annotated[str, Query(max_length=120, examples=["Producer prices, machinery (BLS)"])] = "",
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
) -> PageOut[IndexValueOut]:
    """Newest month first. A correction is another row of the same month; what was published last counts for orders after it."""
    mark = read_bookmark(after, secret, str, str)
    found = await queries.index_values(session, series, before=(mark[0], mark[1]) if mark else None, limit=limit + 1)
    page = cut(found, limit, lambda row: [row.month, row.published_at.isoformat()], secret)
    return PageOut(items=[IndexValueOut.model_validate(row) for row in page.items], next=page.next)


router = APIRouter()
router.include_router(agreed)
router.include_router(notices)
router.include_router(indexes)
