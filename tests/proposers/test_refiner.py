from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sam_pet.errors import InputError
from sam_pet.proposers.refiner import Refiner, new_network
from sam_pet.proposers.refiner_input import CHANNELS, RefinerInput
from sam_pet.proposers.refiner_settings import RefinerSettings
from sam_pet.proposers.unet import UNet, answer
from sam_pet.segmenter import Segmenter
from sam_pet.session.session import Session
from tests.fakes import random_segmenter, two_lesion_study

SETTINGS = RefinerSettings(side=16, widths=(8, 16))
FIRST = (20, 24, 10)


def refiner(bias: float = 0.0) -> Refiner:
    """One that adds `bias` to every logit."""
    network = new_network(SETTINGS)
    with torch.no_grad():
        network.leave.bias.fill_(bias)  # type: ignore[union-attr]
    return Refiner(network.eval(), SETTINGS)


def opened(with_refiner: Refiner | None) -> Session:
    segmenter: Segmenter = random_segmenter()
    segmenter.refiner = with_refiner
    return segmenter.open(two_lesion_study())


def test_a_fresh_network_changes_nothing_and_learns_all_of_its_weights() -> None:
    torch.manual_seed(0)
    network = UNet(CHANNELS, (8, 16))
    inputs = torch.randn(2, CHANNELS, 9, 16, 11)
    assert (answer(network, inputs) == 0).all()
    with torch.no_grad():
        network.leave.weight.normal_()
    answer(network, inputs).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_the_answer_is_where_the_input_is() -> None:
    torch.manual_seed(0)
    network = new_network(SETTINGS)
    with torch.no_grad():
        network.leave.weight.normal_()
    inputs = torch.zeros(1, CHANNELS, 16, 16, 16)
    calm = answer(network, inputs)
    inputs[0, 2, 5, 9, 12] = 10.0
    moved = (answer(network, inputs) - calm).abs()[0]
    z, y, x = np.unravel_index(int(moved.argmax()), moved.shape)
    assert abs(z - 5) <= 3
    assert abs(y - 9) <= 3
    assert abs(x - 12) <= 3


def test_an_identity_refiner_leaves_about_the_trackers_mask() -> None:
    plain, refined = opened(None), opened(refiner())
    plain.add_click(FIRST)
    refined.add_click(FIRST)
    one, other = plain.array > 0, refined.array > 0
    assert 2 * (one & other).sum() / (one.sum() + other.sum()) > 0.9


def test_what_is_drawn_outranks_the_refiner() -> None:
    session = opened(refiner(bias=-100.0))
    session.add_click(FIRST)
    assert session.array.sum() == 1
    assert session.array[FIRST[::-1]] == 1
    full = opened(refiner(bias=100.0))
    full.add_click(FIRST)
    full.add_scribble([(22, 24, 10), (23, 24, 10)], label="background")
    assert full.array[10, 24, 22] == full.array[10, 24, 23] == 0
    assert full.array[FIRST[::-1]] == 1


def test_the_same_prompts_give_the_same_bytes_and_undo_is_exact() -> None:
    masks = []
    for _ in range(2):
        session = opened(refiner(bias=0.3))
        session.add_click(FIRST)
        before = session.array
        session.add_scribble([(24, 24, 10), (25, 24, 10)])
        masks.append(session.array)
        session.undo()
        assert (session.array == before).all()
    assert masks[0].tobytes() == masks[1].tobytes()


@pytest.mark.parametrize("ct", [None, np.full((4, 6, 6), 30.0, np.float32)])
def test_a_view_has_all_channels_and_tells_whether_there_is_a_ct(ct: np.ndarray | None) -> None:
    pet = np.ones((4, 6, 6), np.float32)
    marks = np.zeros(pet.shape, bool)
    inputs = RefinerInput(ct, pet, np.full_like(pet, -8.0), marks, marks, 2.0).inputs(10.0)
    assert inputs.shape == (CHANNELS, 4, 6, 6)
    assert np.isfinite(inputs).all()
    assert (inputs[1] == float(ct is not None)).all()


def test_weights_of_another_network_are_refused() -> None:
    state = new_network(RefinerSettings(side=16, widths=(8, 24))).state_dict()
    with pytest.raises(InputError, match=r"refiner\.safetensors"):
        Refiner.of(state, SETTINGS, Path("refiner.safetensors"))
