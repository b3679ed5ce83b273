"""Does the signal chain give the activity that a model was made for?"""

from __future__ import annotations

from dataclasses import replace

from ..signals.settings import PRESETS, ChainSettings
from .metadata import ModelMetadata
from .model import MappingModel

_WINDOW_TOLERANCE = 0.1  # share by which the windows may differ before it is worth a sentence


def settings_for(model: MappingModel) -> ChainSettings:
    """Chain settings that give a model what it expects."""
    metadata = model.metadata
    return replace(_base(metadata), window_ms=metadata.window_ms, dynamics=metadata.dynamics == "outside")


def fitting(metadata: ModelMetadata, settings: ChainSettings) -> ChainSettings:
    """The settings, but without delay and dynamics where the model contains them."""
    return settings.without_dynamics() if metadata.dynamics == "inside" else settings


def check_chain(model: MappingModel, settings: ChainSettings) -> list[str]:
    """Sentences about where the chain's settings do not fit the model; empty if all fits."""
    metadata = model.metadata
    wanted = settings_for(model)
    sentences = []
    if settings.method != wanted.method:
        sentences.append(
            f"The model '{metadata.id}' was made with the signal chain '{metadata.preset}'; "
            "choose that preset for faces as it learnt them."
        )
    if abs(settings.window_ms - wanted.window_ms) > _WINDOW_TOLERANCE * wanted.window_ms:
        sentences.append(
            f"The envelope's window is {settings.window_ms:g} ms but the model '{metadata.id}' was made "
            f"with {wanted.window_ms:g} ms; movements come out broader or noisier than it learnt them."
        )
    if settings.dynamics and not wanted.dynamics:
        sentences.append(
            f"The model '{metadata.id}' contains the delay from muscle to movement, but the activity was "
            "delayed before, so the face lags twice; bake the recording again."
        )
    if wanted.dynamics and not settings.dynamics:
        sentences.append(
            f"The model '{metadata.id}' does not contain the delay from muscle to movement; "
            "switch muscle dynamics on, or the face moves too early."
        )
    return sentences


def _base(metadata: ModelMetadata) -> ChainSettings:
    return PRESETS.get(metadata.preset, PRESETS["Animation"])
