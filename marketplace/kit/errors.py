"""Error kinds and the one exception that carries them.

Inside the program an error has a *kind* (what sort of no it is) and a stable *code* (what a program may
match on). Each edge maps kinds once: HTTP status, HTML page, exit code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What sort of refusal it is."""

    INVALID = "invalid"
    """The input cannot be right, whatever the state."""
    UNAUTHENTICATED = "unauthenticated"
    """Nobody is signed in, or the session has ended."""
    FORBIDDEN = "forbidden"
    """The actor may see the thing but not do this to it."""
    MISSING = "missing"
    """It does not exist, or the actor may not know that it does."""
    CONFLICT = "conflict"
    """It was possible, but the state has moved on."""
    GONE = "gone"
    """It existed and has ended for good (expired, withdrawn)."""
    LIMITED = "limited"
    """Too often: the same will work after a while (``retry_after`` seconds among the facts)."""
    BUSY = "busy"
    """Not now: a limit or an outage; the same request may work later."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field of the input: where, a stable code, and words."""

    field: str
    code: str
    message: str


@dataclass(slots=True)
class DomainError(Exception):
    """A refusal with a kind, a stable code, and words that say what happened and what to do.

    ``code`` is dotted and stable (``ledger.not_enough``); ``message`` is one or two sentences for a person;
    ``fields`` names inputs; ``extra`` carries JSON-able facts (how many there are, who holds it).
    """

    kind: Kind
    code: str
    message: str
    fields: tuple[FieldError, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def __reduce__(self) -> tuple[type[DomainError], tuple[object, ...]]:
        # An exception is rebuilt from its ``args``, which a dataclass does not fill: it could not leave a process.
        return (DomainError, (self.kind, self.code, self.message, self.fields, dict(self.extra)))


def invalid(code: str, message: str, *, field: str | None = None, **extra: Any) -> DomainError:
    """The input cannot be right. ``field`` names the input that is wrong."""
    fields = (FieldError(field, code, message),) if field else ()
    return DomainError(Kind.INVALID, code, message, fields, extra)


def invalid_fields(code: str, message: str, fields: tuple[FieldError, ...]) -> DomainError:
    """Several inputs are wrong; all are named at once."""
    return DomainError(Kind.INVALID, code, message, fields)


def unauthenticated(code: str, message: str) -> DomainError:
    """Nobody is signed in."""
    return DomainError(Kind.UNAUTHENTICATED, code, message)


def forbidden(code: str, message: str, **extra: Any) -> DomainError:
    """The actor may see it but not do this."""
    return DomainError(Kind.FORBIDDEN, code, message, (), extra)


def missing(code: str, message: str, **extra: Any) -> DomainError:
    """Not there, or not visible to the actor: the same answer for both."""
    return DomainError(Kind.MISSING, code, message, (), extra)


def conflict(code: str, message: str, *, field: str | None = None, **extra: Any) -> DomainError:
    """The state does not allow it (any more)."""
    fields = (FieldError(field, code, message),) if field else ()
    return DomainError(Kind.CONFLICT, code, message, fields, extra)


def gone(code: str, message: str, **extra: Any) -> DomainError:
    """It has ended for good."""
    return DomainError(Kind.GONE, code, message, (), extra)


def limited(code: str, message: str, *, retry_after: int) -> DomainError:
    """Too often; allowed again in ``retry_after`` seconds."""
    return DomainError(Kind.LIMITED, code, message, (), {"retry_after": retry_after})


def busy(code: str, message: str, **extra: Any) -> DomainError:
    """Not now; try later."""
    return DomainError(Kind.BUSY, code, message, (), extra)
