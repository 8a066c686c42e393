"""The pure core of accounts: what may be a password, codes by the vectors of RFC 6238, sealed secrets, signed links."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from marketplace.kit.errors import DomainError
from marketplace.kit.links import read_link, signed
from marketplace.parties import second_factor as codes
from marketplace.parties.devices import device_of
from marketplace.parties.passwords import objection, own_words

KNOWN = own_words("Dana Reyes", "dana.reyes@northfield.example", "Northfield Equipment", "NF")


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("short but good", "at least 15"),
        ("x" * 201, "at most 200"),
        ("aaaaaaaaaaaaaaaa", "repeats itself"),
        ("abcabcabcabcabcabc", "repeats itself"),
        ("passwordpassword", "repeats itself"),
        ("123456789012345678", "along the keyboard"),
        ("qwertyuiopasdfgh", "along the keyboard"),
        ("zyxwvutsrqponmlkji", "along the keyboard"),
        ("Password-123456-2026", "tried first"),
        ("qwerty!football!1", "tried first"),
        ("Dana.Reyes.Northfield", "made of your name"),
        ("northfield-backstock-2026", "made of your name"),
    ],
)
def test_what_is_tried_first_or_known_of_a_person_is_refused(password: str, words: str) -> None:
    assert words in (objection(password, KNOWN) or "")


@pytest.mark.parametrize(
    "password",
    ["four words that do not rhyme", "correct horse battery staple", "my dana has a grey parrot", "żółw idzie przez pustynię", "a" * 7 + "kq7 wolves at dawn"],
)  # fmt: skip
def test_a_sentence_is_taken_whatever_is_in_it(password: str) -> None:
    assert objection(password, KNOWN) is None


# RFC 6238, appendix B, SHA-1: the last six of the eight figures.
VECTORS = [
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (20000000000, "353130"),
]


@pytest.mark.parametrize(("seconds", "code"), VECTORS)
def test_codes_are_those_of_the_standard_and_each_is_taken_once(seconds: int, code: str) -> None:
    secret, now = b"12345678901234567890", datetime.fromtimestamp(seconds, UTC)
    step = codes.matching_step(secret, f"{code[:3]} {code[3:]}", now, None)
    assert step == seconds // 30
    assert codes.matching_step(secret, code, now, step) is None, "used already"
    assert codes.matching_step(secret, code, now, step - 1) == step
    assert codes.matching_step(secret, code, now + timedelta(seconds=30), None) == step, (
        "a clock may be off by one step"
    )
    assert codes.matching_step(secret, code, now + timedelta(seconds=90), None) is None
    assert codes.matching_step(secret, "１２３４５６", now, None) is None


def test_a_secret_is_read_only_with_the_key_and_in_the_row_of_its_owner() -> None:
    secret, owner, nonce = b"12345678901234567890", uuid4().bytes, bytes(12)
    kept = codes.sealed(secret, "a key", owner, nonce)
    assert secret not in kept
    assert codes.opened(kept, "a key", owner) == secret
    assert codes.opened(kept, "another", owner) is None
    assert codes.opened(kept, "a key", uuid4().bytes) is None
    assert "issuer=Backstock" in codes.address(secret, "a@b.example")


def test_a_link_is_good_at_its_own_page_alone() -> None:
    record, company = uuid4(), uuid4()
    token = signed(f"/join/{record}.{company}", "a key").removeprefix("/join/")
    assert read_link("/join", token, "a key") == (record, company)
    other = f"{uuid4()}.{company}.{token.rpartition('.')[2]}"
    for path, changed, key in (("/reset-password", token, "a key"), ("/join", other, "a key"), ("/join", token, "b"), ("/join", "x", "a key"), ("/join", "é.é.é", "a key")):  # fmt: skip
        with pytest.raises(DomainError) as refused:
            read_link(path, changed, key)
        assert refused.value.code == "link.unknown"


def test_a_browser_is_told_in_a_few_words() -> None:
    firefox = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0"
    phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1"
    assert [device_of(a) for a in (firefox, phone, "curl/8.9\r\n<b>", "")] == [
        "Firefox on Windows", "Safari on iPhone", "curl/8.9 <b>", "Unknown device",
    ]  # fmt: skip
