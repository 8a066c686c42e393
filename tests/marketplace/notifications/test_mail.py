"""Mail: every event that carries one is sent, whatever its name; and no listener waits for an event that nobody emits."""

from __future__ import annotations

import ast
from pathlib import Path
from uuid import UUID

import pytest
from starlette.routing import Match

import marketplace
from marketplace.db.session import Database
from marketplace.outbox.service import Event
from marketplace.settings import Settings
from marketplace.worker import handlers
from web.app import create_site

SOURCE = Path(marketplace.__file__).parent


@pytest.mark.parametrize(
    "name", ["payment.recorded", "dispute.changed", "call.defaulted", "call.sent_back", "not.thought_of"]
)
async def test_a_mail_is_sent_whatever_its_event_is_called(worker_db: Database, tmp_path: Path, name: str) -> None:
    mail = {"to": ["planner@example.com"], "subject": "To\nanswer", "text": "Please.", "link": "/settlement"}
    found = handlers(Settings(data_dir=tmp_path), worker_db).of(name)
    for payload in ({"reference": "X"}, {"mail": mail}):
        for handler in found:
            await handler(Event(7, name, "call", UUID(int=7), payload, (), 1))
    (kept,) = (tmp_path / "mail").iterdir()
    text = kept.read_text()
    assert "Subject: To answer" in text
    assert "Please." in text
    assert "/settlement" in text


async def test_a_mail_to_nobody_is_not_sent(worker_db: Database, tmp_path: Path) -> None:
    """Of an event that is delivered again until it is, one without a reader would come back for good."""
    mail = {"to": [], "subject": "To answer", "text": "Please.", "link": "/settlement"}
    for handler in handlers(Settings(data_dir=tmp_path), worker_db).of("payment.recorded"):
        await handler(Event(7, "payment.recorded", "payment", UUID(int=7), {"mail": mail}, (), 1))
    assert not (tmp_path / "mail").exists()


def _mails() -> list[tuple[str, dict[str, ast.expr]]]:
    """Every mail that is written into an event, with where it is: a dict of literal keys with a subject."""
    found = []
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Dict):
                keys = {
                    str(k.value): v for k, v in zip(node.keys, node.values, strict=True) if isinstance(k, ast.Constant)
                }
                if {"subject", "link"} & keys.keys() and "to" in keys:
                    found.append((f"{path.relative_to(SOURCE)}:{node.lineno}", keys))
    return found


def _paths(link: ast.expr) -> list[str]:
    """What a link can be, with an id in each gap; nothing where it is made elsewhere."""
    if isinstance(link, ast.IfExp):
        return [*_paths(link.body), *_paths(link.orelse)]
    if isinstance(link, ast.Constant):
        return [str(link.value)]
    if isinstance(link, ast.JoinedStr):
        return ["".join(str(v.value) if isinstance(v, ast.Constant) else str(UUID(int=7)) for v in link.values)]
    return []


def test_every_mail_says_all_that_the_mailer_sends_and_leads_to_a_page() -> None:
    mails = _mails()
    assert len(mails) > 15
    site = create_site()
    for where, mail in mails:
        assert mail.keys() == {"to", "subject", "text", "link"}, where
        for path in _paths(mail["link"]):
            scope = {"type": "http", "method": "GET", "path": path.partition("?")[0], "headers": []}
            assert any(r.matches(scope)[0] is Match.FULL for r in site.routes), f"{where} leads nowhere: {path}"


def test_a_mail_is_written_only_into_what_is_emitted() -> None:
    """No other place has one: who writes it emits it in the same module, and the mailer hears every event."""
    for where, _ in _mails():
        tree = ast.parse((SOURCE / where.partition(":")[0]).read_text())
        names = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        assert names & {"emit", "emit_each", "emit_to_each", "tell_event"}, where


def _said() -> tuple[set[str], set[str]]:
    """All texts that stand as an argument of a call, and what an f-string among them begins with, in what writes events, not in
    what listens to them; and the states that a service moves something to, which are told by their names."""
    texts: set[str] = set()
    begins: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        if path.name in ("tasks.py", "worker.py"):
            continue
        tree = ast.parse(path.read_text())
        for state in (n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and "service" in path.parts):
            if isinstance(state.value, ast.Name) and state.value.id.endswith("State"):
                texts.add(state.attr.lower())
        for call in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
            for given in (*call.args, *(k.value for k in call.keywords)):
                for part in ast.walk(given) if isinstance(given, ast.IfExp) else (given,):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        texts.add(part.value)
                    if isinstance(part, ast.JoinedStr) and isinstance(part.values[0], ast.Constant):
                        begins.add(str(part.values[0].value))
    return texts, begins


def test_what_is_listened_to_is_emitted_somewhere(worker_db: Database, tmp_path: Path) -> None:
    texts, begins = _said()
    for name in handlers(Settings(data_dir=tmp_path), worker_db).by_name:
        domain, _, kind = name.partition(".")
        assert name in texts or (f"{domain}." in begins and kind in texts), f"nobody emits {name}"
