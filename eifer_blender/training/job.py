"""The whole job: from the default head to a model file with its card."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import EiferError
from ..heads.default import load_default_head
from ..heads.head import ParametricHead
from ..heads.metric import vertex_metric
from ..mapping import onnx_file
from ..mapping.metadata import EMG2EXP, ModelMetadata
from ..muscles import CHANNELS
from ..simulation.generator import Face, make_frames
from ..simulation.muscle_face import expression_of_muscles
from ..spaces import DEFAULT_SPACE
from . import evaluation
from .card import model_card
from .emg2exp import Ridge, TrainingSettings, predict, train
from .network import Emg2Exp, to_onnx

VERSION = "1"
_HELD_OUT_SEED = 1_000_003  # added to the seed: frames that training has not seen
_RIDGE_FRAMES = 40_000
_MAXIMUM_EXPORT_ERROR = 1e-4


def train_model(output: Path, settings: TrainingSettings) -> None:
    """Train, export, check the export, evaluate, write model and card (replacing existing files).

    Raises EiferError if the export does not match the network.
    """
    head = load_default_head()
    face = _face(head)
    result = train(face, vertex_metric(head), settings)
    print(f"Trained in {result.seconds:.0f} s.")
    metadata = _metadata(head, settings)
    data = to_onnx(result.network, metadata)
    _check_export(data, result.network, face, settings)
    scores = _evaluate(head, face, result.network, settings)
    card = model_card(
        metadata,
        settings,
        scores,
        weights=sum(p.numel() for p in result.network.parameters()),
        held_out=evaluation.HELD_OUT,
        seconds=result.seconds,
        versions=_versions(),
    )
    card_path = output.with_suffix(".md")
    _write(output, data)
    _write(card_path, card.encode("utf-8"))
    print(f"Wrote {output} ({len(data) / 1024:.0f} KiB) and {card_path}")


def _face(head: ParametricHead) -> Face:
    return lambda muscles: expression_of_muscles(head, muscles)


def _metadata(head: ParametricHead, settings: TrainingSettings) -> ModelMetadata:
    return ModelMetadata(
        kind=EMG2EXP,
        id="emg2exp-default",
        version=VERSION,
        channels=CHANNELS,
        space=head.space,
        parameters=DEFAULT_SPACE.names,
        head=f"the {head.name}" if not head.name.lower().startswith("the ") else head.name,
        head_hash=head.hash,
        envelope="rms",
        window_ms=100.0,
        preset="Animation",
        normalisation="rest_maximum",
        dynamics="outside",
        frame_rate=None,
        training=(
            f"python3 -m eifer_blender train models/emg2exp.onnx --seed {settings.seed} "
            f"--steps {settings.steps} --frames {settings.frames}"
        ),
        seed=settings.seed,
        data=(
            "Muscle activity and faces come from a table of anatomy and random numbers; no person was "
            "recorded for it."
        ),
        licence="CC0-1.0",
    )


def _check_export(data: bytes, network: Emg2Exp, face: Face, settings: TrainingSettings) -> None:
    """The file must give what the network gives, and pass the checks of whoever loads it."""
    import onnxruntime

    onnx_file.inspect(data)
    frames = make_frames(512, settings.seed + _HELD_OUT_SEED, face)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    feed = {"activation": frames.activation, "present": frames.present.astype(np.float32)}
    (exported,) = session.run(None, feed)
    error = float(np.abs(exported - predict(network, frames)).max())
    print(f"Largest difference between the network and its ONNX file: {error:.1e}")
    if not error <= _MAXIMUM_EXPORT_ERROR:
        raise EiferError(f"The ONNX file differs from the network by {error:.1e}; it was not written.")


def _evaluate(
    head: ParametricHead, face: Face, network: Emg2Exp, settings: TrainingSettings
) -> list[evaluation.Score]:
    print("Evaluating ...")
    seen = make_frames(_RIDGE_FRAMES, settings.seed, face)
    ridge = Ridge.fit(seen)
    mean = seen.expression.mean(0)
    frames = evaluation.held_out(face, settings.seed + _HELD_OUT_SEED)
    scores = []
    for number, (name, masked) in enumerate(evaluation.conditions(frames, settings.seed).items()):
        predictions = {"network": predict(network, masked), "ridge": ridge.predict(masked)}
        if number == 0:
            predictions["mean face"] = np.broadcast_to(mean, masked.expression.shape)
        scores += [evaluation.score(head, name, method, p, masked) for method, p in predictions.items()]
    for s in scores:
        print(f"  {s.condition}, {s.method}: mean {s.mean:.2f} mm, 95 % {s.p95:.2f} mm")
    return scores


def _versions() -> str:
    from importlib.metadata import version

    return ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "onnx"))


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(data)
    temporary.replace(path)
