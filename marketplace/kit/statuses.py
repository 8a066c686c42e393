"""What a kind of error is outside: an HTTP status, an exit code of the command line."""

from __future__ import annotations

from collections.abc import Mapping

from marketplace.kit.errors import Kind

STATUS: Mapping[Kind, int] = {
    Kind.INVALID: 422,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.MISSING: 404,
    Kind.CONFLICT: 409,
    Kind.GONE: 410,
    Kind.LIMITED: 429,
    Kind.BUSY: 503,
}
EXIT_CODE: Mapping[Kind, int] = {
    Kind.INVALID: 2,
    Kind.UNAUTHENTICATED: 3,
    Kind.FORBIDDEN: 3,
    Kind.MISSING: 4,
    Kind.CONFLICT: 5,
    Kind.GONE: 5,
    Kind.LIMITED: 6,
    Kind.BUSY: 6,
}
