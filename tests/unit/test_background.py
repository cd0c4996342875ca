"""What climbs that run side by side in one process share: they leave it as they found it."""

import gc

from rung.background import quiet_collector


def test_the_collector_is_as_before_once_the_last_climb_has_ended():
    before = gc.get_threshold()
    one, two = quiet_collector(), quiet_collector()
    one.__enter__()
    two.__enter__()
    assert gc.get_threshold() == (50_000, *before[1:])
    one.__exit__(None, None, None)  # the first to begin is the first to end
    assert gc.get_threshold() == (50_000, *before[1:])
    assert gc.get_freeze_count() > 0
    two.__exit__(None, None, None)
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
