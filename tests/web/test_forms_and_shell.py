"""The state of a form, and what the frame shows to whom."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from marketplace.kit.errors import FieldError, invalid_fields
from web.forms import IDEMPOTENCY_FIELD, Form, shipment_values
from web.pages.preferences import local_path
from web.shell import ANONYMOUS, NAVIGATION, Shell, Theme, bar, grouped, navigation, theme_from


def test_a_refused_form_keeps_what_was_typed_and_names_every_error() -> None:
    error = invalid_fields(
        "order.invalid",
        "The order could not be placed.",
        (
            FieldError("quantity", "q", "Order at least 1."),
            FieldError("quantity", "q2", "Later."),
            FieldError("po", "p", "Too long."),
        ),
    )
    form = Form.rejected({"quantity": "0", "po": "x" * 99, "sites": ["a", "b"], IDEMPOTENCY_FIELD: "old"}, error)
    assert form.value("quantity") == "0"
    assert form.chosen("sites") == ("a", "b")
    assert form.error("quantity") == "Order at least 1."
    assert form.error("po") == "Too long."
    assert form.problem == "The order could not be placed."
    assert form.bad
    assert form.key != "old"
    assert IDEMPOTENCY_FIELD not in form.values


def test_a_new_form_has_a_key_of_its_own_and_no_fault() -> None:
    first, second = Form(), Form()
    assert first.key != second.key
    assert not first.bad
    assert first.value("po", "PO-1") == "PO-1"
    assert first.chosen("sites") == ()


def test_nobody_signed_in_sees_no_navigation() -> None:
    assert navigation(ANONYMOUS, "/") == ()
    assert not ANONYMOUS.signed_in


@pytest.mark.parametrize(
    ("role", "seen", "not_seen"),
    [
        ("planner", {"stock", "releases", "requests"}, {"scan"}),
        ("buyer", {"holdings", "orders", "calls"}, {"stock", "requests"}),
        ("technician", {"scan", "requests", "find"}, {"orders", "stock"}),
        ("admin", {item.key for item in NAVIGATION}, set()),
    ],
)
def test_navigation_by_role(role: str, seen: set[str], not_seen: set[str]) -> None:
    keys = {link.item.key for link in navigation(Shell("A B", "C", frozenset({role})), "/")}
    assert seen <= keys
    assert not keys & not_seen


def test_the_page_one_is_on_is_marked_once_and_counters_are_shown() -> None:
    shell = Shell("Dana Whitfield", "C", frozenset({"planner"}), {"orders": 2, "calls": 0})
    links = navigation(shell, "/orders/PO-1")
    assert [link.item.key for link in links if link.current] == ["orders"]
    assert {link.item.key: link.waiting for link in links if link.waiting} == {"orders": 2}
    assert shell.waiting == 2
    assert shell.initials == "DW"
    assert not any(link.current for link in navigation(shell, "/ordersheet"))
    assert [link for _, group in grouped(links) for link in group] == list(links)


@pytest.mark.parametrize(
    ("roles", "hidden", "keys"),
    [
        ({"buyer"}, {"requests"}, ["home", "find", "scan", "calls"]),
        ({"warehouse"}, set(), ["home", "find", "scan", "calls"]),
        ({"technician"}, set(), ["home", "find", "scan", "requests"]),
        ({"admin"}, {"requests", "releases"}, ["home", "find", "scan", "calls"]),
        ({"auditor"}, set(), ["home", "find", "units", "agreements"]),
    ],
)
def test_a_phone_has_the_roles_own_places_at_hand(roles: set[str], hidden: set[str], keys: list[str]) -> None:
    shell = Shell("A B", "C", frozenset(roles), hidden=frozenset(hidden))
    assert [link.item.key for link in bar(shell, navigation(shell, "/"))] == keys


def test_what_is_of_no_use_is_not_offered_unless_something_waits_there() -> None:
    for waiting, seen in ((0, False), (2, True)):
        shell = Shell("A B", "C", frozenset({"technician"}), {"requests": waiting}, hidden=frozenset({"requests"}))
        assert ("requests" in {link.item.key for link in navigation(shell, "/")}) is seen


def test_theme_cookie() -> None:
    assert theme_from("dark") is Theme.DARK
    for other in (None, "", "DARK", "<script>"):
        assert theme_from(other) is Theme.AUTO


@pytest.mark.parametrize(
    "target",
    ["//evil.example/x", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "", "/a\nb", "evil"],
)
def test_a_redirect_never_leaves_the_site(target: str) -> None:
    assert local_path(target, "/home") == "/home"


def test_a_local_path_is_kept() -> None:
    assert local_path("/find?q=1&sort=-price") == "/find?q=1&sort=-price"


@pytest.mark.parametrize(
    ("carrier", "tracking", "shown"),
    [
        ("UPS", "1Z", {"carrier": "UPS", "tracking": "1Z", "own_transport": ""}),
        ("Own transport", None, {"carrier": "", "tracking": "", "own_transport": "yes"}),
        ("Own transport, our van", None, {"carrier": "our van", "tracking": "", "own_transport": "yes"}),
        # Records from before a tracking number was asked for: nobody said that it was own transport.
        ("UPS", None, {"carrier": "UPS", "tracking": "", "own_transport": ""}),
        (None, None, {"carrier": "", "tracking": "", "own_transport": ""}),
    ],
)
def test_a_shipment_is_shown_as_it_was_stated(carrier: str | None, tracking: str | None, shown: dict[str, str]) -> None:
    assert shipment_values(carrier, tracking) == shown


def test_no_field_says_both_that_it_is_optional_and_when_it_is_needed() -> None:
    found = 0
    for page in (Path(__file__).resolve().parents[2] / "web" / "templates").rglob("*.html"):
        for field in re.findall(r'{{ f\.\w+\(form,[^}]*hint="Needed [^}]*}}', page.read_text()):
            found += 1
            assert "optional_word=false" in field or "required=true" in field, f"{page.name}: {field}"
    assert found
