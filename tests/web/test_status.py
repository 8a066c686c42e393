"""The status page: what it says to whom, and that it goes red and comes back."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

import pytest

from marketplace.db.session import Database
from marketplace.ledger.service import KeyRing
from marketplace.ledger.tasks import check
from marketplace.settings import Settings
from tests import own_database
from tests.counting import counted
from tests.web.job import open_site
from tests.world import World
from web.pages import status as page

name, owner, db, worker_db = own_database.FIXTURES


async def test_it_goes_red_says_where_to_operators_alone_and_comes_back(
    world: World, worker_db: Database, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = KeyRing(tmp_path)
    email = await world.owner.fetchval("SELECT email FROM user_account WHERE id = $1", world.maker.users["admin"])
    monkeypatch.setattr(page, "get_settings", lambda: Settings(operators=f" {email.upper()}, other@x.example"))
    lot = await world.register(world.maker, 5)
    now = datetime.now(UTC)
    async with open_site(world) as site:
        admin, buyer = await site.browser(world.maker, "admin"), await site.browser(world.buyer, "warehouse")
        assert "Nothing was looked at yet." in (await buyer.get("/status")).text
        await check(worker_db, ring, now - timedelta(hours=2))
        assert "Nobody looks." in (await buyer.get("/status")).text, "the last run is too long ago"
        await world.owner.execute("UPDATE position SET quantity = 6 WHERE lot_id = $1", lot)
        await check(worker_db, ring, now)
        for browser, sees in ((admin, True), (buyer, False)):
            text = (await browser.get("/status")).text
            assert "The ledger does not add up." in text
            assert "Stock lines equal their transactions" in text
            assert (str(lot) in text) is sees
            assert ("You see this page as an operator" in text) is sees
        await world.owner.execute("UPDATE position SET quantity = 5 WHERE lot_id = $1", lot)
        await check(worker_db, ring, now + timedelta(seconds=1))
        with counted(db) as few:
            text = (await buyer.get("/status")).text
        assert "The ledger does not add up." not in text
        assert text.count("chart-bar chart-bar-") == 3
        for n in range(20):
            await check(worker_db, ring, now + timedelta(seconds=2 + n))
        with counted(db) as many:
            text = (await buyer.get("/status")).text
        assert len(many) == len(few)
        following = re.search(r'rel="next" href="([^"]+)"', text)
        assert following
        assert (await buyer.get(unescape(following[1]))).text.count('<td class="main"><time') == 11
        rows = (await buyer.get("/status?format=csv")).text.splitlines()
        assert len(rows) == 1 + 23
