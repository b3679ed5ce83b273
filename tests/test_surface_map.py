"""Activity on the skin: exact at electrodes, bounded between them, along the surface, gaps left open."""

from __future__ import annotations

import numpy as np
import pytest

from eifer_blender import colours
from eifer_blender.electrodes import SITES
from eifer_blender.heads.default import load_default_head
from eifer_blender.heads.surface_map import KURAMOTO, geodesics, paint, surface_map
from eifer_blender.muscles import CHANNELS, channel_index


@pytest.fixture(scope="module")
def head():
    return load_default_head()


@pytest.fixture(scope="module")
def fridlund(head):
    return surface_map(head)


def at_electrodes(surface, values):
    """Values [V] at the electrodes [k]."""
    return (surface.barycentric * values[surface.triangles]).sum(1)


def places(head, surface):
    return (surface.barycentric[..., None] * head.template[surface.triangles]).sum(1)


def one(name, value=1.0):
    activity = np.zeros(22, np.float32)
    activity[channel_index(name)] = value
    return activity


def test_electrodes_have_their_own_value(fridlund):
    activity = np.linspace(0.05, 1.0, 22, dtype=np.float32)
    values, known = paint(fridlund, activity)
    # The mesh has an edge of some millimetres, so that an electrode shares its triangle with neighbours.
    np.testing.assert_allclose(at_electrodes(fridlund, values[0]), activity, atol=0.08)
    assert known[fridlund.cover > 0].min() > 0.999


def test_nothing_between_electrodes_is_beyond_them(fridlund):
    rng = np.random.default_rng(0)
    values, _known = paint(fridlund, rng.uniform(0.2, 0.7, (50, 22)))
    covered = values[:, fridlund.cover > 0]
    assert covered.min() >= 0.2 - 1e-5 and covered.max() <= 0.7 + 1e-5
    same, _ = paint(fridlund, np.full(22, 0.4))
    np.testing.assert_allclose(same[0, fridlund.cover > 0], 0.4, atol=1e-5)


def test_the_map_is_linear_in_the_values(fridlund):
    a, b = np.random.default_rng(1).random((2, 22)).astype(np.float32)
    (mixed, first, second), _ = paint(fridlund, np.stack([2 * a + b, a, b]))
    np.testing.assert_allclose(mixed, 2 * first + second, atol=1e-5)


def test_a_left_muscle_colours_the_left_side(head, fridlund):
    for name in ("zygomaticus_l", "lateral_frontalis_l", "depressor_anguli_oris_l"):
        values = paint(fridlund, one(name))[0][0] * fridlund.cover
        left = values[head.template[:, 0] > 0.012].sum()
        assert left > 20 * values[head.template[:, 0] < -0.012].sum()


def test_eyeballs_teeth_tongue_and_scalp_stay_as_they_are(head, fridlund):
    for name in ("eyeball_l", "eyeball_r", "teeth_upper", "teeth_lower", "tongue", "lashes", "eyebrows"):
        assert not fridlund.cover[head.regions[name]].any()
    crown = head.template[:, 1] > head.template[:, 1].max() - 0.02
    assert not fridlund.cover[crown].any()


def test_distance_runs_round_the_mouth(head):
    upper, lower = head.landmarks["lip_upper"], head.landmarks["lip_lower"]
    start = np.array([[upper] * 3]), np.array([[1.0, 0.0, 0.0]])
    distance = geodesics(head, *start)[0]
    straight = np.linalg.norm(head.template[lower] - head.template[upper])
    assert distance[lower] > 1.8 * straight
    assert distance[upper] < 1e-3


def test_on_a_plain_cheek_distance_is_straight(head):
    cheek = head.landmarks["cheek_l"]
    distance = geodesics(head, np.array([[cheek] * 3]), np.array([[1.0, 0.0, 0.0]]))[0]
    straight = np.linalg.norm(head.template - head.template[cheek], axis=1)
    near = np.isfinite(distance) & (straight > 0.004) & (straight < 0.015)
    assert np.all(distance[near] >= straight[near] - 1e-6)
    assert np.median(distance[near] / straight[near]) < 1.03


def test_what_is_not_known_is_not_painted_as_rest(fridlund):
    activity = np.full(22, 0.5, np.float32)
    activity[[channel_index("masseter_l"), channel_index("masseter_r")]] = np.nan
    values, known = paint(fridlund, activity)
    own = at_electrodes(fridlund, known)
    masseters = np.array(["masseter" in name for name in fridlund.names])
    assert own[masseters].max() < 0.1 and own[~masseters].min() > 0.9
    covered = (fridlund.cover > 0) & (known > 0.01)
    np.testing.assert_allclose(values[0, covered], 0.5, atol=1e-4)
    nothing, dark = paint(fridlund, np.full(22, np.nan))
    assert not nothing.any() and not dark.any()


def test_kuramoto_sites_show_the_muscles_around_them(head):
    surface = surface_map(head, KURAMOTO)
    assert surface.names == tuple(SITES)
    values = at_electrodes(surface, paint(surface, one("zygomaticus_l"))[0][0])
    assert surface.names[int(values.argmax())] in ("K18", "K8", "K16")
    everything = paint(surface, np.ones(22))[0][0]
    np.testing.assert_allclose(everything[surface.cover > 0], 1.0, atol=1e-4)


def test_electrodes_are_where_the_chart_has_them(head, fridlund):
    assert fridlund.names == CHANNELS
    at = dict(zip(fridlund.names, places(head, fridlund), strict=True))
    mouth = head.template[head.landmarks["mouth_corner_l"]]
    assert at["zygomaticus_l"][0] > mouth[0] and at["zygomaticus_l"][1] > mouth[1]
    assert at["mentalis_l"][1] < mouth[1] < at["levator_labii_superioris_l"][1]
    for left, right in zip(CHANNELS[::2], CHANNELS[1::2], strict=True):
        np.testing.assert_allclose(at[left] * [-1, 1, 1], at[right], atol=2e-3)


# --- colours --------------------------------------------------------------------------------------

# Oklab in its usual direction, as Ottosson (2020) gives it.
LINEAR_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def oklab(srgb):
    return np.cbrt(colours.linear(srgb) @ LINEAR_TO_LMS.T) @ LMS_TO_LAB.T


def test_equal_steps_look_equal_and_lightness_orders_them():
    lab = oklab(colours.heat())
    steps = np.linalg.norm(np.diff(lab, axis=0), axis=1)
    assert steps.std() < 0.02 * steps.mean()
    assert np.all(np.diff(lab[:, 0]) < 0)
    assert lab[0, 0] - lab[-1, 0] > 0.55


def test_differences_are_white_in_the_middle_and_as_far_on_both_sides():
    lab = oklab(colours.difference())
    assert lab[:, 0].argmax() in (127, 128) and np.hypot(*lab[127, 1:]) < 0.03
    assert lab[0, 0] == pytest.approx(lab[-1, 0], abs=0.05)
    assert lab[0, 2] < -0.05 and lab[-1, 1] > 0.05


def test_the_linear_conversion_is_that_of_srgb():
    grey = np.array([0.0, 0.04045, 0.5, 1.0])
    np.testing.assert_allclose(colours.linear(grey), [0.0, 0.0031308, 0.2140411, 1.0], atol=1e-6)


def test_values_take_their_colours_and_unknown_is_grey():
    found = colours.colour_of(np.array([-1.0, 0.0, 1.0, 2.0, np.nan]), colours.heat())
    np.testing.assert_allclose(found[:2], [colours.heat()[0]] * 2)
    np.testing.assert_allclose(found[2:4], [colours.heat()[-1]] * 2)
    np.testing.assert_allclose(found[4], colours.UNKNOWN)
    assert np.ptp(colours.UNKNOWN) < 1e-3
