"""nnInteractive's own client at the door, as the plug-in of 3-D Slicer calls it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from nnInteractive.inference import remote
from nnInteractive.inference.remote.serialization import pack_array as their_pack
from nnInteractive.inference.remote.serialization import unpack_array as their_unpack

from sam_pet.app.door import leases
from sam_pet.app.door.arrays import DamagedError, pack_array, unpack_array
from sam_pet.app.problems import TooLargeError
from sam_pet.app.settings import AppSettings
from sam_pet.segmenter import Segmenter
from sam_pet.study import Study, read_study
from tests.app.serving import Served

_OPEN: list[Any] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while _OPEN:
        _OPEN.pop().close()


class Client:
    """The client with a target buffer; it is closed when the test ends."""

    def __init__(self, served: Served, study: Study, image: Any = None) -> None:
        self.session = remote.nnInteractiveRemoteInferenceSession(f"{served.url}/nninteractive", served.token())
        _OPEN.append(self.session)
        spacing = study.grid.spacing[::-1]
        self.session.set_image(study.pet[None] if image is None else image, {"spacing": spacing})
        self.buffer = np.zeros(study.grid.shape, np.uint8)
        self.session.set_target_buffer(self.buffer)

    def point(self, voxel: tuple[int, int, int], positive: bool = True, run: bool = True) -> None:
        self.session.add_point_interaction(voxel[::-1], positive, run)

    def scribble(self, voxels: list[tuple[int, int, int]], positive: bool = True, cropped: bool = False) -> None:
        image = np.zeros(self.buffer.shape, np.uint8)
        image[tuple(np.array(voxels).T[::-1])] = 1
        if not cropped:
            self.session.add_scribble_interaction(image, positive)
            return
        low, high = np.array(voxels).min(axis=0)[::-1], np.array(voxels).max(axis=0)[::-1] + 1
        part = image[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
        bounds = np.stack([low, high], axis=1).tolist()
        self.session.add_scribble_interaction(part, positive, interaction_bbox=bounds)


@pytest.fixture(scope="module")
def real(data: Path) -> Study:
    """The PET of STS_001 alone."""
    return read_study(None, data / "dicom" / "STS_001" / "PET")


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(AppSettings(tmp_path_factory.mktemp("app")), Segmenter.from_pretrained("default", "cpu")) as server:
        yield server


def test_on_a_real_pet_the_masks_are_those_of_a_session_given_the_same_prompts(clinic: Served, real: Study) -> None:
    z, y, x = (int(i) for i in np.unravel_index(int(real.pet[:120].argmax()), real.pet[:120].shape))
    other = real.pet.copy()
    other[:, max(y - 30, 0) : y + 30, max(x - 30, 0) : x + 30] = 0
    oz, oy, ox = (int(i) for i in np.unravel_index(int(other[130:].argmax()), other[130:].shape))
    stroke = [(x + i, y, z) for i in range(-2, 3)]
    wrong = (x, y + 4, z + 2)

    client = Client(clinic, real)
    alone = clinic.room.segmenter.open(real)

    client.point((x, y, z))
    alone.add_click((x, y, z), lesion=1)
    first = alone.array
    assert first.any()
    assert np.array_equal(client.buffer, first)
    client.scribble(stroke)
    alone.add_scribble(stroke, lesion=1)
    assert np.array_equal(client.buffer, alone.array)
    client.point(wrong, positive=False)
    alone.add_click(wrong, "background", lesion=1)
    assert np.array_equal(client.buffer, alone.array)
    assert not client.buffer[wrong[::-1]]
    assert client.session.undo()
    assert client.session.undo()
    alone.undo()
    alone.undo()
    assert np.array_equal(client.buffer, first)
    client.session.reset_interactions()
    assert not client.session.undo()
    client.point((ox, oy, oz + 130))
    alone.add_click((ox, oy, oz + 130), lesion=2)
    assert np.array_equal(client.buffer, (alone.labels == 2).astype(np.uint8))
    assert client.buffer.any()


def test_boxes_lassos_masks_and_waiting_interactions(served: Served, segmenter: Segmenter, study: Study) -> None:
    pet_alone = replace(study, ct=None)
    client, alone = Client(served, pet_alone), segmenter.open(pet_alone)
    session = client.session
    session.add_bbox_interaction([[8, 13], [21, 28], [17, 24]], True)
    alone.add_box((17, 21, 8), (23, 27, 12), lesion=1)
    assert np.array_equal(client.buffer, alone.array)
    loop, held = np.zeros(study.grid.shape, np.uint8), np.argwhere(alone.array)[:3]
    loop[tuple(held.T)] = loop[0, 0, 0] = 1
    session.add_lasso_interaction(loop, False)
    alone.add_scribble(held[:, ::-1], "background", lesion=1)
    assert np.array_equal(client.buffer, alone.array)
    client.point((20, 24, 10), run=False)
    client.scribble([(21, 24, 10), (22, 24, 10)], cropped=True)
    alone.add_click((20, 24, 10), lesion=1)
    alone.add_scribble([(21, 24, 10), (22, 24, 10)], lesion=1)
    assert np.array_equal(client.buffer, alone.array)
    session.reset_interactions()
    client.point((44, 24, 30), positive=False)
    assert not client.buffer.any()
    mask = (study.pet > 4).astype(np.uint8)
    mask[:20] = 0
    session.add_initial_seg_interaction(mask)
    client.point((44, 24, 30), positive=False)
    assert 0 < client.buffer.sum() < mask.sum()
    assert session.undo()
    assert np.array_equal(client.buffer, mask)


def test_pet_and_ct_may_come_in_either_order(served: Served, segmenter: Segmenter, study: Study) -> None:
    assert study.ct is not None
    alone = segmenter.open(study)
    alone.add_click((20, 24, 10))
    for image in (np.stack([study.pet, study.ct]), np.stack([study.ct, study.pet])):
        client = Client(served, study, image)
        client.point((20, 24, 10))
        assert np.array_equal(client.buffer, alone.array)


def test_leases_are_counted_given_back_and_run_out(
    served: Served, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        remote.nnInteractiveRemoteInferenceSession(f"{served.url}/nninteractive", "wrong")
    monkeypatch.setattr(leases, "MOST", 1)
    client = Client(served, study)
    assert client.session.ping()
    assert 0 < client.session.heartbeat() <= leases.IDLE_S
    with pytest.raises(remote.ServerAtCapacityError):
        Client(served, study)
    client.session.close()
    second = Client(served, study)
    assert second.session.lease_status()["idle_timeout_seconds"] == leases.IDLE_S
    monkeypatch.setattr(leases, "IDLE_S", 0.0)
    with pytest.raises(remote.SessionExpiredError):
        second.point((20, 24, 10))


def test_what_makes_no_sense_is_a_sentence(served: Served, study: Study) -> None:
    client = Client(served, study)
    bq = study.pet[None] * 10_000
    for call in (
        lambda: client.session.set_image(bq, {"spacing": study.grid.spacing[::-1]}),
        lambda: client.session.set_image(study.pet[None], {"spacing": [0, 1, 1]}),
        lambda: client.session.set_image(np.stack([study.pet] * 3), {}),
        lambda: client.session.set_target_buffer(np.zeros((2, 2, 2), np.uint8)),
        lambda: client.point((999, 0, 0)),
        lambda: client.session.add_bbox_interaction([[900, 901], [0, 1], [0, 1]], True),
        lambda: client.session.add_scribble_interaction(np.zeros((2, 2, 2), np.uint8), True),
    ):
        with pytest.raises(httpx.HTTPStatusError) as caught:
            call()
        answer = caught.value.response
        assert answer.status_code == 400
        assert "\n" not in answer.json()["detail"]


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int16", "bool"])
def test_arrays_go_both_ways(dtype: str) -> None:
    array = (np.arange(3 * 4 * 5).reshape(3, 4, 5) % 7).astype(dtype)
    assert np.array_equal(their_unpack(pack_array(array)), array)
    assert np.array_equal(unpack_array(their_pack(array), 1 << 20), array)
    empty = array[:0]
    assert unpack_array(pack_array(empty), 10).shape == (0, 4, 5)


def test_damaged_and_exaggerated_arrays_are_refused() -> None:
    packed = their_pack(np.arange(1000, dtype=np.float32))
    with pytest.raises(TooLargeError):
        unpack_array(packed, 3999)
    for length in (0, 4, 10, 20, 40, len(packed) - 1):
        with pytest.raises(DamagedError):
            unpack_array(packed[:length], 1 << 20)
    with pytest.raises(DamagedError):
        unpack_array(packed.replace(b"float32", b"object_"), 1 << 20)
