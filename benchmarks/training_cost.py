"""What a training step of a recipe costs, counted without a GPU and without weights: FLOPs and bytes.

    python benchmarks/training_cost.py finetune/autopet_lora.yaml [--tflops 30] [--models sam2.1-hiera-tiny@512 ...]

A model of the real configuration is made on torch's meta device, where tensors have shapes and no content, and goes
through one whole step of the recipe's last stage as training does: every frame encoded, prompted, tracked both ways
through the memory, the loss, the gradients. Counted are the floating-point operations of matrices and convolutions
forward and backward (torch's FlopCounterMode; twice the multiply-adds), and what backward keeps. Corrections of the
simulated reader are not: each costs at most one more pass without the image encoder.

Memory is weights (float32), gradients and AdamW's two moments of what is trained, and kept activations, floats at
2 bytes (bfloat16) but in float32 at 4; with `gradient_checkpointing` those of the encoder for one clip alone. Attention
matrices are in it, which fused kernels do not keep; nothing of the allocator or of kernels is. Time is operations over
`--tflops`, the rate to be sustained, in 10^12 a second.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers.initialization import no_init_weights

from sam_pet.models.architectures import architecture
from sam_pet.sam2.families import family_of
from sam_pet.sam2.features import EncodedFrames, Features
from sam_pet.sam2.memory import MemoryBank, Prediction
from sam_pet.sam2.paths import paths_to_fill
from sam_pet.sam2.steps import Sam2Steps
from sam_pet.sam2.tracker import SlicePrompt, Tracker, TrackRequest
from sam_pet.train.lora import add_lora, parameter_counts
from sam_pet.train.losses import clip_loss
from sam_pet.train.recipe import Recipe, read_recipe

MODELS = ("sam2.1-hiera-tiny@512", "sam2.1-hiera-small@512", "sam3-tracker@504", "edgetam@512")
_ADAM_BYTES, _MIXED_BYTES = 4 + 8, 2


@dataclass(frozen=True)
class Cost:
    """Of one step of one clip: parameters in millions, operations in 10^12, kept activations in 10^9 numbers."""

    parameters: float
    trained: float
    encode: float
    track: float
    encode_kept: float
    track_kept: float


@contextmanager
def kept() -> Iterator[Callable[[], float]]:
    """Counts the numbers that backward keeps, each storage once and no weights."""
    storages: dict[int, Any] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if not isinstance(tensor, torch.nn.Parameter) and tensor.is_floating_point():
            storage = tensor.untyped_storage()
            storages[storage._cdata] = storage.nbytes() / tensor.element_size(), tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield lambda: sum(count for count, _ in storages.values())


def counted(name: str, image_size: int, recipe: Recipe) -> Cost:
    """The cost of one clip of the recipe's last stage for an architecture with random weights."""
    length, middle = recipe.stages[-1].length, recipe.stages[-1].length // 2
    config = architecture(name, image_size)
    with torch.device("meta"), no_init_weights():
        model = family_of(config.model_type).build(config).train()
        total = sum(p.numel() for p in model.parameters())
        if recipe.mode == "lora":
            add_lora(model, recipe.lora)
        trained = parameter_counts(model)[0]
        core = Sam2Steps(model)
        frames = torch.empty(length, 3, image_size, image_size)
        with FlopCounterMode(display=False) as encoding, kept() as held:
            features = core.encode(frames)
            encode_kept = held()
            levels = [features.fine, features.middle, features.coarse]
            torch.autograd.backward(*gradients(levels))
        features = Features(*(level.detach().requires_grad_() for level in levels))
        seen: list[Prediction] = []
        with FlopCounterMode(display=False) as tracking, kept() as held:
            tracker = Tracker(core, EncodedFrames(features), depth=max(length, 16), patience=None)
            request = TrackRequest(MemoryBank(), [], key=lambda z: z, observe=lambda _, p: seen.append(p))
            click = SlicePrompt(middle, torch.empty(1, 2), torch.ones(1, dtype=torch.int32), force_present=True)
            request.bank = tracker.prompt([request], [click])[0]
            request.paths = paths_to_fill(request.bank, 0, length - 1)
            tracker.track([request])
            loss = clip_loss(seen, [torch.empty(image_size, image_size)] * len(seen))["loss"]
            track_kept = held()
            loss.backward()
    # Recomputed for the gradients where the recipe says so: one more forward pass, a third of both.
    encode = encoding.get_total_flops() * (4 / 3 if recipe.gradient_checkpointing else 1)
    return Cost(
        total / 1e6,
        trained / 1e6,
        encode / 1e12,
        tracking.get_total_flops() / 1e12,
        encode_kept / 1e9,
        track_kept / 1e9,
    )


def gradients(tensors: list[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    learning = [tensor for tensor in tensors if tensor.requires_grad]
    return learning, [torch.empty_like(tensor) for tensor in learning]


def row(name: str, image_size: int, recipe: Recipe, tflops: float) -> str:
    cost, stage = counted(name, image_size, recipe), recipe.stages[-1]
    operations = stage.batch * (cost.encode + cost.track)
    wide = _MIXED_BYTES if recipe.precision == "bf16" else 4
    clips = 1 if recipe.gradient_checkpointing else stage.batch
    memory = (4 * cost.parameters + _ADAM_BYTES * cost.trained) / 1e3
    memory += wide * (cost.encode_kept * clips + cost.track_kept * stage.batch)
    seconds = operations / tflops
    share = 100 * cost.trained / cost.parameters
    return (
        f"| {name} | {image_size} | {cost.parameters:.0f} M | {share:.1f} % | {operations:.1f} | {seconds:.2f} "
        f"| {memory:.0f} | {recipe.steps * seconds / 3600:.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("changes", nargs="*", help="key=value, part.key=value: values of the recipe changed")
    parser.add_argument("--tflops", type=float, default=30.0)
    parser.add_argument("--models", nargs="+", default=MODELS, help="ARCHITECTURE@SIDE")
    options = parser.parse_intermixed_args()
    recipe = read_recipe(options.recipe, options.changes)
    print("| architecture | side | weights | trained | TFLOP a step | s a step | GB | h |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for text in options.models:
        name, _, side = text.partition("@")
        print(row(name, int(side), recipe, options.tflops), flush=True)


if __name__ == "__main__":
    main()
