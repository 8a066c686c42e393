"""Finding what to release, keeping back what never is, changing many lines at once, and a second person's word above a limit."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from marketplace.agreements.terms import Terms
from marketplace.db.session import ReadSession, WriteSession, execute, fetch, fetch_value
from marketplace.kit.canonical import encode
from marketplace.kit.errors import conflict, invalid, missing
from marketplace.listings import queries
from marketplace.listings.formulas import Formula, LineNow, LineThen, applied
from marketplace.listings.queries.candidates import MOST_OFFERED, Rules
from marketplace.listings.service.releasing import MAX_LINES, NewLine, add_lines, put_out, set_lines
from marketplace.listings.wording import clauses_of
from marketplace.outbox.service import emit
from marketplace.parties.actor import Actor
from marketplace.parties.queries import people_to_tell

_LONGEST: Final = 300
_CENT: Final = Decimal("0.01")


async def protect(session: WriteSession, actor: Actor, part_ids: Sequence[UUID], reason: str, now: datetime) -> int:
    """These parts are never released; those that were protected before stay as they are. How many were added. Raises ``protection.reason``,
    ``part.not_found``, ``protection.on_offer`` naming what is on offer now."""
    plain = reason.strip()
    if not 0 < len(plain) <= _LONGEST:
        raise invalid("protection.reason", f"Say why, in up to {_LONGEST} characters.", field="reason")
    wanted = sorted(set(part_ids))
    if not wanted or len(await queries.known_parts(session, wanted)) < len(wanted):
        raise missing("part.not_found", "No such part. Find it by its number first.", field="parts")
    await queries.stock_for_update(session, actor.company_id, wanted)
    offered = await fetch(
        session,
        "SELECT DISTINCT t.number FROM listing l JOIN part t ON t.id = l.part_id WHERE l.company_id = $1 AND l.part_id = ANY($2::uuid[]) "
        "AND l.published AND l.ordered < l.quantity ORDER BY t.number LIMIT 5",
        actor.company_id, wanted,
    )  # fmt: skip
    if offered:
        raise conflict(
            "protection.on_offer",
            f"{', '.join(r['number'] for r in offered)} {'is' if len(offered) == 1 else 'are'} on offer: withdraw that first, then protect. Nothing was changed.",
        )
    rows = await fetch(
        session,
        "INSERT INTO part_protection (company_id, part_id, reason, stated_by, stated_at) SELECT $1, w.id, $3, $4, $5 FROM unnest($2::uuid[]) w (id) "
        "WHERE NOT EXISTS (SELECT FROM part_protection f WHERE f.company_id = $1 AND f.part_id = w.id "
        "AND NOT EXISTS (SELECT FROM part_protection_ended e WHERE e.protection_id = f.id)) RETURNING id",
        actor.company_id, wanted, plain, actor.user_id, now,
    )  # fmt: skip
    return len(rows)


async def end_protection(session: WriteSession, actor: Actor, protection_id: UUID, now: datetime) -> None:
    """It may be released again. Raises ``protection.not_found``."""
    done = await execute(
        session,
        "INSERT INTO part_protection_ended (protection_id, company_id, ended_by, ended_at) SELECT f.id, $2, $3, $4 FROM part_protection f "
        "WHERE f.id = $1 AND f.company_id = $2 ON CONFLICT DO NOTHING",
        protection_id, actor.company_id, actor.user_id, now,
    )  # fmt: skip
    if done != "INSERT 0 1":
        raise missing("protection.not_found", "No such protected part of yours, or it was freed before.")


async def offer_candidates(
    session: WriteSession,
    actor: Actor,
    release_id: UUID,
    rules: Rules,
    keys: Sequence[str] | None,
    *,
    percent: Decimal,
) -> int:
    """Takes what the rules describe (of it only ``keys``, if they are given) into a draft: all that is free, at ``percent`` of the list
    price, else of the unit cost, with the terms' minimum to keep. How many lines. Raises ``candidate.too_many``, ``candidate.gone``,
    ``candidate.none``, ``formula.percent``, and what adding lines raises."""
    Formula(percent=percent).check()
    release = await queries.release_for_update(session, release_id, actor.company_id)
    found = await queries.candidates(session, actor.company_id, rules, limit=MOST_OFFERED + 1)
    if keys is not None:
        wanted = set(keys)
        chosen = [c for c in found if c.key in wanted]
        if len(chosen) < len(wanted):
            raise conflict(
                "candidate.gone",
                "Some of the chosen stock is not free any more, or does not fit the rules. Look again; nothing was added.",
            )
    elif len(found) > MOST_OFFERED:
        raise conflict(
            "candidate.too_many",
            f"More than {MOST_OFFERED:,} lines match: one posting has at most {MAX_LINES:,}. Narrow the rules; nothing was added.",
        )
    else:
        chosen = list(found)
    if not chosen:
        raise invalid("candidate.none", "Choose at least one line, or rules that something matches.", field="pick")
    terms = clauses_of(release.clause, release.version, release.terms, release.further)
    known = await queries.lines(session, release_id, limit=MAX_LINES)
    inside = {(x.part_id, x.site_id, x.condition) for x in known}
    lines = [_line(c, percent, terms) for c in chosen if (c.part_id, c.site_id, c.condition) not in inside]
    if lines:
        await add_lines(session, actor, release_id, lines)
    return len(lines)


def _line(c: queries.CandidateRow, percent: Decimal, terms: Sequence[Terms]) -> NewLine:
    base = c.list_price if c.list_price is not None else c.unit_cost or Decimal(0)
    # Only whole packages are offered; of fewer than one the units are offered singly.
    package = c.package_quantity if c.left >= c.package_quantity else 1
    quantity = c.left // package * package
    return NewLine(
        c.part_id, c.site_id, c.condition, quantity, (base * percent / 100).quantize(_CENT), package, package,
        min(terms[0].minimum_to_keep, quantity),
    )  # fmt: skip


async def change_by_formula(
    session: WriteSession, actor: Actor, release_id: UUID, formula: Formula, listing_ids: Sequence[UUID] | None = None
) -> list[LineThen]:
    """Changes all lines of a draft, or some, by one rule; all or none. Raises ``formula.*``, ``listing.not_found``, and what setting the
    lines raises."""
    formula.check()
    await queries.release_for_update(session, release_id, actor.company_id)
    lines = await queries.lines(session, release_id, limit=MAX_LINES)
    wanted = set(listing_ids) if listing_ids is not None else {x.id for x in lines}
    if wanted - {x.id for x in lines}:
        raise missing("listing.not_found", "One of these is no line of this draft.")
    if not wanted:
        raise invalid("formula.lines", "Add at least one line first.")
    there = await queries.free_of_lines(session, release_id)
    which = [x for x in lines if x.id in wanted]
    now = [
        LineNow(x.quantity, x.unit_price, x.minimum_quantity, x.package_quantity, x.minimum_to_keep, *there[x.part_id, x.site_id, x.condition])
        for x in which
    ]  # fmt: skip
    then = applied(formula, now)
    changed = dict(zip((x.id for x in which), then, strict=True))
    await set_lines(
        session, actor, release_id,
        [
            NewLine(x.part_id, x.site_id, x.condition, x.quantity, x.unit_price, x.minimum_quantity, x.package_quantity, x.minimum_to_keep)
            if (c := changed.get(x.id)) is None
            else NewLine(x.part_id, x.site_id, x.condition, c.quantity, c.unit_price, c.minimum_quantity, x.package_quantity, c.minimum_to_keep)
            for x in lines
        ],
    )  # fmt: skip
    return then


# -- a second person's word ------------------------------------------------------------------------------


async def state_limit(session: WriteSession, actor: Actor, amount: Decimal | None, now: datetime) -> None:
    """Above which value another person approves a posting, from now on. Raises ``limit.amount``."""
    if amount is not None and not 0 <= amount < Decimal(10**12):
        raise invalid("limit.amount", "State an amount of 0 or more, or none.", field="amount")
    await execute(
        session, "INSERT INTO release_limit (company_id, amount, stated_by, stated_at) VALUES ($1, $2, $3, $4)",
        actor.company_id, amount, actor.user_id, now,
    )  # fmt: skip


async def fingerprint(session: ReadSession | WriteSession, release: queries.ReleaseRow) -> bytes:
    """Of everything that a person approves: lines, prices, clause and terms, audience and its windows."""
    lines = await queries.lines(session, release.id, limit=MAX_LINES)
    windows = await queries.windows(session, release.id)
    said = {
        "clause": [release.clause, release.version, release.terms, release.further], "use": release.use_class, "days": release.payment_days,
        "audience": [release.audience, sorted(map(str, release.audience_ids)), release.open_from, [str(w) for w in windows]],
        "lines": sorted(
            [str(x.part_id), str(x.site_id), x.condition, x.quantity, str(x.posted_price), x.minimum_quantity, x.package_quantity, x.minimum_to_keep]
            for x in lines
        ),
    }  # fmt: skip
    return hashlib.sha256(encode(said)).digest()


async def is_current(session: ReadSession, release: queries.ReleaseRow, asked: queries.ApprovalRow) -> bool:
    """Whether what was asked about is what the draft offers now."""
    return asked.fingerprint == await fingerprint(session, release)


async def ask_approval(session: WriteSession, actor: Actor, release_id: UUID, now: datetime) -> UUID:
    """Asks the others who may publish. Raises ``release.published``, ``release.empty``, ``approval.not_needed``, ``approval.waits``,
    ``approval.nobody``."""
    release = await queries.release_for_update(session, release_id, actor.company_id)
    if release.status != "draft":
        raise conflict("release.published", "This posting is out already.")
    if not release.lines:
        raise invalid("release.empty", "Add at least one line before asking.")
    limit = await queries.release_limit(session, actor.company_id)
    if limit is None or release.value <= limit:
        raise conflict("approval.not_needed", "This posting is within your company's limit: publish it.")
    print_ = await fingerprint(session, release)
    before = await queries.approvals(session, actor.company_id, release_id)
    if before and before[0].fingerprint == print_ and before[0].approved is not False:
        said = "It was approved as it is: publish it." if before[0].approved else "It waits for another person already."
        raise conflict("approval.waits", said)
    mine = await fetch_value(session, "SELECT email FROM user_account WHERE id = $1", actor.user_id)
    others = [a for a in await people_to_tell(session, actor.company_id, ("admin", "planner")) if a != mine]
    if not others:
        raise conflict(
            "approval.nobody",
            "Nobody else of your company may approve it. Ask your admin to name another planner, or to raise the limit.",
        )
    made: UUID = await fetch_value(
        session,
        "INSERT INTO release_approval (release_id, company_id, fingerprint, amount, asked_by, asked_at) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
        release_id, actor.company_id, print_, release.value, actor.user_id, now,
    )  # fmt: skip
    mail = {
        "to": others, "subject": f"{release.reference} waits for your approval",
        "text": f"{actor.user_name} asks to publish '{release.title}': {release.lines:,} lines worth {release.value:,.2f} {release.currency}.",
        "link": f"/releases/{release_id}/publish",
    }  # fmt: skip
    await emit(
        session,
        "release.approval_asked",
        "release",
        release_id,
        [actor.company_id],
        {"reference": release.reference, "mail": mail},
    )
    return made


async def answer_approval(
    session: WriteSession, actor: Actor, release_id: UUID, *, approved: bool, reason: str, now: datetime
) -> None:
    """Another person than the one who asked says yes, or no with a reason, to the draft as it is. Raises ``approval.none``,
    ``approval.own``, ``approval.changed``, ``approval.reason``."""
    release = await queries.release_for_update(session, release_id, actor.company_id)
    asked = next(iter(await queries.approvals(session, actor.company_id, release_id)), None)
    if release.status != "draft" or asked is None or asked.approved is not None:
        raise conflict("approval.none", "Nothing waits for approval here.")
    if asked.asked_by == actor.user_id:
        raise conflict("approval.own", "You asked yourself: another person approves it.")
    if approved and asked.fingerprint != await fingerprint(session, release):
        raise conflict("approval.changed", "The draft has changed since it was asked about. Let it be asked anew.")
    plain = reason.strip()[:_LONGEST]
    if not approved and not plain:
        raise invalid("approval.reason", "Say why not.", field="reason")
    await execute(
        session,
        "INSERT INTO release_approval_answer (approval_id, company_id, approved, reason, answered_by, answered_at) VALUES ($1, $2, $3, $4, $5, $6)",
        asked.id, actor.company_id, approved, plain, actor.user_id, now,
    )  # fmt: skip
    to = await fetch_value(session, "SELECT email FROM user_account WHERE id = $1 AND active", asked.asked_by)
    payload: dict[str, object] = {"reference": release.reference}
    if to:
        payload["mail"] = {
            "to": [to], "subject": f"{release.reference} was {'approved' if approved else 'not approved'}",
            "text": f"{actor.user_name}: {plain or 'approved as it is; publish it when you like.'}", "link": f"/releases/{release_id}/publish",
        }  # fmt: skip
    await emit(session, "release.approval_answered", "release", release_id, [actor.company_id], payload)


async def require_approved(session: WriteSession, actor: Actor, release: queries.ReleaseRow) -> None:
    """That a posting above the limit was approved just as it is. Raises ``approval.needed``."""
    limit = await queries.release_limit(session, actor.company_id)
    if limit is None or release.value <= limit:
        return
    asked = next(iter(await queries.approvals(session, actor.company_id, release.id)), None)
    if asked is not None and asked.approved and asked.fingerprint == await fingerprint(session, release):
        return
    changed = asked is not None and asked.approved
    raise conflict(
        "approval.needed",
        f"This posting is worth {release.value:,.2f} {release.currency}, above your company's limit of {limit:,.2f}: "
        + ("it has changed since it was approved. " if changed else "")
        + "Ask another person to approve it, then publish.",
    )


async def _refuse_protected(session: WriteSession, actor: Actor, release: queries.ReleaseRow) -> None:
    lines = await queries.lines(session, release.id, limit=MAX_LINES)
    parts = sorted({x.part_id for x in lines})
    await queries.stock_for_update(session, actor.company_id, parts)
    kept_back = await queries.protected(session, actor.company_id, parts)
    if numbers := sorted({x.part_number for x in lines if x.part_id in kept_back}):
        raise conflict(
            "release.protected",
            f"{', '.join(numbers[:5])} {'is' if len(numbers) == 1 else 'are'} protected since the draft: take {'it' if len(numbers) == 1 else 'them'} out, then publish.",
        )


async def publish(session: WriteSession, actor: Actor, release_id: UUID, now: datetime) -> None:
    """Puts a draft out, as ``put_out`` does; above the company's limit only as another person has approved it."""
    await queries.market_for_share(session, actor.company_id)
    release = await queries.release_for_update(session, release_id, actor.company_id)
    if release.status == "draft" and release.lines:
        await require_approved(session, actor, release)
        await _refuse_protected(session, actor, release)
    await put_out(session, actor, release_id, now)
