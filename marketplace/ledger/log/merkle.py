"""The Merkle tree of RFC 6962 / RFC 9162: hashes, roots, proofs and their verification.

A tree of size n is over leaves 0 .. n-1. Hashes are 32 bytes (SHA-256). ``Read`` answers the hash of a full subtree: level
0 are leaf hashes, the node (level, index) is over the leaves index * 2**level .. (index + 1) * 2**level - 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256

Read = Callable[[int, int], bytes]
"""(level, index) -> the hash of that full subtree."""
HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()
MOST_PROOF = 64
"""No proof in a tree that can be counted is longer."""


class ProofError(ValueError):
    """A proof that does not prove what it is said to; the words say what is wrong with it."""


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 || entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: the roots of its full subtrees, largest first. Enough to append and to know the root."""

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size = size
        self.hashes = list(hashes)
        if len(self.hashes) != size.bit_count():
            raise ValueError(f"a tree of size {size} has {size.bit_count()} full subtrees, not {len(self.hashes)}")

    def append(self, leaf: bytes) -> None:
        """Adds a leaf hash at the end."""
        stack, size = self.hashes, self.size
        while size & 1:
            leaf = sha256(b"\x01" + stack.pop() + leaf).digest()
            size >>= 1
        stack.append(leaf)
        self.size += 1

    @property
    def root(self) -> bytes:
        """The root of the tree as it stands."""
        if not self.hashes:
            return EMPTY_ROOT
        hashes = iter(reversed(self.hashes))
        root = next(hashes)
        for left in hashes:
            root = node_hash(left, root)
        return root


def subtrees(start: int, end: int) -> Iterator[tuple[int, int]]:
    """The full subtrees (level, index), left to right, that together cover the leaves ``start`` .. ``end`` - 1, where
    ``start`` is where a subtree of at least that many leaves begins."""
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def root_of(read: Read, start: int, end: int) -> bytes:
    """The Merkle tree hash over the leaves ``start`` .. ``end`` - 1 of one subtree, as RFC 6962 splits it."""
    if start == end:
        return EMPTY_ROOT
    hashes = [read(level, index) for level, index in subtrees(start, end)]
    root = hashes.pop()
    while hashes:
        root = node_hash(hashes.pop(), root)
    return root


def _split(size: int) -> int:
    """The largest power of two smaller than ``size``."""
    return 1 << ((size - 1).bit_length() - 1)


def inclusion_proof(read: Read, index: int, size: int) -> list[bytes]:
    """The audit path of leaf ``index`` in the tree of ``size``, from the leaf up."""
    if not 0 <= index < size:
        raise ProofError(f"there is no leaf {index} in a tree of {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(root_of(read, middle, end))
            end = middle
        else:
            path.append(root_of(read, start, middle))
            start = middle
    return path[::-1]


def consistency_proof(read: Read, old: int, size: int) -> list[bytes]:
    """The proof that the tree of ``old`` leaves is the beginning of the tree of ``size``. Empty where they are the same."""
    if not 0 < old <= size:
        raise ProofError(f"a tree of {old} cannot be shown to begin one of {size}")
    path: list[bytes] = []
    start, end, whole = 0, size, True
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(root_of(read, middle, end))
            end = middle
        else:
            path.append(root_of(read, start, middle))
            start, whole = middle, False
    if not whole:
        path.append(root_of(read, start, end))
    return path[::-1]


def _check(hashes: Sequence[bytes], *further: bytes) -> None:
    if len(hashes) > MOST_PROOF:
        raise ProofError(f"a proof has at most {MOST_PROOF} hashes, not {len(hashes)}")
    if any(len(h) != HASH_SIZE for h in (*hashes, *further)):
        raise ProofError(f"every hash is {HASH_SIZE} bytes long")


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Raises ProofError unless ``proof`` shows that the leaf hash ``leaf`` stands at ``index`` of the tree (``size``, ``root``).
    RFC 9162, 2.1.3.2."""
    _check(proof, leaf, root)
    if not 0 <= index < size:
        raise ProofError(f"there is no leaf {index} in a tree of {size}")
    at, last, found = index, size - 1, leaf
    for hash_ in proof:
        if not last:
            raise ProofError("the proof is longer than the tree is high")
        if at & 1 or at == last:
            found = node_hash(hash_, found)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            found = node_hash(found, hash_)
        at >>= 1
        last >>= 1
    if last:
        raise ProofError("the proof is shorter than the tree is high")
    if found != root:
        raise ProofError(f"the proof for leaf {index} does not lead to the root of the tree of {size}")


def verify_consistency(old: int, size: int, proof: Sequence[bytes], old_root: bytes, root: bytes) -> None:
    """Raises ProofError unless ``proof`` shows that the tree (``old``, ``old_root``) is the beginning of (``size``, ``root``).
    RFC 9162, 2.1.4.2. A tree of size 0 shows nothing and is refused."""
    if not 0 < old <= size:
        raise ProofError(f"a tree of {old} cannot be the beginning of one of {size}")
    if old == size:
        if proof:
            raise ProofError("trees of the same size need no proof")
        if old_root != root:
            raise ProofError(f"there are two roots for the tree of {size}")
        return
    _check(proof, old_root, root)
    if not proof:
        raise ProofError("the proof is empty")
    hashes = list(proof) if old & (old - 1) else [old_root, *proof]
    at, last = old - 1, size - 1
    while at & 1:
        at >>= 1
        last >>= 1
    before = after = hashes[0]
    for hash_ in hashes[1:]:
        if not last:
            raise ProofError("the proof is longer than the tree is high")
        if at & 1 or at == last:
            before, after = node_hash(hash_, before), node_hash(hash_, after)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            after = node_hash(after, hash_)
        at >>= 1
        last >>= 1
    if last:
        raise ProofError("the proof is shorter than the tree is high")
    if before != old_root:
        raise ProofError(f"the proof does not lead to the root of the tree of {old}")
    if after != root:
        raise ProofError(f"the proof does not lead to the root of the tree of {size}")
