"""Signed notes, checkpoints and cosignatures (C2SP signed-note, tlog-checkpoint, tlog-cosignature), with Ed25519.

Signature lines of kinds that are not known here are kept and ignored: a line of a later algorithm stands beside these.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from marketplace.ledger.log.merkle import HASH_SIZE

ED25519: Final = 0x01
"""A signature over the text of a note."""
COSIGNATURE: Final = 0x04
"""A witness's timestamped signature over a checkpoint."""
MOST_NOTE: Final = 100_000
"""Bytes; sixteen signatures of a post-quantum kind fit."""
_DASH = "\u2014"
_NAME = re.compile(r"[^\s+]+")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_KEY_SIZE = 32
_PRIVATE = "PRIVATE+KEY+"
_TIME_SIZE = 8


class NoteError(ValueError):
    """A note, checkpoint or key that is not well formed, or that nobody who is known has signed; the words say why."""


class Key(NamedTuple):
    """A public key by which signatures are verified: its owner's name, what it signs, and 32 bytes of Ed25519."""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> bytes:
        """Four bytes that go before a signature."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    @property
    def vkey(self) -> str:
        """'name+hex+base64', as signed notes write a verifier key."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(bytes([self.kind]) + self.public).decode()}"


class Signer(NamedTuple):
    """A private key: 32 bytes of Ed25519 seed, its owner's name and what it signs."""

    name: str
    kind: int
    seed: bytes

    @property
    def key(self) -> Key:
        """Its public half."""
        private = Ed25519PrivateKey.from_private_bytes(self.seed)
        return Key(self.name, self.kind, private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def line(self, signature: bytes) -> str:
        """The line that goes under a note."""
        return f"{_DASH} {self.name} {base64.b64encode(self.key.id + signature).decode()}\n"


def written_key(signer: Signer) -> str:
    """A private key as one line of text: 'PRIVATE+KEY+name+hex+base64'."""
    return (
        f"{_PRIVATE}{signer.name}+{signer.key.id.hex()}+{base64.b64encode(bytes([signer.kind]) + signer.seed).decode()}"
    )


def parse_private(text: str) -> Signer:
    """A private key from such a line. Raises NoteError."""
    parts = text.strip().removeprefix(_PRIVATE).split("+", 2)
    if not text.startswith(_PRIVATE) or len(parts) != 3:
        raise NoteError(f"This is no private key: it has the form {_PRIVATE}name+hex+base64.")
    material = _unbase64(parts[2], "the private key")
    if len(material) != 1 + _KEY_SIZE or material[0] not in (ED25519, COSIGNATURE):
        raise NoteError(f"The private key of {parts[0]} is of a kind that is not known here.")
    signer = Signer(named(parts[0]), material[0], material[1:])
    if signer.key.id.hex() != parts[1]:
        raise NoteError(
            f"The private key of {parts[0]} does not fit its own id {parts[1][:16]}: it was copied wrongly."
        )
    return signer


class Line(NamedTuple):
    """A signature line of a note: whose, by which key, and its bytes."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def text(self) -> str:
        """As it stands in the note."""
        return f"{_DASH} {self.name} {base64.b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends in a newline, and the lines under it."""

    text: str
    lines: tuple[Line, ...]

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(line.text for line in self.lines)}"


class Checkpoint(NamedTuple):
    """What a log says of itself: its origin, how many entries it has and the root over them."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text to sign."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


class Signed(NamedTuple):
    """Who has signed a note: the key, and of a cosignature when (POSIX seconds)."""

    key: Key
    at: int | None


def named(name: str) -> str:
    """``name`` if it can be a key's name. Raises NoteError."""
    if not _NAME.fullmatch(name) or len(name) > 200:
        raise NoteError(f"'{name[:40]}' cannot name a key: no spaces and no plus sign, at most 200 characters.")
    return name


def parse_vkey(text: str) -> Key:
    """A verifier key from its text. Raises NoteError, which says what is wrong with it."""
    parts = text.strip().split("+", 2)
    if len(parts) != 3:
        raise NoteError(f"'{text.strip()[:40]}' is not a verifier key: it has the form name+hex+base64.")
    name, hexed, encoded = parts
    material = _unbase64(encoded, "the key")
    key = Key(named(name), material[0] if material else 0, material[1:])
    if key.kind not in (ED25519, COSIGNATURE) or len(key.public) != _KEY_SIZE:
        raise NoteError(
            f"The key of {name} is of a kind that is not known here: only Ed25519 (1) and its cosignatures (4)."
        )
    if key.id.hex() != hexed:
        raise NoteError(f"The key of {name} does not fit its own id {hexed[:16]}: it was copied wrongly.")
    return key


def _unbase64(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError(f"{what} is not base64") from None


def parse_note(text: str) -> Note:
    """The note in ``text``. Raises NoteError."""
    if len(text.encode()) > MOST_NOTE:
        raise NoteError(f"A note has at most {MOST_NOTE:,} bytes.")
    if any(c < " " and c != "\n" for c in text):
        raise NoteError("A note has no control characters.")
    body, separator, rest = text.rpartition("\n\n")
    if not separator or not rest.endswith("\n"):
        raise NoteError("This is no signed note: a text, an empty line, and lines of signatures.")
    lines: list[Line] = []
    for line in rest.splitlines():
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != _DASH or not _NAME.fullmatch(parts[1]):
            raise NoteError(f"'{line[:40]}' is no line of a signature.")
        signature = _unbase64(parts[2], f"the signature of {parts[1]}")
        if len(signature) < 5:
            raise NoteError(f"The signature of {parts[1]} is cut off.")
        lines.append(Line(parts[1], signature[:4], signature[4:]))
    return Note(body + "\n", tuple(lines))


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint in the text of a note. Raises NoteError."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
        raise NoteError("A checkpoint has three lines: origin, size and root.")
    if not _SIZE.fullmatch(lines[1]):
        raise NoteError(f"'{lines[1][:20]}' is no size of a log.")
    root = _unbase64(lines[2], "the root")
    if len(root) != HASH_SIZE:
        raise NoteError(f"A root is {HASH_SIZE} bytes long.")
    return Checkpoint(lines[0], int(lines[1]), root)


def _message(text: str, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n{text}".encode()


def sign(text: str, signers: Iterable[Signer]) -> str:
    """The note of ``text`` with a line by each signer."""
    if not text.endswith("\n"):
        raise NoteError("The text of a note ends in a newline.")
    lines = [s.line(Ed25519PrivateKey.from_private_bytes(s.seed).sign(text.encode())) for s in signers]
    return f"{text}\n{''.join(lines)}"


def cosign(text: str, signer: Signer, at: int) -> str:
    """A witness's line under the checkpoint ``text``, said at ``at`` (POSIX seconds)."""
    if signer.kind != COSIGNATURE:
        raise NoteError(f"The key of {signer.name} does not cosign.")
    signature = Ed25519PrivateKey.from_private_bytes(signer.seed).sign(_message(text, at))
    return signer.line(at.to_bytes(_TIME_SIZE, "big") + signature)


def _holds(key: Key, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def signed_by(note: Note, keys: Sequence[Key]) -> list[Signed]:
    """Which of ``keys`` have signed the note, each once. A line by a known key that does not hold refuses the whole note
    (NoteError); lines by others are ignored."""
    known = {(key.name, key.id): key for key in keys}
    found: dict[Key, Signed] = {}
    for line in note.lines:
        key = known.get((line.name, line.key_id))
        if key is None:
            continue
        at: int | None = None
        message, signature = note.text.encode(), line.signature
        if key.kind == COSIGNATURE:
            at = int.from_bytes(signature[:_TIME_SIZE], "big")
            message, signature = _message(note.text, at), signature[_TIME_SIZE:]
        if not _holds(key, signature, message):
            raise NoteError(
                f"The signature of {key.name} does not hold: the text was changed, or somebody else signed it."
            )
        found.setdefault(key, Signed(key, at))
    return list(found.values())


def open_checkpoint(note: Note, keys: Sequence[Key]) -> Checkpoint:
    """The checkpoint in a note that one of the log's ``keys`` has signed. Raises NoteError."""
    if not any(signed.key.kind == ED25519 for signed in signed_by(note, keys)):
        names = ", ".join(sorted({line.name for line in note.lines})) or "nobody"
        wanted = ", ".join(sorted({key.name for key in keys})) or "nobody known"
        raise NoteError(f"No known key of the log has signed this: signed by {names}, wanted {wanted}.")
    return parse_checkpoint(note.text)
