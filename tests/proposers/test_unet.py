from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sam_pet.errors import InputError
from sam_pet.proposers.unet import UNet, answer
from sam_pet.proposers.volume_input import CHANNELS
from sam_pet.proposers.volume_net import VolumeNetwork, new_network
from tests.fakes import FixedRanker, random_segmenter, two_lesion_study

FIRST = (20, 24, 10)


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
    network = UNet(CHANNELS, (8, 16))
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


def test_the_same_prompts_give_the_same_bytes_and_undo_is_exact() -> None:
    torch.manual_seed(0)
    network = new_network()
    with torch.no_grad():
        network.leave.weight.normal_()
    masks = []
    for _ in range(2):
        segmenter = random_segmenter()
        segmenter.contour = VolumeNetwork(network.eval())
        segmenter.__dict__["ranker"] = FixedRanker(0)
        session = segmenter.open(two_lesion_study())
        session.add_click(FIRST)
        before = session.array
        session.add_scribble([(24, 24, 10), (25, 24, 10)])
        masks.append(session.array)
        session.undo()
        assert (session.array == before).all()
    assert masks[0].tobytes() == masks[1].tobytes()


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(InputError, match=r"contour\.safetensors"):
        VolumeNetwork.of(UNet(CHANNELS, (8, 24)).state_dict(), Path("contour.safetensors"))
