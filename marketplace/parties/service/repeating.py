"""Doing a writing request once, however often it is sent."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from marketplace.db.session import (
    WriteSession,
    execute,
    fetch_one,
    fetch_value,
)
from marketplace.kit.canonical import digest, plain
from marketplace.kit.errors import conflict, invalid, missing
from marketplace.kit.wire import Done
from marketplace.parties.actor import Actor


@dataclass(frozen=True, slots=True)
class Answer:
    """What a writing request answers: JSON-able content, its HTTP status, and whether it is a repeat."""

    content: Any
    status: int
    repeated: bool = False


async def once(
    session: WriteSession,
    actor: Actor,
    key: str | None,
    route: str,
    given: Mapping[str, Any],
    action: Callable[[], Awaitable[Any]],
    *,
    status: int = 201,
) -> Answer:
    """Runs ``action`` and keeps its answer under the idempotency key, in the same transaction.

    The same key with the same input answers what was answered first; with another input it is a conflict that
    names the first field that differs. Two requests with one key at once: the second waits for the first.
    """
    if not key:
        return Answer(plain_answer(await action()), status)
    if len(key) > 200:
        raise invalid("idempotency.key", "An idempotency key has at most 200 characters.", field="Idempotency-Key")
    fields = {name: digest(_exact(value)).hex()[:16] for name, value in given.items()}
    inputs = digest({"route": route, "fields": fields})
    fresh = await fetch_value(
        session,
        "INSERT INTO idempotency_key (company_id, key, route, input_hash, fields) VALUES ($1, $2, $3, $4, $5::jsonb) "
        "ON CONFLICT (company_id, key) DO NOTHING RETURNING 1",
        actor.company_id,
        key,
        route,
        inputs,
        _json(fields),
    )
    if fresh is None:
        return await _repeat(session, actor, key, route, inputs, fields)
    answer = plain_answer(await action())
    await execute(
        session,
        "UPDATE idempotency_key SET status = $3, answer = $4::jsonb WHERE company_id = $1 AND key = $2",
        actor.company_id,
        key,
        status,
        _json({"content": answer}),
    )
    return Answer(answer, status)


async def once_done(
    session: WriteSession,
    actor: Actor,
    key: str | None,
    route: str,
    given: Mapping[str, Any],
    verb: Callable[[], Awaitable[Any]],
) -> Done:
    """``once`` for a step on something that is there already: answers what was done ('orders.ship'; the part of
    ``route`` before the colon) and, where the step made something, its id."""

    async def act() -> dict[str, Any]:
        made = await verb()
        return {"done": route.split(":", maxsplit=1)[0], **({"id": made} if isinstance(made, UUID) else {})}

    return Done.model_validate((await once(session, actor, key, route, given, act, status=200)).content)


async def _repeat(
    session: WriteSession, actor: Actor, key: str, route: str, inputs: bytes, fields: dict[str, str]
) -> Answer:
    known = await fetch_one(
        session,
        "SELECT route, input_hash, fields, status, answer FROM idempotency_key WHERE company_id = $1 AND key = $2",
        actor.company_id,
        key,
    )
    if known is None:
        raise missing("idempotency.key", "No such request.")
    if known["input_hash"] != inputs:
        before = known["fields"]
        changed = next((f for f in fields if before.get(f) != fields[f]), None)
        name = changed or ("route" if known["route"] != route else "body")
        raise conflict(
            "idempotency.reused",
            f"This idempotency key was used for another request: '{name}' differs. Use a new key for a new request.",
            field=name,
        )
    return Answer(known["answer"]["content"], known["status"], repeated=True)


def plain_answer(value: Any) -> Any:
    """JSON-able content of a pydantic model, a dataclass-free dict, or a list of them."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [plain_answer(v) for v in value]
    return plain(value)


def _exact(value: Any) -> Any:
    """Input in a form that can be hashed: a float (a coordinate) as the shortest text that reads back the same."""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict):
        return {str(k): _exact(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(v) for v in value]
    return plain(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
