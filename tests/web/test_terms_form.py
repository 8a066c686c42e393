"""The terms editor: every term of every clause has a field, and what the form sends is what the terms were."""

from __future__ import annotations

import pytest

from marketplace.agreements.presets import PRESETS
from marketplace.agreements.term_names import LABELS
from marketplace.agreements.terms import TERMS_TYPES, dump_terms, parse_terms
from marketplace.kit.errors import DomainError
from web.forms import Fields
from web.term_fields import LEFT_OUT, PREFIX, groups
from web.term_labels import REST
from web.terms_form import from_form, labels, named_for_form, to_form


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_survives_the_form(name: str) -> None:
    preset = PRESETS[name]
    values = to_form(preset.clause, preset.version, preset.values)
    fields = Fields(values)
    raw = from_form(fields, preset.clause, preset.version)
    assert fields.errors == ()
    use = {"use_class": preset.values["use_class"]}
    assert dump_terms(parse_terms(preset.clause, preset.version, {**raw, **use})) == dump_terms(preset.terms())


@pytest.mark.parametrize(("clause", "version"), sorted(TERMS_TYPES))
def test_every_term_has_one_field_with_a_label(clause: str, version: int) -> None:
    names = [field.name for group in groups(clause, version) for field in group.fields]
    assert len(names) == len(set(names))
    assert set(names) == set(TERMS_TYPES[clause, version].model_fields) - LEFT_OUT
    assert REST not in [group.title for group in groups(clause, version)]
    assert set(names) <= set(LABELS)
    assert {PREFIX + name for name in names} <= set(labels(clause, version))


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"t_price_percent": "85.555"}, "t_price_percent"),
        ({"t_price_percent": "301"}, "t_price_percent"),
        ({"t_price_kind": "barter"}, "t_price_kind"),
        ({"t_price_kind": "fixed", "t_price_amount": ""}, "t_price_amount"),
        ({"t_price_kind": "fixed", "t_price_amount": "-3"}, "t_price_amount"),
        ({"t_price_kind": "schedule", "t_price_shape": "step", "t_price_points": "soon: 90"}, "t_price_points"),
        ({"t_price_kind": "schedule", "t_price_shape": "", "t_price_points": "0: 90\n12: 80"}, "t_price_shape"),
        ({"t_minimum_to_keep": "three"}, "t_minimum_to_keep"),
        ({"t_no_response": ""}, "t_no_response"),
        ({"t_max_exercises": "0"}, "t_max_exercises"),
    ],
)
def test_what_cannot_be_read_is_named(changed: dict[str, str], wrong: str) -> None:
    preset = PRESETS["standard-buy-back"]
    fields = Fields({**to_form(preset.clause, preset.version, preset.values), **changed})
    from_form(fields, preset.clause, preset.version)
    assert [error.field for error in fields.errors] == [wrong]


def test_points_in_time_are_read_as_people_write_them() -> None:
    preset = PRESETS["declining-buy-back"]
    values = to_form(preset.clause, preset.version, preset.values)
    for text in ("0: 90\n60: 40", "0 90%\r\n\r\n60 months: 40 %", "0;90,0\n60;40"):
        raw = from_form(Fields({**values, "t_price_points": text}), preset.clause, preset.version)
        assert raw["price"]["points"] == [
            {"after_months": 0, "percent_bp": 9000},
            {"after_months": 60, "percent_bp": 4000},
        ]


def test_contradictions_come_back_by_the_forms_names_and_labels() -> None:
    preset = PRESETS["standard-buy-back"]
    broken = {**preset.values, "respond_days_urgent": 50, "notice_days_urgent": 2}
    points = [{"after_months": 3, "percent_bp": 9000}, {"after_months": 2, "percent_bp": 100}]
    broken["price"] = {"kind": "schedule", "shape": "step", "declining": False, "points": points}
    with pytest.raises(DomainError) as refused:
        parse_terms(preset.clause, preset.version, broken)
    named = named_for_form(refused.value, preset.clause, preset.version, broken)
    assert {error.field for error in named.fields} <= {"t_price_points", "t_respond_days_urgent"}
    assert not any("_" in error.message for error in named.fields)
