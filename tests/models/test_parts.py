"""Whatever command saves a checkpoint, the parts beside SAM 2's weights come with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from sam_pet.models import load_model, merge_adapter
from sam_pet.models.checkpoint import LoadedModel, add_part, save_model
from sam_pet.models.loading import convert_model
from sam_pet.models.manifest import RECORD, ModelManifest, read_manifest
from sam_pet.models.parts import NAMES, PARTS, stale
from sam_pet.models.verify import record_of, verify
from sam_pet.segmenter import Segmenter
from sam_pet.session.session import Session
from sam_pet.train.tracker import finetune
from tests.fakes import two_lesion_study
from tests.train.cases import recipe, write_cases

LORA = {"mode": "lora", "lora": {"rank": 2, "targets": ["memory_attention", "mask_decoder"]}}


def trained(tmp_path: Path, **changes: object) -> Path:
    """A few steps from the embedded default, which has every part."""
    cases = write_cases(tmp_path / "cases", 1)
    return finetune(recipe(cases, tmp_path / "run", base="default", image_size=None, **changes))


def files(loaded: LoadedModel) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in loaded.parts.items()}


# Of another tracker than the one that they were fitted to.
RANKERS = {"ranker": ["tracker"]}


@pytest.fixture(scope="module")
def default() -> LoadedModel:
    return load_model("default")


def same_parts(one: LoadedModel, other: LoadedModel, names: Sequence[str] = tuple(PARTS)) -> bool:
    return [files(one)[name] for name in names] == [files(other)[name] for name in names]


def test_the_embedded_default_has_every_part_and_none_is_stale(default: LoadedModel) -> None:
    assert set(default.parts) == set(PARTS)
    assert default.record.stale == {}


def test_full_fine_tuning_carries_every_part_and_says_which_are_stale(default: LoadedModel, tmp_path: Path) -> None:
    folder = trained(tmp_path)
    loaded = load_model(folder)
    assert same_parts(loaded, default)
    assert loaded.contour is not None
    assert loaded.record.stale == RANKERS
    assert set(verify(folder)) >= {"model.safetensors", *PARTS.values()}
    assert "| outline ranker |" in (folder / "README.md").read_text()
    assert "tracker (another than here)" in (folder / "README.md").read_text()


def test_an_adapter_of_a_few_steps_answers_and_replays_like_its_merged_model(
    default: LoadedModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = trained(tmp_path, **LORA)
    merge_adapter(folder, tmp_path / "merged")
    convert_model(str(folder), tmp_path / "converted")
    study = two_lesion_study()
    masks = []
    for source in (folder, tmp_path / "merged", tmp_path / "converted"):
        loaded = load_model(source)
        assert same_parts(loaded, default)
        assert record_of(source).stale == RANKERS
        segmenter = Segmenter(loaded, "cpu")
        session = segmenter.open(study)
        session.first_answer("fdg")
        session.add_click((20, 24, 10))
        session.add_scribble([(24, 24, 10), (24, 25, 10)], "background")
        session.save(tmp_path / "saved")
        assert np.array_equal(Session.replay(tmp_path / "saved", study, segmenter).array, session.array)
        masks.append(session.array)
    assert masks[0].any()
    assert np.array_equal(masks[0], masks[1])
    assert np.array_equal(masks[0], masks[2])
    segmenter.warn_of_weights()
    assert "outline ranker of 'tiny run' was fitted to another tracker" in caplog.text


def test_an_adapter_may_bring_a_part_of_its_own(default: LoadedModel, tmp_path: Path) -> None:
    folder = trained(tmp_path, **LORA)
    before = load_model(folder)
    content = default.parts["ranker"].read_text()
    fitted_to = {name: before.hashes[name] for name in ("tracker", "contour", "judge")}
    add_part(folder, "ranker", lambda path: path.write_text(content + "\n") and None, fitted_to)
    after = load_model(folder)
    assert after.parts["ranker"].parent == folder
    assert same_parts(after, default, ["contour", "judge", "appearance"])
    assert after.record.stale == {}
    record = read_manifest(folder)
    assert record is not None
    assert record.sha256 is not None
    assert set(record.parts) == {"ranker"}
    merge_adapter(folder, tmp_path / "merged")
    assert load_model(tmp_path / "merged").record.stale == {}


def test_a_retrained_part_names_those_that_were_fitted_to_it(default: LoadedModel, tmp_path: Path) -> None:
    save_model(default.model, default.record, tmp_path / "mine", default.parts)
    content = default.parts["contour"].read_bytes()
    weights = bytearray(content)
    weights[-1] ^= 1
    record = add_part(tmp_path / "mine", "contour", lambda path: path.write_bytes(weights) and None)
    assert record.stale["ranker"] == ["tracker", "contour"]  # half precision became single: other bytes
    assert torch.equal(load_model(tmp_path / "mine").model.state_dict()["no_memory_embedding"].float(),
                       default.model.state_dict()["no_memory_embedding"].float())  # fmt: skip


def test_records_with_a_hash_a_part_are_read_as_before(default: LoadedModel, tmp_path: Path) -> None:
    save_model(default.model, default.record, tmp_path / "old", default.parts)
    record = json.loads((tmp_path / "old" / RECORD).read_text())
    parts = record.pop("parts")
    record.update({f"{name}_sha256": part["sha256"] for name, part in parts.items()})
    (tmp_path / "old" / RECORD).write_text(json.dumps(record))
    loaded = load_model(tmp_path / "old")
    assert same_parts(loaded, default)
    assert loaded.record.stale == {}
    assert ModelManifest(name="none").parts == {}


def test_parts_of_earlier_versions_are_left_out_and_that_is_said(
    default: LoadedModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_model(default.model, default.record, tmp_path / "old", default.parts)
    record = json.loads((tmp_path / "old" / RECORD).read_text())
    for name, file in (("refiner", "refiner.safetensors"), ("chooser", "chooser.json")):
        (tmp_path / "old" / file).write_bytes(b"of then")
        record["parts"][name] = {"file": file, "sha256": "0" * 64}
    record["refiner"] = {"side": 40}
    (tmp_path / "old" / RECORD).write_text(json.dumps(record))
    assert same_parts(load_model(tmp_path / "old"), default)
    assert "does not use its refiner and chooser; train a ranker" in caplog.text


def test_every_part_has_a_name_in_words() -> None:
    assert set(NAMES) == {"tracker", *PARTS}
    assert stale({}, None) == {}
