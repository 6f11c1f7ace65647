"""What deltas build on is kept within its bounds."""

from imprint.store.objects.bases import KeptBases


def test_what_was_not_asked_for_longest_goes_first() -> None:
    kept = KeptBases(100)
    for place in range(4):
        kept.keep(place, 3, bytes([place]) * 25)
    assert kept.find(0) == (3, bytes(25))

    kept.keep(9, 3, b"x" * 20)

    assert kept.find(1) is None
    assert all(kept.find(place) for place in (0, 2, 3, 9))


def test_what_would_send_the_others_away_is_not_kept() -> None:
    kept = KeptBases(100)
    kept.keep(1, 3, b"x")
    kept.keep(2, 3, b"y" * 26)

    assert kept.find(1)
    assert kept.find(2) is None
