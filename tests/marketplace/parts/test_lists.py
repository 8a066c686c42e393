"""Lists of numbers as people paste them, over the API and the pages: fields named as sent, unknown numbers answered in words,
known numbers that only blanks part told apart."""

from __future__ import annotations

import pytest

from marketplace.parts.numbers import parse_list
from tests.marketplace.main_job import API, ok
from tests.web.job import open_site
from tests.world import World

ROUTES = ("parts/find", "sourcing/locate")


@pytest.mark.parametrize("path", ROUTES)
async def test_the_field_is_named_as_it_was_sent(world: World, path: str) -> None:
    async with open_site(world) as site:
        for numbers, code in (
            ("\n".join(f"N-{n:04d}" for n in range(501)), "parts.too_many"),
            ("9" * 81, "parts.too_long"),
        ):
            answer = await site.job.technician.post(f"{API}/{path}", json={"numbers": numbers})
            assert (answer.status_code, answer.json()["code"]) == (422, code)
            assert [e["field"] for e in answer.json()["errors"]] == ["numbers"]


@pytest.mark.parametrize("path", ROUTES)
async def test_an_unknown_number_is_answered_in_words(world: World, path: str) -> None:
    async with open_site(world) as site:
        number = await site.number()
        body = {"numbers": f"{number}\nNO-SUCH-000999888"}
        known, unknown = await ok(site.job.technician.post(f"{API}/{path}", json=body))
    assert (known["step"], known["words"]) == ("exact", None)
    assert (unknown["step"], unknown["parts"]) == (None, [])
    assert "No part has the number 'NO-SUCH-000999888'" in unknown["words"]
    assert "put one number on each line" in unknown["words"]


@pytest.mark.parametrize("path", ROUTES)
async def test_known_numbers_between_blanks_are_told_apart(world: World, path: str) -> None:
    numbers = [f"{world.tag}-{name}" for name in ("PUMP", "SEAL", "HOSE")]
    for number in numbers:
        await world.make_part(number)
    whole = f"{world.tag} KIT {world.tag}"
    await world.make_part(whole)
    await world.make_part(f"{world.tag}-KIT")
    cases = {
        " ".join(numbers): numbers,
        f"{numbers[0]}   {numbers[1]}\n{numbers[1]}": numbers[:2],
        whole: [whole],  # a number that is printed with blanks is one number
        f"{numbers[0]} NOSUCH9": [f"{numbers[0]} NOSUCH9"],  # and one unknown piece leaves the line as it is
    }
    async with open_site(world) as site:
        for line, asked in cases.items():
            answer = await ok(site.job.technician.post(f"{API}/{path}", json={"numbers": line}))
            assert [found["asked"] for found in answer] == asked, line
        crowd = "\n".join([*(f"{world.tag}-X{n:04d}" for n in range(499)), " ".join(numbers)])
        assert len(parse_list(crowd)) == 500
        refused = await site.job.technician.post(f"{API}/{path}", json={"numbers": crowd})
        assert (refused.status_code, refused.json()["code"]) == (422, "parts.too_many")
        assert [e["field"] for e in refused.json()["errors"]] == ["numbers"]


async def test_the_pages_tell_them_apart_too(world: World) -> None:
    numbers = [f"{world.tag}-{name}" for name in ("PUMP", "SEAL", "HOSE")]
    for number in numbers:
        await world.make_part(number)
    async with open_site(world) as site:
        browser = await site.browser(world.maker, "technician")
        for address, title in (("/find", "3 numbers"), ("/requests", "Where 3 numbers is")):
            page = await browser.get(address, params={"q": " ".join(numbers)})
            assert title in page.text, address
            assert "exact" in page.text
            assert "not found" not in page.text
            assert "stood in it before" not in page.text
            assert "pasted twice" not in page.text
