"""Codes of an authenticator app (TOTP, RFC 6238, over HOTP, RFC 4226), and codes for the day the telephone is lost."""

from __future__ import annotations

import base64
import re
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.twofactor.totp import TOTP

SECRET_BYTES: Final = 20
"""RFC 4226 recommends 160 bits."""
NONCE_BYTES: Final = 12
STEP_SECONDS: Final = 30
DIGITS: Final = 6
_DRIFT: Final = (0, -1, 1)
"""Steps by which a telephone's clock may be off (RFC 6238, section 5.2)."""
ISSUER: Final = "Backstock"
RECOVERY_CODES: Final = 10
RECOVERY_LETTERS: Final = "23456789abcdefghjkmnpqrstuvwxyz"
"""No character that is mistaken for another one: 31 of them."""
RECOVERY_LENGTH: Final = 16
"""79 bits each: so many that a plain hash of it tells nothing."""


def _totp(secret: bytes) -> TOTP:
    # SHA-1, since that is what apps do whatever else the address asks of them; as a MAC it is sound.
    return TOTP(secret, DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303 - RFC 6238


def address(secret: bytes, account: str) -> str:
    """What the code of squares says: an otpauth address that an app reads."""
    return _totp(secret).get_provisioning_uri(account, ISSUER)


def spelled(secret: bytes) -> str:
    """The secret for typing in, in groups of four."""
    text = base64.b32encode(secret).decode().rstrip("=")
    return " ".join(text[i : i + 4] for i in range(0, len(text), 4))


def code_at(secret: bytes, moment: datetime) -> str:
    """What the app shows at a moment."""
    return _totp(secret).generate(int(moment.timestamp())).decode()


def matching_step(secret: bytes, typed: str, now: datetime, last_step: int | None) -> int | None:
    """The time step whose code was typed, None where none was. A code of ``last_step`` or before was used already."""
    code = re.sub(r"\s", "", typed)
    if not re.fullmatch(rf"[0-9]{{{DIGITS}}}", code):
        return None
    step = int(now.timestamp()) // STEP_SECONDS
    found = [
        step + off
        for off in _DRIFT
        if _same(code, _totp(secret).generate((step + off) * STEP_SECONDS).decode())
        and (last_step is None or step + off > last_step)
    ]
    return found[0] if found else None


def _same(one: str, other: str) -> bool:
    import hmac

    return hmac.compare_digest(one, other)


def recovery_code(typed: str) -> str | None:
    """A recovery code as it was made, from however it was typed; None where it can be none."""
    bare = re.sub(r"[\s-]", "", typed.lower())
    return bare if len(bare) == RECOVERY_LENGTH and set(bare) <= set(RECOVERY_LETTERS) else None


def grouped(code: str) -> str:
    """A recovery code as it is written down."""
    return "-".join(code[i : i + 4] for i in range(0, len(code), 4))


def sealed(secret: bytes, key: str, owner: bytes, nonce: bytes) -> bytes:
    """The secret as it is kept: readable only with the operator's key, and only in the row of its ``owner``."""
    return nonce + AESGCM(_sealing_key(key)).encrypt(nonce, secret, owner)


def opened(kept: bytes, key: str, owner: bytes) -> bytes | None:
    """The secret again; None where the operator's key is another one by now."""
    try:
        return AESGCM(_sealing_key(key)).decrypt(kept[:NONCE_BYTES], kept[NONCE_BYTES:], owner)
    except InvalidTag:
        return None


def _sealing_key(key: str) -> bytes:
    return HKDF(SHA256(), 32, None, b"backstock second factor").derive(key.encode())
