"""What labels and plates say, and where a scan of one leads: the right unit, or a clear word; never a similar one."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from marketplace.kit.errors import DomainError
from marketplace.ledger.queries import scanned
from marketplace.parts.labels import Kind, Label, read
from marketplace.parts.numbers import parse_list
from tests.clients import app_for, client_for, token_for
from tests.world import World

GTIN = "09521234543213"
"""The example of the GS1 General Specifications; its check digit holds."""
UNIT = UUID("0197f0aa-1111-7abc-8def-0123456789ab")


@pytest.mark.parametrize(
    ("text", "kind", "numbers", "serial", "batch"),
    [
        (f"(01){GTIN}(21)ABC-1(240)4711-9", Kind.GS1, ("4711-9", GTIN[1:], GTIN), "ABC-1", None),
        (f"]d201{GTIN}21ABC\x1d2404711-9\x1d10B7", Kind.GS1, ("4711-9", GTIN[1:], GTIN), "ABC", "B7"),
        (f"]C101{GTIN}10B7", Kind.GS1, (GTIN[1:], GTIN), None, "B7"),
        (f"01{GTIN}2404711-9<GS>21A7", Kind.GS1, ("4711-9", GTIN[1:], GTIN), "A7", None),
        ("[)><RS>06<GS>1P4711-9<GS>S0042<RS><EOT>", Kind.ISO15434, ("4711-9",), "0042", None),
        # A wedge scanner that sends neither mark nor separator.
        (f"01{GTIN}21A7", Kind.GS1, (GTIN[1:], GTIN), "A7", None),
        ("\x1d70012520011963871\x1d21A7", Kind.GS1, ("2520011963871",), "A7", None),
        (f"https://id.example.org/01/{GTIN}/21/A7?17=301231", Kind.DIGITAL_LINK, (GTIN[1:], GTIN), "A7", None),
        ("[)>\x1e06\x1d17V12345\x1d1P4711-9\x1dS0042\x1d1TB7\x1e\x04", Kind.ISO15434, ("4711-9",), "0042", "B7"),
        ("[)>\x1e12\x1dMFR 12345\x1dPNR 4711-9\x1dSER 0042\x1e\x04", Kind.ISO15434, ("4711-9",), "0042", None),
        (f"[)>\x1e05\x1d01{GTIN}21A7\x1e\x04", Kind.GS1, (GTIN[1:], GTIN), "A7", None),
        ("2520-01-196-3871", Kind.NSN, ("2520-01-196-3871", "011963871"), None, None),
        ("57114-TTA-J030", Kind.PLAIN, ("57114-TTA-J030",), "57114-TTA-J030", None),
        # Begins like a GTIN with a check digit that does not hold: a number as somebody writes it.
        ("01095212345432141234", Kind.PLAIN, ("01095212345432141234",), "01095212345432141234", None),
    ],
)
def test_a_label_says_its_numbers_and_its_serial(
    text: str, kind: Kind, numbers: tuple[str, ...], serial: str | None, batch: str | None
) -> None:
    assert read(text) == Label(kind=kind, numbers=numbers, serial=serial, batch=batch)


def test_a_label_of_our_own_names_its_unit_whatever_host_it_was_printed_for() -> None:
    for text in (f"https://parts.example/units/{UNIT}", f"HTTP://10.0.0.7:8000/units/{UNIT}?from=label"):
        assert read(text) == Label(kind=Kind.UNIT_LINK, unit=UNIT)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("(01)09521234543214(21)A7", "label.unreadable", "check digit of 09521234543214"),
        ("(01)0952123(21)A7", "label.unreadable", "not whole"),
        ("]d20109521", "label.unreadable", "not whole"),
        ("[)>\x1e07\x1dX", "label.unreadable", "format '07'"),
        ("https://example.org/offers", "label.no_part", "web address of example.org"),
        ("4711\x00\x01\x02", "label.binary", "no text"),
        ("P" * 513, "label.too_long", "513 characters"),
    ],
)
def test_what_was_misread_is_said_and_not_guessed(text: str, code: str, words: str) -> None:
    with pytest.raises(DomainError) as refused:
        read(text)
    assert refused.value.code == code
    assert words in refused.value.message


def test_a_scanned_line_in_a_pasted_list_stands_for_its_number() -> None:
    text = f"57114-TTA-J030\n(01){GTIN}(21)A,B;C(240)4711-9\n[)>\x1e06\x1d1PXY-1\x1dS7\x1e\x04\nA,B"
    assert [a.written for a in parse_list(text)] == ["57114-TTA-J030", "4711-9", "XY-1", "A", "B"]
    with pytest.raises(DomainError) as refused:
        parse_list("4711\n(01)09521234543214(21)A7", field="numbers")
    assert [e.field for e in refused.value.fields] == ["numbers"]


async def test_a_scan_leads_to_this_serial_of_this_part_alone(world: World) -> None:
    """The same serial stands on another part, too; a stranger learns of neither."""
    mine, other = f"SC-{world.tag}-1", f"SC-{world.tag}-2"
    part, second = await world.make_part(mine), await world.make_part(other)
    lot = await world.register(world.maker, part=part, serial="A7")
    twin = await world.register(world.maker, part=second, serial="A7")
    async with world.db.read(world.maker.tenant) as session:
        whole = await scanned(session, read(f"(240){mine}(21)a7"), units=True)
        assert [u.lot_id for u in whole.units] == [lot]
        assert [p.number for p in whole.parts] == [mine]
        assert [u.lot_id for u in whole.elsewhere] == [twin]
        plain = await scanned(session, read("A7"), units=True)
        assert {lot, twin} <= {u.lot_id for u in plain.units}
        unknown = await scanned(session, read(f"(240){mine}(21)NONE"), units=True)
        assert (unknown.units, unknown.elsewhere, len(unknown.parts)) == ([], [], 1)
        near = await scanned(session, read(f"(240){mine}X(21)A7"), units=True)
        assert near.parts == (), "no similar number is taken"
        own = await scanned(session, read(f"https://x.example/units/{lot}"), units=True)
        assert [u.lot_id for u in own.units] == [lot]
    async with world.db.read(world.other.tenant) as session:
        for text in (f"(240){mine}(21)A7", "A7", f"https://x.example/units/{lot}"):
            assert not (await scanned(session, read(text), units=True)).units


async def test_over_http(world: World) -> None:
    lot = await world.register(world.maker, serial=f"H-{world.tag}")
    number = await world.owner.fetchval("SELECT number FROM part WHERE id = $1", world.part)
    token = await token_for(world.owner, world.maker.users["technician"], world.maker.id)
    async with client_for(app_for(world.db), token) as client:
        answer = await client.get("/api/v1/ledger/scan", params={"code": f"(240){number}(21)H-{world.tag}"})
        assert answer.status_code == 200, answer.text
        assert answer.json()["words"] == f"part {number}, serial H-{world.tag}"
        assert [u["lot_id"] for u in answer.json()["units"]] == [str(lot)]
        missing = await client.get("/api/v1/ledger/scan", params={"code": f"https://x/units/{uuid4()}"})
        assert (missing.json()["units"], missing.json()["parts"]) == ([], [])
        wrong = await client.get("/api/v1/ledger/scan", params={"code": "(01)09521234543214"})
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "code")
