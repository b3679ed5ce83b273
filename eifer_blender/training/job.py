"""Whole jobs: from a data set to a model file, and from a checkpoint to a model file."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..errors import EiferError
from ..heads.default import load_default_head
from ..heads.metric import vertex_metric
from ..heads.shapes import mirror_matrix
from ..mapping import onnx_file
from ..mapping.metadata import EMG2EXP, EXP2EMG, ModelMetadata
from ..muscles import CHANNELS
from . import finish, keyed, losses
from .data import Data, read_data, simulated_folder
from .export import to_onnx
from .fit import Settings, Space, Trainer, fit, load_checkpoint, save_checkpoint, settings_of
from .log import Log
from .material import Material
from .network import output_limits

_VERSIONS = {EMG2EXP: "2", EXP2EMG: "3"}
_HIDDEN = {EMG2EXP: (256, 256), EXP2EMG: (128, 128)}  # larger ones learn the noise of envelopes
_KEYED_STATEMENT = (
    " A quarter of the frames are ARKit shapes as an animator keys them, by a table of muscles."
)
_SD_UNITS = {EMG2EXP: 0, EXP2EMG: 64}
_KEYED_SHARE = 0.25  # of the frames that Exp2EMG learns from, found on validation people: they lose nothing
_CONTEXT = 12  # frames before and after
_CAUSAL = 20  # frames before, where none after may be seen
_MAXIMUM_EXPORT_ERROR = 1e-4
# A channel is one that a face does not tell where its estimate hardly follows it, or where the face stays
# still, compared with how it moves otherwise, in a good part of its strong contractions (clenched teeth).
_HIDDEN_RHO = 0.5
_STILL = 0.08  # of the loss's relative distance over the whole face
_STRONG = 0.5
_STILL_SHARE = 0.08
_LEAST_SPREAD = 1e-2


def train_model(
    output: Path,
    kind: str,
    *,
    data: Path | None,
    method: str | None,
    split_by: str,
    causal: bool,
    seed: int,
    steps: int,
    resume: bool,
) -> None:
    """Read or simulate the data, train, correct the bands, export, check the export, write the model.

    A checkpoint (.pt) and a log (.csv, .svg) lie beside the model. Raises EiferError if the data cannot be
    used, the checkpoint does not fit or the export is not the network.
    """
    simulated = data is None
    folder = simulated_folder(seed) if data is None else data
    found = read_data(folder, method, split_by)
    for note in found.notes:
        print(note)
    print(f"{len(found.train)} frames to train on, {len(found.validation)} for validation.")
    settings = Settings(
        kind,
        seed=seed,
        steps=steps,
        before=_CAUSAL if causal else _CONTEXT,
        after=0 if causal else _CONTEXT,
        hidden=_HIDDEN[kind],
        sd_units=_SD_UNITS[kind],
        keyed=_KEYED_SHARE if _learns_keyed_faces(kind, found) else 0.0,
    )
    trainer = Trainer(settings, _space(found))
    faces = keyed.keyed_material(load_default_head(), keyed.CLIPS, seed) if settings.keyed else None
    path, log = output.with_suffix(".pt"), Log(output.with_suffix(".csv"))
    if resume and path.exists():
        trainer.restore(load_checkpoint(path))
        print(f"Going on at step {trainer.step}.")
    log.begin(trainer.step)
    fit(trainer, found.train, found.validation, log, lambda state: save_checkpoint(path, state), keyed=faces)
    log.plot()
    finish.fit_deviations(trainer, found.train, faces)
    if kind == EXP2EMG:
        finish.fit_floor(trainer, found.validation)
    finish.fit_bands(trainer, found.validation)
    command = _command(kind, output, None if simulated else data, method, causal, seed, steps)
    features = None
    if kind == EMG2EXP:
        metric = vertex_metric(load_default_head()) if found.has_head else trainer.space.metrics[0]
        features = finish.calibration_features(trainer, found.train, metric)
    metadata = _metadata(trainer, found, command)
    state = trainer.state() | {"metadata": _plain(metadata), "features": _tensor(features)}
    save_checkpoint(path, state)
    _write_model(output, trainer, metadata, features)


def _learns_keyed_faces(kind: str, data: Data) -> bool:
    """Whether faces that somebody keyed are mixed in: for the bundled model, which animators use."""
    return kind == EXP2EMG and data.has_head and bool(data.protocol)


def export_checkpoint(checkpoint: Path, output: Path) -> None:
    """Write the model of a finished training again.

    Raises EiferError if the file is not the checkpoint of a finished training.
    """
    state = load_checkpoint(checkpoint)
    if "metadata" not in state:
        raise EiferError(
            f"'{checkpoint.name}' is from a training that has not ended; finish it with --resume."
        )
    names = tuple(state["names"])
    mirror = None if state["mirror"] is None else state["mirror"].numpy()
    space = Space(names, np.eye(len(names), dtype=np.float32)[None], state["spread"].numpy(), mirror)
    trainer = Trainer(settings_of(state), space)
    trainer.restore({k: v for k, v in state.items() if k not in ("metadata", "features")})
    features = None if state["features"] is None else state["features"].numpy()
    _write_model(output, trainer, _metadata_of(state["metadata"]), features)


def _space(data: Data) -> Space:
    """What the loss needs to know."""
    expression = data.train.expression
    spread = np.maximum(expression.std(0, dtype=np.float64), _LEAST_SPREAD).astype(np.float32)
    if not data.has_head:
        return Space(data.space.names, losses.spread_metric(expression), spread, None)
    head = load_default_head()
    return Space(data.space.names, losses.region_metrics(head, expression), spread, mirror_matrix(head))


def _metadata(trainer: Trainer, data: Data, command: str) -> ModelMetadata:
    settings = trainer.settings
    head = load_default_head()
    name = "default" if data.has_head else data.method.lower()
    causal = "-causal" if settings.after == 0 else ""
    return ModelMetadata(
        kind=settings.kind,
        id=f"{settings.kind}-{name}{causal}",
        version=_VERSIONS[settings.kind],
        channels=CHANNELS,
        space=data.space.id,
        parameters=data.space.names,
        head=f"the {head.name}" if data.has_head else f"the {data.method} parameters",
        head_hash=head.hash if data.has_head else "any",
        envelope="rms",
        window_ms=data.window_ms,
        preset=data.preset,
        normalisation="rest_maximum",
        dynamics="inside",
        frame_rate=data.rate,
        training=command,
        seed=settings.seed,
        data=data.statement + (_KEYED_STATEMENT if settings.keyed else ""),
        licence=data.licence,
        before=settings.before,
        after=settings.after,
        hidden=_hidden(trainer, data.validation) if settings.kind == EXP2EMG else (),
        protocol=data.protocol,
    )


def _hidden(trainer: Trainer, validation: Material) -> tuple[str, ...]:
    """Channels that a face does not tell."""
    from ..agreement import spearman

    values = trainer.predict(validation)[0]
    rho = np.array(
        [
            spearman(values[rows], validation.activation[rows])
            for rows in (validation.subject == s for s in np.unique(validation.subject))
        ]
    )
    known = np.isfinite(rho)
    mean = np.where(known, rho, 0.0).sum(0) / np.maximum(known.sum(0), 1)
    moved = np.linalg.norm(validation.expression @ trainer.space.metrics[-1], axis=1)
    strong = validation.activation > _STRONG
    still = (strong & (moved < _STILL)[:, None]).sum(0) / np.maximum(strong.sum(0), 1)
    dark = (mean < _HIDDEN_RHO) | (still > _STILL_SHARE)
    return tuple(name for name, hidden in zip(CHANNELS, dark, strict=True) if hidden)


def _write_model(
    output: Path, trainer: Trainer, metadata: ModelMetadata, features: np.ndarray | None
) -> None:
    data = to_onnx(trainer, metadata, features)
    onnx_file.inspect(data)
    error = _export_error(data, trainer, metadata)
    print(f"Largest difference between the network and its ONNX file: {error:.1e}")
    if not error <= _MAXIMUM_EXPORT_ERROR:
        raise EiferError(f"The ONNX file differs from the network by {error:.1e}; it was not written.")
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_name(output.name + ".part")
    temporary.write_bytes(data)
    temporary.replace(output)
    print(f"Wrote {output} ({len(data) / 1024:.0f} KiB, SHA-256 {hashlib.sha256(data).hexdigest()[:12]})")


def _export_error(data: bytes, trainer: Trainer, metadata: ModelMetadata) -> float:
    """Largest difference between what the file and what the network give, on random input."""
    import onnxruntime
    import torch

    rng = np.random.default_rng(0)
    count = 300
    rows = count + metadata.before + metadata.after
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    at = metadata.before + np.arange(count)[:, None] + trainer.offsets
    if metadata.kind == EMG2EXP:
        present = (rng.random((count, len(CHANNELS))) < 0.8).astype(np.float32)
        x = rng.random((rows, len(CHANNELS))).astype(np.float32)
        found = session.run(["expression", "expression_sd"], {"activation": x, "present": present})
        given = (torch.from_numpy(x[at]).flatten(1), torch.from_numpy(present))
    else:
        x = (rng.standard_normal((rows, len(trainer.space.names))) * trainer.spread.numpy()).astype(
            np.float32
        )
        found = session.run(["activation", "activation_sd"], {"expression": x})
        given = ((torch.from_numpy(x[at]) / trainer.spread).flatten(1), None)
    with torch.no_grad():
        values, log_sd = (
            t.cpu().numpy()
            for t in trainer.answer(*(None if g is None else g.to(trainer.device) for g in given))
        )
    values = (
        np.clip(values, *output_limits(trainer.space.names))
        if trainer.forward_way
        else trainer.above_floor(values)
    )
    pairs = ((values, found[0]), (np.exp(log_sd), found[1]))
    return float(max(np.abs(own - other).max() for own, other in pairs))


def _command(
    kind: str, output: Path, data: Path | None, method: str | None, causal: bool, seed: int, steps: int
) -> str:
    more = f" --data {data.name}" if data else ""
    more += f" --method {method}" if method else ""
    more += " --causal" if causal else ""
    return f"python3 -m eifer_blender train {kind} models/{output.name}{more} --seed {seed} --steps {steps}"


def _plain(metadata: ModelMetadata) -> dict[str, object]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(metadata).items()}


def _metadata_of(values: dict[str, object]) -> ModelMetadata:
    return ModelMetadata(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def _tensor(array: np.ndarray | None) -> object:
    import torch

    return None if array is None else torch.from_numpy(array)
