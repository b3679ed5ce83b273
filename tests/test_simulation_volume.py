"""Where electrodes lie on the head, and what they see of the muscles."""

from __future__ import annotations

import numpy as np
import pytest

from eifer_blender.electrodes import CHANNEL_MM, SITES
from eifer_blender.heads.default import load_default_head
from eifer_blender.heads.frontal_plane import frontal_plane
from eifer_blender.muscles import CHANNEL_COUNT, CHANNELS, OTHER_SIDE
from eifer_blender.simulation import volume
from eifer_blender.simulation.sources import HIDDEN, SOURCES


@pytest.fixture(scope="module")
def head():
    return load_default_head()


@pytest.fixture(scope="module")
def pairs(head):
    return volume.electrode_positions(head)


def place(head, name):
    return head.template[head.landmarks[name]].astype(float)


# --- places ---------------------------------------------------------------------------------------


def test_electrodes_lie_on_the_skin(head, pairs):
    skin = head.template[head.regions["skin"]].astype(float)
    for point in [*pairs.reshape(-1, 3), *volume.site_positions(head)]:
        assert np.linalg.norm(skin - point, axis=1).min() < 0.008  # no further than the mesh is fine


def test_both_sides_are_mirror_images(head, pairs):
    np.testing.assert_allclose(pairs[OTHER_SIDE] * [-1, 1, 1], pairs, atol=1e-3)
    left = volume.site_positions(head)[list(SITES).index("K6")]
    np.testing.assert_allclose(
        volume.site_positions(head)[list(SITES).index("K5")] * [-1, 1, 1], left, atol=1e-3
    )


def test_pairs_are_eleven_millimetres_apart_and_along_the_fibres(pairs):
    distance = 1e3 * np.linalg.norm(pairs[:, 0] - pairs[:, 1], axis=1)
    np.testing.assert_allclose(distance, volume.PAIR_MM, rtol=0.05)
    axis = (pairs[:, 0] - pairs[:, 1]) / distance[:, None] * 1e3
    assert abs(axis[CHANNELS.index("medial_frontalis_l")][1]) > 0.9  # upwards
    assert abs(axis[CHANNELS.index("corrugator_supercilii_l")][0]) > 0.8  # sidewards


@pytest.mark.parametrize(
    ("channel", "landmark", "mm"),
    [
        ("medial_frontalis_l", "brow_inner_l", 22),
        ("corrugator_supercilii_l", "brow_inner_l", 12),
        ("orbicularis_oculi_l", "lid_lower_l", 18),
        ("orbicularis_oris_l", "mouth_corner_l", 14),
        ("mentalis_l", "chin", 12),
        ("zygomaticus_l", "cheek_l", 25),
    ],
)
def test_electrodes_lie_where_anatomy_puts_them(head, pairs, channel, landmark, mm):
    centre = pairs[CHANNELS.index(channel)].mean(0)
    assert 1e3 * np.linalg.norm(centre - place(head, landmark)) < mm


def test_the_chart_and_the_face_lead_to_one_another(head):
    plane = frontal_plane(head)
    points = np.concatenate([CHANNEL_MM, np.array(list(SITES.values()))])
    np.testing.assert_allclose(plane.to_plane(plane.to_surface(points)), points, atol=1e-6)
    inside = plane.to_surface(points)[:, 0]
    assert np.abs(inside).max() < np.abs(head.template[head.regions["skin"], 0]).max()


def test_a_ray_beside_the_head_ends_at_its_nearest_corner(head):
    (point,) = frontal_plane(head).to_surface([(0.0, 400.0)])
    assert 1e3 * np.abs(head.template[head.regions["skin"]] - point).sum(1).min() < 1e-3


# --- leak -----------------------------------------------------------------------------------------


def test_every_pair_sees_its_own_muscle_as_one(head, pairs):
    share = volume.leak(pairs, head)
    assert share.shape == (CHANNEL_COUNT, len(SOURCES))
    np.testing.assert_allclose(np.diag(share[:, :CHANNEL_COUNT]), 1.0, atol=1e-9)
    np.testing.assert_allclose(share, volume.session_leak(), atol=1e-9)


def test_neighbours_leak_a_part_and_the_other_side_little():
    share = volume.session_leak()[:, :CHANNEL_COUNT]
    others = share - np.eye(CHANNEL_COUNT)
    assert 0.25 < others.max() < 0.4
    assert 0.05 < np.median(others.max(1)) < 0.25
    opposite = others[np.arange(CHANNEL_COUNT), OTHER_SIDE]
    assert np.median(opposite) < 0.05 and opposite.max() < 0.3  # the mentales touch


def test_hidden_muscles_reach_the_electrodes_that_anatomy_expects():
    share = volume.session_leak()

    def of(source):
        order = np.argsort(-share[:, SOURCES.index(source)])
        return [CHANNELS[i] for i in order[:3]]

    assert set(of("depressor_labii_l")) <= {"mentalis_l", "depressor_anguli_oris_l", "orbicularis_oris_l"}
    assert "orbicularis_oris_r" in of("risorius_r")
    assert of("buccinator_l")[0] == "zygomaticus_l"
    assert set(of("jaw_opener")[:2]) == {"mentalis_l", "mentalis_r"}
    assert share[:, [SOURCES.index(n) for n in HIDDEN]].max() < 0.6


def test_crosstalk_can_be_scaled():
    one, two = volume.session_leak(), volume.session_leak(2.0)
    np.testing.assert_allclose(two - np.eye(*two.shape), 2 * (one - np.eye(*one.shape)))


def test_a_single_electrode_sees_further_than_a_pair(head, pairs):
    pair, single = volume.leak(pairs, head), volume.leak(pairs[:, 0], head)
    far = np.s_[CHANNELS.index("medial_frontalis_l"), CHANNELS.index("mentalis_l")]
    assert single[far] > 5 * pair[far]


def test_a_potential_falls_with_the_square_and_its_difference_with_the_cube(head):
    """Far along the fibres, the law of a dipole in a half space."""
    source = CHANNELS.index("medial_frontalis_l")
    single = volume.leak(np.array([[0, e, 0] for e in (0.6, 1.2)]) + place(head, "forehead"), head)[:, source]
    assert 3.5 < single[0] / single[1] < 4.5
    pair = np.array([[[0, e + 0.0055, 0], [0, e - 0.0055, 0]] for e in (0.6, 1.2)]) + place(head, "forehead")
    difference = volume.leak(pair, head)[:, source]
    assert 7 < difference[0] / difference[1] < 9


def test_sources_of_both_sides_leak_alike():
    share = volume.session_leak()
    sided = [i for i, name in enumerate(SOURCES) if name[-2:] in ("_l", "_r")]
    other = [SOURCES.index(SOURCES[i][:-1] + {"l": "r", "r": "l"}[SOURCES[i][-1]]) for i in sided]
    np.testing.assert_allclose(share[:, sided], share[OTHER_SIDE][:, other], atol=0.02)
    assert share[CHANNELS.index("lateral_frontalis_l"), SOURCES.index("levator_palpebrae_l")] > 0.02
