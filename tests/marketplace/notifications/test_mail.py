"""Mail: every event that carries one is sent, whatever its name; and no listener waits for an event that nobody emits."""

from __future__ import annotations

import ast
from pathlib import Path
from uuid import UUID

import pytest

import marketplace
from marketplace.db.session import Database
from marketplace.outbox.service import Event
from marketplace.settings import Settings
from marketplace.worker import handlers

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
