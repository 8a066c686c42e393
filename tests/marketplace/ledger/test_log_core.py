"""The log's formats: public vectors, other implementations, and everything that may be done to a bundle."""

from __future__ import annotations

import base64
import json
import random
import re
from datetime import UTC, date, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pymerkle
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.kit.canonical import encode
from marketplace.ledger.log import bundle as bundles
from marketplace.ledger.log import entry as entries
from marketplace.ledger.log.entry import Place, Record, Unit
from marketplace.ledger.log.merkle import (
    EMPTY_ROOT,
    Frontier,
    ProofError,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from marketplace.ledger.log.notes import (
    COSIGNATURE,
    ED25519,
    Checkpoint,
    NoteError,
    Signer,
    cosign,
    open_checkpoint,
    parse_note,
    parse_private,
    parse_vkey,
    sign,
    signed_by,
    written_key,
)
from marketplace.ledger.log.policy import PolicyError, parse_policy
from marketplace.ledger.log.tiles import Edge, Tile, bundle_entries, parse, reader, stands_in, unbundle, width_at
from marketplace.ledger.log.watching import LogError, goes_on, watch
from tests.faulting import report
from tests.marketplace.ledger import verify_bundle
from tests.marketplace.ledger.sample import LOG, WITNESS, Made, sample_bundle

VECTORS = Path(__file__).parents[2] / "vectors" / "merkle"
OTHER = Signer("witness.example/2", COSIGNATURE, bytes(range(2, 34)))


def cases(kind: str) -> list[Any]:
    found = json.loads((VECTORS / f"{kind}.json").read_text())
    assert len(found) == 98
    return [pytest.param(case, id=case["case"]) for case in found]


def unb64(text: str | None) -> bytes:
    return base64.b64decode(text or "")


@pytest.mark.parametrize("case", cases("inclusion"))
def test_public_vectors_of_inclusion(case: dict[str, Any]) -> None:
    proof = [unb64(h) for h in case["proof"] or []]
    arguments = (case["leafIdx"], case["treeSize"], unb64(case["leafHash"]), proof, unb64(case["root"]))
    if case["wantErr"]:
        with pytest.raises(ProofError):
            verify_inclusion(*arguments)
    else:
        verify_inclusion(*arguments)
    report("F13", "public vectors of inclusion", verified=int(not case["wantErr"]), refused=int(case["wantErr"]))


@pytest.mark.parametrize("case", cases("consistency"))
def test_public_vectors_of_consistency(case: dict[str, Any]) -> None:
    proof = [unb64(h) for h in case["proof"] or []]
    arguments = (case["size1"], case["size2"], proof, unb64(case["root1"]), unb64(case["root2"]))
    if case["wantErr"]:
        with pytest.raises(ProofError):
            verify_consistency(*arguments)
    else:
        verify_consistency(*arguments)
    report("F13", "public vectors of consistency", verified=int(not case["wantErr"]), refused=int(case["wantErr"]))


class Grown(NamedTuple):
    """A tree with its tiles, and its root at every size."""

    leaves: list[bytes]
    tiles: dict[tuple[int, int], bytes]
    roots: list[bytes]

    def read(self, size: int) -> Any:
        """Reads hashes out of tiles that are no wider than a tree of ``size`` has them."""
        return reader(lambda level, number: self.tiles[level, number][: 32 * width_at(level, number, size)])


@pytest.fixture(scope="module")
def grown() -> Grown:
    leaves = [leaf_hash(str(n).encode()) for n in range(70_000)]
    edge, frontier = Edge(0, {}), Frontier()
    roots = [EMPTY_ROOT]
    for leaf in leaves:
        edge.append(leaf)
        frontier.append(leaf)
        roots.append(frontier.root)
    assert edge.root == frontier.root
    return Grown(leaves, {at: bytes(h) for at, h in edge.changed.items()}, roots)


SIZES = (1, 2, 3, 7, 8, 255, 256, 257, 300, 511, 512, 513, 65_535, 65_536, 65_537, 70_000)


@pytest.mark.parametrize("size", SIZES)
def test_proofs_out_of_tiles_hold_at_every_size(grown: Grown, size: int) -> None:
    dice = random.Random(size)
    read = grown.read(size)
    for index in {0, size - 1, *(dice.randrange(size) for _ in range(30))}:
        proof = inclusion_proof(read, index, size)
        verify_inclusion(index, size, grown.leaves[index], proof, grown.roots[size])
        with pytest.raises(ProofError):
            verify_inclusion(index, size, leaf_hash(b"another"), proof, grown.roots[size])
        if size > 1:
            with pytest.raises(ProofError):
                verify_inclusion((index + 1) % size, size, grown.leaves[index], proof, grown.roots[size])
    for old in {1, size, *(dice.randrange(1, size + 1) for _ in range(30))}:
        verify_consistency(old, size, consistency_proof(read, old, size), grown.roots[old], grown.roots[size])


def test_the_tree_is_that_of_another_implementation() -> None:
    theirs = pymerkle.InmemoryTree(algorithm="sha256")
    ours = Frontier()
    for n in range(200):
        theirs.append_entry(str(n).encode())
        ours.append(leaf_hash(str(n).encode()))
        assert ours.root == theirs.get_root()


def test_tiles_of_the_size_that_the_specification_works_out() -> None:
    # tlog-tiles: 70,000 entries are 273 full tiles and one of 112, one full and one of 17, one of 1.
    assert [width_at(0, 272, 70_000), width_at(0, 273, 70_000), width_at(0, 274, 70_000)] == [256, 112, 0]
    assert [width_at(1, 0, 70_000), width_at(1, 1, 70_000), width_at(2, 0, 70_000), width_at(3, 0, 70_000)] == [
        256,
        17,
        1,
        0,
    ]
    assert Tile(0, 1_234_067, 256).path == "tile/0/x001/x234/067"
    assert Tile(-1, 5, 17).path == "tile/entries/005.p/17"


@given(st.integers(-1, 63), st.integers(0, 10**12), st.integers(1, 256))
def test_every_tile_has_one_address(level: int, number: int, width: int) -> None:
    tile = Tile(level, number, width)
    _, at, rest = tile.path.split("/", 2)
    assert parse(at, rest) == tile
    assert stands_in(tile, (number * 256 + width) * 256 ** max(level, 0))
    assert not stands_in(tile, (number * 256 + width) * 256 ** max(level, 0) - 1)


@pytest.mark.parametrize(
    ("level", "rest"),
    [
        ("0", "1"), ("0", "x001"), ("0", "x000/001"), ("0", "001.p/0"), ("0", "001.p/256"), ("0", "001.p/01"), ("00", "001"),
        ("64", "001"), ("-1", "001"), ("entries", "001/002"), ("data", "001"), ("0", "../001"), ("0", "001.p/5/"), ("\u0660", "001"),
    ],
)  # fmt: skip
def test_what_names_no_tile(level: str, rest: str) -> None:
    assert parse(level, rest) is None


def test_entries_go_into_a_bundle_and_come_out() -> None:
    data = [bytes([n]) * 65 for n in range(20)]
    assert unbundle(bundle_entries(data)) == data
    for cut in (1, 2, 66, 1_000):
        with pytest.raises(ValueError, match="cut off"):
            unbundle(bundle_entries(data)[:-cut])


# -- records -------------------------------------------------------------------------------------------------

_IDS = st.uuids()
_MAYBE = st.one_of(st.none(), _IDS)
_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
_TIMES = st.datetimes(
    datetime.fromisoformat("1990-01-01"),
    datetime.fromisoformat("2100-01-01"),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7))]),
)
_WIDE = st.one_of(st.none(), st.integers(1, 2**63 - 1))
_PLACES = st.builds(
    Place, st.integers(1, 2**31 - 1), _IDS, _IDS, _MAYBE, _TEXT, _MAYBE, _MAYBE, st.one_of(st.none(), st.integers(0, 10**6)),
    st.one_of(st.none(), st.integers(0, 10**6)),
)  # fmt: skip
_DAYS = st.one_of(st.none(), st.dates(date(1950, 1, 1), date(2100, 1, 1)))
_UNITS = st.builds(
    Unit, st.one_of(st.none(), _TEXT), _IDS, _TEXT, st.one_of(st.none(), _TEXT), st.one_of(st.none(), _TEXT), _TEXT, _DAYS, _DAYS,
    st.one_of(st.none(), _TEXT), _IDS, _MAYBE, _IDS, _MAYBE, st.binary(min_size=32, max_size=32),
)  # fmt: skip
RECORDS = st.builds(
    Record, _IDS, st.integers(1, 2**63 - 1), _TEXT, st.one_of(st.none(), _TEXT), st.integers(1, 10**6), _MAYBE, _TIMES, _TIMES, _IDS,
    _IDS, _IDS, _TEXT, _MAYBE, st.one_of(st.none(), _TEXT), st.one_of(st.none(), st.binary(min_size=32, max_size=32)), _WIDE, _WIDE,
    _WIDE, _MAYBE, _MAYBE, st.one_of(st.none(), _TEXT), st.one_of(st.none(), _PLACES), st.one_of(st.none(), _PLACES),
    st.one_of(st.none(), _UNITS),
)  # fmt: skip


@given(RECORDS)
@settings(max_examples=300)
def test_a_record_is_written_as_every_canonical_encoder_writes_it(record: Record) -> None:
    data = entries.encoded(record)
    plain = json.loads(data)
    assert rfc8785.dumps(plain) == data == encode(plain)
    salt = sha256(data).digest()[: entries.SALT_SIZE]
    assert entries.commitment(data, salt) == sha256(rfc8785.dumps({"movement": plain, "salt": salt.hex()})).digest()


def test_the_format_does_not_change() -> None:
    """A record, its commitment, tag and entry as they were written down on the day of the first checkpoint."""
    one = UUID(int=1)
    place = Place(1, one, one, None, "new", None, None, 5, None)
    unit = Unit("NFM", one, "100-A", None, None, "EA", None, date(2030, 2, 28), None, one, None, one, None, bytes(32))
    at = datetime(2026, 11, 29, 22, 0, tzinfo=UTC)
    record = Record(
        one, 1, "register", None, 5, None, at, at, one, one, one, "import", None, None, None, None, None, None, None, None, None, None,
        place, unit,
    )  # fmt: skip
    committed = entries.commitment(entries.encoded(record), bytes(16))
    assert committed.hex() == "7cbea489541b9db50f9297298c4fa23905e7ee81ba70a8a6d262fd58f5649200"
    assert entries.tag(bytes(32), 1).hex() == sha256(b"\x02" + bytes(32) + bytes(7) + b"\x01").hexdigest()
    assert entries.entry(entries.tag(bytes(32), 1), committed).hex()[:2] == "01"


# -- notes ---------------------------------------------------------------------------------------------------

EXAMPLE = "This is an example message.\n\n\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"


def test_the_note_of_the_specification() -> None:
    key = parse_vkey(EXAMPLE_KEY)
    assert key.vkey == EXAMPLE_KEY
    note = parse_note(EXAMPLE)
    assert str(note) == EXAMPLE
    assert [s.key for s in signed_by(note, [key])] == [key]
    assert verify_bundle.opened(EXAMPLE, [EXAMPLE_KEY]) == "This is an example message.\n"
    with pytest.raises(NoteError, match="does not hold"):
        signed_by(parse_note(EXAMPLE.replace("example message", "exemplary message")), [key])


def test_a_checkpoint_with_cosignatures_and_lines_of_kinds_that_are_not_known() -> None:
    point = Checkpoint("log.example/1", 12, sha256(b"root").digest())
    later = f"\u2014 log.example/1 {base64.b64encode(b'post' + bytes(2_420)).decode()}\n"
    text = sign(point.text, [LOG]) + cosign(point.text, WITNESS, 1_700_000_000) + later
    note = parse_note(text)
    assert open_checkpoint(note, [LOG.key]) == point
    assert [(s.key.name, s.at) for s in signed_by(note, [LOG.key, WITNESS.key, OTHER.key])] == [
        ("log.example/1", None), ("witness.example/1", 1_700_000_000),
    ]  # fmt: skip
    with pytest.raises(NoteError, match="No known key of the log"):
        open_checkpoint(note, [WITNESS.key])
    with pytest.raises(NoteError, match="No known key"):
        open_checkpoint(note, [])
    both = sign(point.text, [LOG, Signer(LOG.name, ED25519, bytes(32))])
    assert open_checkpoint(parse_note(both), [Signer(LOG.name, ED25519, bytes(32)).key]) == point, (
        "after a change of keys"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no signed note"), ("text\n", "no signed note"), ("text\n\nsigned by me\n", "no line of a signature"),
        ("text\n\n\u2014 name notbase64!\n", "not base64"), ("text\n\n\u2014 name AAAA\n", "cut off"),
        ("te\x00xt\n\n\u2014 name AAAAAAAA\n", "control characters"), ("x" * 100_001, "at most"),
    ],
)  # fmt: skip
def test_what_is_no_note(text: str, words: str) -> None:
    with pytest.raises(NoteError, match=words):
        parse_note(text)


@pytest.mark.parametrize(
    "text", ["", "a+b", "a+00000000+AAAA", EXAMPLE_KEY[:-2], EXAMPLE_KEY.replace("530d", "530e"), "a b+c+d"]
)
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(NoteError):
        parse_vkey(text)
    with pytest.raises(NoteError):
        parse_private(text)


def test_a_private_key_is_written_and_read() -> None:
    assert parse_private(written_key(WITNESS)) == WITNESS


# -- policies ------------------------------------------------------------------------------------------------


def test_a_policy_counts_witnesses_as_its_groups_say() -> None:
    third = Signer("witness.example/3", COSIGNATURE, bytes(range(3, 35)))
    policy = parse_policy(
        f"# trusted\nlog {LOG.key.vkey}\nwitness X1 {WITNESS.key.vkey}\nwitness X2 {OTHER.key.vkey} https://w.example/\n"
        f"witness Y {third.key.vkey}\ngroup X any X1 X2\ngroup all-of all X Y\nquorum all-of\n"
    )
    keys = [WITNESS.key, OTHER.key, third.key]
    assert [policy.satisfied(keys[a:b]) for a, b in ((0, 0), (0, 2), (2, 3), (0, 3), (1, 3))] == [
        False,
        False,
        False,
        True,
        True,
    ]
    assert parse_policy("quorum none\n").satisfied([])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has a quorum line"), ("quorum X\n", "neither a witness nor a group"), ("quorum none\nquorum none\n", "not two"),
        ("log nonsense\nquorum none\n", "Line 1"), (f"log {WITNESS.key.vkey}\nquorum none\n", "not of the kind"),
        (f"witness A {WITNESS.key.vkey}\nwitness B {WITNESS.key.vkey}\nquorum A\n", "stands here twice"),
        (f"witness none {WITNESS.key.vkey}\nquorum none\n", "is taken"),
        (f"witness A {WITNESS.key.vkey}\ngroup G 2 A\nquorum G\n", "1 to 1, not 2"),
        (f"witness A {WITNESS.key.vkey}\ngroup G any A\ngroup H any A\nquorum H\n", "in a group already"),
        ("trust everybody\n", "no line of a policy"),
    ],
)  # fmt: skip
def test_a_policy_that_cannot_be_read_names_the_line(text: str, words: str) -> None:
    with pytest.raises(PolicyError, match=words):
        parse_policy(text)


# -- bundles -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made() -> Made:
    """Three of three hundred lots in a log of 1,500, one of them with a movement of somebody else's."""
    return sample_bundle()


POLICY = parse_policy(f"log {LOG.key.vkey}\nwitness W {WITNESS.key.vkey}\nquorum W\n")


def test_a_bundle_holds_for_both_verifiers_and_says_what_it_does_not_prove(made: Made) -> None:
    verdict = bundles.verify(bundles.load(made.data), POLICY, made.point)
    assert verdict.faults == []
    assert (verdict.lots, verdict.movements, verdict.whole) == (3, 15, 2)
    assert any("is true" in words for words in verdict.not_proven)
    assert not any("key is that of" in words for words in verdict.not_proven)
    assert any("Cosigned by witness.example/1" in words for words in verdict.proven)
    assert any("all the lots of what the file says" in words for words in verdict.not_proven)
    unsure = bundles.verify(bundles.load(made.data))
    assert unsure.holds
    # Whoever forges a bundle names witnesses in it as well.
    assert not any("Cosigned" in words for words in unsure.proven)
    assert any("same log: witness.example/1 cosigned it, by a key taken from" in words for words in unsure.not_proven)
    smaller = bundles.verify(bundles.load(made.data), POLICY, made.point._replace(size=1_499))
    assert any("yours is of size 1,499, that of the bundle of size 1,500" in words for words in smaller.not_proven)
    assert any("taken from the bundle" in words for words in unsure.not_proven)
    assert (
        verify_bundle.check(json.loads(made.data), [LOG.key.vkey])
        == "15 movements of 3 lots are in log.example/1 at size 1500."
    )


def test_a_thousand_changes_are_all_found_by_both_verifiers(made: Made) -> None:
    dice = random.Random(11)
    told = ("labels", "scope", "made_at")
    honest = {k: v for k, v in json.loads(made.data).items() if k not in told}
    found = 0
    for _ in range(1_000):
        changed = bytearray(made.data)
        where = dice.randrange(len(changed))
        changed[where] ^= 1 << dice.randrange(8)
        try:
            bundle = bundles.load(bytes(changed))
        except bundles.UnreadableError:
            found += 1
            continue
        same = {k: v for k, v in bundle.items() if k not in told} == honest
        verdict = bundles.verify(bundle, POLICY)
        assert verdict.holds == same, f"byte {where}: {verdict.faults}"
        if not same:
            assert all(len(words) > 20 for words in verdict.faults)
            # The second one asks nothing of witnesses, and reads no list of keys when it is given one.
            if all(bundle[name] == honest[name] for name in ("checkpoint", "keys", "witnesses")):
                with pytest.raises((ValueError, KeyError, TypeError, IndexError)):
                    verify_bundle.check(bundle, [LOG.key.vkey])
            found += 1
    assert found > 900


@pytest.mark.parametrize("wrong", [None, " ", "\n"])
def test_the_second_verifier_reads_hex_as_it_is_described(made: Made, wrong: str | None) -> None:
    bundle = json.loads(made.data)
    name, known = next(iter(bundle["nodes"].items()))
    bundle["nodes"][name] = wrong if wrong is None else known + wrong
    with pytest.raises((ValueError, TypeError)):
        verify_bundle.check(bundle, [LOG.key.vkey])


def _without(bundle: dict[str, Any], lot: int, movement: int) -> None:
    del bundle["lots"][lot]["movements"][movement]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda b: b["lots"][0]["movements"].pop(), "the bundle shows 4"),
        (lambda b: _without(b, 0, 2), "in truth movement 4"),
        (lambda b: b["lots"][0]["movements"].reverse(), "does not follow"),
        (lambda b: b["lots"].append(b["lots"][0]), "stands in the bundle twice"),
        (lambda b: b["lots"][0]["movements"][1]["movement"].update(quantity=4), "are said to be left|do not lead to the root"),
        (lambda b: b["lots"][0]["movements"][1]["movement"].update(seq="3"), "in truth movement 3"),
        (lambda b: b["lots"][0].update(key="00" * 32), "registered with another key"),
        (lambda b: b["lots"][0]["movements"][1].update(position=1_499), "does not follow|lacks the hash|not under the root"),
        (lambda b: b["lots"][0]["movements"][4].update(position=4_000), "beyond the checkpoint"),
        (lambda b: b["nodes"].clear(), "lacks the hash of position 0"),
        (lambda b: b["nodes"].update({"0-1500": made_root(b)}), "not under the root"),
        (lambda b: b.update(tails=b["checkpoint"]), "last movement of each lot"),
        (lambda b: b.update(checkpoint=sign(Checkpoint("log.example/1", 1_500, bytes(32)).text, [LOG])), "do not lead to the root"),
        (lambda b: b.update(checkpoint=sign(b["checkpoint"].split("\n\n")[0] + "\n", [Signer(LOG.name, ED25519, bytes(32))])), "No known key"),
        (lambda b: b.update(checkpoint=b["checkpoint"].rsplit("\u2014", 1)[0]), "Too few witnesses"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(made: Made, change: Any, words: str) -> None:
    bundle = bundles.load(made.data)
    change(bundle)
    verdict = bundles.verify(bundle, POLICY)
    assert not verdict.holds
    assert verdict.proven == []
    assert any(re.search(words, fault) for fault in verdict.faults), verdict.faults


def made_root(bundle: dict[str, Any]) -> str:
    return base64.b64decode(bundle["checkpoint"].splitlines()[2]).hex()


@pytest.mark.parametrize("cut", [0, 1, 100, 5_000])
def test_a_bundle_that_is_cut_off_or_foreign_is_not_read(made: Made, cut: int) -> None:
    for data in (
        made.data[:cut],
        b"[]",
        b'{"format": "other/1"}',
        b"\xff\xfe",
        made.data.replace(b'"tails"', b'"tales"'),
    ):
        with pytest.raises(bundles.UnreadableError):
            bundles.load(data)


def test_a_checkpoint_of_another_log_or_another_root_is_refused(made: Made) -> None:
    for known, words in (
        (made.point._replace(origin="log.example/2"), "the checkpoint that you gave of log.example/2"),
        (made.point._replace(root=bytes(32)), "There are two logs"),
    ):
        verdict = bundles.verify(bundles.load(made.data), POLICY, known)
        assert any(words in fault for fault in verdict.faults), verdict.faults


# -- witnesses and monitors ----------------------------------------------------------------------------------


def test_a_witness_goes_along_only_with_a_log_that_goes_on(grown: Grown) -> None:
    def point(size: int) -> Checkpoint:
        return Checkpoint(LOG.name, size, grown.roots[size])

    goes_on(None, point(300), [])
    goes_on(point(300), point(700), consistency_proof(grown.read(700), 300, 700))
    goes_on(point(300), point(300), [])
    for known, shown, proof, words in (
        (point(700), point(300), [], "has shrunk"),
        (point(300)._replace(root=bytes(32)), point(700), consistency_proof(grown.read(700), 300, 700), "has forked"),
        (point(300), point(300)._replace(root=bytes(32)), [], "has forked"),
        (point(300), point(700), [], "has forked"),
        (point(300), point(700)._replace(origin="other"), [], "watched is"),
    ):
        with pytest.raises(LogError, match=words):
            goes_on(known, shown, proof)


def test_a_monitor_finds_a_second_history_and_a_withheld_end(made: Made) -> None:
    lots = dict(made.keys)
    assert watch(made.point, made.entries, lots).faults({lot: last for lot, (_, last) in lots.items()}) == []
    with pytest.raises(LogError, match="do not lead to the root"):
        watch(made.point, made.entries[:-1], lots)
    lot, (key, _) = next(iter(lots.items()))
    more = [*made.entries, entries.entry(entries.tag(key, 3), bytes(32)), entries.entry(entries.tag(key, 6), bytes(32))]
    tree = Frontier()
    for one in more:
        tree.append(leaf_hash(one))
    words = watch(Checkpoint(LOG.name, tree.size, tree.root), more, lots).faults({lot: 5})
    assert len(words) == 2
    assert "stands in the log 2 times" in words[0]
    assert "a withheld end" in words[1]
    assert "though it was shown" in watch(made.point, made.entries, {lot: (key, 7)}).faults({lot: 7})[0]
