"""A folder as nnU-Net v2 leaves it, trained by its own trainer on studies of hot balls, in seconds."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from sam_pet.geometry import Grid
from sam_pet.study import Study
from sam_pet.threads import one_thread

_GRID = Grid((28, 28, 24), (5.0, 5.0, 4.0))
_NAME, _DATA = "Dataset001_Balls", "nnUNetPlans_3d_fullres"
_CHANNELS = {"0": "CT", "1": "PET"}


def balls(seed: int, grid: Grid = _GRID) -> tuple[Study, np.ndarray]:
    """A warm body with two hot balls at random places, and their mask."""
    rng = np.random.default_rng(seed)
    at = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), axis=-1) * grid.spacing[::-1]
    mask = np.zeros(grid.shape, np.uint8)
    for _ in range(2):
        centre = rng.uniform(0.25, 0.75, 3) * np.array(grid.shape) * grid.spacing[::-1]
        mask[np.linalg.norm(at - centre, axis=-1) < rng.uniform(11, 17)] = 1
    pet = np.where(mask, rng.uniform(7, 10), 0.8) + rng.normal(0, 0.15, grid.shape)
    ct = np.where(pet > 0, 40, -1000) + rng.normal(0, 8, grid.shape)
    ct[:, :3] = -1000
    return Study(pet.astype(np.float32).clip(0), ct.astype(np.float32), grid), mask


def write_case(study: Study, folder: Path, name: str) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    assert study.ct is not None
    paths = [str(folder / f"{name}_{channel:04}.nii.gz") for channel in (0, 1)]
    for array, path in zip((study.ct, study.pet), paths, strict=True):
        sitk.WriteImage(study.grid.image(array), path)
    return paths


def plans() -> dict[str, Any]:
    """Plans of two stages and few features."""
    resample = {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None}
    return {
        "dataset_name": _NAME,
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [4.0, 5.0, 5.0],
        "original_median_shape_after_transp": list(_GRID.shape),
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {
            channel: {"mean": mean, "std": std, "percentile_00_5": low, "percentile_99_5": high}
            for channel, mean, std, low, high in (("0", 40, 20, -1000, 1000), ("1", 8, 3, 0, 20))
        },
        "configurations": {
            "3d_fullres": {
                "data_identifier": _DATA,
                "preprocessor_name": "DefaultPreprocessor",
                "batch_size": 2,
                "patch_size": [24, 24, 24],
                "median_image_size_in_voxels": list(_GRID.shape),
                "spacing": [4.0, 5.0, 5.0],
                "normalization_schemes": ["CTNormalization", "ZScoreNormalization"],
                "use_mask_for_norm": [False, False],
                "resampling_fn_data": "resample_data_or_seg_to_shape",
                "resampling_fn_seg": "resample_data_or_seg_to_shape",
                "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
                "resampling_fn_data_kwargs": resample,
                "resampling_fn_seg_kwargs": {**resample, "is_seg": True},
                "resampling_fn_probabilities_kwargs": resample,
                "architecture": {
                    "network_class_name": "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet",
                    "arch_kwargs": {
                        "n_stages": 3,
                        "features_per_stage": [8, 16, 16],
                        "conv_op": "torch.nn.modules.conv.Conv3d",
                        "kernel_sizes": [[3, 3, 3]] * 3,
                        "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]],
                        "n_blocks_per_stage": [1, 1, 1],
                        "n_conv_per_stage_decoder": [1, 1],
                        "conv_bias": True,
                        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
                        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
                        "dropout_op": None,
                        "dropout_op_kwargs": None,
                        "nonlin": "torch.nn.LeakyReLU",
                        "nonlin_kwargs": {"inplace": True},
                    },
                    "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
                },
                "batch_dice": False,
            }
        },
    }


def train_folder(root: Path, steps: int = 40) -> Path:
    """Preprocess four studies and train fold 0 on them; the folder that nnU-Net writes into its results."""
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()), one_thread():
        for part in ("raw", "preprocessed", "results"):
            patch.setenv(f"nnUNet_{part}", str(root / part))
        patch.setenv("nnUNet_n_proc_DA", "0")
        patch.setenv("nnUNet_compile", "f")
        return _trained(root, steps)


def _trained(root: Path, steps: int) -> Path:
    from batchgenerators.utilities.file_and_folder_operations import save_json
    from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    labels = {"background": 0, "tumor": 1}
    dataset = {"channel_names": _CHANNELS, "labels": labels, "numTraining": 4, "file_ending": ".nii.gz"}
    preprocessed = root / "preprocessed" / _NAME
    (preprocessed / _DATA).mkdir(parents=True)
    manager = PlansManager(plans())
    for seed in range(4):
        study, mask = balls(seed)
        images = write_case(study, root / "raw", f"case{seed}")
        sitk.WriteImage(study.grid.image(mask), str(root / "raw" / f"seg{seed}.nii.gz"))
        configuration = manager.get_configuration("3d_fullres")
        DefaultPreprocessor(verbose=False).run_case_save(
            str(preprocessed / _DATA / f"case{seed}"),
            images,
            str(root / "raw" / f"seg{seed}.nii.gz"),
            manager,
            configuration,
            dataset,
        )
    save_json([{"train": ["case0", "case1", "case2", "case3"], "val": ["case3"]}], preprocessed / "splits_final.json")
    save_json({}, preprocessed / "dataset_fingerprint.json")
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 (nnU-Net's loaders draw from it)
    trainer = nnUNetTrainer({**plans(), "continue_training": False}, "3d_fullres", 0, dataset, torch.device("cpu"))
    trainer.num_epochs, trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch = 1, steps, 1
    trainer.run_training()
    return Path(trainer.output_folder_base)
