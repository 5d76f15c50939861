"""A 3-D U-Net that is shown strokes as distances: what the convolutional entrants of interactive challenges do.

The network (MONAI's `UNet`) sees CT, PET twice (linear and logarithmic) and how near each voxel is to tumor and to
background strokes. A checkpoint is a folder with `model.safetensors` and `unet_click.json`; the script
`benchmarks/train_unet_click.py` writes it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sam_pet.boxes import Slices
from sam_pet.errors import InputError
from sam_pet.files import file_sha256, replacing, write_json
from sam_pet.geometry import Grid
from sam_pet.methods.method import Bools, Segment, StrokesMethod, drawn
from sam_pet.methods.near import seeds
from sam_pet.methods.window import around, grown, merged
from sam_pet.models.hashes import check_sha256
from sam_pet.models.registry import checkpoints_folder
from sam_pet.proposers.distance_map import distance_map
from sam_pet.readers.stroke import Stroke
from sam_pet.sam2.frames import PET_LINEAR, PET_LOG, SOFT_TISSUE
from sam_pet.study import AIR_HU, Study, Volume

FOLDER = "unet-click"
WEIGHTS, SETTINGS = "model.safetensors", "unet_click.json"

# A box reaches so far beyond the strokes at first, and grows by as much.
_MARGIN_MM = 48.0
_GROWTHS = 3

Marks = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Settings:
    """What must travel with the weights: voxel size in mm, how far a stroke is seen in mm, channels of the levels."""

    spacing_mm: float = 3.0
    reach_mm: float = 20.0
    channels: tuple[int, ...] = (16, 32, 64, 128)

    @property
    def multiple(self) -> int:
        """Sides of the network's input must be multiples of this."""
        return int(2 ** (len(self.channels) - 1))


def build(settings: Settings) -> nn.Module:
    """The network with fresh weights: input (n, 5, z, y, x) of `encode`, output logits (n, 1, z, y, x).

    Raises:
        InputError: MONAI is not installed.
    """
    try:
        from monai.networks.nets.unet import UNet
    except ModuleNotFoundError as error:
        raise InputError("method unet-click needs monai; pip install 'sam-pet[train]'") from error
    network: nn.Module = UNet(
        spatial_dims=3,
        in_channels=5,
        out_channels=1,
        channels=settings.channels,
        strides=(2,) * (len(settings.channels) - 1),
        num_res_units=2,
        norm="instance",
    )
    return network


def encode(ct: Volume | None, pet: Volume, marks: Marks, spacing: tuple[float, ...], settings: Settings) -> Tensor:
    """The network's input (5, z, y, x) of HU and SUV, and strokes (1 tumor, -1 background), all [z, y, x]."""
    near = [distance_map(marks == label, settings.reach_mm, spacing) for label in (1, -1)]
    images = [np.zeros_like(pet) if ct is None else SOFT_TISSUE.render(ct), PET_LINEAR.render(pet), PET_LOG.render(pet)]
    return torch.from_numpy(np.stack([*images, *near]).astype(np.float32))


@torch.inference_mode()
def predict(network: nn.Module, inputs: Tensor, multiple: int) -> Tensor:
    """Logits (z, y, x) of an input (5, z, y, x) of any size."""
    padding = [p for n in inputs.shape[:0:-1] for p in (0, -n % multiple)]
    device = next(network.parameters()).device
    logits: Tensor = network(F.pad(inputs, padding)[None].to(device))[0, 0].cpu()
    z, y, x = inputs.shape[1:]
    return logits[:z, :y, :x]


def resized(volume: npt.NDArray[Any], shape: Sequence[int]) -> Volume:
    """A volume [z, y, x] by linear interpolation at another number of voxels."""
    found = F.interpolate(
        torch.from_numpy(np.ascontiguousarray(volume, np.float32))[None, None], size=tuple(shape), mode="trilinear"
    )
    array: Volume = found[0, 0].numpy()
    return array


def coarse_shape(shape: Sequence[int], spacing: Sequence[float], spacing_mm: float) -> tuple[int, ...]:
    """How many voxels of about `spacing_mm` an array has."""
    return tuple(max(1, round(n * s / spacing_mm)) for n, s in zip(shape, spacing, strict=True))


def segmenting(network: nn.Module, settings: Settings) -> Segment:
    """Predict in a box around the tumor strokes, which grows while the mask touches its border."""

    def segment(study: Study, strokes: Sequence[Stroke]) -> Bools:
        tumor = [stroke for stroke in strokes if stroke.label == "tumor"]
        marks = drawn(study.grid.shape, strokes)
        for stroke in tumor:
            marks[tuple(seeds(study, stroke).T)] = 1
        boxes = merged([around(study.grid, stroke, _MARGIN_MM) for stroke in tumor])
        mask = np.zeros(study.grid.shape, bool)
        for _ in range(_GROWTHS):
            for box in boxes:
                mask[box] = _predict_in(box, study, marks, network, settings)
            bigger = merged([grown(box, mask[box], study.grid, _MARGIN_MM) for box in boxes])
            if bigger == boxes:
                break
            boxes = bigger
        return mask

    return segment


def _predict_in(box: Slices, study: Study, marks: Marks, network: nn.Module, settings: Settings) -> Bools:
    grid: Grid = study.grid
    native = grid.spacing[::-1]
    shape = marks[box].shape
    small = coarse_shape(shape, native, settings.spacing_mm)
    spacing = tuple(n * s / k for n, s, k in zip(shape, native, small, strict=True))
    ct = None if study.ct is None else np.maximum(resized(study.ct[box], small), AIR_HU)
    inputs = encode(ct, resized(study.pet[box], small), shrunk(marks[box], small), spacing, settings)
    logits = predict(network, inputs, settings.multiple)
    found: Bools = resized(logits.numpy(), shape) > 0
    return found


def shrunk(marks: Marks, shape: Sequence[int]) -> Marks:
    """Strokes on a coarser array: every drawn voxel marks the one that it lies in."""
    where = np.argwhere(marks != 0)
    small = np.zeros(tuple(shape), np.int8)
    scale = np.asarray(shape) / np.asarray(marks.shape)
    places = np.minimum(((where + 0.5) * scale).astype(int), np.asarray(shape) - 1)
    small[tuple(places.T)] = marks[tuple(where.T)]
    return small


def save(network: nn.Module, settings: Settings, training: dict[str, Any], folder: Path) -> None:
    """Write a checkpoint folder."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    with replacing(folder / WEIGHTS) as temporary:
        save_file(state, temporary)
    content = {"settings": asdict(settings), "sha256": file_sha256(folder / WEIGHTS), "training": training}
    write_json(content, folder / SETTINGS)


def load(folder: Path) -> tuple[nn.Module, Settings, str]:
    """The network in eval mode, its settings, and the SHA-256 of its weights.

    Raises:
        InputError: files are missing, damaged, or do not fit each other.
    """
    for file in (SETTINGS, WEIGHTS):
        if not (folder / file).is_file():
            raise InputError(
                f"method unet-click: no {folder / file}; train it with benchmarks/train_unet_click.py, "
                "or name its folder as unet-click:FOLDER"
            )
    try:
        content = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        fields = content["settings"]
        settings = Settings(float(fields["spacing_mm"]), float(fields["reach_mm"]), tuple(fields["channels"]))
        sha256 = check_sha256(folder / WEIGHTS, content["sha256"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"method unet-click: {folder / SETTINGS} is damaged ({error}); train it again") from error
    network = build(settings)
    try:
        network.load_state_dict(load_file(folder / WEIGHTS))
    except (RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"method unet-click: {folder / WEIGHTS} does not fit its settings ({reason}); train it again"
        ) from error
    return network.eval(), settings, sha256


def make_unet_click(name: str, folder: str | None) -> StrokesMethod:
    """The method with the weights in a folder, `checkpoints/unet-click` if none is given."""
    from sam_pet.segmenter import find_device

    network, settings, sha256 = load(checkpoints_folder() / FOLDER if folder is None else Path(folder))
    return StrokesMethod(name, segmenting(network.to(find_device("auto")), settings), {"sha256": sha256})
