"""Numbers written wrongly: whichever half is right leads to the part."""

from __future__ import annotations

import pytest

from marketplace.parts import queries
from marketplace.parts.numbers import Asked, Match
from tests.world import World


@pytest.mark.parametrize(
    ("slip", "written"),
    [
        ("none", "{t}7731K942"), ("in the second half", "{t}7731K042"), ("in the first half", "X{t}7731K942"),
        ("one missing", "{t}731K942"), ("two swapped", "{t}7731K492"), ("one in each half", "{t}7031K902"),
    ],
)  # fmt: skip
async def test_a_slip_in_either_half(world: World, slip: str, written: str) -> None:
    part = await world.make_part(f"{world.tag}-7731-K942")
    norm = written.format(t=world.tag.upper())
    async with world.db.read(world.maker.tenant) as session:
        found = await queries.find(session, [Asked(norm, norm)])
    assert part in {h.part_id for h in found.hits[norm]}
    assert {h.step for h in found.hits[norm]} == {Match.EXACT if slip == "none" else Match.FUZZY}
