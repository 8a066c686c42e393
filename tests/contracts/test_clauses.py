"""The clause library: texts, schemas, examples and released hashes agree with the program."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from marketplace.agreements.combinations import ready_made, starting_points
from marketplace.agreements.examples import answer_example, run_examples
from marketplace.agreements.library import check_clause, digest_clause, read_released
from marketplace.agreements.presets import PRESETS
from marketplace.agreements.prose import render_clause
from marketplace.agreements.terms import TERMS_TYPES, Terms, parse_terms
from marketplace.kit.errors import DomainError

CONTRACTS = Path(__file__).parents[2] / "contracts"
VERSIONS = sorted(TERMS_TYPES)
RELEASED = read_released((CONTRACTS / "released.toml").read_bytes())


def load_clause(clause: str, version: int) -> dict[str, bytes]:
    """The files of one clause version, name -> bytes."""
    return {path.name: path.read_bytes() for path in (CONTRACTS / clause / f"v{version}").iterdir()}


def examples_of(files: Mapping[str, bytes]) -> dict[str, Any]:
    """The parsed examples document."""
    document: dict[str, Any] = yaml.safe_load(files["examples.yaml"])
    return document


@pytest.mark.parametrize(("clause", "version"), VERSIONS)
def test_a_clause_version_is_well_formed_and_its_examples_come_out_as_written(clause: str, version: int) -> None:
    assert check_clause(clause, version, load_clause(clause, version)) == []


def test_every_folder_is_a_clause_the_program_knows() -> None:
    folders = {(path.parent.name, int(path.name[1:])) for path in CONTRACTS.glob("*/v*")}
    assert folders == set(TERMS_TYPES)


def test_a_released_version_never_changes() -> None:
    assert set(RELEASED) == set(TERMS_TYPES), "what the program can read is released"
    assert {key: digest_clause(load_clause(*key)) for key in RELEASED} == RELEASED


@pytest.mark.parametrize("name", ["clause.md", "terms.schema.json", "examples.yaml", "notes.md"])
def test_the_hash_covers_every_file_but_not_the_kind_of_line_ends(name: str) -> None:
    files = load_clause("buy-back", 1)
    windows = {**files, name: files[name].replace(b"\n", b"\r\n")}
    assert digest_clause(windows) == digest_clause(files)
    assert digest_clause({**files, name: files[name] + b" "}) != digest_clause(files)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("clause.md", b"{{ payment_days }}", b"30 days", "The term payment_days has no blank."),
        ("clause.md", b"{{ payment_days }}", b"{{ payment_days }} {{ bonus }}", "The blank bonus is not a term."),
        ("clause.md", b"{{ payment_days }}", b"{{ payment_days }} {{ }}", "double braces"),
        ("terms.schema.json", b'"maximum": 180', b'"maximum": 181', "Differs from the JSON schema"),
        ("terms.schema.json", b"{", b"", "Not JSON"),
        ("examples.yaml", b'"350.29 USD"', b'"350.30 USD"', "unit_price should be '350.30 USD', is '350.29 USD'"),
        ("examples.yaml", b"code: held}", b"cod: held}", "not in the answer"),
        ("examples.yaml", b"ask: loss", b"ask: luck", "cannot be run"),
        ("examples.yaml", b"examples:", b"samples:", "Needs 'terms'"),
        ("examples.yaml", b"facts: {legal_hold: true}", b"facts: {legal_hodl: true}", "cannot be run"),
    ],
)
def test_a_faulty_clause_is_found_and_named(name: str, old: bytes, new: bytes, message: str) -> None:
    files = load_clause("buy-back", 1)
    assert old in files[name]
    problems = check_clause("buy-back", 1, {**files, name: files[name].replace(old, new, 1)})
    assert [p for p in problems if p.file == name and message in p.message], problems


def test_missing_foreign_and_unreadable_files_are_found() -> None:
    files = load_clause("buy-back", 1)
    kept = {name: content for name, content in files.items() if name != "notes.md"}
    problems = check_clause("buy-back", 1, {**kept, "clause.docx": b"", "clause.md": b"\xff\xfe"})
    assert [p.file for p in problems] == ["notes.md", "clause.docx", "clause.md"]
    assert check_clause("buy-back", 99, files)[0].message == "The program has no terms type for buy-back/v99."


@pytest.mark.parametrize("content", [b'[buy-back]\nv1 = "abc"', b'[buy-back]\none = "' + b"0" * 64 + b'"'])
def test_a_malformed_list_of_releases_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"released\.toml"):
        read_released(content)


class _Recorder:
    """Notes which fields of terms are read, those of a price as ``price.percent_bp``."""

    def __init__(self) -> None:
        self.read: set[str] = set()

    def watch(self, terms: Terms) -> Terms:
        recorder = self

        def spy(kind: type[Any], path: str) -> type[Any]:
            names = set(kind.model_fields)

            class Watched(kind):  # type: ignore[misc]
                def __getattribute__(self, name: str) -> Any:
                    if name in names:
                        recorder.read.add(path + name)
                    return super().__getattribute__(name)

            return Watched

        def copy(value: Any, path: str) -> Any:
            kind = type(value)
            inner: dict[str, Any] = {}
            for name in kind.model_fields:
                field = getattr(value, name)
                if isinstance(field, BaseModel):
                    field = copy(field, f"{path}{name}.")
                elif isinstance(field, tuple):
                    field = tuple(copy(point, f"{path}{name}.") for point in field)
                inner[name] = field
            # model_construct: the validators read every field and would hide what the evaluator does not.
            return spy(kind, path).model_construct(**inner)

        watched: Terms = copy(terms, "")
        return watched


def every_field(kind: type[BaseModel], path: str = "") -> set[str]:
    """The fields of a type of terms, and of whatever a term can be made of."""
    found: set[str] = set()
    for name, field in kind.model_fields.items():
        found.add(path + name)
        for inner in _models_in(field.annotation):
            found |= every_field(inner, f"{path}{name}.")
    return found


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models_in(part)]


# ``declining`` is a promise about the points, kept when terms are parsed; ``kind`` and ``clause`` select the type.
_READ_BY_PARSING = {"price.declining", "price.kind"}
# A type of price that the clause cannot have: there is nothing to match but in a first refusal.
_NOT_OF_THE_CLAUSE = {"price.no_offer_bp"}


@pytest.mark.parametrize(("clause", "version"), VERSIONS)
def test_the_examples_make_the_evaluator_read_every_term(clause: str, version: int) -> None:
    recorder = _Recorder()
    document = examples_of(load_clause(clause, version))
    assert run_examples(clause, version, document, recorder.watch) == []
    unread = every_field(TERMS_TYPES[clause, version]) - recorder.read - _READ_BY_PARSING
    assert unread - (set() if clause == "first-refusal" else _NOT_OF_THE_CLAUSE) == set()


def _others(value: Any, field: FieldInfo) -> list[Any]:
    """A few other values that a term may have."""
    annotation = field.annotation
    if isinstance(value, bool):
        return [not value]
    choices = [a for a in (annotation, *get_args(annotation)) if isinstance(a, type) and issubclass(a, StrEnum)]
    if choices:
        return [choice.value for choice in choices[0]]
    if isinstance(value, str):
        return [f"{value} or elsewhere"]
    if value is None:
        return [1, "another"]
    if isinstance(value, int):
        return [value + 1, max(value - 1, 0), 2 * value + 2, 0, 1]
    return []


# Where one more or one less is no other value, or needs another term beside it.
_BESIDE: Mapping[str, list[dict[str, Any]]] = {
    "grade_adjustments": [{"grade_adjustments": []}],
    "minimum_steps": [{"minimum_steps": []}],
    "holiday_calendar": [{"day_count": "business", "holiday_calendar": "JP"}],
    "cover_purchase": [{"cover_purchase": False, "cover_cap_bp": None}],
    "acknowledge_days_urgent": [{"acknowledge_days_urgent": 2, "respond_days_urgent": 2}],
    "resale": [{"resale": "consent", "price": {"kind": "fixed", "amount": "1.00"}}],
    "respond_days_urgent": [{"respond_days_urgent": 2}],
    "use_allowance": [
        {"use_rule": "within_allowance",
         "use_allowance": {"kind": "units", "units": 9, "period_months": 1, "carry_over_periods": 0}},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("clause", "version"), [key for key in VERSIONS if key not in {("buy-back", 1), ("access-back", 1)}]
)
def test_every_term_changes_an_answer(clause: str, version: int) -> None:
    """Read is not used: with another value of the term some example that reads it must come out otherwise."""
    document = examples_of(load_clause(clause, version))
    asked: list[tuple[dict[str, Any], dict[str, Any], set[str]]] = []
    for example in document["examples"]:
        recorder = _Recorder()
        answer = answer_example(clause, version, document, example, recorder.watch)
        asked.append((example, answer, recorder.read))
    idle = []
    for name, field in TERMS_TYPES[clause, version].model_fields.items():
        if name in ("clause", "version"):
            continue
        # Other values of its own, and the values that examples give it, with the terms that they need beside them.
        sets = [{name: other} for other in _others(document["terms"][name], field)]
        sets += _BESIDE.get(name, [])
        sets += [e["terms"] for e in document["examples"] if name in e.get("terms", {})]
        if not any(
            _differs(clause, version, document, example, answer, changed)
            for example, answer, read in asked
            if name in read
            for changed in sets
        ):
            idle.append(name)
    assert idle == []


def _differs(
    clause: str,
    version: int,
    document: Mapping[str, Any],
    example: dict[str, Any],
    answer: Any,
    changed: dict[str, Any],
) -> bool:
    other = {**example, "terms": {**example.get("terms", {}), **changed}}
    try:
        return answer_example(clause, version, document, other) != answer
    except (DomainError, TypeError):
        return False


@pytest.mark.parametrize(("clause", "version"), VERSIONS)
def test_the_signed_text_has_no_blank_left_and_says_the_numbers(clause: str, version: int) -> None:
    files = load_clause(clause, version)
    terms = parse_terms(clause, version, {**examples_of(files)["terms"], "payment_days": 47})
    text = render_clause(files["clause.md"].decode(), terms, {"Manufacturer": "North*field* <b>Inc.</b>"})
    assert "{{" not in text
    assert "within 47 days of acceptance" in text
    assert r"- **Manufacturer:** North\*field\* \<b\>Inc\.\</b\>" in text


@pytest.mark.parametrize(("clause", "version"), VERSIONS)
@pytest.mark.parametrize("spoil", ["{{ payment_days }}", "{{ Payment }}", "{{ colour }}"])
def test_a_text_with_unknown_or_unfilled_blanks_is_not_rendered(clause: str, version: int, spoil: str) -> None:
    files = load_clause(clause, version)
    text = files["clause.md"].decode()
    spoilt = text.replace(spoil, "30 days") if spoil in text else text + spoil
    with pytest.raises(DomainError) as caught:
        render_clause(spoilt, parse_terms(clause, version, examples_of(files)["terms"]))
    assert caught.value.code == "clause.blank"


def test_what_is_offered_is_released() -> None:
    offered = starting_points(RELEASED).values()
    newest = {c: max(v for clause, v in RELEASED if clause == c) for c, _ in RELEASED}
    assert {(clause, version) for start in offered for clause, version, _ in start.clauses} == set(newest.items())
    assert set(PRESETS) <= {start.name for start in offered}, "each is there in the version that replaces it"
    ready = {(clause, version) for start in ready_made(RELEASED) for clause, version, _ in start.clauses}
    assert ready == set(RELEASED)


def test_types_of_terms_are_named_as_their_clause() -> None:
    for (clause, version), kind in TERMS_TYPES.items():
        assert (kind.model_fields["clause"].default, kind.model_fields["version"].default) == (clause, version)
