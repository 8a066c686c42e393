"""The verbs of notifications: tell, mark as read, choose, and send the mail of a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from marketplace.db.session import WriteSession, execute, fetch, fetch_value
from marketplace.kit.errors import invalid, missing
from marketplace.notifications import queries
from marketplace.notifications.kinds import KINDS, How, Line, by_mail_alone, digest, kind_of, told_how
from marketplace.notifications.queries import NotificationRow, Waiting
from marketplace.outbox.service import emit, emit_to_each
from marketplace.parties.actor import Actor


async def tell(
    session: WriteSession, event_id: int, event: str, mail: Mapping[str, object], *, urgent: bool, now: datetime
) -> list[str]:
    """Notes for each person that a mail is for what it says, as the person wants to be told, once however often it is asked
    (worker). Returns the addresses that get it by mail now; one by which nobody signs in is among them."""
    to = list(dict.fromkeys(str(a) for a in mail["to"]))  # type: ignore[attr-defined]
    if by_mail_alone(event):
        return to
    kind = kind_of(event)
    known = await queries.readers(session, to, kind)
    how = {r.email: told_how(r.how, urgent=urgent) for r in known if r.active}
    told = sorted((r for r in known if how.get(r.email, How.NOTHING) is not How.NOTHING), key=lambda r: r.user_id)
    rows = await fetch(
        session,
        "INSERT INTO notification (company_id, user_id, event_id, kind, subject, text, link, urgent, daily, at) "
        "SELECT t.company_id, t.user_id, $1, $2, $3, $4, $5, $6, t.daily, $7 "
        "FROM unnest($8::uuid[], $9::uuid[], $10::bool[]) AS t (company_id, user_id, daily) "
        "ON CONFLICT DO NOTHING RETURNING company_id",
        event_id, kind, " ".join(str(mail["subject"]).split()), str(mail["text"]), str(mail["link"]), urgent, now,
        [r.company_id for r in told], [r.user_id for r in told], [how[r.email] is How.DAILY for r in told],
    )  # fmt: skip
    companies = sorted({r["company_id"] for r in rows})
    # So that the bell of whoever is looking at a page moves by itself.
    await emit_to_each(session, "notification.added", "notification", [(c, [c], {}) for c in companies])
    strangers = {*to} - {r.email for r in known}
    return [address for address in to if address in strangers or how.get(address) is How.AT_ONCE]


async def read(session: WriteSession, actor: Actor, notification_id: UUID, now: datetime) -> NotificationRow:
    """Marks one as read; what was read already stays so. Raises ``notification.not_found``."""
    found = await queries.notification(session, actor, notification_id)
    if found is None:
        raise missing("notification.not_found", "No such notification of yours.")
    await execute(
        session, "UPDATE notification SET read_at = $3 WHERE id = $1 AND user_id = $2 AND read_at IS NULL",
        notification_id, actor.user_id, now,
    )  # fmt: skip
    return found


async def read_all(session: WriteSession, actor: Actor, until: UUID | None, now: datetime) -> int:
    """Marks everything as read up to ``until``, the newest that the person has seen: what came meanwhile stays unread. Returns how
    many were."""
    tag = await execute(
        session,
        "UPDATE notification SET read_at = $3 WHERE user_id = $1 AND company_id = $2 AND unread AND ($4::uuid IS NULL OR id <= $4)",
        actor.user_id, actor.company_id, now, until,
    )  # fmt: skip
    return int(tag.split()[-1])


async def choose(session: WriteSession, actor: Actor, chosen: Mapping[str, How], now: datetime) -> Mapping[str, How]:
    """How the person is told from now on of each of these kinds. Raises ``notification.kind``."""
    for kind in chosen:
        if kind not in KINDS:
            raise invalid(
                "notification.kind", f"'{kind[:40]}' is none of {', '.join(KINDS)}. Nothing was changed.", field="kind"
            )
    kinds = sorted(chosen)
    await execute(
        session,
        "INSERT INTO notification_choice (user_id, company_id, kind, how, changed_at) "
        "SELECT $1, $2, t.kind, t.how, $3 FROM unnest($4::text[], $5::text[]) AS t (kind, how) "
        "ON CONFLICT (user_id, kind) DO UPDATE SET how = excluded.how, changed_at = excluded.changed_at "
        "WHERE notification_choice.how <> excluded.how",
        actor.user_id, actor.company_id, now, kinds, [chosen[k].value for k in kinds],
    )  # fmt: skip
    return await queries.choices(session, actor)


async def send_digest(session: WriteSession, person: Waiting, day: date, now: datetime) -> int:
    """The person's mail of ``day`` of all that waits for it (worker): the row that says so and the mail in one transaction, once
    whoever comes second. Returns how many mails: 1 or 0."""
    made = await fetch_value(
        session,
        "INSERT INTO notification_digest (company_id, user_id, day, sent_at) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT DO NOTHING RETURNING id",
        person.company_id, person.user_id, day, now,
    )  # fmt: skip
    if made is None:
        return 0
    lines = await _taken(session, person.user_id, made)
    if lines:
        subject, text = digest(lines)
        mail = {"to": [person.email], "subject": subject, "text": text, "link": "/notifications"}
        await emit(session, "notification.digest", "digest", made, [person.company_id], {"mail": mail})
    return int(bool(lines))


async def _taken(session: WriteSession, user_id: UUID, digest_id: UUID) -> Sequence[Line]:
    """What waits, taken into this mail; oldest first."""
    rows = await fetch(
        session,
        "UPDATE notification SET digest_id = $2 WHERE user_id = $1 AND daily AND digest_id IS NULL AND read_at IS NULL "
        "RETURNING id, kind, subject",
        user_id,
        digest_id,
    )
    return [Line(r["kind"], r["subject"]) for r in sorted(rows, key=lambda r: r["id"])]
