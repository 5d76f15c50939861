"""Train the 3-D U-Net with click channels that `sam-pet evaluate --method unet-click` runs.

    python benchmarks/train_unet_click.py --cases DIR [--names a,b] [--cases DIR2] --out checkpoints/unet-click

Patches are drawn around lesions. For each, a simulated reader opens with a click and draws up to five scribbles on the
network's own errors; the loss (Dice and cross-entropy) is taken after the last stroke. The same arguments and seed give
the same weights on one machine.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from monai.losses.dice import DiceCELoss
from torch import Tensor

from sam_pet.cases import Case, find_cases
from sam_pet.errors import InputError, reported
from sam_pet.methods import unet_click
from sam_pet.methods.unet_click import Settings
from sam_pet.readers import STRATEGIES, make_reader
from sam_pet.study import AIR_HU, Volume

Rng = np.random.Generator
Mask = npt.NDArray[np.uint8]
STROKES = 5


@dataclass(frozen=True)
class Volumes:
    """One case at the network's resolution, all [z, y, x]: HU (None without a CT), SUV and truth; spacing in mm."""

    ct: Volume | None
    pet: Volume
    truth: Mask
    spacing: tuple[float, ...]


def read(case: Case, settings: Settings) -> Volumes:
    study = case.study()
    native = study.grid.spacing[::-1]
    shape = study.grid.shape
    small = unet_click.coarse_shape(shape, native, settings.spacing_mm)
    truth = unet_click.resized(case.mask(study.grid), small) > 0.5
    ct = None if study.ct is None else unet_click.resized(np.maximum(study.ct, AIR_HU), small)
    spacing = tuple(n * s / k for n, s, k in zip(shape, native, small, strict=True))
    return Volumes(ct, unet_click.resized(study.pet, small), truth.astype(np.uint8), spacing)


def patch(case: Volumes, size: int, rng: Rng) -> Volumes:
    """A cube around a voxel of the truth (or, one time in ten, any voxel), flipped and with its uptake scaled."""
    lesion = np.argwhere(case.truth)
    anywhere = not len(lesion) or rng.random() < 0.1
    center = rng.integers(case.pet.shape) if anywhere else lesion[rng.integers(len(lesion))]
    low = center + rng.integers(-size // 4, size // 4 + 1, 3) - size // 2
    flips = tuple(slice(None, None, -1 if rng.random() < 0.5 else 1) for _ in range(3))

    def cut(volume: npt.NDArray[np.generic], outside: float) -> npt.NDArray[np.generic]:
        block = np.full((size,) * 3, outside, volume.dtype)
        there = [slice(max(0, a), max(0, min(n, a + size))) for a, n in zip(low, volume.shape, strict=True)]
        here = tuple(slice(t.start - a, t.stop - a) for t, a in zip(there, low, strict=True))
        block[here] = volume[tuple(there)]
        return np.ascontiguousarray(block[flips])

    scale = np.float32(rng.uniform(0.8, 1.25))
    ct = None if case.ct is None or rng.random() < 0.1 else cut(case.ct, AIR_HU)
    return Volumes(ct, cut(case.pet, 0.0) * scale, cut(case.truth, 0), case.spacing)


def prompted(case: Volumes, network: torch.nn.Module, settings: Settings, rng: Rng) -> Tensor:
    """The network's input after a click and up to five scribbles on its own errors."""
    seed = int(rng.integers(1 << 31))
    reader = make_reader("scribble-" + str(rng.choice(list(STRATEGIES))), "", seed)
    marks = np.zeros(case.pet.shape, np.int8)
    prediction = np.zeros(case.pet.shape, np.uint8)
    for step in range(int(rng.integers(STROKES + 1)) + 1):
        stroke = reader.first(case.truth, None) if step == 0 else reader.correct(prediction, case.truth, None, step)
        if stroke is None:
            break
        if step > 0:
            marks[tuple(stroke.voxels.T[::-1])] = 1 if stroke.label == "tumor" else -1
        else:
            # Not always the centre: a reader clicks anywhere inside.
            inside = np.argwhere(case.truth)
            voxel = inside[rng.integers(len(inside))] if rng.random() < 0.5 else stroke.voxels[0, ::-1]
            marks[tuple(voxel)] = 1
        inputs = unet_click.encode(case.ct, case.pet, marks, case.spacing, settings)
        prediction = (unet_click.predict(network, inputs, settings.multiple) > 0).numpy().astype(np.uint8)
    return unet_click.encode(case.ct, case.pet, marks, case.spacing, settings)


def learning_rate(step: int, steps: int, highest: float) -> float:
    """Linear warm-up over a twentieth, then a cosine to nothing."""
    warm = max(1, steps // 20)
    if step < warm:
        return highest * (step + 1) / warm
    return highest * 0.5 * (1 + float(np.cos(np.pi * (step - warm) / max(1, steps - warm))))


def train(cases: list[Case], settings: Settings, arguments: argparse.Namespace) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(arguments.seed)
    network = unet_click.build(settings).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=arguments.lr, weight_decay=1e-4)
    loss_of = DiceCELoss(sigmoid=True)
    print(f"reading {len(cases)} cases", file=sys.stderr)
    volumes = [read(case, settings) for case in cases]
    began, total = time.monotonic(), 0.0
    for step in range(arguments.steps):
        rng = np.random.default_rng([arguments.seed, step])
        patches = [patch(volumes[rng.integers(len(volumes))], arguments.patch, rng) for _ in range(arguments.batch)]
        inputs = torch.stack([prompted(p, network, settings, rng) for p in patches]).to(device)
        truth = torch.from_numpy(np.stack([p.truth for p in patches])[:, None].astype(np.float32)).to(device)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, arguments.steps, arguments.lr)
        loss = loss_of(network(inputs), truth)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        total += loss.item()
        if (step + 1) % arguments.every == 0 or step + 1 == arguments.steps:
            mean = total / ((step % arguments.every) + 1)
            print(f"step {step + 1}: loss {mean:.4f}, {time.monotonic() - began:.0f} s", file=sys.stderr)
            total = 0.0
            unet_click.save(network, settings, _record(cases, arguments, step + 1), arguments.out)


def _record(cases: list[Case], arguments: argparse.Namespace, done: int) -> dict[str, object]:
    kept = {key: getattr(arguments, key) for key in ("steps", "batch", "patch", "lr", "seed")}
    return {"cases": [case.name for case in cases], "done": done, **kept}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=Path, action="append", required=True, help="folder of cases; may be repeated")
    parser.add_argument("--names", help="only these cases of all folders, separated by commas")
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--patch", type=int, default=64, help="side of the patches in voxels, a multiple of 8")
    parser.add_argument("--spacing", type=float, default=Settings.spacing_mm, help="voxel size in mm")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--every", type=int, default=200, help="steps between checkpoints")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    settings = Settings(spacing_mm=arguments.spacing)
    with reported("train_unet_click"):
        if arguments.patch % settings.multiple:
            raise InputError(f"--patch must be a multiple of {settings.multiple}, not {arguments.patch}")
        cases = [case for folder in arguments.cases for case in find_cases(folder)]
        if arguments.names:
            wanted = set(arguments.names.split(","))
            missing = wanted - {case.name for case in cases}
            if missing:
                raise InputError(f"no case is named {min(missing)!r} in {', '.join(map(str, arguments.cases))}")
            cases = [case for case in cases if case.name in wanted]
        train(cases, settings, arguments)


if __name__ == "__main__":
    main()
