"""A folder that nnU-Net v2 (Isensee et al. 2021, doi 10.1038/s41592-020-01008-z) has trained, as a detector.

Its own predictor does the work. The network comes from the plans alone, and weights are read as tensors: no code of a
checkpoint runs, no trainer is looked up, and neither `timm` nor `torchvision` is imported.
"""

from __future__ import annotations

import hashlib
import io
import logging
import re
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from sam_pet.detection.detector import Detection, from_probability
from sam_pet.detection.nnunet_folder import DATASET, PLANS, fold_files, read_table
from sam_pet.errors import InputError, one_line
from sam_pet.files import file_sha256
from sam_pet.study import Study

logger = logging.getLogger(__name__)

_INSTALL = "pip install 'sam-pet[nnunet]'"
# What a plan may name: it would be called, whatever it is.
_NETWORKS = re.compile(r"dynamic_network_architectures\.[\w.]+|torch\.nn\.[\w.]+")
_LESION = re.compile(r"lesion|tumou?r|cancer|metasta", re.IGNORECASE)
_PET = re.compile(r"pet|suv", re.IGNORECASE)
_CT = re.compile(r"ct|hu", re.IGNORECASE)
# Heads that were trained beside the lesions' and say nothing of them, as LesionTracer's of organs.
_OTHER_HEADS = re.compile(r"decoder\.\w+_seg_layers\.")


@dataclass(frozen=True)
class NnUnet:
    """A trained network and what it was trained on; made by `NnUnet.open`.

    Attributes:
        channels: what it is given, "ct" or "pet", in order.
        rows: which of its outputs are lesions.
    """

    folder: Path
    files: tuple[Path, ...]
    predictor: Any
    channels: tuple[str, ...]
    rows: tuple[int, ...]

    @classmethod
    def open(cls, folder: Path, folds: Sequence[str] | None = None, device: str = "cpu") -> Self:
        """The network in a folder with `plans.json`, `dataset.json` and folders `fold_0`, `fold_1`, ... or `fold_all`.

        Args:
            folder: as nnU-Net leaves it: `Dataset.../TRAINER__PLANS__CONFIGURATION`.
            folds: which of them, such as ("0", "1"); the answer is their mean. Else all numbered ones that are there,
                or `fold_all`.
            device: names a torch device.

        Raises:
            InputError: a file or fold is missing or damaged, the plans are no plans of nnU-Net, the channels are not
                CT and PET, no label is a lesion, or `nnunetv2` is not installed.
        """
        plans, dataset = (read_table(folder / name, folder) for name in (PLANS, DATASET))
        files = fold_files(folder, folds)
        channels = _channels(dataset, folder)
        stored = [_read_weights(path) for path in files]
        try:
            with redirect_stdout(io.StringIO()), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                predictor, heads = _predictor(plans, dataset, stored, torch.device(device), len(channels))
        except ModuleNotFoundError as error:
            raise InputError(f"detector: {folder} needs {error.name}; {_INSTALL}") from error
        except InputError:
            raise
        except Exception as error:  # nnU-Net raises what it likes for plans that are none of its own
            raise InputError(
                f"detector: {folder / PLANS} is not of these weights, or of another program ({one_line(error)[:120]}); "
                "give the folder as nnU-Net v2 left it"
            ) from error
        return cls(folder, files, predictor, channels, _lesion_rows(dataset, heads, folder))

    @property
    def facts(self) -> Mapping[str, str]:
        digest = hashlib.sha256()
        for path in (self.folder / PLANS, self.folder / DATASET, *self.files):
            digest.update(f"{path.relative_to(self.folder).as_posix()} {file_sha256(path)}\n".encode())
        return {"name": self.folder.resolve().name, "sha256": digest.hexdigest()}

    def detect(self, study: Study) -> Detection:
        """The lesions of a study; voxels as they are stored, as `nnUNetv2_predict` reads the same files.

        Raises:
            InputError: the network needs a CT and the study has none, or it fails.
        """
        return from_probability(self.probability(study))

    def probability(self, study: Study) -> npt.NDArray[np.float32]:
        """How probable a lesion is at each voxel [z, y, x], the mean over folds (of logits, as nnU-Net does)."""
        if "ct" in self.channels and study.ct is None:
            raise InputError(f"detector: {self.folder} needs a CT beside the PET; give --ct")
        image = np.stack([study.pet if channel == "pet" or study.ct is None else study.ct for channel in self.channels])
        spacing = list(study.grid.spacing[::-1])
        try:
            with redirect_stdout(io.StringIO()), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                _, heads = self.predictor.predict_single_npy_array(image, {"spacing": spacing}, None, None, True)
        except (RuntimeError, ValueError, AssertionError) as error:
            reason = one_line(error)[:160]
            raise InputError(f"detector: {self.folder} fails on this study ({reason}); try it in nnU-Net") from error
        found: npt.NDArray[np.float32] = np.asarray(heads, np.float32)[list(self.rows)].max(axis=0)
        return found


def open_detector(folder: Path, folds: str | None = None, device: str = "cpu") -> NnUnet:
    """The detector in a folder that nnU-Net v2 has trained, with folds as one writes them: "0,1" or "all".

    Raises:
        InputError: see `NnUnet.open`.
    """
    return NnUnet.open(folder, None if folds is None else tuple(folds.replace(" ", "").split(",")), device)


def _channels(dataset: Mapping[str, Any], folder: Path) -> tuple[str, ...]:
    """Which volume each channel is, by its name; of two of one name the first is the CT, as autoPET's are."""
    table = dataset.get("channel_names", dataset.get("modality"))
    if not isinstance(table, dict) or sorted(table) != [str(i) for i in range(len(table))]:
        raise InputError(f"detector: {folder / DATASET} names no channels; give the folder as nnU-Net v2 left it")
    names = [str(table[str(i)]) for i in range(len(table))]
    if len(names) > 2:
        raise InputError(
            f"detector: {folder} is a network of {len(names)} channels ({', '.join(names)}), "
            "and a study has 2 (CT, PET); give one trained on CT and PET alone"
        )
    kinds = ["pet" if _PET.search(name) else "ct" if _CT.search(name) else "" for name in names]
    if len(names) == 2 and (names[0] == names[1] or not any(kinds)):
        kinds = ["ct", "pet"]
    elif len(names) == 2 and "" in kinds:
        # Called after its normalisation, as channels often are.
        kinds[kinds.index("")] = "pet" if "ct" in kinds else "ct"
    if sorted(kinds) not in (["ct", "pet"], ["ct"], ["pet"]):
        raise InputError(
            f"detector: {folder} was trained on {', '.join(names)}; "
            "give a network trained on CT and PET, or on one of them"
        )
    return tuple(kinds)


def _lesion_rows(dataset: Mapping[str, Any], heads: Mapping[str, int], folder: Path) -> tuple[int, ...]:
    rows = list(heads.values())
    if len(rows) > 1:
        rows = [row for name, row in heads.items() if _LESION.search(name)]
    if not rows:
        raise InputError(
            f"detector: no label of {folder / DATASET} is a lesion ({', '.join(map(str, dataset.get('labels', ())))}); "
            "give a network of lesions"
        )
    return tuple(rows)


def _read_weights(path: Path) -> dict[str, Any]:
    """A checkpoint's tensors and plain values; nothing in it is run."""
    scalar = np.float64(0).__reduce__()[0]
    harmless: list[Any] = [np.dtype, *(type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i4", "i8", "b1"))]
    # By both names that it has had.
    harmless += [(scalar, f"{module}.multiarray.scalar") for module in ("numpy.core", "numpy._core")]
    try:
        with torch.serialization.safe_globals(harmless):
            content = torch.load(path, map_location="cpu", weights_only=True)
        named = {key: content[key] for key in ("network_weights", "init_args")}
        configuration = str(named["init_args"]["configuration"])
        axes = content.get("inference_allowed_mirroring_axes")
    except Exception as error:  # whatever a file leads to that is no checkpoint
        raise InputError(
            f"detector: {path} is no checkpoint of nnU-Net v2, or holds more than weights ({one_line(error)[:100]}); "
            "copy it again"
        ) from error
    weights = {
        key.removeprefix("module."): value
        for key, value in named["network_weights"].items()
        if not _OTHER_HEADS.match(key.removeprefix("module."))
    }
    return {"weights": weights, "configuration": configuration, "axes": None if axes is None else tuple(axes)}


def _predictor(
    plans: dict[str, Any],
    dataset: dict[str, Any],
    stored: Sequence[Mapping[str, Any]],
    device: torch.device,
    channels: int,
) -> tuple[Any, dict[str, int]]:
    """nnU-Net's predictor with the weights of all folds, and the outputs by the names of their labels."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    manager = PlansManager(plans)
    configuration = manager.get_configuration(stored[0]["configuration"])
    labels = manager.get_label_manager(dataset)
    arguments = dict(configuration.network_arch_init_kwargs)
    imported = configuration.network_arch_init_kwargs_req_import
    named = [configuration.network_arch_class_name, *(arguments[key] for key in imported if arguments[key] is not None)]
    foreign = next((str(name) for name in named if not _NETWORKS.fullmatch(str(name))), None)
    if foreign is not None:
        raise ValueError(f"it names {foreign[:60]}, which is no part of a network")
    if configuration.previous_stage_name is not None:
        raise ValueError("it is the second stage of a cascade")
    network = get_network_from_plans(
        configuration.network_arch_class_name,
        arguments,
        imported,
        channels,
        labels.num_segmentation_heads,
        allow_init=False,
        deep_supervision=False,
    )
    for fold in stored:
        network.load_state_dict(fold["weights"])
    predictor = nnUNetPredictor(
        device=device, perform_everything_on_device=device.type == "cuda", verbose=False, allow_tqdm=False
    )
    predictor.manual_initialization(
        network.to(device).eval(),
        manager,
        configuration,
        [fold["weights"] for fold in stored],
        dataset,
        "nnUNetTrainer",
        stored[0]["axes"],
    )
    names = {name: value for name, value in dataset["labels"].items() if name not in ("background", "ignore")}
    if labels.has_regions:
        return predictor, {name: row for row, name in enumerate(names)}
    return predictor, {name: int(value) for name, value in names.items()}
