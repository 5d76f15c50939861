"""One loop for every small network: AdamW, a moving average of the weights, and a state to go on from."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from sam_pet.errors import InputError
from sam_pet.files import replacing
from sam_pet.train.run_folder import read_state
from sam_pet.train.schedule import averaging, warm_cosine

logger = logging.getLogger(__name__)
N = TypeVar("N", bound=nn.Module)
Report = Callable[[int, float], None]
_CLIP = 1.0
# A line of progress at least so often, in a log without a terminal too.
_EVERY_S = 30.0


@dataclass(frozen=True)
class TrainSettings:
    """How long and how fast a network learns.

    Attributes:
        steps: of the optimizer.
        batch: examples a step.
        rate: the highest learning rate.
        decay: of the weights.
        warmup: steps in which the rate rises.
        average: how much of the moving average each step keeps.
        seed: of everything that is drawn.
    """

    steps: int
    batch: int
    rate: float
    decay: float
    warmup: int = 50
    average: float = 0.995
    seed: int = 0


def train_network(
    network: N,
    loss: Callable[[N, int], Tensor],
    settings: TrainSettings,
    *,
    name: str,
    device: torch.device | str = "cpu",
    state: Path | None = None,
    save_every: int = 100,
    report: Report = lambda *_: None,
) -> N:
    """The moving average of a network's weights over a training, on the CPU and in eval mode.

    Killed and started again with the same arguments it gives the same weights: what a step draws depends on the seed
    and its number alone, and all else is in the state.

    Args:
        network: to train, changed in place.
        loss: of a step, by its number, counted from 0.
        settings: see `TrainSettings`.
        name: what is trained, for the log.
        device: to train on.
        state: the file that keeps what has been learnt, written every `save_every` steps.
        report: called after each step with its number, from 1, and its loss.

    Raises:
        InputError: the loss is not finite, or the state cannot be used.
    """
    network = network.to(device).train()
    average = AveragedModel(network, avg_fn=averaging(settings.average))
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.rate, weight_decay=settings.decay)
    rate = warm_cosine(settings.warmup, settings.steps)
    done = 0
    if state is not None and (kept := read_state(state)) is not None:
        done = int(kept["done"])
        network.load_state_dict(kept["network"])
        average.load_state_dict(kept["average"])
        optimizer.load_state_dict(kept["optimizer"])
    began = logged = time.monotonic()
    first = done
    for step in range(done, settings.steps):
        torch.manual_seed(settings.seed * 1_000_003 + step)
        for group in optimizer.param_groups:
            group["lr"] = settings.rate * rate(step)
        value = loss(network, step)
        if not torch.isfinite(value):
            raise InputError(f"{name}: the loss is not finite at step {step + 1}; lower its rate")
        torch.autograd.backward(value)
        torch.nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update_parameters(network)
        done = step + 1
        report(done, reached := value.item())
        if state is not None and (done % save_every == 0 or done == settings.steps):
            with replacing(state) as temporary:
                torch.save(
                    {
                        "done": done,
                        "network": network.state_dict(),
                        "average": average.state_dict(),
                        "optimizer": optimizer.state_dict(),
                    },
                    temporary,
                )
        now = time.monotonic()
        if now - logged > _EVERY_S:
            logged = now
            left = (now - began) / (done - first) * (settings.steps - done)
            logger.info("%s: step %d of %d, loss %.4f, %.0f min left", name, done, settings.steps, reached, left / 60)
    averaged = cast("N", copy.deepcopy(average.module))
    return averaged.cpu().eval()
