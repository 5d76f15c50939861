"""The work that operations take, counted and not timed: the same on every machine.

    python benchmarks/counted.py          # prints it as JSON
    python benchmarks/counted.py --write  # keeps it in counted_work.json, with which a test compares it

Frames that the image encoder and the mask decoder are given, floating-point operations of all networks, outlines that
the contour network draws, modules that a click imports without a need, and bytes that reading a `.nii.gz` asks of the
disk, as a part of the file. The model is the embedded one, the study the small simulated one of `sam_pet.demo`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from sam_pet.demo import small_phantom
from sam_pet.files import read_image, write_image, write_json
from sam_pet.segmenter import Segmenter
from sam_pet.session.session import Session

BASELINE = Path(__file__).parent / "counted_work.json"
# What none of a click's work needs and some library would load.
UNNEEDED = ("torch._dynamo", "torch._inductor", "torch.distributed.tensor", "sympy", "xgboost", "sklearn", "pandas",
            "scipy.optimize", "scipy.stats", "matplotlib", "peft", "monai", "highdicom", "pydicom", "networkx",
            "transformers.models.auto.tokenization_auto", "transformers.image_processing_utils")  # fmt: skip


@contextmanager
def counting(segmenter: Segmenter) -> Iterator[dict[str, float]]:
    """What the block makes the networks do: frames `encoded` and `decoded`, `cubes` drawn, `gflop`."""
    model, counts = segmenter.core.model, {"encoded": 0, "decoded": 0, "cubes": 0, "gflop": 0.0}
    for network in (model, *([] if segmenter.contour is None else [segmenter.contour.network])):
        network.requires_grad_(False)  # torch's counter fails on weights that want gradients where none are kept

    def add(name: str, rows: Callable[[Any, Any], Any]) -> Callable[..., None]:
        def hook(_: torch.nn.Module, args: Any, named: Any) -> None:
            counts[name] += len(rows(args, named))

        return hook

    hooks = [
        model.vision_encoder.register_forward_pre_hook(add("encoded", lambda args, _: args[0]), with_kwargs=True),
        model.mask_decoder.register_forward_pre_hook(
            add("decoded", lambda _, named: named["image_embeddings"]), with_kwargs=True
        ),
    ]
    if segmenter.contour is not None:
        drawn = add("cubes", lambda args, _: args[0][::2])  # each cube comes with its mirror image
        hooks.append(segmenter.contour.network.register_forward_pre_hook(drawn, with_kwargs=True))
    try:
        with FlopCounterMode(display=False) as flops:
            yield counts
        counts["gflop"] = round(flops.get_total_flops() / 1e9, 3)
    finally:
        for hook in hooks:
            hook.remove()


def strokes(session: Session, voxel: tuple[int, int, int]) -> Iterator[tuple[str, Callable[[], object]]]:
    """What a reader does first, by name: a click, a tumor stroke a slice above, a background stroke a slice below."""
    x, y, z = voxel
    yield "first click", lambda: session.add_click(voxel)
    yield "tumor stroke", lambda: session.add_click((x, y, z + 1))
    inside = np.argwhere(session.array[z - 1])
    if len(inside):
        v, u = inside[0].tolist()
        yield "background stroke", lambda: session.add_click((u, v, z - 1), "background")


def innermost(lesions: np.ndarray) -> tuple[int, int, int]:
    """A voxel (x, y, z) in the middle slice of the largest lesion."""
    sizes = np.bincount(lesions.ravel())
    sizes[0] = 0
    found = np.argwhere(lesions == sizes.argmax())
    z, y, x = found[np.abs(found - found.mean(axis=0)).sum(axis=1).argmin()].tolist()
    return x, y, z


def operations() -> dict[str, dict[str, float]]:
    phantom, segmenter = small_phantom(), Segmenter.from_pretrained("default", "cpu")
    session, found = segmenter.open(phantom.study), {}
    for name, act in strokes(session, innermost(phantom.lesions)):
        with counting(segmenter) as counts:
            act()
        found[name] = counts
    answering = segmenter.open(phantom.study)
    with counting(segmenter) as counts:
        answering.first_answer()
    return {**found, "first answer": counts}


def unneeded_imports() -> list[str]:
    code = (
        "import sys; from sam_pet.demo import small_phantom; from sam_pet.segmenter import Segmenter\n"
        f"study = small_phantom().study\nbefore = [m for m in {UNNEEDED!r} if m in sys.modules]\n"
        "Segmenter.from_pretrained('default', 'cpu').open(study).add_click((30, 22, 59))\n"
        f"print([m for m in {UNNEEDED!r} if m in sys.modules and m not in before])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True)
    return list(json.loads(done.stdout.replace("'", '"')))


def bytes_read() -> float | None:
    """What is read of a `.nii.gz`, over its size; None where the system does not tell."""
    if not Path("/proc/self/io").is_file():
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pet.nii.gz"
        phantom = small_phantom()
        write_image(phantom.study.grid.image(phantom.study.pet), path)
        before = _asked_for()
        read_image(path, "PET")
        return round((_asked_for() - before) / path.stat().st_size, 1)


def _asked_for() -> int:
    return int(Path("/proc/self/io").read_text(encoding="utf-8").split()[1])


def counted() -> dict[str, Any]:
    return {
        "torch": torch.__version__.partition("+")[0],
        "operations": operations(),
        "unneeded_imports": unneeded_imports(),
        "bytes_read": bytes_read(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="keep it as what is to be compared with")
    options = parser.parse_args()
    found = counted()
    if options.write:
        write_json(found, BASELINE)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
