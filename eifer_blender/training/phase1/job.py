"""The whole training of Phase 1: pictures, E^N, detector, E^S, the cycle, ONNX files; interruptible."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ...drawing.png import to_png
from ...errors import EiferError
from ...heads.default import load_default_head
from ...reconstruction.face_view import KEPT
from ...simulation.population import VALIDATION
from ...spaces import DEFAULT_SPACE
from ..fit import load_checkpoint, save_checkpoint
from ..log import Log
from . import assess
from .cycle import Cycle, CycleSettings
from .detector import electrode_mask, train_detector
from .export import to_onnx
from .material import SIZE, PictureSet, SetSettings, obtain
from .networks import Detector, Encoder, Generator
from .supervised import Supervised, SupervisedSettings, as_images, encode
from .transplants import Transplants, taught_by

FORMAT = 2
_SMALL = 64  # pixels a side where steps are quick
_SAVE_S = 120.0  # what an interruption costs at most
_REPORTS = 40  # rows of a log
_SHOWN = 8  # faces across in a grid
VERSION = "1"


@dataclass(frozen=True)
class Plan:
    """How much is learnt from how many pictures."""

    size: int = 128
    people: int = 2000  # of each domain
    each: int = 6  # pictures of a person
    small_steps: int = 4000  # of E^N at half the size, where steps are quick
    steps: int = 2500  # of E^N at full size
    detector_steps: int = 1000
    transplants: int = 2000  # steps of E^S with transplants
    cycle_steps: int = 600
    seed: int = 1


SHIPPED = Plan()
ABLATION = replace(SHIPPED, size=64, steps=0, transplants=600, cycle_steps=400)


def plan_for(size: int, seed: int, steps: int | None = None) -> Plan:
    """The plan of a training at a size; steps: of the cycle, the others in proportion."""
    plan = replace(SHIPPED if size == SHIPPED.size else ABLATION, seed=seed)
    if steps is None:
        return plan
    share = steps / plan.cycle_steps
    names = [name for name in vars(plan) if "step" in name or "transplants" in name]
    scaled = {name: round(getattr(plan, name) * share) for name in names}
    return replace(plan, **{name: max(n, min(getattr(plan, name), 1)) for name, n in scaled.items()})


def sets(plan: Plan) -> dict[str, SetSettings]:
    """Pictures to learn from, and to watch the training with."""
    half = 5000  # people of S are not those of N
    return {
        "uncovered": SetSettings(False, 0, plan.people, plan.each),
        "covered": SetSettings(True, half, plan.people, plan.each),
        "watch": SetSettings(True, VALIDATION.start, 60, 4, paired=True),
    }


class Job:
    """A training in a folder: checkpoints, logs, pictures, models."""

    def __init__(
        self, folder: Path, pictures: Path, plan: Plan, data: dict[str, PictureSet] | None = None
    ) -> None:
        self.folder, self.plan = folder, plan
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.sets = data or {
            name: obtain(one, pictures, _counted(f"pictures, {name}")) for name, one in sets(plan).items()
        }

    def run(self, command: str) -> None:
        """All stages that have not ended yet, then the models."""
        encoder_n = self.uncovered_encoder()
        detector = self.detector()
        begun = self.covered_encoder(encoder_n, detector)
        encoder_s, remover = self.cycle(encoder_n, detector, begun)
        nets = {"encoder": encoder_s, "remover": remover, "detector": detector}
        write_models(self.folder, self.plan, nets, command)

    def uncovered_encoder(self) -> Encoder:
        """E^N, trained with truth: first on small pictures, then on full ones."""
        plan, state = self.plan, None
        for name, size, steps, rate in (
            ("uncovered_small", _SMALL, plan.small_steps, 3e-3),
            ("uncovered", plan.size, plan.steps, 2e-3),
        ):
            if steps:
                settings = SupervisedSettings(steps, size, learning_rate=rate, seed=plan.seed)
                state = self.supervised(name, settings, self.sets["uncovered"], state)
        return self._encoder(state)

    def covered_encoder(self, encoder_n: Encoder, detector: Detector) -> Encoder:
        """E^S, which begins as a copy of E^N and is taught by it with transplants."""
        plan, name = self.plan, "transplants"
        settings = SupervisedSettings(plan.transplants, plan.size, learning_rate=1e-3, seed=plan.seed)
        if self._ended(name, settings.steps):
            return self._encoder(load_checkpoint(self.folder / f"{name}.pt"))
        told = taught_by(encoder_n, self.sets["uncovered"], plan.size, self.device)
        put_on = Transplants(self.sets["covered"], detector, settings.batch, SIZE, plan.seed + 1, self.device)
        start = {"encoder": encoder_n.state_dict()}
        return self._encoder(self.supervised(name, settings, told, start, put_on))

    def _encoder(self, state: dict) -> Encoder:
        encoder = Encoder()
        encoder.load_state_dict(state["encoder"])
        return encoder.to(self.device)

    def _ended(self, name: str, steps: int) -> bool:
        path = self.folder / f"{name}.pt"
        return path.is_file() and load_checkpoint(path)["step"] >= steps

    def supervised(
        self,
        name: str,
        settings: SupervisedSettings,
        pictures: PictureSet,
        start: dict | None = None,
        put_on: Transplants | None = None,
    ) -> dict:
        """The state of an encoder trained with the pictures' truth; put_on: electrodes on them."""
        path = self.folder / f"{name}.pt"
        found = load_checkpoint(path) if path.is_file() else None
        if found and found["step"] >= settings.steps:
            return found
        trainer = Supervised(settings, pictures, self.device, put_on)
        if start:
            trainer.encoder.load_state_dict(start["encoder"])
        if found:
            trainer.restore(found)

        def look() -> float:
            seen = self.sets["watch"].pictures if put_on else self.sets["watch"].clean
            code = encode(trainer.encoder, seen, settings.size, self.device)
            return assess.geometry_of(code, self.sets["watch"].truth).means()["expression_mm"]

        self._course(name, trainer, settings.steps, look)
        return trainer.state()

    def cycle(
        self,
        encoder_n: Encoder,
        detector: Detector,
        encoder_s: Encoder | None = None,
        settings: CycleSettings | None = None,
        name: str = "cycle",
    ) -> tuple[Encoder, Generator]:
        """(E^S, G^SN) of the cycle, their averaged weights."""
        plan, watch = self.plan, self.sets["watch"]
        settings = settings or CycleSettings(plan.cycle_steps, plan.size, seed=plan.seed)
        domains = self.sets["uncovered"], self.sets["covered"]
        cycle = Cycle(settings, *domains, encoder_n, detector, self.device, encoder_s)
        path = self.folder / f"{name}.pt"
        if path.is_file():
            cycle.restore(load_checkpoint(path))

        def look() -> float:
            encoder, _ = cycle.eased
            if cycle.shown:
                self._grid(f"{name}_pictures", cycle)
            code = encode(encoder, watch.pictures, settings.size, self.device)
            return assess.geometry_of(code, watch.truth).means()["expression_mm"]

        if cycle.step < settings.steps:
            self._course(name, cycle, settings.steps, look)
        return tuple(cycle.eased)

    def detector(self) -> Detector:
        """The detector of electrodes."""
        path = self.folder / "detector.pt"
        if path.is_file():
            net = Detector()
            net.load_state_dict(load_checkpoint(path)["detector"])
            return net.to(self.device).eval()
        begun = time.monotonic()
        net = train_detector(
            self.sets["uncovered"],
            self.sets["covered"],
            steps=self.plan.detector_steps,
            size=self.plan.size,
            seed=self.plan.seed,
            device=self.device,
        )
        print(f"detector: {time.monotonic() - begun:.0f} s", flush=True)
        save_checkpoint(path, {"format": FORMAT, "detector": net.state_dict()})
        return net

    # --- watching -----------------------------------------------------------------------------

    def _course(self, name: str, trainer: object, steps: int, look: Callable[[], float]) -> None:
        """Train to the end with a log, a plot, pictures and checkpoints."""
        path, log = self.folder / f"{name}.pt", Log(self.folder / f"{name}.csv")
        log.begin(trainer.step)
        begun = saved = time.monotonic()
        losses: list[float] = []
        every = max(1, steps // _REPORTS)

        def report(step: int, parts: dict[str, float]) -> None:
            nonlocal saved
            losses.append(sum(parts.values()))
            now = time.monotonic()
            if step % every == 0 or step == steps:
                score = look()
                trainer.begin()
                log.add(step, now - begun, float(np.mean(losses[-every:])), score)
                log.plot()
                left = (now - begun) / max(len(losses), 1) * (steps - step) / 60
                text = " ".join(f"{key} {value:.3f}" for key, value in parts.items())
                print(
                    f"{name} {step}/{steps}: {text}; watched {score:.3f} mm; {left:.0f} min left", flush=True
                )
            if now - saved > _SAVE_S or step == steps:
                saved = now
                save_checkpoint(path, {"format": FORMAT, **trainer.state()})

        trainer.run(steps, report)

    @torch.no_grad()
    def _grid(self, name: str, cycle: Cycle) -> None:
        """Both ways round, and covered faces nobody trained on: covered, removed, true."""
        size, watch = self.plan.size, self.sets["watch"]
        encoder, remover = (net.eval() for net in cycle.eased)
        some = np.linspace(0, len(watch) - 1, _SHOWN).astype(int)
        covered, clean = (
            as_images(torch.from_numpy(np.stack([array[i] for i in some])).to(self.device), size)
            for array in (watch.pictures, watch.clean)
        )
        rendering, cover = cycle.view.render(encoder(covered), size)
        hidden = electrode_mask(cycle.detector, covered)
        masked = cycle.view.mask(covered, cover, torch.Generator().manual_seed(0), hidden)
        rows = [*cycle.shown.values(), covered, rendering, remover(rendering, masked), clean]
        rows = [torch.cat([row, row.new_zeros(_SHOWN, 3, size, size)])[:_SHOWN] for row in rows]
        picture = torch.cat([row.permute(2, 0, 3, 1).reshape(size, -1, 3) for row in rows]).cpu().numpy()
        opaque = np.concatenate([picture, np.ones((*picture.shape[:2], 1), np.float32)], -1)
        (self.folder / f"{name}.png").write_bytes(to_png(opaque))


def write_models(folder: Path, plan: Plan, nets: dict[str, torch.nn.Module], command: str) -> None:
    """Write networks by kind ("encoder", "remover", "detector") as the ONNX files that are used."""
    for kind, net in nets.items():
        data = to_onnx(kind, net, plan.size, _props(kind, plan, command))
        path = folder / f"phase1_{kind}.onnx"
        temporary = path.with_name(path.name + ".part")
        temporary.write_bytes(data)
        temporary.replace(path)
        digest = hashlib.sha256(data).hexdigest()[:12]
        print(f"Wrote {path} ({len(data) / 2**20:.1f} MiB, SHA-256 {digest})", flush=True)


def _props(kind: str, plan: Plan, command: str) -> dict[str, str]:
    head = load_default_head()
    values = {
        "kind": f"phase1_{kind}",
        "version": VERSION,
        "space": DEFAULT_SPACE.id,
        "head": f"the {head.name}",
        "head_hash": head.hash,
        "size": plan.size,
        "kept": KEPT,
        "seed": plan.seed,
        "training": command,
        "data": "Pictures of simulated people, rendered by this project.",
        "licence": "CC0-1.0",
    }
    return {f"eifer.{name}": str(value) for name, value in values.items()}


def train(folder: Path, pictures: Path, plan: Plan, command: str) -> None:
    """Train, or go on with a training, in a folder.

    Raises EiferError if the folder holds a training of another plan.
    """
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / "plan.txt"
    text = repr(asdict(plan))
    if note.is_file() and note.read_text(encoding="utf-8") != text:
        raise EiferError(f"'{folder}' holds a training with other settings; choose another folder.")
    note.write_text(text, encoding="utf-8")
    Job(folder, pictures, plan).run(command)


def _counted(what: str) -> Callable[[int, int], None]:
    begun, told = time.monotonic(), 0.0

    def progress(done: int, total: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told > 10 or done == total:
            told = now
            print(f"{what}: {done} of {total}, {60 * done / (now - begun):.0f} a minute", flush=True)

    return progress
