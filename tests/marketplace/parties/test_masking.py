"""The one rule of who is told who holds a maker's units, case by case."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from marketplace.kit.errors import DomainError
from marketplace.ledger.queries.units import HistoryRow, told_movement
from marketplace.parties.actor import HIDDEN, ROLES, Actor

MAKER, HOLDER, DELEGATE, OTHER, SUPPLIER = (uuid4() for _ in range(5))


def person(company: UUID, role: str, *, sources: tuple[UUID, ...] = (), masking: tuple[UUID, ...] = (MAKER,)) -> Actor:
    return Actor(
        user_id=uuid4(), company_id=company, user_name="", company_name="", company_code="", is_manufacturer=company == MAKER,
        is_partner=company != MAKER, currency="USD", roles=frozenset({role}), sources=sources, masking=frozenset(masking),
    )  # fmt: skip


TECHNICIAN = person(MAKER, "technician")
PLANNER = person(MAKER, "planner")
DELEGATED = person(DELEGATE, "admin", sources=(MAKER,))


@pytest.mark.parametrize("role", ROLES)
def test_of_the_makers_people_only_technicians_are_nottold_movement(role: str) -> None:
    actor = person(MAKER, role)
    assert (MAKER in actor.masked) == (role == "technician")
    assert actor.knows_holders_of(MAKER) == (role != "technician")
    assert not replace(actor, masking=frozenset()).masked, "unless the maker says so, nothing is hidden"


@pytest.mark.parametrize("role", ROLES)
def test_nobody_of_a_delegate_istold_movement(role: str) -> None:
    actor = person(DELEGATE, role, sources=(MAKER, OTHER))
    assert actor.masked == {MAKER}
    assert not actor.knows_holders_of(MAKER)
    assert actor.veils(HOLDER, HOLDER, MAKER)
    assert not actor.veils(HOLDER, HOLDER, OTHER), "of a maker that hides nothing they are told"


@pytest.mark.parametrize(
    ("case", "owner", "holder", "beneficiary", "technician", "delegate"),
    [
        ("sold under a right", HOLDER, HOLDER, MAKER, True, True),
        ("the maker's own stock", MAKER, MAKER, None, False, False),
        ("the maker's, kept elsewhere", MAKER, HOLDER, None, True, True),
        ("on its way back, title not passed", HOLDER, MAKER, MAKER, True, True),
        ("come back damaged, kept for its owner", HOLDER, MAKER, None, True, True),
        ("the maker's own purchase from a supplier with a right", MAKER, MAKER, SUPPLIER, False, False),
        ("nobody's right", HOLDER, HOLDER, None, False, False),
        ("the delegate's own under the maker's right", DELEGATE, DELEGATE, MAKER, True, False),
        ("come back to the delegate", HOLDER, DELEGATE, MAKER, True, False),
    ],
)
def test_what_is_veiled(
    case: str, owner: UUID, holder: UUID, beneficiary: UUID | None, technician: bool, delegate: bool
) -> None:
    assert TECHNICIAN.veils(owner, holder, beneficiary) is technician, case
    assert DELEGATED.veils(owner, holder, beneficiary) is delegate, case
    assert not PLANNER.veils(owner, holder, beneficiary), case


def test_on_what_is_veiled_only_ones_own_and_ones_makers_are_named() -> None:
    assert DELEGATED.told(HOLDER, "Lone Mesquite", veiled=True, region="TX") == "A partner in TX"
    assert DELEGATED.told(HOLDER, "Lone Mesquite", veiled=True) == "A partner"
    assert DELEGATED.told(HOLDER, "Lone Mesquite", veiled=False, region="TX") == "Lone Mesquite"
    assert DELEGATED.told(MAKER, "Northfield", veiled=True) == "Northfield"
    assert DELEGATED.told_place(HOLDER, "Yard 4", veiled=True, region="TX") == "TX"
    assert DELEGATED.told_place(HOLDER, None, veiled=True, region=None) is None, "in transit"
    assert DELEGATED.told_place(DELEGATE, "Our shop", veiled=True, region="TX") == "Our shop"


@pytest.mark.parametrize("verb", ["agreement.read", "order.read", "settlement.read"])
def test_records_kept_with_partners_are_closed_to_whom_they_are_hidden_from(verb: str) -> None:
    with pytest.raises(DomainError) as refused:
        TECHNICIAN.require(verb)
    assert refused.value.code == "actor.masked"
    for actor in (
        PLANNER,
        DELEGATED,
        person(DELEGATE, "technician", sources=(MAKER,)),
        replace(TECHNICIAN, masking=frozenset()),
    ):
        actor.require(verb)


@pytest.mark.parametrize(
    ("scopes", "sees"),
    [
        (None, True), ({"stock.holders"}, True), ({"stock.*"}, True), ({"sourcing.approve"}, True), ({"sourcing.*"}, True),
        ({"stock.read", "agreement.*"}, False),
    ],
)  # fmt: skip
def test_a_key_needs_the_scope(scopes: set[str] | None, sees: bool) -> None:
    key = replace(PLANNER, scopes=None if scopes is None else frozenset(scopes))
    assert key.knows_holders_of(MAKER) is sees
    assert not replace(TECHNICIAN, scopes=key.scopes).knows_holders_of(MAKER), "a key is never more than its person"


def entry(by: UUID, owner: UUID, holder: UUID) -> dict[str, object]:
    """A reservation of units that stand so, as the history's statement answers it."""
    names = {field: None for field in HistoryRow.__dataclass_fields__ if field not in {"veiled", "party"}}
    sides = {
        f"{side}_{what}": None
        for side in ("from", "to")
        for what in ("owner_id", "holder_id", "beneficiary_id", "region")
    }
    told = {
        "company": "Lone Mesquite",
        "note": "for Quill",
        "company_id": by,
        "from_owner_id": owner,
        "from_holder_id": holder,
    }
    return names | sides | told


@pytest.mark.parametrize(
    ("reader", "by", "stands", "told"),
    [
        (TECHNICIAN, HOLDER, MAKER, HIDDEN),
        (DELEGATED, HOLDER, MAKER, HIDDEN),
        (PLANNER, HOLDER, MAKER, "Lone Mesquite"),
        (TECHNICIAN, MAKER, MAKER, "Lone Mesquite"),
        (DELEGATED, SUPPLIER, DELEGATE, "Lone Mesquite"),
    ],
)
def test_whoever_did_something_with_the_makers_units_is_not_named(
    reader: Actor, by: UUID, stands: UUID, told: str
) -> None:
    row = told_movement(entry(by, stands, stands), reader)
    assert (row.company, row.note is None) == (told, told == HIDDEN)
