"""Weights, configurations, trees and adapters that are damaged, foreign or hostile: one line each, no code run."""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xgboost
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from sam_pet.errors import InputError
from sam_pet.models import ModelManifest, load_model, save_model, untrained
from sam_pet.models.checkpoint import replacing_folder
from sam_pet.models.convert import convert_meta, read_meta
from sam_pet.models.hashes import read_hashes
from sam_pet.trees import from_text


def refused(call: Callable[[], object], message: str) -> str:
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert "weights_only" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound") / "mine"
    save_model(untrained("nano"), ModelManifest(name="mine", trained=True), folder)
    return folder


@pytest.fixture
def plain(sound: Path, tmp_path: Path) -> Path:
    """A checkpoint without a record, so that no hash tells that it was changed."""
    shutil.copytree(sound, tmp_path / "plain")
    (tmp_path / "plain" / "sam_pet.json").unlink()
    return tmp_path / "plain"


BACKBONE = ("vision_config", "backbone_config")
HUGE = 10**30


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((*BACKBONE, "query_stride"), -1),
        ((*BACKBONE, "query_stride", 0), 3),
        ((*BACKBONE, "mlp_ratio"), 1e300),
        ((*BACKBONE, "window_size_per_stage", 2), HUGE),
        ((*BACKBONE, "num_attention_heads_per_stage", 0), HUGE),
        ((*BACKBONE, "num_attention_heads_per_stage", 2), -1),
        ((*BACKBONE, "blocks_per_stage", 2), HUGE),
        ((*BACKBONE, "embed_dim_per_stage", 1), HUGE),
        ((*BACKBONE, "embed_dim_per_stage"), []),
        ((*BACKBONE, "patch_kernel_size"), [10**5, 10**5]),
        (("memory_fuser_kernel_size",), HUGE),
        (("memory_fuser_padding",), 0),
        (("mask_downsampler_padding",), 3),
        (("image_size",), -5),
        (("num_maskmem",), 10**9),
        (("memory_attention_num_layers",), 10**7),
        (("memory_encoder_hidden_size",), 2**20),
    ],
)
def test_a_configuration_of_no_model_is_refused(plain: Path, place: tuple[Any, ...], value: Any) -> None:
    path = plain / "config.json"
    content = json.loads(path.read_text())
    holder = content
    for key in place[:-1]:
        holder = holder[key]
    assert not isinstance(holder, dict) or place[-1] in holder
    holder[place[-1]] = value
    path.write_text(json.dumps(content))
    refused(lambda: load_model(plain), re.escape(str(plain)))


@pytest.mark.parametrize("content", ["[" * 100_000, "\ud800", '{"model_type": {"a": 1}}', "null"])
def test_a_configuration_that_is_none_is_refused(plain: Path, content: str) -> None:
    (plain / "config.json").write_bytes(content.encode("utf-8", "surrogatepass"))
    refused(lambda: load_model(plain), r"config\.json does not describe a SAM video model")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_are_refused(plain: Path, value: float) -> None:
    state = load_file(plain / "model.safetensors")
    state["no_memory_embedding"].view(-1)[3] = value
    save_file(state, plain / "model.safetensors", {"format": "pt"})
    refused(lambda: load_model(plain), "holds NaN or infinite weights in no_memory_embedding")


NO_NUMBERS = {
    "sparse": torch.eye(3).to_sparse(),
    "complex": torch.ones(2, dtype=torch.complex64),
    "meta": torch.ones(2, device="meta"),
}


@pytest.mark.parametrize("odd", NO_NUMBERS.values(), ids=NO_NUMBERS)
def test_weights_of_odd_kinds_are_refused(tmp_path: Path, odd: torch.Tensor) -> None:
    torch.save({"model": {"no_mem_embed": torch.ones(2), "odd": odd}}, tmp_path / "w.pt")
    refused(lambda: read_meta(tmp_path / "w.pt"), "weights in odd that are no plain numbers")


def test_a_flipped_bit_in_a_file_of_weights_is_found(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    torch.save({"model": {"no_mem_embed": torch.full((64,), 3.0)}}, path)
    content = bytearray(path.read_bytes())
    content[content.index(np.full(64, 3.0, "<f4").tobytes()) + 9] ^= 1
    path.write_bytes(content)
    refused(lambda: read_meta(path), "does not fit its checksum")


class Opens:
    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (os.environ["SAM_PET_TEST_FILE"], "w"))


@pytest.mark.parametrize(
    ("beside", "named"),
    [
        (np.float64(3.0), "numpy"),
        (argparse.Namespace(lr=1), "argparse.Namespace"),
        (Path("x"), "pathlib"),
        ("code", ""),
    ],
    ids=["numpy", "Namespace", "Path", "code"],
)
def test_what_is_no_tensor_is_named_and_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: object, named: str
) -> None:
    monkeypatch.setenv("SAM_PET_TEST_FILE", str(tmp_path / "run"))
    torch.save({"model": {"a": torch.ones(2)}, "beside": Opens() if beside == "code" else beside}, tmp_path / "w.pt")
    message = refused(
        lambda: read_meta(tmp_path / "w.pt"), "holds an object that is no tensor .*save the weights alone"
    )
    assert named in message
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_the_prefixes_of_wrappers_are_taken_away(tmp_path: Path, prefix: str) -> None:
    torch.save({"model": {f"{prefix}no_mem_embed": torch.ones(1, 1, 4)}}, tmp_path / "w.pt")
    assert read_meta(tmp_path / "w.pt")["no_mem_embed"].shape == (1, 1, 4)


@pytest.mark.parametrize("shape", [(), (7,), (1, 1), (1, 1, 7, 7, 7), (1, 80, 0, 7)])
def test_weights_of_other_shapes_are_no_sam_2(tmp_path: Path, shape: tuple[int, ...]) -> None:
    torch.save({"model": {"image_encoder.trunk.pos_embed": torch.ones(shape)}}, tmp_path / "w.pt")
    refused(lambda: convert_meta(read_meta(tmp_path / "w.pt"), where="w.pt"), r"w\.pt")


JUNK = {
    "nothing": b"",
    "text": b"not weights",
    "HTML": b"<!DOCTYPE html>",
    "zip": b"PK\3\4" + bytes(60),
    "zeros": bytes(9),
}


@pytest.mark.parametrize("name", ["w.pt", "w.pth"])
@pytest.mark.parametrize("content", JUNK.values(), ids=JUNK)
def test_junk_is_no_weights(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    refused(lambda: load_model(tmp_path / name), rf"{name} cannot be loaded as PyTorch weights")


def adapter(folder: Path) -> Path:
    model = get_peft_model(untrained("nano"), LoraConfig(r=2, target_modules=r"mask_decoder.*q_proj"))
    model.save_pretrained(folder, save_embedding_layers=False)
    return folder


def rekeyed(folder: Path, rename: Callable[[str], str]) -> None:
    path = folder / "adapter_model.safetensors"
    save_file({rename(key): value for key, value in load_file(path).items()}, path, {"format": "pt"})


@pytest.mark.parametrize(
    "rename",
    [
        lambda key: key.replace("base_model.model.", "base_model.model.module."),
        lambda key: f"module.{key}",
        lambda key: key.replace("base_model.model.", "base_model.model._orig_mod."),
        lambda key: key.removeprefix("base_model.model."),
    ],
    ids=["DDP inside", "DDP outside", "compiled", "bare"],
)
def test_an_adapter_of_a_wrapped_model_is_put_on_as_a_whole(tmp_path: Path, rename: Callable[[str], str]) -> None:
    folder = adapter(tmp_path / "ad")
    path = folder / "adapter_model.safetensors"
    filled = {key: torch.full_like(value, 0.5) for key, value in load_file(path).items()}
    save_file(filled, path, {"format": "pt"})
    expected = load_model(folder, base="nano-untrained").sha256
    assert expected != load_model("nano-untrained").sha256
    rekeyed(folder, rename)
    assert load_model(folder, base="nano-untrained").sha256 == expected


@pytest.mark.parametrize(
    ("rename", "message"),
    [
        (lambda key: key.replace("mask_decoder", "decoder"), r"mask_decoder\.\S+ is missing"),
        (lambda key: key.replace("lora_A", "lora_X"), r"\S+lora_A\.weight is missing"),
    ],
)
def test_an_adapter_whose_keys_do_not_fit_is_refused(
    tmp_path: Path, rename: Callable[[str], str], message: str
) -> None:
    folder = adapter(tmp_path / "ad")
    rekeyed(folder, rename)
    refused(lambda: load_model(folder, base="nano-untrained"), message)


@pytest.mark.parametrize(
    "change", [{"r": 3}, {"r": 0}, {"r": 10**9}, {"r": "x"}, {"peft_type": "X"}, {"target_modules": 7}]
)
def test_an_adapter_that_does_not_fit_its_settings_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    folder = adapter(tmp_path / "ad")
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    refused(lambda: load_model(folder, base="nano-untrained"), "ad")


def test_an_adapter_that_stands_on_itself_is_refused(tmp_path: Path) -> None:
    one, other = adapter(tmp_path / "one"), adapter(tmp_path / "other")
    for folder, base in ((one, one), (one, other), (other, one)):
        path = folder / "adapter_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "base_model_name_or_path": str(base)}))
        if base == one:
            refused(lambda: load_model(one), "names itself as its base model")


@pytest.mark.parametrize("content", ["[" * 100_000, "{}", "[]", '{"base_model_name_or_path": null}', "\0"])
def test_an_adapter_that_does_not_name_its_base_is_refused(tmp_path: Path, content: str) -> None:
    folder = adapter(tmp_path / "ad")
    (folder / "adapter_config.json").write_text(content)
    refused(lambda: load_model(folder), "ad")


@pytest.mark.parametrize("content", ["[" * 100_000, "{", "[]", '{"files": []}', "\0"])
def test_damaged_hashes_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "fetched.json").write_text(content)
    refused(lambda: read_hashes(tmp_path), r"fetched\.json is damaged")


def boosted() -> bytes:
    rows = np.random.default_rng(0).random((60, 4))
    settings = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1}
    return bytes(xgboost.train(settings, xgboost.DMatrix(rows, rows[:, 0] > 0.5), 3).save_raw("ubj"))


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 100, b"{" * 100_000, b"[" * 100_000, b"[$[" * 1000, b"{L" + b"\x7f" * 9, b"[#L" + b"\x7f" * 8],
    ids=["nothing", "zero", "deep", "deep lists", "typed", "long name", "long list"],
)
def test_what_are_no_trees_is_refused_before_xgboost_sees_it(content: bytes) -> None:
    for text in (content.decode("latin-1"), base64.b64encode(zlib.compress(content)).decode()):
        with pytest.raises(ValueError, match=r"\w"):
            from_text(text)


def test_damaged_trees_are_refused_or_harmless() -> None:
    content, rng = boosted(), np.random.default_rng(1)
    for _ in range(300):
        damaged = bytearray(content)
        damaged[rng.integers(len(content))] = rng.integers(256)
        try:
            trees = from_text(base64.b64encode(zlib.compress(bytes(damaged))).decode())
        except ValueError:
            continue
        trees.predict(np.zeros((2, 4), np.float32))


def test_a_bomb_of_trees_takes_no_memory() -> None:
    with pytest.raises(ValueError, match="far too many"):
        from_text(base64.b64encode(zlib.compress(bytes(1 << 27))).decode())


def test_a_disk_that_is_full_is_told_with_the_folder(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="mine") as caught, replacing_folder(tmp_path / "mine"):
        raise OSError(28, "No space left on device")
    assert caught.value.filename == str(tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failing", [1, 2])
def test_a_rename_that_fails_leaves_the_old_checkpoint(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(sound, folder)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    rename, calls = Path.rename, [0]

    def fails(path: Path, target: Path) -> Path:
        calls[0] += 1
        if calls[0] == failing:
            raise PermissionError(13, "Permission denied", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(PermissionError), replacing_folder(folder) as temporary:
        (temporary / "sam_pet.json").write_text("new")
    monkeypatch.undo()
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]
