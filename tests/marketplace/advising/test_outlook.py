"""A part looked at closely, at the edges of what a policy may say; and rows as COPY has them."""

from __future__ import annotations

from itertools import pairwise
from uuid import uuid4

import numpy as np
import pytest

from marketplace.advising.copying import Unpacker, ids, packed
from marketplace.advising.outlook import coverage_curve, nth_units, other_terms, told_about
from marketplace.advising.overlay import lay, span
from marketplace.planning.advice import Parts, Policy, advise


@pytest.mark.parametrize(
    ("horizon", "hazard", "says"),
    [(0.0, 0.1, "no demand to cover"), (100.0, 0.1, "says little"), (20.0, 10.0, "a unit lasts 1 months")],
)
def test_a_policy_at_the_edge_is_reckoned_and_said(horizon: float, hazard: float, says: str) -> None:
    policy = Policy(horizon=horizon, hazard=hazard, exact_parts=int(horizon == 20))
    found = advise(Parts.of([6], [0.3], [200.0], rate_low=[0.1], rate_high=[0.6], decline=[0.05]), policy)
    assert any(says in words for words in told_about(policy))
    curve = coverage_curve(found)
    assert curve[-1].years == horizon
    for one in curve:
        assert 0 <= one.cautious <= one.after + 1e-9 <= 1 + 1e-9
        assert 0 <= one.before <= 1
    assert all(a.before >= b.before - 1e-12 for a, b in pairwise(curve))
    if horizon < 100:
        # What the curve ends at is what the row says (falling demand is walked for parts that are decided exactly: a bound).
        assert curve[-1].after <= float(found.after[0]) + 1e-6
    _, units = nth_units(found)
    assert len(units) == 6
    assert all(a.held >= b.held - 1e-9 for a, b in pairwise(units))
    others = other_terms(found)
    # The advice is the best of its own terms, each weighed alone.
    assert max(o.change for o in others if o.terms.name in policy.presets) == pytest.approx(0, abs=1e-6)


def test_rows_survive_a_copy_in_any_pieces_and_a_null_is_no_row() -> None:
    fields = (("id", "uuid"), ("n", "int4"), ("x", "float8"), ("u", "float4[3]"), ("b", "bool"))
    rows = {"id": ids([uuid4().bytes for _ in range(5)]), "n": np.arange(5), "x": np.array([1.5, np.nan, -2, 0, 1e300]), "u": np.arange(15.0).reshape(5, 3), "b": np.array([True, False] * 2 + [True])}  # fmt: skip
    data = packed(fields, rows)
    for size in (1, 7, 64, len(data)):
        got: list[np.ndarray] = []
        unpack = Unpacker(fields, lambda some, got=got: got.append(some.copy()))
        for at in range(0, len(data), size):
            unpack.feed(data[at : at + size])
        unpack.close()
        found = np.concatenate(got)
        assert (found["id"] == rows["id"]).all()
        assert (found["n"] == rows["n"]).all()
        assert np.array_equal(found["x"], rows["x"], equal_nan=True)
        assert (found["u"]["value"] == rows["u"]).all()
        assert (found["b"] == rows["b"]).all()
    with pytest.raises(ValueError, match="width"):
        Unpacker((("id", "uuid"), ("n", "float8")), lambda _: None).feed(packed((("id", "uuid"), ("n", "int4")), rows))


def test_later_files_speak_for_the_months_they_name() -> None:
    first, months = span([(24_000, 3), (24_002, 3)])
    over = np.full((2, months), np.nan, np.float32)
    lay(over, first, np.array([0, 1]), np.array([[1, 2, 3], [4, np.nan, 6]]), 24_000)
    lay(over, first, np.array([1]), np.array([[7, np.nan, 9]]), 24_002)
    assert np.array_equal(
        over, np.array([[1, 2, 3, np.nan, np.nan], [4, np.nan, 7, np.nan, 9]], np.float32), equal_nan=True
    )
