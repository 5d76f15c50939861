"""What is fuzzed: every reader of files, each with sound content that is damaged before it is read."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
import xgboost
import yaml

from sam_pet.benchmark.folder import ResultsFolder as Benchmark
from sam_pet.challenge.points import read_points
from sam_pet.dicom.read import read_pet
from sam_pet.dicom.rtstruct import read_rtstruct
from sam_pet.errors import InputError
from sam_pet.files import read_image
from sam_pet.geometry import Grid
from sam_pet.masks import read_labels
from sam_pet.models.adapters import base_of
from sam_pet.models.architectures import architecture
from sam_pet.models.checkpoint import build, read_config, read_weights
from sam_pet.models.convert import convert_meta, read_meta
from sam_pet.models.record import ModelRecord, read_record
from sam_pet.prompt_files import read_prompts
from sam_pet.session.saved import fingerprint
from sam_pet.session.saved import read_record as read_session
from sam_pet.study import Study
from sam_pet.train.recipe import read_recipe
from sam_pet.train.run_folder import RunFolder
from sam_pet.trees import from_text
from tests.dicom.make import pet_tags, save, slices
from tests.images import GRID, pet_array

_STUDY = Study(pet_array(), None, GRID)


@dataclass(frozen=True)
class Target:
    """A reader: `content` is sound, `read` is given a folder where it lies as `name`, damaged."""

    name: str
    content: bytes
    read: Callable[[Path], Any]
    others: tuple[tuple[str, bytes], ...] = ()


def targets(scratch: Path) -> dict[str, Target]:
    """The readers by name; `scratch` is an empty folder in which sound files are made."""
    return {**_images(scratch), **_texts(), **_models(scratch), **_dicom(scratch)}


def _images(scratch: Path) -> dict[str, Target]:
    found = {}
    images = {"image": GRID.image(pet_array()), "labels": GRID.image((pet_array() > 1).astype(np.uint8))}
    for kind, image in images.items():
        read = read_image if kind == "image" else read_labels
        for name, packed in (("a.mha", True), ("b.mha", False), ("a.nii", False), ("a.nii.gz", True), ("a.nrrd", True)):
            sitk.WriteImage(image, scratch / name, useCompression=packed)
            content = (scratch / name).read_bytes()
            found[f"{kind} {name}"] = Target(name, content, lambda folder, n=name, read=read: read(folder / n, "PET"))
    return found


def _texts() -> dict[str, Target]:
    forms: dict[str, Any] = {
        "points": {"type": "Multiple points", "points": [{"point": [6, 5, 3], "name": "tumor"}] * 3},
        "lists": {"tumor": [[6, 5, 3], [7, 5, 3]], "background": [[1, 1, 1]]},
        "markups": {
            "markups": [
                {
                    "type": "Curve",
                    "coordinateSystem": "LPS",
                    "coordinateUnits": ["mm", "UCUM", "millimeter"],
                    "name": "tumor",
                    "controlPoints": [
                        {"label": "F-1", "position": [-8, -10, 105], "positionStatus": "defined"},
                        {"label": "F-2", "position": [-4, -10, 105]},
                    ],
                }
            ]
        },
        "record": {
            "type": "sam_pet prompts",
            "prompts": [
                {"kind": "click", "label": "tumor", "voxels": [[6, 5, 3]], "lesions": [1]},
                {"kind": "box", "label": "tumor", "voxels": [[1, 1, 1], [3, 3, 3]], "lesions": [2]},
            ],
        },
    }
    found = {}
    for name, form in forms.items():
        content = json.dumps(form).encode()
        found[f"prompts {name}"] = Target("p.json", content, lambda folder: read_prompts(folder / "p.json", GRID))
    found["container points"] = Target(
        "p.json", json.dumps(forms["points"]).encode(), lambda folder: read_points(folder / "p.json", GRID)
    )
    prompts = json.dumps(forms["record"]).encode()
    manifest = json.dumps(
        {
            "version": "1",
            "model": {"source": "default", "sha256": "0", "trained": True},
            "study": fingerprint(_STUDY),
            "first_answer": None,
            "mask_sha256": "0",
        }
    ).encode()
    read = lambda folder: read_session(folder, _STUDY)  # noqa: E731
    found["session manifest"] = Target("manifest.json", manifest, read, (("prompts.json", prompts),))
    found["session prompts"] = Target("prompts.json", prompts, read, (("manifest.json", manifest),))
    recipe = {
        "name": "x",
        "base": "nano-untrained",
        "out": "run",
        "train": [{"folder": "cases", "weight": 1.0}],
        "stages": [{"steps": 2, "batch": 1, "length": 3, "corrections": 1}],
        "optimization": {"lr": 1e-4, "warmup": 1},
        "precision": "no",
    }
    text = yaml.safe_dump(recipe)
    found["recipe"] = Target("r.yaml", text.encode(), lambda folder: read_recipe(folder / "r.yaml"))
    found["recipe change"] = Target(
        "change",
        b"stages.0.steps=3",
        lambda folder: read_recipe(
            folder / "r.yaml", [(folder / "change").read_bytes().decode("utf-8", "surrogateescape")]
        ),
        (("r.yaml", text.encode()),),
    )
    row = {"step": 0, "dice": 0.5, "dmm": None}
    facts = {"patient": "a", "tracer": None, "centre": None, "lesions": 1, "lesion_ml": 2.0, "suv_max": 3.0}
    result = json.dumps({"case": "a", "method": "suv4", "facts": facts, "rows": [row]}).encode() + b"\n"
    found["results"] = Target("results.jsonl", result * 2, lambda folder: Benchmark(folder).results())
    manifest = json.dumps({"protocol": {}, "cases": {}, "packages": {}, "methods": {"a": {}}}).encode()
    found["results manifest"] = Target("manifest.json", manifest, lambda folder: Benchmark(folder)._manifest())
    return found


def _models(scratch: Path) -> dict[str, Target]:
    found = {}
    record = ModelRecord(name="x", trained=True).model_dump_json().encode()
    found["record"] = Target("sam_pet.json", record, read_record)
    config = json.dumps(architecture("nano").to_dict()).encode()
    found["config"] = Target("config.json", config, _configured)
    torch.save({"model": {"image_encoder.trunk.pos_embed": torch.ones(1, 4, 7, 7)}}, scratch / "w.pt")
    content = (scratch / "w.pt").read_bytes()
    found["pt"] = Target("w.pt", content, lambda folder: convert_meta(read_meta(folder / "w.pt"), where=folder))
    from safetensors.torch import save as tensors

    content = tensors({"a.b": torch.ones(3), "c": torch.zeros(2, 2)})
    found["safetensors"] = Target("w.safetensors", content, lambda folder: read_weights(folder / "w.safetensors"))
    adapter = json.dumps({"peft_type": "LORA", "base_model_name_or_path": "x", "r": 8}).encode()
    found["adapter"] = Target("adapter_config.json", adapter, base_of)
    torch.save({"done": 3, "model": {"a": torch.ones(5)}}, scratch / "state.pt")
    found["state"] = Target(
        "state.pt", (scratch / "state.pt").read_bytes(), lambda folder: RunFolder(folder).load_state()
    )
    rows = np.random.default_rng(0).random((60, 4))
    settings = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1}
    trees = xgboost.train(settings, xgboost.DMatrix(rows, rows[:, 0] > 0.5), 5)
    found["trees"] = Target("t.ubj", bytes(trees.save_raw("ubj")), _trees)
    return found


def _configured(folder: Path) -> None:
    build(read_config(folder), {}, folder)


def _trees(folder: Path) -> None:
    text = base64.b64encode(zlib.compress((folder / "t.ubj").read_bytes())).decode()
    try:
        from_text(text).inplace_predict(np.zeros((2, 4), np.float32))
    except ValueError as error:
        raise InputError(str(error)) from error


def _dicom(scratch: Path) -> dict[str, Target]:
    paths = save(slices(np.ones((3, 4, 4), np.int16), "PT", **pet_tags()), scratch / "pet")
    others = tuple((f"pet/{path.name}", path.read_bytes()) for path in paths[1:])
    target = Target(f"pet/{paths[0].name}", paths[0].read_bytes(), lambda folder: read_pet(folder / "pet"), others)
    labels = np.zeros((3, 4, 4), np.uint16)
    labels[1, 1:3, 1:3] = 1
    from sam_pet.dicom.rtstruct import write_rtstruct
    from sam_pet.dicom.series import read_series

    series = read_series(scratch / "pet", "PET")
    write_rtstruct(labels, series, scratch / "rt.dcm", model="x")
    grid: Grid = series.grid
    content = (scratch / "rt.dcm").read_bytes()
    structure = Target("rt.dcm", content, lambda folder: read_rtstruct(folder / "rt.dcm", "Lesion 1", grid))
    return {"dicom": target, "rtstruct": structure}
