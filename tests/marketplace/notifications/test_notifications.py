"""What people are told, each as it wants: in the app, by mail at once, by one mail a day, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from uuid import uuid4

import pytest

from marketplace.db.session import Database
from marketplace.notifications.kinds import SHOWN, How, Line, day_due, digest, kind_of, told_how
from marketplace.notifications.tasks import send_digests
from marketplace.outbox.service import Event, deliver_waiting, emit
from marketplace.settings import Settings
from marketplace.worker import handlers
from tests.clients import app_for, client_for, token_for
from tests.counting import counted
from tests.marketplace.main_job import API, Job, ok
from tests.world import Party, World

MORNING = datetime(2026, 12, 1, 14, tzinfo=UTC)


@dataclass
class Mailbox:
    """What was sent, by whom it is for."""

    folder: Path

    def to(self, address: str) -> list[str]:
        """Subjects, in no order."""
        kept = sorted((self.folder / "mail").glob("*.eml")) if (self.folder / "mail").exists() else []
        mails = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in kept]
        return [str(m["Subject"]) for m in mails if address in str(m["To"])]

    def text(self, subject: str) -> str:
        found = [p for p in (self.folder / "mail").glob("*.eml") if subject in p.read_text()]
        return found[0].read_text()


async def mailing(world: World, worker_db: Database, mailbox: Mailbox) -> None:
    """Delivers all that waits, as the worker does."""
    await deliver_waiting(worker_db, handlers(Settings(data_dir=mailbox.folder), worker_db), lambda: datetime.now(UTC))


async def address_of(world: World, party: Party, role: str) -> str:
    return str(await world.owner.fetchval("SELECT email FROM user_account WHERE id = $1", party.users[role]))


async def happen(
    world: World, name: str, to: list[str], subject: str, *, urgent: bool = False, text: str = "Please look."
) -> None:
    mail = {"to": to, "subject": subject, "text": text, "link": "/settlement"}
    async with world.db.write(world.buyer.tenant) as session:
        await emit(session, name, "thing", uuid4(), [world.buyer.id], {"mail": mail, "urgent": urgent})


async def choose(world: World, party: Party, role: str, how: Mapping[str, str]) -> None:
    token = await token_for(world.owner, party.users[role], party.id)
    async with client_for(app_for(world.db), token) as client:
        body = await ok(client.put(f"{API}/notifications/choices", json={"how": how}))
    assert body["how"].items() >= how.items()


async def seen(world: World, party: Party, role: str) -> list[str]:
    token = await token_for(world.owner, party.users[role], party.id)
    async with client_for(app_for(world.db), token) as client:
        return [n["subject"] for n in (await ok(client.get(f"{API}/notifications")))["items"]]


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path)


async def test_without_a_choice_everybody_is_told_as_before_and_in_the_app(
    world: World, worker_db: Database, mailbox: Mailbox
) -> None:
    """What an order back announces goes to the same people by mail, and stands in the app of each, once."""
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.sold()
        found = [c for c in await job.candidates() if c["kind"] != "own_stock"]
        body = {**job.need(urgency="machine_down"), "key": found[0]["key"]}
        job.call = (await ok(job.technician.post(f"{API}/sourcing/order-back", json=body), 201))["calls"][0]
    await mailing(world, worker_db, mailbox)
    reference = await world.owner.fetchval("SELECT reference FROM call WHERE id = $1::uuid", job.call)
    for role in ("buyer", "warehouse"):
        address = await address_of(world, world.buyer, role)
        assert [s for s in mailbox.to(address) if reference in s]
        assert len([s for s in await seen(world, world.buyer, role) if reference in s]) == 1
    row = await world.owner.fetchrow(
        "SELECT n.*, e.aggregate_id FROM notification n JOIN outbox_event e ON e.id = n.event_id "
        "WHERE n.user_id = $1 AND e.name = 'call.noticed'", world.buyer.users["buyer"],
    )  # fmt: skip
    assert (row["kind"], row["link"], row["urgent"]) == ("orders_back", f"/calls/{job.call}", True)
    assert await seen(world, world.other, "buyer") == []


async def test_each_is_told_as_it_wants(world: World, worker_db: Database, mailbox: Mailbox) -> None:
    roles = {"buyer": How.AT_ONCE, "warehouse": How.DAILY, "admin": How.IN_APP, "technician": How.NOTHING}
    to = {role: await address_of(world, world.buyer, role) for role in roles}
    for role, how in roles.items():
        await choose(world, world.buyer, role, {"settlement": how.value})
    stranger = f"{world.tag}@elsewhere.example"
    await happen(world, "payment.recorded", [*to.values(), stranger], "A payment waits")
    await mailing(world, worker_db, mailbox)
    assert {role: len(mailbox.to(a)) for role, a in to.items()} == {
        "buyer": 1,
        "warehouse": 0,
        "admin": 0,
        "technician": 0,
    }
    assert len(mailbox.to(stranger)) == 1
    for role, how in roles.items():
        assert await seen(world, world.buyer, role) == ([] if how is How.NOTHING else ["A payment waits"])
    # Of a stopped machine everybody at once; of another kind as everybody is.
    await happen(world, "settlement.marked", list(to.values()), "A machine stands", urgent=True)
    await happen(world, "resale.asked", list(to.values()), "A resale waits")
    await mailing(world, worker_db, mailbox)
    for address in to.values():
        assert {"A machine stands", "A resale waits"} <= set(mailbox.to(address))


async def test_an_event_that_is_delivered_again_is_told_once(
    world: World, worker_db: Database, mailbox: Mailbox
) -> None:
    to = await address_of(world, world.buyer, "buyer")
    mail = {"to": [to, to.upper()], "subject": "Once", "text": "x", "link": "/settlement"}
    event = Event(
        10**12 + int(world.tag, 16), "payment.recorded", "payment", uuid4(), {"mail": mail}, (world.buyer.id,), 1
    )
    for _ in range(2):
        for handler in handlers(Settings(data_dir=mailbox.folder), worker_db).always:
            await handler(event)
    assert await seen(world, world.buyer, "buyer") == ["Once"]
    assert len(list((mailbox.folder / "mail").iterdir())) == 1


async def test_the_mail_of_the_day_is_sent_once_in_the_morning_however_late(
    world: World, worker_db: Database, mailbox: Mailbox
) -> None:
    """At the hour of the place where the person works; a worker that was away sends one for all the days."""
    to, user = await address_of(world, world.buyer, "buyer"), world.buyer.users["buyer"]
    await world.owner.execute("UPDATE site SET timezone = 'America/Chicago' WHERE company_id = $1", world.buyer.id)
    await choose(world, world.buyer, "buyer", {"settlement": "daily", "resales": "daily"})
    for name, subject in (
        ("payment.recorded", "First"),
        ("resale.asked", "Second"),
        ("payment.recorded", "Read before"),
    ):
        await happen(world, name, [to], subject)
    await mailing(world, worker_db, mailbox)
    await world.owner.execute(
        "UPDATE notification SET read_at = now() WHERE user_id = $1 AND subject = 'Read before'", user
    )

    async def sent(now: datetime) -> int:
        before = await world.owner.fetchval("SELECT count(*) FROM notification_digest WHERE user_id = $1", user)
        await send_digests(worker_db, now)
        return (
            int(await world.owner.fetchval("SELECT count(*) FROM notification_digest WHERE user_id = $1", user))
            - before
        )

    assert await sent(MORNING.replace(hour=12, minute=59)) == 0, "06:59 in Chicago"
    assert await sent(MORNING.replace(hour=13)) == 1
    assert await sent(MORNING.replace(hour=18)) == 0
    await mailing(world, worker_db, mailbox)
    assert mailbox.to(to) == ["2 notifications since your last mail"]
    text = mailbox.text("2 notifications")
    assert "First" in text
    assert "Second" in text
    assert "Read before" not in text
    await happen(world, "payment.recorded", [to], "Third")
    await mailing(world, worker_db, mailbox)
    assert await sent(MORNING.replace(hour=20)) == 0, "the next morning, not the same day"
    assert await sent(MORNING + timedelta(days=3, hours=9)) == 1
    assert await sent(MORNING + timedelta(days=3, hours=9)) == 0
    await mailing(world, worker_db, mailbox)
    assert sorted(mailbox.to(to)) == ["1 notification since your last mail", "2 notifications since your last mail"]
    assert len(await seen(world, world.buyer, "buyer")) == 4, "the mail of the day itself is no notification"


async def test_two_workers_send_one_mail(world: World, worker_db: Database, mailbox: Mailbox) -> None:
    import asyncio

    to = await address_of(world, world.buyer, "buyer")
    await choose(world, world.buyer, "buyer", {"settlement": "daily"})
    await happen(world, "payment.recorded", [to], "Once")
    await mailing(world, worker_db, mailbox)
    await asyncio.gather(*(send_digests(worker_db, MORNING) for _ in range(3)))
    await mailing(world, worker_db, mailbox)
    assert mailbox.to(to) == ["1 notification since your last mail"]


async def test_read_one_and_all_and_nobody_elses(world: World, worker_db: Database, mailbox: Mailbox) -> None:
    to = await address_of(world, world.buyer, "buyer")
    for n in range(5):
        await happen(world, "payment.recorded", [to], f"N{n}")
    await mailing(world, worker_db, mailbox)
    token = await token_for(world.owner, world.buyer.users["buyer"], world.buyer.id)
    colleague = await token_for(world.owner, world.buyer.users["warehouse"], world.buyer.id)
    app = app_for(world.db)
    async with client_for(app, token) as client, client_for(app, colleague) as other:
        base = f"{API}/notifications"
        items = (await ok(client.get(base)))["items"]
        by = {n["subject"]: n["id"] for n in items}
        assert [n["subject"] for n in items] == ["N4", "N3", "N2", "N1", "N0"]
        refused = await other.post(f"{base}/{by['N2']}/read")
        assert (refused.status_code, refused.json()["code"]) == (404, "notification.not_found")
        assert (
            await world.owner.fetchval(
                "SELECT count(*) FROM notification WHERE read_at IS NOT NULL AND user_id = $1",
                world.buyer.users["buyer"],
            )
            == 0
        )
        await ok(client.post(f"{base}/{by['N3']}/read"))
        await ok(client.post(f"{base}/read", json={"until": by["N1"]}))
        counts = []
        for limit in (1, 5):
            with counted(world.db) as sent:
                await ok(client.get(base, params={"limit": limit}))
            counts.append(len(sent))
        assert counts[0] == counts[1]
        # Unread before the rest, each page where the one before ended.
        got: list[str] = []
        after = None
        for _ in range(3):
            page = await ok(client.get(base, params={"limit": 2, **({"after": after} if after else {})}))
            got += [n["subject"] for n in page["items"]]
            after = page["next"]
        assert got == ["N4", "N2", "N3", "N1", "N0"]
        assert [n["subject"] for n in (await ok(client.get(base, params={"unread": True})))["items"]] == ["N4", "N2"]
        wrong = await client.put(f"{base}/choices", json={"how": {"weather": "daily"}})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "notification.kind")
        assert (
            await world.owner.fetchval("SELECT count(*) FROM notification_choice WHERE company_id = $1", world.buyer.id)
            == 0
        )


def test_the_day_of_a_mail() -> None:
    chicago = "America/Chicago"
    assert day_due(MORNING, chicago, None) == date(2026, 12, 1)
    assert day_due(MORNING, chicago, date(2026, 12, 1)) is None
    assert day_due(MORNING, "Asia/Tokyo", date(2026, 11, 30)) == date(2026, 12, 1)
    assert day_due(MORNING, "Pacific/Honolulu", None) is None, "four in the morning"


def test_words_and_kinds() -> None:
    assert kind_of("call.message") == "messages"
    assert kind_of("call.noticed") == "orders_back"
    assert kind_of("agreement.notice_withdrawn") == "notices"
    assert kind_of("not.thought_of") == "other"
    assert told_how(How.NOTHING, urgent=True) is How.AT_ONCE
    subject, text = digest([Line("settlement", f"S{n}") for n in range(SHOWN + 2)])
    assert subject.startswith(f"{SHOWN + 2} notifications")
    assert "And 2 more." in text
