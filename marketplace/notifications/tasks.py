"""What somebody should not have to look for: noted for each person, and sent by mail as each wants it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import make_msgid
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import aiosmtplib

from marketplace.db.session import Database
from marketplace.jobs.service import each
from marketplace.kit.links import signed
from marketplace.notifications import queries, service
from marketplace.notifications.kinds import day_due
from marketplace.outbox.service import Event, Handler
from marketplace.settings import Settings


def mailer(settings: Settings, database: Database) -> Handler:
    """Listens to every event: one whose payload carries a mail is noted for each person that it is for, and sent to those who want
    it by mail at once. Whoever emits an event decides whether somebody is told; a list of names here would be one more place to
    forget it."""

    async def send(event: Event) -> None:
        mail = event.payload.get("mail")
        # A mail to nobody no server takes; the event would be delivered again for good.
        if not mail or not mail["to"]:
            return
        urgent, now = bool(event.payload.get("urgent")), datetime.now(UTC)
        async with database.write() as session:
            to = await service.tell(session, event.id, event.name, mail, urgent=urgent, now=now)
        if to:
            await deliver(settings, compose(settings, event, {**mail, "to": to}))

    return send


async def send_digests(database: Database, now: datetime) -> int:
    """Sends each person the mail of the day that is due, in a transaction of its own. Returns how many. However often and late it
    runs, each gets one a day at the most, with all that waits."""
    async with database.read() as session:
        due = {
            person.user_id: (person, day)
            for person in await queries.waiting(session)
            if (day := day_due(now, person.zone, person.last)) is not None
        }

    async def act(user_id: UUID) -> int:
        async with database.write() as session:
            return await service.send_digest(session, *due[user_id], now)

    return await each(due, act)


def compose(settings: Settings, event: Event, mail: Mapping[str, object]) -> EmailMessage:
    """The message. Its id is made from the event, so a mail sent twice is recognised as one."""
    message = EmailMessage()
    message["From"] = settings.mail_from
    # In one line: a header with any of the characters that end a line is refused, and the mail with it.
    message["To"] = ", ".join(" ".join(str(a).split()) for a in mail["to"])  # type: ignore[attr-defined]
    message["Subject"] = " ".join(str(mail["subject"]).split())
    host = urlsplit(settings.base_url).hostname or "backstock.invalid"
    message["Message-ID"] = f"<event-{event.id}@{host}>" if event.id else make_msgid()
    link = str(mail["link"])
    if event.payload.get("signed"):
        # What proves the link is made here, so that it stands in the mail alone.
        link = signed(link, settings.signing_key)
    message.set_content(f"{mail['text']}\n\n{settings.base_url.rstrip('/')}{link}\n")
    return message


async def deliver(settings: Settings, message: EmailMessage) -> None:
    """Sends by SMTP where one is set; otherwise keeps the mail as a file in the data folder, to be looked at."""
    if settings.smtp_url is None:
        await asyncio.to_thread(_keep, Path(settings.data_dir) / "mail", message)
        return
    parts = urlsplit(settings.smtp_url)
    await aiosmtplib.send(
        message,
        hostname=parts.hostname or "localhost",
        port=parts.port or 25,
        username=parts.username,
        password=parts.password,
        use_tls=parts.scheme == "smtps",
        timeout=20,
    )


def _keep(folder: Path, message: EmailMessage) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{message['Message-ID'].strip('<>').replace('@', '-')}.eml").write_bytes(bytes(message))
