"""What a masked holder's place is told from."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from marketplace.sourcing.freight import Point, distance_km, rough


@given(st.floats(-89, 89), st.floats(-179, 179), st.floats(0, 1.99), st.floats(0, 1.99))
def test_places_of_one_field_cannot_be_told_apart(lat: float, lon: float, north: float, east: float) -> None:
    place = rough(Point(lat, lon, "US"))
    assert place.lat is not None
    assert place.lon is not None
    other = rough(Point(place.lat - 1 + north, place.lon - 1 + east, "US"))
    assert other == place
    assert (distance_km(place, Point(lat, lon, "US")) or 0) < 260


def test_an_unknown_place_stays_unknown() -> None:
    assert rough(Point(None, None, "US")) == Point(None, None, "US")
