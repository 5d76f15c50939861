from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sam_pet.detection.appearance import Appearance
from sam_pet.detection.appearance_net import AppearanceNetwork
from sam_pet.detection.coarse_batch import SIDE, CoarseBatch
from sam_pet.detection.coarse_study import CoarseStudy
from sam_pet.detection.features import NAMES
from sam_pet.errors import InputError
from sam_pet.models.fp16 import write_fp16
from sam_pet.train.appearance import AppearanceExample, train_appearance
from sam_pet.train.network import TrainSettings


def example(seed: int) -> tuple[CoarseStudy, AppearanceExample]:
    """Twenty spots, of which those in bone are lesions; features and prefilter say nothing."""
    rng = np.random.default_rng(seed)
    pet, ct = np.full((60, 60, 60), 1, np.float16), np.zeros((60, 60, 60), np.int8)
    cells = rng.integers(8, 52, (20, 3))
    positive = np.arange(20) < 8
    for (z, y, x), lesion in zip(cells, positive, strict=True):
        part = slice(z - 2, z + 3), slice(y - 2, y + 3), slice(x - 2, x + 3)
        pet[part], ct[part] = 5, 60 if lesion else 0
    features = np.zeros((20, len(NAMES)), np.float32)
    features[:, NAMES.index("suv")] = np.log(5)
    features[:, NAMES.index("hu")] = np.nan
    scene = CoarseStudy(pet, ct, np.zeros(3), 2.0, "fdg")
    return scene, AppearanceExample(cells[:, ::-1] * 4.0, features, positive, np.full(20, 0.5))


def settings(steps: int, batch: int = 48, seed: int = 0) -> TrainSettings:
    return TrainSettings(steps, batch, rate=2e-3, decay=0.03, seed=seed)


def trained(training: TrainSettings) -> AppearanceNetwork:
    scenes, examples = zip(example(0), example(1), strict=True)
    return train_appearance(CoarseBatch.of(scenes), examples, training)


def logits_of(network: Appearance, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Those of a study's lesions and of its others."""
    scene, unseen = example(seed)
    logits = network.predict_logits(scene, unseen.places, unseen.features)
    return logits[unseen.positive], logits[~unseen.positive]


@pytest.fixture(scope="module")
def network() -> AppearanceNetwork:
    return trained(settings(steps=30, batch=16))


def test_it_learns_what_the_windows_show(network: AppearanceNetwork, tmp_path: Path) -> None:
    write_fp16(network, tmp_path / "net.safetensors")
    lesions, others = logits_of(Appearance.read(tmp_path / "net.safetensors"), 7)
    assert (lesions[:, None] > others).mean() > 0.95


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    written = []
    for number, seed in enumerate((0, 0, 1)):
        path = tmp_path / f"{number}.safetensors"
        write_fp16(trained(settings(steps=3, batch=8, seed=seed)), path)
        written.append(path.read_bytes())
    assert written[0] == written[1] != written[2]


def test_features_left_out_change_nothing() -> None:
    torch.manual_seed(0)
    network = AppearanceNetwork(len(NAMES)).eval()
    torch.nn.init.normal_(network.head[-1].weight)
    windows = torch.randn(2, 2, 4, SIDE, SIDE, SIDE)
    one, other = torch.randn(2, 2, len(NAMES))
    left_out = torch.zeros(2, 1)
    assert torch.equal(network(*windows, one, left_out), network(*windows, other, left_out))
    assert not torch.equal(network(*windows, one), network(*windows, other))


@pytest.mark.parametrize("positive", [True, False])
def test_candidates_all_of_one_kind_teach_nothing(positive: bool) -> None:
    scene, one = example(0)
    with pytest.raises(InputError, match="lesions and others"):
        train_appearance(CoarseBatch.of([scene]), [replace(one, positive=np.full(20, positive))], settings(steps=1))


def test_a_damaged_file_says_so(network: AppearanceNetwork, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    write_fp16(network, path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match="appearance network"):
        Appearance.read(path)
