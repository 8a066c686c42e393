"""Sort links, filters, pages and exports keep what they should and drop what they must."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from web.tables import Column, TableView

COLUMNS = (Column("number", "Part", sortable=True), Column("price", "Price", "end", sortable=True), Column("x", "X"))


def view(query: str, default_sort: str | None = "number") -> TableView:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/find",
        "query_string": query.encode(),
        "headers": [],
        "server": ("test", 80),
        "scheme": "http",
    }
    return TableView.of(Request(scope), COLUMNS, default_sort=default_sort)


def query(href: str | None) -> list[tuple[str, str]]:
    assert href is not None
    assert urlsplit(href).path == "/find"
    return parse_qsl(urlsplit(href).query)


def test_sort_is_read_and_turned_round() -> None:
    by_price = view("sort=price")
    assert by_price.aria_sort(COLUMNS[1]) == "ascending"
    assert by_price.aria_sort(COLUMNS[0]) is None
    assert query(by_price.sort_href(COLUMNS[1])) == [("sort", "-price")]
    turned = view("sort=-price")
    assert turned.aria_sort(COLUMNS[1]) == "descending"
    assert query(turned.sort_href(COLUMNS[1])) == [("sort", "price")]


def test_sort_by_anything_else_is_the_default() -> None:
    for asked in ("sort=x", "sort=password", "sort=-", "sort=--price"):
        assert view(asked).sort_value == "number", asked
    assert view("", default_sort=None).sort_value is None


def test_sorting_starts_from_the_first_page_and_keeps_filters() -> None:
    assert query(view("maker=A%26B&maker=C&after=mark&sort=number").sort_href(COLUMNS[1])) == [
        ("maker", "A&B"),
        ("maker", "C"),
        ("sort", "price"),
    ]


def test_next_and_first_page() -> None:
    last = view("maker=A&sort=-price&after=m1")
    assert last.next_href() is None
    assert query(last.first_href()) == [("maker", "A"), ("sort", "-price")]
    more = last.with_next("m2")
    assert query(more.next_href()) == [("maker", "A"), ("sort", "-price"), ("after", "m2")]
    assert view("").first_href() is None


def test_export_is_of_all_rows_in_this_order() -> None:
    assert query(view("maker=A&sort=-price&after=m1&format=html").export_href()) == [
        ("maker", "A"),
        ("sort", "-price"),
        ("format", "csv"),
    ]


def test_filters_come_off_one_by_one() -> None:
    filtered = view("maker=A&maker=B&condition=new&sort=price")
    assert query(filtered.without("maker", "A")) == [("maker", "B"), ("condition", "new"), ("sort", "price")]
    assert query(filtered.without("maker")) == [("condition", "new"), ("sort", "price")]
    assert query(filtered.cleared_href()) == [("sort", "price")]
    assert filtered.filter_values("maker") == ("A", "B")
    assert filtered.filter_value("place") == ""


def test_empty_filters_are_not_carried_along() -> None:
    assert view("maker=&condition=new").query == (("condition", "new"),)
