"""Bundles: what somebody may see of some lots, with everything that is needed to check it without the operator.

``verify`` needs the file and nothing else. FORMAT.md describes the file; ``tests/vectors/verify_bundle.py`` is a second
verifier, written from that description alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, NamedTuple, TypeAlias

from marketplace.kit.canonical import encode
from marketplace.ledger.log import entry as entries
from marketplace.ledger.log.merkle import HASH_SIZE, Read, leaf_hash, node_hash, root_of
from marketplace.ledger.log.notes import (
    COSIGNATURE,
    ED25519,
    Checkpoint,
    Key,
    NoteError,
    open_checkpoint,
    parse_checkpoint,
    parse_note,
    parse_vkey,
    signed_by,
)
from marketplace.ledger.log.policy import Policy

FORMAT: Final = "backstock-bundle/1"
TAILS: Final = "backstock-tails/1"
MOST_BYTES: Final = 500_000_000
JSON: TypeAlias = dict[str, Any]


class Seen(NamedTuple):
    """A movement that whoever asks may see: where it stands in the log, its salt, and its record in canonical bytes."""

    position: int
    salt: bytes
    record: bytes


class Hidden(NamedTuple):
    """A movement of somebody else's: where it stands in the log, and its commitment."""

    position: int
    commitment: bytes


class LotPart(NamedTuple):
    """A lot of a bundle: its key and its movements in order, from the first to the last that was sealed."""

    lot: str
    key: bytes
    movements: Sequence[Seen | Hidden]


def tails_text(origin: str, size: int, lots: Iterable[LotPart]) -> str:
    """The text by which the log says, at a size, which movement of each lot is the last: to be signed as a note."""
    lines = sorted(f"{sha256(lot.key).hexdigest()} {len(lot.movements)}\n" for lot in lots)
    return f"{TAILS}\n{origin}\n{size}\n{''.join(lines)}"


def covering(positions: Iterable[int], size: int, read: Read) -> dict[str, str]:
    """The hashes that, with the leaves at ``positions``, give the root of the tree of ``size``: '<start>-<end>' -> hex."""
    wanted = sorted(set(positions))
    found: dict[str, str] = {}

    def walk(start: int, end: int, first: int, last: int) -> None:
        if first == last:
            found[f"{start}-{end}"] = root_of(read, start, end).hex()
            return
        if end - start == 1:
            return
        middle = start + (1 << ((end - start - 1).bit_length() - 1))
        split = first
        low, high = first, last
        while low < high:
            split = (low + high) // 2
            if wanted[split] < middle:
                low = split + 1
            else:
                high = split
        walk(start, middle, first, low)
        walk(middle, end, low, last)

    walk(0, size, 0, len(wanted))
    return found


def write(
    *,
    scope: JSON,
    made_at: str,
    checkpoint: str,
    tails: str,
    keys: Sequence[str],
    witnesses: Sequence[str],
    lots: Sequence[LotPart],
    size: int,
    read: Read,
    labels: Mapping[str, str],
) -> bytes:
    """The file. ``labels``: what the ids in the records are called, for people; nothing proves them."""
    parts = []
    positions: list[int] = []
    for lot in lots:
        movements: list[str] = []
        for seq, m in enumerate(lot.movements, start=1):
            positions.append(m.position)
            if isinstance(m, Seen):
                movements.append(f'{{"movement":{m.record.decode()},"position":{m.position},"salt":"{m.salt.hex()}"}}')
            else:
                movements.append(
                    f'{{"commitment":"{m.commitment.hex()}","position":{m.position},"tag":"{entries.tag(lot.key, seq).hex()}"}}'
                )
        listed = ",\n".join(movements)
        parts.append(f'{{"key":"{lot.key.hex()}","lot":"{lot.lot}","movements":[\n{listed}\n]}}')
    head = {
        "format": FORMAT, "scope": scope, "made_at": made_at, "checkpoint": checkpoint, "tails": tails,
        "keys": list(keys), "witnesses": list(witnesses), "nodes": covering(positions, size, read), "labels": dict(labels),
    }  # fmt: skip
    text = json.dumps(head, ensure_ascii=False, indent=1)
    listed = ",\n".join(parts)
    return f'{text[:-2]},\n "lots": [\n{listed}\n ]\n}}\n'.encode()


@dataclass(slots=True)
class Verdict:
    """What a bundle proves. ``faults``: what does not hold, each saying what and where; ``proven``, ``not_proven`` in words."""

    faults: list[str] = field(default_factory=list)
    proven: list[str] = field(default_factory=list)
    not_proven: list[str] = field(default_factory=list)
    checkpoint: Checkpoint | None = None
    movements: int = 0
    lots: int = 0
    whole: int = 0
    """Lots of which every movement is shown."""

    @property
    def holds(self) -> bool:
        """Whether everything in it holds."""
        return not self.faults


class UnreadableError(ValueError):
    """A file that is no bundle, or a part of one; the words say what is missing."""


def _once(pairs: list[tuple[str, Any]]) -> JSON:
    found = dict(pairs)
    if len(found) != len(pairs):
        # Two readers could take it for two things.
        raise ValueError("a name stands twice in one object")
    return found


def load(data: bytes) -> JSON:
    """The bundle in a file. Raises UnreadableError."""
    if len(data) > MOST_BYTES:
        raise UnreadableError(f"A bundle has at most {MOST_BYTES:,} bytes; this file has {len(data):,}.")
    try:
        bundle = json.loads(data, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise UnreadableError(
            "This file is not whole, or no bundle: it cannot be read as JSON. Download it again."
        ) from None
    if not isinstance(bundle, dict) or bundle.get("format") != FORMAT:
        found = bundle.get("format") if isinstance(bundle, dict) else None
        raise UnreadableError(
            f"This is no bundle of the form {FORMAT}" + (f", but {str(found)[:40]}." if found else ".")
        )
    for name, kind in (
        ("scope", dict), ("checkpoint", str), ("tails", str), ("keys", list), ("witnesses", list), ("nodes", dict), ("lots", list),
    ):  # fmt: skip
        if not isinstance(bundle.get(name), kind):
            raise UnreadableError(f"The bundle has no '{name}': it is cut off, or was written by something else.")
    return bundle


def verify(bundle: JSON, policy: Policy | None = None, known: Checkpoint | None = None) -> Verdict:
    """Checks everything in a bundle that ``load`` has read. ``policy``: the keys that are trusted and the witnesses that are
    needed; without it the keys in the file itself are used, and the verdict says so. ``known``: a checkpoint of the same log
    that is trusted from elsewhere; the bundle's must be the same where sizes are."""
    verdict = Verdict()
    try:
        _verify(bundle, policy, known, verdict)
    except _StopError as stop:
        verdict.faults.append(str(stop))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        verdict.faults.append(f"The bundle is damaged: {type(error).__name__} {error}")
    verdict.not_proven += [
        "That what was reported is true: a proof shows what was recorded and when, not what stands on a shelf.",
        "What happened after the checkpoint, and what was reported to nobody.",
        "That these are all the lots of what the file says it is of: it proves those that stand in it.",
        "Names beside ids (parts, companies, places): they are for reading.",
    ]
    return verdict


class _StopError(Exception):
    """Nothing further can be checked."""


def _keys(texts: Iterable[Any]) -> list[Key]:
    try:
        return [parse_vkey(str(text)) for text in texts]
    except NoteError as error:
        raise _StopError(f"A key in the bundle cannot be read. {error}") from None


def _verify(bundle: JSON, policy: Policy | None, known: Checkpoint | None, verdict: Verdict) -> None:
    own_keys, own_witnesses = _keys(bundle["keys"]), _keys(bundle["witnesses"])
    log_keys = policy.logs if policy is not None and policy.logs else own_keys
    witnesses = list(policy.witnesses.values()) if policy is not None else own_witnesses
    try:
        note = parse_note(bundle["checkpoint"])
        point = open_checkpoint(note, log_keys)
    except NoteError as error:
        raise _StopError(f"The checkpoint does not hold. {error}") from None
    verdict.checkpoint = point
    if known is not None:
        _same(point, known, verdict)
    try:
        cosigned = [s for s in signed_by(note, witnesses) if s.key.kind == COSIGNATURE]
    except NoteError as error:
        raise _StopError(f"The checkpoint does not hold. {error}") from None
    leaves, tails = _lots(bundle, verdict)
    _tails(bundle["tails"], log_keys, point, tails, verdict)
    root = _root(bundle["nodes"], leaves, point.size, verdict)
    if root is not None and root != point.root:
        verdict.faults.append(
            f"The movements do not lead to the root of the checkpoint of size {point.size}: one of them, or a hash of the "
            "proof, was changed, or they are of another log."
        )
    if policy is not None and not policy.satisfied([s.key for s in cosigned]):
        who = ", ".join(s.key.name for s in cosigned) or "none"
        verdict.faults.append(f"Too few witnesses have cosigned: {policy.words}; cosigned by {who}.")
    if verdict.faults:
        return
    # A key that came with the file is nobody's in particular: whoever forges the one writes the other beside it.
    names = [s.key.name for s in cosigned]
    verdict.proven += _proven(point, verdict, names if policy is not None else [])
    if policy is None or not policy.logs:
        verdict.not_proven.append(
            f"That the key is that of {point.origin}: it was taken from the bundle. Give a policy with its key to be sure."
        )
    if not cosigned:
        verdict.not_proven.append(
            "That everybody is shown the same log: no known witness has cosigned this checkpoint."
        )
    elif policy is None:
        verdict.not_proven.append(
            f"That everybody is shown the same log: {', '.join(names)} cosigned it, by {'a key' if len(names) == 1 else 'keys'} taken from "
            "the bundle. Give a policy with keys of witnesses that you know."
        )


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _proven(point: Checkpoint, verdict: Verdict, cosigned: Sequence[str]) -> list[str]:
    stand = (
        f"{_counted(verdict.movements, 'movement')} of {_counted(verdict.lots, 'lot')} stand in the log {point.origin} as shown "
        f"here, at size {point.size:,}."
    )
    whole = (
        "None of a lot's movements is left out, from the first to the last that the log knew at that size: the log has signed "
        "which one is the last, and whoever holds the lot's key and finds another can show that it lied."
    )
    words = [stand, whole]
    if verdict.whole:
        words.append(
            f"Of {_counted(verdict.whole, 'lot')} every movement is shown, and they lead from one to the next: what is left at each place "
            "is what the movements before it leave."
        )
    if cosigned:
        words.append(f"Cosigned by {', '.join(cosigned)}: they have seen this log grow to this size without a change.")
    return words


def _same(point: Checkpoint, known: Checkpoint, verdict: Verdict) -> None:
    if point.origin != known.origin:
        raise _StopError(f"The bundle is of the log {point.origin}, the checkpoint that you gave of {known.origin}.")
    if point.size == known.size and point.root != known.root:
        raise _StopError(f"There are two logs: the one of the bundle has another root at size {point.size} than yours.")
    if point.size != known.size:
        verdict.not_proven.append(
            f"That this is the log of the checkpoint that you gave: yours is of size {known.size:,}, that of the bundle of size "
            f"{point.size:,}, and only equal sizes can be compared here. A witness follows from one size to the next."
        )


def read_checkpoint(text: str) -> Checkpoint:
    """A checkpoint from a file, of whose signatures nothing is asked. Raises UnreadableError."""
    try:
        return parse_checkpoint(parse_note(text).text)
    except NoteError as error:
        raise UnreadableError(f"This is no checkpoint. {error}") from None


def _bytes(text: Any, size: int, what: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except (TypeError, ValueError):
        raise _StopError(f"{what} is not written in hex.") from None
    if len(data) != size or data.hex() != text:
        raise _StopError(f"{what} is not {size} bytes in small hex digits.")
    return data


def _lots(bundle: JSON, verdict: Verdict) -> tuple[dict[int, bytes], dict[str, int]]:
    """The leaf hash at each position, and the last movement of each lot by the hash of its key."""
    leaves: dict[int, bytes] = {}
    tails: dict[str, int] = {}
    for lot in bundle["lots"]:
        name = str(lot["lot"])
        key = _bytes(lot["key"], entries.KEY_SIZE, f"The key of lot {name}")
        hashed = sha256(key).hexdigest()
        if hashed in tails:
            raise _StopError(f"Lot {name} stands in the bundle twice.")
        tails[hashed] = len(lot["movements"])
        verdict.lots += 1
        before = -1
        records: list[JSON] | None = []
        for seq, m in enumerate(lot["movements"], start=1):
            where = f"Movement {seq} of lot {name}"
            position = m["position"]
            if not isinstance(position, int) or position <= before or position in leaves:
                raise _StopError(f"{where} stands at position {position}, which does not follow on {before}.")
            before = position
            verdict.movements += 1
            tag = entries.tag(key, seq)
            if "movement" in m:
                record = m["movement"]
                committed = entries.commitment(
                    encode(record), _bytes(m["salt"], entries.SALT_SIZE, f"{where}: its salt")
                )
                verdict.faults += _fits(record, name, seq, hashed, where)
                if records is not None:
                    records.append(record)
            else:
                records = None
                committed = _bytes(m["commitment"], HASH_SIZE, f"{where}: its commitment")
                if _bytes(m["tag"], HASH_SIZE, f"{where}: its tag") != tag:
                    verdict.faults.append(f"{where}: its tag is not that of this lot and this number.")
            leaves[position] = leaf_hash(entries.entry(tag, committed))
        if records:
            verdict.whole += 1
            verdict.faults += replayed(records, name)
    return leaves, tails


def _fits(record: JSON, lot: str, seq: int, key_hash: str, where: str) -> list[str]:
    faults: list[str] = []
    if record.get("version") != entries.VERSION:
        faults.append(f"{where}: a record of version {record.get('version')}, which is not known here.")
    if record.get("lot") != lot or record.get("seq") != str(seq):
        faults.append(f"{where} is in truth movement {record.get('seq')} of lot {record.get('lot')}.")
    unit = record.get("unit")
    if (unit is not None) != (seq == 1):
        faults.append(f"{where}: only the first movement of a lot says what it is.")
    elif unit is not None and unit.get("key_sha256") != key_hash:
        faults.append(f"{where}: the lot was registered with another key than that of the bundle.")
    return faults


def replayed(records: Sequence[JSON], lot: str) -> list[str]:
    """What does not follow in the whole history of a lot: quantities that are not what the movements before leave."""
    there: dict[int, int] = {}
    for record in records:
        leaves, reaches, quantity = record["from"], record["to"], record["quantity"]
        moves = record["kind"] not in ("hold", "void", "expire", "freeze", "lift")
        for place, sign in ((leaves, -1), (reaches, 1)):
            if place is None or not moves:
                continue
            at = place["position"]
            there[at] = there.get(at, 0) + sign * quantity
            stated = place["quantity_after"]
            if there[at] < 0 or (stated is not None and stated != there[at]):
                words = (
                    f"Movement {record['seq']} of lot {lot}: {stated} are said to be left at place {at}, and "
                    f"{there[at]} are by the movements before it."
                )
                return [words]
    return []


def _root(nodes: Mapping[str, Any], leaves: Mapping[int, bytes], size: int, verdict: Verdict) -> bytes | None:
    """The root that the leaves and the hashes beside them give; every leaf has to be met on the way."""
    met = 0

    def over(start: int, end: int) -> bytes:
        nonlocal met
        given = nodes.get(f"{start}-{end}")
        if given is not None:
            return _bytes(given, HASH_SIZE, f"The hash {start}-{end} of the proof")
        if end - start == 1:
            if start not in leaves:
                raise _StopError(f"The proof lacks the hash of position {start}: the bundle is not whole.")
            met += 1
            return leaves[start]
        middle = start + (1 << ((end - start - 1).bit_length() - 1))
        return node_hash(over(start, middle), over(middle, end))

    beyond = [position for position in leaves if not 0 <= position < size]
    if beyond or not size:
        verdict.faults.append(
            f"Position {min(beyond, default=0)} lies beyond the checkpoint, whose log has {size} entries: this proof is for "
            "another one."
        )
        return None
    root = over(0, size)
    if met != len(leaves):
        verdict.faults.append(
            f"{len(leaves) - met} movements are not under the root: a hash of the proof stands in their place."
        )
        return None
    return root


def _tails(text: str, keys: Sequence[Key], point: Checkpoint, tails: Mapping[str, int], verdict: Verdict) -> None:
    try:
        note = parse_note(text)
        signed = any(s.key.kind == ED25519 for s in signed_by(note, keys))
    except NoteError as error:
        verdict.faults.append(f"What the log says of the last movement of each lot does not hold. {error}")
        return
    lines = note.text.splitlines()
    if not signed or lines[:1] != [TAILS]:
        verdict.faults.append("What the log says of the last movement of each lot is not signed by a known key of it.")
        return
    if lines[1:3] != [point.origin, str(point.size)]:
        verdict.faults.append("What the log says of the last movement of each lot is of another log or another size.")
        return
    said = dict(line.rsplit(" ", 1) for line in lines[3:])
    for key_hash, count in tails.items():
        if said.get(key_hash) != str(count):
            verdict.faults.append(
                f"The log says that a lot (key {key_hash[:12]}) has {said.get(key_hash, 'no')} movements at size {point.size}; "
                f"the bundle shows {count}."
            )
