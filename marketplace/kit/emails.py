"""E-mail addresses: what mail can be sent to, without quoting and without a name around it."""

from __future__ import annotations

import re
from typing import Final

from marketplace.kit.errors import invalid

MAX_LENGTH: Final = 200
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# RFC 5321: a local part of at most 64 dotted atoms' characters, at a host name of two labels or more whose last is no number.
_ADDRESS: Final = re.compile(rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+(?=[^.]*[A-Za-z]){_LABEL}")


def check_email(text: str, code: str, *, field: str = "email") -> str:
    """The address without blanks around it. Raises ``code`` for what no mail can be sent to, naming the ``field``."""
    address = text.strip()
    if len(address) > MAX_LENGTH:
        raise invalid(
            code, f"An e-mail address has at most {MAX_LENGTH} characters; this has {len(address)}.", field=field
        )
    if not _ADDRESS.fullmatch(address):
        raise invalid(
            code,
            f"'{address[:60]}' is not an e-mail address. Write it like sam@example.com: only the address itself, in letters "
            "without accents, digits and signs such as . _ + - before the @, and a whole domain name after it.",
            field=field,
        )
    return address
