"""Checkpoints of every family: the published ones by name and shape, small ones through a folder and back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from transformers import Sam3VideoConfig, Sam3VideoModel
from transformers.initialization import no_init_weights

from sam_pet.errors import InputError
from sam_pet.models import ModelManifest, architecture, load_model, save_model
from sam_pet.models.checkpoint import read_config
from sam_pet.sam2.families import family_of
from tests.sam2.models import TINY, random_model, tiny_sam3_tracker

_TRUNK, _NECK = "vision_encoder.backbone.", "vision_encoder.neck."


def on_meta(build: Callable[[Any], Any], config: Any) -> dict[str, torch.Size]:
    """Names and shapes of a real model's weights, which are not made."""
    with torch.device("meta"), no_init_weights():
        return {key: value.shape for key, value in build(config).state_dict().items()}


def test_a_whole_sam3_holds_every_tensor_of_its_tracker_and_no_other_is_kept() -> None:
    family = family_of("sam3_video")
    whole = on_meta(Sam3VideoModel, Sam3VideoConfig())
    published = {family.own_name(key): shape for key, shape in whole.items()}
    assert published.pop(None) is not None
    assert published == on_meta(family.build, family.read_config(Sam3VideoConfig().to_dict()))
    assert published == on_meta(family.build, architecture("sam3-tracker"))


@pytest.mark.parametrize(
    ("name", "millions", "side"),
    [
        ("tiny", 38.96, 1024),
        ("small", 46.06, 1024),
        ("base-plus", 80.85, 1024),
        ("large", 224.45, 1024),
        ("sam3-tracker", 465.78, 1008),
        ("edgetam", 13.9, 1024),
    ],
)
def test_the_published_sizes_build(name: str, millions: float, side: int) -> None:
    config = architecture(name)
    assert config.image_size == side
    with torch.device("meta"), no_init_weights():
        model = family_of(config.model_type).build(config)
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.01)


@pytest.mark.parametrize("model_type", sorted(TINY))
def test_a_checkpoint_folder_brings_every_family_back(model_type: str, tmp_path: Path) -> None:
    model = random_model(TINY[model_type]())
    save_model(model, ModelManifest(name="mine", trained=True), tmp_path / "mine")
    loaded = load_model(tmp_path / "mine")
    assert loaded.image_size == model.config.image_size
    assert loaded.model.config.model_type == model_type
    state = loaded.model.state_dict()
    assert all(torch.equal(state[key], value) for key, value in model.state_dict().items())


def published_sam3(folder: Path, parents: bool = False) -> Any:
    """A small SAM 3 as it is published: the tracker's weights under the whole model's names, a detector beside."""
    tracker = random_model(tiny_sam3_tracker())
    state = {"detector_model.text_encoder.weight": torch.zeros(3, 3)}
    for key, value in tracker.state_dict().items():
        if key.startswith(_TRUNK):
            state["detector_model." + key] = value
        elif key.startswith(_NECK):
            state["tracker_neck." + key.removeprefix(_NECK)] = value
        else:
            state["tracker_model." + key] = value
    folder.mkdir(parents=parents)
    safetensors.torch.save_file({k: v.clone() for k, v in state.items()}, folder / "model.safetensors")
    config = {"model_type": "sam3_video", "detector_config": {}, "tracker_config": tracker.config.to_dict()}
    (folder / "config.json").write_text(json.dumps(config))
    return tracker


def test_the_tracker_of_a_whole_sam3_loads_and_is_saved_alone(tmp_path: Path) -> None:
    tracker = published_sam3(tmp_path / "sam3")
    loaded = load_model(tmp_path / "sam3")
    state = loaded.model.state_dict()
    assert all(torch.equal(state[key], value) for key, value in tracker.state_dict().items())
    save_model(loaded.model, ModelManifest(name="alone"), tmp_path / "alone")
    assert json.loads((tmp_path / "alone" / "config.json").read_text())["model_type"] == "sam3_tracker_video"
    assert load_model(tmp_path / "alone").image_size == 112


def test_edgetam_is_written_so_that_transformers_reads_it(tmp_path: Path) -> None:
    config = architecture("edgetam")
    config.save_pretrained(tmp_path)
    backbone = json.loads((tmp_path / "config.json").read_text())["vision_config"]["backbone_config"]
    assert (backbone["model_type"], backbone["architecture"]) == ("timm_wrapper", "repvit_m1")
    assert read_config(tmp_path).to_dict() == config.to_dict()


@pytest.mark.parametrize(
    ("name", "side", "message"),
    [
        ("sam3-tracker", 1000, "must be a multiple of 14 from 112 on, not 1000"),
        ("edgetam", 320, "must be a multiple of 256 from 256 on, not 320"),
        ("tiny", 100, "must be a multiple of 32 from 64 on, not 100"),
    ],
)
def test_a_side_that_a_family_cannot_have_is_refused(name: str, side: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        architecture(name, side)


def test_an_unsupported_model_type_names_the_supported_ones(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "sam"}')
    with pytest.raises(InputError) as error:
        load_model(tmp_path)
    message = str(error.value)
    assert all(model_type in message for model_type in (*TINY, "'sam'"))
    assert "\n" not in message


@pytest.mark.skipif(find_spec("torchvision") is not None, reason="torchvision takes the compiler along")
def test_the_library_is_loaded_once_and_without_torchs_compiler() -> None:
    code = (
        "import sys; from sam_pet.models import load_model; load_model('nano-untrained', image_size=64)\n"
        "print([m for m in sys.modules if m.startswith('sam_pet.sam2.families.library.') or m == 'torch._dynamo'])\n"
        "import torch, transformers; print(torch.distributed.is_available(), callable(torch._dynamo.disable))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "True True"]


def test_transformers_is_whole_for_whoever_else_wants_it() -> None:
    code = (
        "import sys; from sam_pet.sam2.families.library import Sam2VideoModel\n"
        "import transformers; from transformers import AutoTokenizer, Sam2VideoModel as theirs\n"
        "print(theirs is Sam2VideoModel, 'AutoProcessor' in dir(transformers), transformers.__version__ > '5')\n"
        "import scipy.optimize, transformers.models\n"
        "print(callable(scipy.optimize.minimize), transformers.models.bert.BertConfig().model_type)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["True True True", "True bert"]


# Whatever is asked of it.
ANYTHING = """
class Anything:
    def __getattr__(self, name):
        return name

def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return Anything()
"""


def test_torchvision_finds_torchs_compiler_where_transformers_takes_it_along(tmp_path: Path) -> None:
    """A package of that name stands in for it: it asks of torch what torchvision asks when it is imported."""
    package, told = tmp_path / "torchvision", tmp_path / "torchvision-0.99.0.dist-info"
    (package / "transforms").mkdir(parents=True)
    (package / "__init__.py").write_text("import torch._dynamo.utils\n__version__ = '0.99.0'\n")
    for name in ("io", "transforms/__init__", "transforms/functional"):
        (package / f"{name}.py").write_text(ANYTHING)
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: torchvision\nVersion: 0.99.0\n")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from sam_pet.models import load_model; load_model('nano-untrained', image_size=64)\n"
        "print(sys.modules['torchvision'].__version__)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr[-300:] if done.returncode else "") == ("0.99.0\n", "")


def test_adapters_of_others_find_the_tensors_that_they_ask_for() -> None:
    code = (
        "from sam_pet.models.checkpoint import untrained; from peft import LoraConfig, get_peft_model\n"
        "model = get_peft_model(untrained('nano'), LoraConfig(r=2, target_modules=r'mask_decoder.*q_proj'))\n"
        "import torch; print(any('lora' in name for name, _ in model.named_parameters()))\n"
        "print(hasattr(torch.distributed, 'no'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["True", "False"]
