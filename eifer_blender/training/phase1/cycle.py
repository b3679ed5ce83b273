"""Phase 1 itself: covered faces S and uncovered faces N, translated into one another by way of a face model.

One step takes unpaired pictures of both domains both ways round:

    N -> S -> N:  x_n, E^N, rendering and M(x_n), G^NS, made S, E^S, rendering and M(made S), G^SN, x_n again
    S -> N -> S:  x_s, E^S, rendering and M(x_s), G^SN, made N, E^N, rendering and M(made N), G^NS, x_s again

E^N is trained beforehand and stays as it is. E^S begins as `transplants` has taught it, or as a copy of E^N,
and never sees what is true of covered faces. Beyond the paper, faces of N with electrodes put on go along:
G^SN has to give the bare face back, E^S to say of it what E^N says.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor, nn

from . import losses
from .batches import Sampler, autocast, learning_rate, varied
from .detector import electrode_mask
from .material import PictureSet
from .networks import Code, Detector, Discriminator, Encoder, Generator
from .supervised import encode
from .transplants import moved, transplant
from .view import FaceView

_EASED = 0.995  # of the averaged weights that are used afterwards


@dataclass(frozen=True)
class CycleSettings:
    """What decides the result, together with the pictures and E^N."""

    steps: int
    size: int = 128
    batch: int = 8  # pictures of each domain that go both ways
    transplants: int = 8  # faces of N with electrodes put on; 0: none, as in the paper
    encoder_rate: float = 2e-4
    generator_rate: float = 1e-3
    discriminator_rate: float = 4e-4
    seed: int = 1
    weights: dict[str, float] = field(default_factory=lambda: dict(losses.WEIGHTS))


class Cycle:
    """The networks of both domains in training."""

    def __init__(
        self,
        settings: CycleSettings,
        uncovered: PictureSet,
        covered: PictureSet,
        encoder_n: Encoder,
        detector: Detector,
        device: torch.device,
        encoder_s: Encoder | None = None,
    ) -> None:
        self.settings, self.device = settings, device
        torch.manual_seed(settings.seed)
        self.encoder_n = encoder_n.to(device).eval().requires_grad_(False)
        self.encoder_s = copy.deepcopy(encoder_s or encoder_n).to(device).requires_grad_(True)
        self.detector = detector.to(device).eval().requires_grad_(False)
        self.to_n, self.to_s, self.judge_n, self.judge_s = (
            net.to(device, memory_format=torch.channels_last)
            for net in (Generator(), Generator(), Discriminator(), Discriminator())
        )
        self.eased = copy.deepcopy(nn.ModuleList([self.encoder_s, self.to_n])).requires_grad_(False)
        self.view = FaceView(device)
        self.metrics = losses.expression_metrics(uncovered.truth["params"]).to(device)
        self.shape_metric = losses.shape_metric().to(device)
        size, batch, seed = settings.size, settings.batch, settings.seed
        drawn = max(batch, settings.transplants)
        self.uncovered = Sampler(uncovered, drawn, size, seed, device, vary=False)
        self.covered = Sampler(covered, drawn, size, seed + 1, device, vary=False)
        # What E^N says of the uncovered pictures never changes.
        self.codes = encode(self.encoder_n, uncovered.pictures, size, device)
        self.optimisers = {
            "encoder": torch.optim.AdamW(
                self.encoder_s.parameters(), lr=settings.encoder_rate, weight_decay=1e-4
            ),
            "generators": torch.optim.Adam(
                [*self.to_n.parameters(), *self.to_s.parameters()],
                lr=settings.generator_rate,
                betas=(0.5, 0.99),
            ),
            "discriminators": torch.optim.Adam(
                [*self.judge_n.parameters(), *self.judge_s.parameters()],
                lr=settings.discriminator_rate,
                betas=(0.5, 0.99),
            ),
        }
        self.step = 0
        self.shown: dict[str, Tensor] = {}  # the last pictures, for a look

    def run(self, until: int, report: Callable[[int, dict[str, float]], None] | None = None) -> None:
        """Train until a step."""
        self.begin()
        while self.step < until:
            parts = self._one_step()
            self.step += 1
            self._ease()
            if report:
                report(self.step, {name: float(value.detach()) for name, value in parts.items()})

    def begin(self) -> None:
        """Into training mode, as after looking at results."""
        for net in self._nets().values():
            net.train()
        self.encoder_n.eval()

    # --- a step -------------------------------------------------------------------------------

    def _one_step(self) -> dict[str, Tensor]:
        s = self.settings
        rates = {"encoder": s.encoder_rate, "generators": s.generator_rate,
                 "discriminators": s.discriminator_rate}  # fmt: skip
        for name, optimiser in self.optimisers.items():
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(rates[name], self.step, s.steps)
        rows = torch.from_numpy(self.uncovered.rows(self.step))
        x_n, _ = self.uncovered.draw(self.step)
        x_s, _ = self.covered.draw(self.step)
        told = Code(*(part[rows] for part in self.codes))
        generator = torch.Generator().manual_seed(s.seed * 7_000_003 + self.step)
        parts = self._translate(x_n, x_s, told, generator)
        weights = s.weights
        total = sum(weights[name] * value for name, value in parts.items() if weights[name])
        for name in ("encoder", "generators"):
            self.optimisers[name].zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.encoder_s.parameters(), 5.0)
        self.optimisers["encoder"].step()
        self.optimisers["generators"].step()
        if weights["adversarial"]:
            parts["judges"] = self._judge()
        return parts

    def _translate(
        self, x_n: Tensor, x_s: Tensor, told: Code, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The losses of both cycles by the names of `losses.WEIGHTS`."""
        size, count = self.settings.size, self.settings.batch
        both, put_on = [x_s[:count]], None
        hidden_s = self._hidden(x_s)
        if self.settings.transplants:
            put_on = transplant(x_n, *moved(x_s, hidden_s, generator))
        x_n, x_s, near = x_n[:count], x_s[:count], told.first(count)
        with torch.no_grad():
            rendering, cover = self.view.render(near, size)
        with autocast(self.device):
            made_s = self.to_s(rendering, self.view.mask(x_n, cover, generator))
        # E^S must not read what G^NS hides for it, so no gradient, and other grain.
        both.append(made_s.detach())
        if put_on is not None:
            both.append(put_on)
        with autocast(self.device):
            codes = self.encoder_s(varied(torch.cat(both), generator))
        code_s, code_made, code_put = (
            codes.part(0, count),
            codes.part(count, 2 * count),
            codes.part(2 * count),
        )
        sources, seen = [x_s, made_s], codes.part(0, 2 * count)
        hidden = [hidden_s[:count], self._hidden(made_s.detach())]
        if put_on is not None:
            sources.append(put_on[:count])
            hidden.append(self._hidden(put_on[:count]))
            seen = codes.part(0, 3 * count)
        rendering, cover = self.view.render(seen, size)
        with autocast(self.device):
            masked = self.view.mask(torch.cat(sources), cover, generator, torch.cat(hidden))
            made_n, cycled_n, *bare = self.to_n(rendering, masked).split(count)
            code_n = self.encoder_n(made_n)
        rendering, cover = self.view.render(code_n, size)
        with autocast(self.device):
            cycled_s = self.to_s(rendering, self.view.mask(made_n, cover, generator))
            fooled = losses.adversarial_generator(self.judge_n(made_n)) + losses.adversarial_generator(
                self.judge_s(made_s)
            )
        shown = {"x_n": x_n, "made_s": made_s, "cycled_n": cycled_n, "x_s": x_s, "made_n": made_n}
        shown["cycled_s"] = cycled_s
        if bare:
            shown |= {"put_on": put_on[:count], "bare": bare[0]}
        self.shown = {name: value.detach() for name, value in shown.items()}
        pairs = [(code_n, code_s), (code_made, near)] + ([(code_put, told)] if put_on is not None else [])
        rebuilt = losses.reconstruction(x_n, cycled_n) + losses.reconstruction(x_s, cycled_s)
        rebuilt = rebuilt + sum(2 * losses.reconstruction(x_n, one) for one in bare)
        return {
            "reconstruction": rebuilt,
            "minimal_change": losses.minimal_change(x_n, made_s) + losses.minimal_change(x_s, made_n),
            "adversarial": fooled,
            "occlusion_expression": sum(losses.occlusion_expression(a, b, self.metrics) for a, b in pairs),
            "occlusion_shape": sum(losses.occlusion_shape(a, b, self.shape_metric) for a, b in pairs),
            "global_transformation": sum(losses.global_transformation(a, b) for a, b in pairs),
        }

    @torch.no_grad()
    def _hidden(self, images: Tensor) -> Tensor:
        with autocast(self.device):
            return electrode_mask(self.detector, images)

    def _judge(self) -> Tensor:
        shown = self.shown
        with autocast(self.device):
            loss = sum(
                losses.adversarial_discriminator(judge(real), judge(made))
                for judge, real, made in (
                    (self.judge_n, shown["x_n"], shown["made_n"]),
                    (self.judge_s, shown["x_s"], shown["made_s"]),
                )
            )
        self.optimisers["discriminators"].zero_grad(set_to_none=True)
        loss.backward()
        self.optimisers["discriminators"].step()
        return loss

    @torch.no_grad()
    def _ease(self) -> None:
        keep = min(_EASED, (1 + self.step) / (10 + self.step))
        now = nn.ModuleList([self.encoder_s, self.to_n]).state_dict()
        for name, eased in self.eased.state_dict().items():
            if eased.dtype.is_floating_point:
                eased.lerp_(now[name], 1 - keep)
            else:
                eased.copy_(now[name])

    # --- checkpoints --------------------------------------------------------------------------

    def _nets(self) -> dict[str, nn.Module]:
        return {"encoder_s": self.encoder_s, "to_n": self.to_n, "to_s": self.to_s, "judge_n": self.judge_n,
                "judge_s": self.judge_s}  # fmt: skip

    def state(self) -> dict[str, object]:
        """For a checkpoint."""
        return {
            "step": self.step,
            "settings": asdict(self.settings),
            "encoder_n": self.encoder_n.state_dict(),
            "eased": self.eased.state_dict(),
            **{name: net.state_dict() for name, net in self._nets().items()},
            "optimisers": {name: o.state_dict() for name, o in self.optimisers.items()},
        }

    def restore(self, state: dict) -> None:
        """Go on from `state`."""
        for name, net in self._nets().items():
            net.load_state_dict(state[name])
        self.eased.load_state_dict(state["eased"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        self.step = int(state["step"])
