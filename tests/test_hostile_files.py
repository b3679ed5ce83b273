"""Spoilt files of every format open, or are refused in one sentence: no crash, no hang, bounded memory."""

import faulthandler

import hostile
import numpy as np
import pytest

# Numbers up to the largest that a file can hold may exceed what their squares can.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

SAMPLES = hostile.samples()


@pytest.fixture(autouse=True)
def never_without_end():
    """A file that keeps a reader busy for ever shows where, instead of a test run without an end."""
    faulthandler.dump_traceback_later(300, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.mark.parametrize("name", SAMPLES)
def test_the_file_opens_as_long_as_it_is_whole(name, tmp_path):
    sample = SAMPLES[name]
    files = {n: sample.packed.get(n, lambda c: c)(c) for n, c in sample.files.items()}
    assert hostile.check(hostile.store(tmp_path / "r", files, sample.opened))


@pytest.mark.parametrize("name", SAMPLES)
def test_spoilt_it_opens_or_is_refused_in_one_sentence(name, tmp_path):
    for seed in range(5):
        rng = np.random.default_rng([seed, *name.encode()])
        files = hostile.spoil(rng, SAMPLES[name], list(SAMPLES.values()))
        hostile.check(hostile.store(tmp_path / str(seed), files, SAMPLES[name].opened))
