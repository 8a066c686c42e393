"""Links that are mailed: what is signed stands in the mail alone, so whoever reads the database cannot follow them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from uuid import UUID

from marketplace.kit.errors import missing


def _mark(link: str, secret: str) -> str:
    mac = hmac.new(secret.encode(), f"link:{link}".encode(), hashlib.sha256).digest()[:24]
    return base64.urlsafe_b64encode(mac).decode()


def signed(link: str, secret: str) -> str:
    """The link with what proves that we made it."""
    return f"{link}.{_mark(link, secret)}"


def read_link(path: str, token: str, secret: str) -> tuple[UUID, UUID]:
    """The record and the company in a token that stood behind ``path`` ('/join'). Raises ``link.unknown``."""
    link, _, mark = token.rpartition(".")
    if mark.isascii() and hmac.compare_digest(mark, _mark(f"{path}/{link}", secret)):
        record, _, company = link.partition(".")
        return UUID(record), UUID(company)
    raise missing("link.unknown", "This link is damaged or not ours. Open it from the mail again, or copy all of it.")
