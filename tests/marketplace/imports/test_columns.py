"""Which column is which field."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.imports.columns import Why, choose_columns, fingerprint, match_columns
from marketplace.imports.fields import FIELDS, heading
from marketplace.kit.errors import DomainError


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (["Mfr", "Part No.", "Desc", "QOH", "U/M", "Whse"], ["maker", "number", "description", "quantity", "uom", "site"]),
        (["State", "Station Name (LEA)", "NSN", "Item Name", "Quantity", "UI", "Acquisition Value", "DEMIL Code",
          "DEMIL IC", "Ship Date"],
         ["condition?", "site?", "number", "description", "quantity", "uom", "unit_cost", "", "", ""]),
        (["Hersteller", "Teilenummer", "Bezeichnung", "Menge", "Lagerplatz"],
         ["maker", "number", "description", "quantity", "bin"]),
        (["Material", "Plant", "Storage Bin", "Unrestricted", "Base Unit", "Standard price", "Usage 12m", "Lot #"],
         ["number", "site", "bin", "quantity", "uom", "unit_cost", "usage_12", "batch"]),
        (["SKU", "Qty on hand (EA)", "MSRP", "Last sold", "Serial #", "Weight (g)", "Protected"],
         ["number", "quantity", "list_price", "last_issue_on", "serial", "weight_grams", "protected"]),
    ],
)  # fmt: skip
def test_headers_of_real_systems_are_understood(header: list[str], expected: list[str]) -> None:
    plan = match_columns(header, [])
    found = {match.column: match.field for match in plan.matches}
    for column, field in enumerate(expected):
        if not field.endswith("?"):
            assert found.get(column, "") == field, header[column]
    assert plan.missing == ()


SAP = [
    "Werk",
    "Lagerort",
    "Material",
    "Materialkurztext",
    "BME",
    "Sicherheitsbestand",
    "Retourensperrbest.",
    "Wert Frei verwendbar",
    "Frei verwendbar",
    "Qualitätsprüfung",
    "GLD-Preis",
    "Letzter Abgang",
]


def test_a_quantity_is_what_stands_free_on_the_shelf() -> None:
    plan = match_columns(SAP, [["NF1", "0001", "4711", "RING", "ST", "0", "0", "9,50", "12", "0", "3,10", ""]])
    found = {SAP[m.column]: m.field for m in plan.matches}
    assert found == {
        "Werk": "site", "Material": "number", "Materialkurztext": "description", "BME": "uom", "Frei verwendbar": "quantity",
        "GLD-Preis": "unit_cost", "Letzter Abgang": "last_issue_on",
    }  # fmt: skip
    for other in (
        "Safety stock",
        "Stock value",
        "Reorder quantity",
        "Blocked stock",
        "Mindestbestand",
        "Qty on order (ordered)",
    ):
        assert match_columns(["Part number", other], [["A-1", "4"]]).column("quantity") is None, other
    assert match_columns(["Part number", "Qty", "Gewicht (kg)"], [["A-1", "4", "2"]]).column("weight_grams") is None
    assert match_columns(["Part number", "Safety stock", "Plant stock"], [["A-1", "4", "5"]]).column("quantity") == 2


def test_cells_decide_where_the_name_says_nothing() -> None:
    sample = [["5120-01-398-1439", "NOS", "4"], ["2320-01-107-7155", "used", "9"], ["2510-01-552-0011", "NEW", "1"]]
    plan = match_columns(["c1", "c2", "Qty"], sample)
    assert [(m.field, m.column, m.why) for m in plan.matches] == [
        ("number", 0, Why.CONTENT), ("quantity", 2, Why.NAME), ("condition", 1, Why.CONTENT),
    ]  # fmt: skip


def test_a_saved_mapping_wins_and_follows_moved_columns() -> None:
    plan = match_columns(
        ["Qty", "Count", "Old number", "Part number"], [], {"number": "OLD_NUMBER", "quantity": "count"}
    )
    assert plan.column("number") == 2
    assert plan.column("quantity") == 1
    assert {m.why for m in plan.matches} == {Why.SAVED}
    assert plan.saved() == {"number": "Old number", "quantity": "Count"}


def test_duplicate_and_blank_headers_are_said() -> None:
    plan = match_columns(["Part number", "Qty", "QTY", ""], [])
    assert plan.column("quantity") == 1
    assert plan.unused == (2, 3)
    assert len(plan.warnings) == 2


def test_a_wrong_choice_names_every_field() -> None:
    with pytest.raises(DomainError) as caught:
        choose_columns(["a", "b"], {"number": 0, "description": 0, "bin": 7, "colour": 1})
    assert {f.field: f.code for f in caught.value.fields} == {
        "description": "import.mapping.twice",
        "bin": "import.mapping.range",
        "colour": "import.mapping.unknown",
        "quantity": "import.mapping.missing",
    }
    plan = choose_columns(["a", "b", "c"], {"number": 2, "quantity": 0, "bin": None})
    assert (plan.column("number"), plan.column("quantity"), plan.unused) == (2, 0, (1,))


def test_no_name_stands_for_two_fields() -> None:
    names = [name for field in FIELDS.values() for name in field.names]
    assert sorted(names) == sorted(set(names))


@given(st.lists(st.text(max_size=15), max_size=12), st.lists(st.lists(st.text(max_size=8), max_size=12), max_size=5))
def test_a_plan_never_reads_a_column_twice(header: list[str], sample: list[list[str]]) -> None:
    plan = match_columns(header, sample)
    columns = [m.column for m in plan.matches]
    assert len(set(columns)) == len(columns)
    assert sorted([*columns, *plan.unused]) == list(range(len(header)))
    assert fingerprint(header) == fingerprint([h.upper() for h in header if True]) or any(
        heading(h) != heading(h.upper()) for h in header
    )
