"""What somebody typed into a form that was sent after the session had ended: carried through signing in, not lost.

The server keeps nothing. The fields travel in the sign-in page as one signed text, which names the page's path and the
person whose browser it was, and is good for an hour. After signing in, the same person is shown what was typed and sends
it with a press of a button: a form of this site like any other, so every check runs as ever, a binding step shows once
more what it will do, and nothing happens that nobody pressed. Who the person was is known from a signed cookie that
signing in leaves and signing out takes away; without it, or for somebody else, nothing is carried. Neither are forms with
a password or a file, nor more than ``MOST_BYTES``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from marketplace.db.requests import page_secret
from marketplace.kit.errors import DomainError
from marketplace.kit.pages import read_bookmark, sign_bookmark
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import cookie_name
from web.forms import Value
from web.pages.preferences import local_path

MOST_BYTES: Final = 48 * 1024
GOOD_FOR: Final = timedelta(hours=1)
KEPT: Final = "kept"
"""The name of the hidden field."""
_NEVER: Final = ("password", "secret", "token")
_PERSON_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class Kept:
    """A form to send again: where to, and its fields by name."""

    path: str
    values: Mapping[str, Value]
    user_id: UUID
    company_id: UUID

    def is_of(self, actor: Actor) -> bool:
        """Whether this person, in this company, typed it."""
        return (self.user_id, self.company_id) == (actor.user_id, actor.company_id)


def _cookie() -> str:
    return f"{cookie_name()}_person"


def _secret(request: Request, purpose: str) -> str:
    """A key of its own for each purpose, so that no text that is good for one is good for another."""
    return f"{page_secret(request)}:{purpose}"


def remember(request: Request, response: Response, actor: Actor, *, secure: bool) -> None:
    """Leaves a mark of who signed in here; it opens nothing."""
    mark = sign_bookmark([actor.user_id, actor.company_id], _secret(request, "person"))
    age = _PERSON_DAYS * 24 * 3600
    response.set_cookie(_cookie(), mark, max_age=age, path="/", secure=secure, httponly=True, samesite="lax")


def forget(response: Response, *, secure: bool) -> None:
    """Takes the mark away."""
    response.delete_cookie(_cookie(), path="/", secure=secure, httponly=True)


def keep(request: Request, now: datetime) -> str | None:
    """The form that this request sent as a signed text, or None where it is not to be carried."""
    sent = getattr(request.state, "sent", None)
    if (
        sent is None
        or not sent.whole
        or request.method != "POST"
        or request.url.path.startswith(("/sign-in", "/sign-out"))
    ):
        return None
    if any(word in name.lower() for name in sent.values for word in _NEVER):
        return None
    try:
        person = read_bookmark(request.cookies.get(_cookie()), _secret(request, "person"), UUID, UUID)
    except DomainError:
        return None
    if person is None:
        return None
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    until = (now + GOOD_FOR).isoformat()
    fields = json.dumps(
        {"key": sent.key, "values": {k: v if isinstance(v, str) else list(v) for k, v in sent.values.items()}}
    )
    text = sign_bookmark([path, fields, *person, until], _secret(request, KEPT))
    return text if len(text) <= MOST_BYTES else None


def read(request: Request, text: str, now: datetime) -> Kept | None:
    """What a signed text carries; None when there is none, it is not ours, or its hour is over."""
    try:
        found = read_bookmark(
            text[: MOST_BYTES + 1], _secret(request, KEPT), str, json.loads, UUID, UUID, datetime.fromisoformat
        )
    except DomainError:
        return None
    if found is None or found[4] < now or local_path(found[0]) != found[0]:
        return None
    path, fields, user_id, company_id, _ = found
    # The key goes along: a form that was carried out after all is not carried out twice.
    key = {"idempotency_key": fields["key"]} if fields["key"] else {}
    return Kept(path, {**fields["values"], **key}, user_id, company_id)
