"""Witnesses: who may cosign, what they have cosigned, and what somebody shows that the log was said to be."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from marketplace.db.session import WriteSession, execute, fetch_value
from marketplace.kit.errors import conflict, forbidden, gone, invalid, missing
from marketplace.ledger.log import notes
from marketplace.ledger.log.notes import COSIGNATURE, Note, NoteError
from marketplace.ledger.queries import log as queries
from marketplace.ledger.service.signing import raise_alarm, root_at
from marketplace.parties.actor import By


class Taken(NamedTuple):
    """A cosignature that was taken."""

    size: int
    witness: str
    said_at: datetime


async def register_witness(session: WriteSession, actor: By, vkey: str, now: datetime) -> UUID:
    """Makes a company's witness known, whose cosignatures are taken from now on. Raises ``witness.key`` for what is no such key,
    ``witness.exists`` where the key or its name is registered."""
    try:
        key = notes.parse_vkey(vkey)
    except NoteError as error:
        raise invalid("witness.key", str(error), field="vkey") from None
    if key.kind != COSIGNATURE:
        raise invalid(
            "witness.key", "This key does not cosign: a witness has a key of its own, of kind 4.", field="vkey"
        )
    made: UUID | None = await fetch_value(
        session,
        "INSERT INTO log_witness (company_id, name, vkey, registered_by, registered_at) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT DO NOTHING RETURNING id",
        actor.company_id, key.name, key.vkey, actor.user_id, now,
    )  # fmt: skip
    if made is None:
        raise conflict("witness.exists", f"A witness {key.name} or this key is registered already.", field="vkey")
    return made


async def retire_witness(session: WriteSession, actor: By, witness_id: UUID, now: datetime) -> None:
    """Takes no more cosignatures of a company's own witness; what it has cosigned stays. Raises ``witness.not_found``."""
    tag = await execute(
        session, "UPDATE log_witness SET retired_at = $3 WHERE id = $1 AND company_id = $2 AND retired_at IS NULL",
        witness_id, actor.company_id, now,
    )  # fmt: skip
    if tag != "UPDATE 1":
        raise missing("witness.not_found", "Your company has no such witness in service.")


async def take_cosignature(session: WriteSession, size: int, line: str, now: datetime) -> Taken:
    """Puts a witness's line under a checkpoint, once. Raises ``checkpoint.not_found``, ``witness.unknown`` where nobody who is
    registered has signed it, ``witness.signature`` where it does not hold, ``witness.old`` where the witness has cosigned a
    larger log already."""
    point = await queries.checkpoint_at(session, size)
    if point is None:
        raise missing(
            "checkpoint.not_found", f"There is no checkpoint of size {size:,}. Fetch /log/checkpoint and cosign that."
        )
    text = notes.parse_note(point.note).text
    known = await queries.witnesses(session)
    try:
        note = notes.parse_note(f"{text}\n{line.strip()}\n")
        signed = notes.signed_by(note, [notes.parse_vkey(w.vkey) for w in known])
    except NoteError as error:
        raise invalid("witness.signature", str(error), field="line") from None
    if len(note.lines) != 1 or not signed or signed[0].at is None:
        raise forbidden("witness.unknown", "No registered witness has signed this. Register its key first.")
    witness = next(w for w in known if w.vkey == signed[0].key.vkey)
    if witness.size is not None and witness.size > size:
        raise gone(
            "witness.old", f"{witness.name} has cosigned size {witness.size:,} already: an older one adds nothing."
        )
    said = datetime.fromtimestamp(signed[0].at, UTC)
    await execute(
        session,
        "INSERT INTO log_cosignature (size, witness_id, line, said_at, received_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        size, witness.id, note.lines[0].text, said, now,
    )  # fmt: skip
    return Taken(size, witness.name, said)


async def hear_evidence(session: WriteSession, text: str, now: datetime) -> tuple[bool, str]:
    """Whether a checkpoint that this log has signed, as somebody was shown it, fits the log as it stands; where it does not, an
    alarm is put on record with it. Raises ``evidence.note`` for what this log has not signed."""
    keys = [notes.parse_vkey(v) for v in await queries.public_keys(session)]
    try:
        note: Note = notes.parse_note(text)
        shown = notes.open_checkpoint(note, keys)
    except NoteError as error:
        raise invalid("evidence.note", str(error), field="note") from None
    state = await queries.state(session)
    ended = next((e for e in await queries.ended_logs(session) if e.origin == shown.origin), None)
    if ended is not None and (state is None or state.origin != shown.origin):
        words = f"The log {ended.origin} was ended on {ended.ended_at:%Y-%m-%d}: {ended.because}. It is not gone on with under this name."
        return False, words
    size = state.size if state is not None else 0
    if shown.size > size:
        words = f"A checkpoint of size {shown.size:,} was signed, and the log has {size:,} entries: it has shrunk."
        await raise_alarm(session, now, "smaller", words, evidence=text)
        return False, words
    if shown.size and await root_at(session, shown.size) != shown.root:
        words = f"A checkpoint of size {shown.size:,} was signed with another root than the log has at that size: it has forked."
        await raise_alarm(session, now, "forked", words, evidence=text)
        return False, words
    return True, f"The log still has this root at size {shown.size:,}, and {size:,} entries now."
