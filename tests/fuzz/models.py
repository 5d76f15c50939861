"""Readers of checkpoints, their parts, and adapters."""

from __future__ import annotations

import base64
import json
import shutil
import zlib
from pathlib import Path

import numpy as np
import torch
import xgboost
from safetensors.torch import save

from sam_pet.detection.appearance import Appearance
from sam_pet.detection.appearance_net import AppearanceNetwork
from sam_pet.detection.classifier import LesionClassifier
from sam_pet.detection.features import NAMES
from sam_pet.errors import InputError
from sam_pet.models import load_model, save_model, untrained
from sam_pet.models.adapters import base_of
from sam_pet.models.architectures import architecture
from sam_pet.models.checkpoint import build, load_folder, read_config, read_weights
from sam_pet.models.convert import convert_meta, read_meta
from sam_pet.models.hashes import read_hashes
from sam_pet.models.manifest import ModelManifest, read_manifest
from sam_pet.models.registry import checkpoints_folder
from sam_pet.proposers.ranker import NAMES as OUTLINE
from sam_pet.proposers.ranker import OutlineRanker
from sam_pet.proposers.volume_net import VolumeNetwork, new_network
from sam_pet.trees import from_text, to_text
from tests.fuzz.target import Target, of_folder


def of_models(scratch: Path) -> dict[str, Target]:
    return {**_files(scratch), **_folders(scratch), **_parts()}


def _files(scratch: Path) -> dict[str, Target]:
    found = {}
    record = ModelManifest(name="x", trained=True).model_dump_json().encode()
    found["record"] = Target("sam_pet.json", record, read_manifest)
    config = json.dumps(architecture("nano").to_dict()).encode()
    found["config"] = Target("config.json", config, _configured)
    torch.save({"model": {"image_encoder.trunk.pos_embed": torch.ones(1, 4, 7, 7)}}, scratch / "w.pt")
    content = (scratch / "w.pt").read_bytes()
    found["pt"] = Target("w.pt", content, lambda folder: convert_meta(read_meta(folder / "w.pt"), where=folder))
    content = save({"a.b": torch.ones(3), "c": torch.zeros(2, 2)})
    found["safetensors"] = Target("w.safetensors", content, lambda folder: read_weights(folder / "w.safetensors"))
    adapter = json.dumps({"peft_type": "LORA", "base_model_name_or_path": "x", "r": 8}).encode()
    found["adapter"] = Target("adapter_config.json", adapter, base_of)
    hashes = json.dumps({"source": "a/b", "revision": "0", "files": {"w.pt": "0" * 64}}).encode()
    found["hashes"] = Target("fetched.json", hashes, read_hashes)
    return found


def _configured(folder: Path) -> None:
    build(read_config(folder), {}, folder)


def _boosted(features: int) -> xgboost.Booster:
    rows = np.random.default_rng(0).random((60, features))
    settings = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1}
    return xgboost.train(settings, xgboost.DMatrix(rows, rows[:, 0] > 0.5), 5)


def _trees(folder: Path) -> None:
    text = base64.b64encode(zlib.compress((folder / "t.ubj").read_bytes())).decode()
    try:
        from_text(text).predict(np.zeros((2, 4), np.float32))
    except ValueError as error:
        raise InputError(str(error)) from error


def _folders(scratch: Path) -> dict[str, Target]:
    """A checkpoint and an adapter on it, whole."""
    whole, adapter = scratch / "whole", scratch / "adapter"
    save_model(untrained("nano"), ModelManifest(name="x", trained=True), whole)
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(untrained("nano"), LoraConfig(r=2, target_modules=r"mask_decoder.*q_proj"))
    model.save_pretrained(adapter, save_embedding_layers=False)
    content = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps({**content, "base_model_name_or_path": "nano-untrained"}))
    shutil.copytree(whole, scratch / "plain")
    (scratch / "plain" / "sam_pet.json").unlink()
    found = {
        f"checkpoint {name}": of_folder(whole, name, lambda folder: load_folder(folder, "x"))
        for name in ("sam_pet.json", "model.safetensors")
    }
    found["plain checkpoint"] = of_folder(scratch / "plain", "config.json", lambda folder: load_folder(folder, "x"))
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        found[f"whole {name}"] = of_folder(adapter, name, load_model)
    return found


def _parts() -> dict[str, Target]:
    ranker = OutlineRanker.make(_boosted(len(OUTLINE)), 0.1, {}).content.model_dump_json().encode()
    small = to_text(_boosted(4))
    content = json.loads((checkpoints_folder() / "default" / "first_answer.json").read_text())
    trees = dict.fromkeys(("glance", "extent", "context", "opinion"), small)
    judge = json.dumps({**content, **trees, "appearance": None}).encode()
    found = {
        "trees": Target("t.ubj", bytes(_boosted(4).save_raw("ubj")), _trees),
        "outline ranker": Target("r.json", ranker, lambda folder: OutlineRanker.read(folder / "r.json")),
        "lesion classifier": Target("j.json", judge, lambda folder: LesionClassifier.read(folder / "j.json")),
    }
    network: torch.nn.Module = AppearanceNetwork(len(NAMES))
    found["appearance"] = Target(
        "a.safetensors", save(network.state_dict()), lambda folder: Appearance.read(folder / "a.safetensors")
    )
    network = new_network()
    found["contour network"] = Target("c.safetensors", save(network.state_dict()), _contour)
    return found


def _contour(folder: Path) -> None:
    path = folder / "c.safetensors"
    VolumeNetwork.of(read_weights(path), path)
