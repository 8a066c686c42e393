"""What a witness and a monitor decide: whether a log goes on from what was seen of it, and what its entries say of known lots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from marketplace.ledger.log import entry as entries
from marketplace.ledger.log.merkle import EMPTY_ROOT, Frontier, ProofError, leaf_hash, verify_consistency
from marketplace.ledger.log.notes import Checkpoint


class LogError(ValueError):
    """A log that is not what it was, or not what it says; the words say in what."""


def goes_on(known: Checkpoint | None, shown: Checkpoint, proof: Sequence[bytes]) -> None:
    """Raises LogError unless the log that is ``shown`` goes on from the one that is ``known`` (None: seen for the first time)."""
    if known is None:
        return
    if shown.origin != known.origin:
        raise LogError(f"This is the log {shown.origin}; watched is {known.origin}.")
    if shown.size < known.size:
        raise LogError(f"The log has shrunk: it had {known.size:,} entries and shows {shown.size:,}.")
    if not known.size:
        if known.root != EMPTY_ROOT:
            raise LogError("What was kept of the log is damaged: an empty log has another root.")
        return
    try:
        verify_consistency(known.size, shown.size, proof, known.root, shown.root)
    except ProofError as error:
        raise LogError(
            f"The log has forked: at size {shown.size:,} it is not the continuation of size {known.size:,} ({error})."
        ) from None


@dataclass(slots=True)
class Watched:
    """What the entries of a log say of known lots. ``found``: lot -> number -> positions."""

    size: int = 0
    found: dict[str, dict[int, list[int]]] = field(default_factory=dict)

    def faults(self, last: Mapping[str, int]) -> list[str]:
        """What is wrong, given the last number that was shown of each lot."""
        words: list[str] = []
        for lot, count in last.items():
            numbers = self.found.get(lot, {})
            for seq in range(1, count + 1):
                at = numbers.get(seq, [])
                if not at:
                    words.append(f"Movement {seq} of lot {lot} is not in the log, though it was shown.")
                elif len(at) > 1:
                    places = ", ".join(map(str, at))
                    words.append(
                        f"Movement {seq} of lot {lot} stands in the log {len(at)} times, at {places}: a second history."
                    )
            words += [
                f"Movement {seq} of lot {lot} is in the log at {', '.join(map(str, at))} and was not shown: a withheld end."
                for seq, at in sorted(numbers.items())
                if seq > count
            ]
        return words


AHEAD = 1_000
"""Numbers beyond the last that was shown for which a monitor looks."""


def watch(point: Checkpoint, data: Iterable[bytes], lots: Mapping[str, tuple[bytes, int]]) -> Watched:
    """Reads all entries of the log up to a checkpoint and looks for the tags of ``lots`` (lot -> key, last number shown). Raises
    LogError where the entries are not those of the checkpoint."""
    wanted = {
        entries.tag(key, seq): (lot, seq) for lot, (key, last) in lots.items() for seq in range(1, last + AHEAD + 1)
    }
    tree, watched = Frontier(), Watched()
    for one in data:
        try:
            tag = entries.taken_apart(one).tag
        except ValueError as error:
            raise LogError(f"Entry {tree.size} cannot be read: {error}") from None
        known = wanted.get(tag)
        if known is not None:
            watched.found.setdefault(known[0], {}).setdefault(known[1], []).append(tree.size)
        tree.append(leaf_hash(one))
    watched.size = tree.size
    if (tree.size, tree.root) != (point.size, point.root):
        raise LogError(f"The {tree.size:,} entries do not lead to the root of the checkpoint of size {point.size:,}.")
    return watched
