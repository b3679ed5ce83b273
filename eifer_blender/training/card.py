"""The model card: written by the training command, so that its numbers are that run's."""

from __future__ import annotations

from ..mapping.metadata import ModelMetadata
from .emg2exp import TrainingSettings
from .evaluation import Score

_CARD = """\
# {id} {version}: muscle activity to expression

A small network that turns the activity of 22 facial muscle channels into the {count} expression
parameters of {head}. This file is written by the training command; its numbers are those of
the run that made the model.

## Please read this first

- **Trained on simulated physiology.** {data}
- **The evaluation below is circular.** The same simulation makes the training and the test frames. The
  numbers say how well the network recovers the simulation, with electrodes missing and noise added. They
  say nothing about how close the result comes to a recorded person's face.
- **The jaw does not open.** The muscles that open it are not among the eleven; the masseter only closes it.
  Animate the jaw by hand, or with a model trained on recordings.
- **Eyelids are a guess.** Lids close with strong activity of the orbicularis oculi; an ordinary blink is
  too short and weak for the usual envelope, and the lid's own elevator is not recorded.
- **Missing muscles are inferred** from the other side and the other muscles, as they go together in the
  protocol's movements and the six emotions. A muscle that nothing else points to stays at rest.

## Input, output

| | |
|---|---|
| input `activation` | [frames, 22], 0 at rest, 1 at the session's maximum, in the order of the MMM data set |
| input `present` | [frames, 22] or [1, 22], 1 where a channel was measured, else 0 |
| output `expression` | [frames, {count}], space `{space}` |
| head | {head}, hash `{head_hash}` |
| envelope | {envelope}, window {window_ms:g} ms (preset `{preset}`) |
| normalisation | {normalisation} |
| delay and dynamics | {dynamics} the model |
| frame rate | any; every frame stands alone |

No activity, or no channel at all, gives exactly the neutral face, whatever is present. Lids stay within
0..1, the jaw within 0..0.5 rad about x and 0.2 rad about y and z.

## Making

| | |
|---|---|
| command | `{training}` |
| network | perceptron per frame, hidden layers {hidden}, {weights} weights |
| frames | {frames} simulated, half of them mirror images of the other half |
| loss | squared distance of the face's vertices, through the head's basis |
| seed | {seed} |
| time | {seconds:.0f} s on one core |
| versions | {versions} |
| licence | {licence} |

## Evaluation on {held_out} simulated frames that were not trained on

Distance between the vertices of the predicted and the simulated face, over the part of the skin that
expressions move. *Mean* is over all vertices and frames; *95 %* is the 95th percentile, over frames, of
the worst vertex.

| present channels | method | mean (mm) | 95 % (mm) |
|---|---|---:|---:|
{rows}

*Mean face* always gives the mean of the training frames; *ridge* is linear regression from activity and
missing channels. Both are there to show what the network adds.
"""


def model_card(
    metadata: ModelMetadata,
    settings: TrainingSettings,
    scores: list[Score],
    *,
    weights: int,
    held_out: int,
    seconds: float,
    versions: str,
) -> str:
    """The card as Markdown."""
    rows = "\n".join(f"| {s.condition} | {s.method} | {s.mean:.2f} | {s.p95:.2f} |" for s in scores)
    return _CARD.format(
        **vars(metadata),
        count=len(metadata.parameters),
        hidden=" and ".join(map(str, settings.hidden)),
        frames=f"{settings.frames:,}".replace(",", " "),
        rows=rows,
        weights=f"{weights:,}".replace(",", " "),
        held_out=held_out,
        seconds=seconds,
        versions=versions,
    )
