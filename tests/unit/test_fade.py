"""A fade over whole blocks: whatever is asked for in between, it neither steps nor turns over."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamsep.dsp.fade import BlockFade
from streamsep.dsp.mixer import RAMP_SAMPLES


@given(st.sampled_from([32, 500, 512, 2_048]), st.lists(st.booleans(), max_size=60))
def test_it_moves_by_the_same_small_steps_and_stays_between_silence_and_all(size, asked):
    fade, gains, held = BlockFade((2, 1, size)), [1.0], False
    for out in asked:
        if held:  # nothing is processed then, until it is let go
            held = out
            continue
        stems, dry = np.ones((2, 1, size), np.float32), np.ones((1, size), np.float32)
        held = fade.process(out, stems, dry)
        np.testing.assert_array_equal(stems[0], dry)
        np.testing.assert_array_equal(stems[1], dry)
        gains.extend(dry[0])
        assert held == (out and gains[-1] < 1e-6)
    assert min(gains) > -1e-6
    assert max(gains) <= 1.0
    # Sums of float32 round.
    assert np.abs(np.diff(gains)).max(initial=0.0) <= 1 / RAMP_SAMPLES + 1e-6


def test_what_isn_t_faded_is_left_as_it_is_to_the_bit():
    fade = BlockFade((1, 1, 512))
    stems, dry = np.full((1, 1, 512), 0.3, np.float32), np.full((1, 512), 0.7, np.float32)
    assert not fade.process(False, stems, dry)
    assert (stems == np.float32(0.3)).all()
    assert (dry == np.float32(0.7)).all()
    assert fade.process(True, None, dry)  # a block that was missed: what stands in for it fades
    assert dry[0, -1] == 0.0
