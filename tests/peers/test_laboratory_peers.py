"""A simulated session read by MNE: the same samples, names and marks."""

import mne
import numpy as np
import pytest

from eifer_blender.recordings import open_recording
from eifer_blender.simulation.laboratory import recorded_channels, write_session
from eifer_blender.simulation.population import make_subject


@pytest.mark.parametrize("montage", ["bipolar", "electrodes", "kuramoto"])
def test_mne_reads_a_simulated_session_as_we_do(tmp_path, montage):
    path = write_session(tmp_path / "session.edf", make_subject(20_004), seconds=30.0, montage=montage)
    raw = mne.io.read_raw_edf(path, preload=True, verbose="error")
    ours = open_recording(path)
    assert raw.ch_names == [c.name for c in recorded_channels(montage)]
    assert raw.info["sfreq"] == 1000.0
    np.testing.assert_allclose(raw.get_data().T * 1e6, ours.streams[0].samples, atol=0.01)
    marks = [(a["onset"], a["duration"], a["description"]) for a in raw.annotations]
    assert [text for *_, text in marks] == [a.text for a in ours.annotations]
    np.testing.assert_allclose([m[0] for m in marks], [a.onset for a in ours.annotations], atol=1e-3)
    # Muscle activity is what stands out of the rest.
    power = raw.copy().filter(20, 400, verbose="error").get_data() ** 2
    assert np.median(power.max(1) / np.median(power, 1)) > 20
