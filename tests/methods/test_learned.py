from __future__ import annotations

import numpy as np
import pytest
import torch

from sam_pet.errors import InputError
from sam_pet.methods import make_method
from sam_pet.methods.sam2_slices import _interpolated, _SliceBySlice
from sam_pet.methods.unet_click import SETTINGS, WEIGHTS, Settings, build, encode, load, save, shrunk
from sam_pet.methods.whole_slices import POINTS_A_STROKE, WholeSlices
from tests.methods.studies import box, click, scribble, study

HERE = study()
SLICES = WholeSlices(HERE, 64)


class TestWholeSlices:
    def test_points_and_masks_keep_their_place(self):
        (z, (points, labels)) = next(iter(SLICES.points(click(20, 6, 5)).items()))
        assert (z, labels.tolist()) == (5, [1])
        plane = np.full((64, 64), -1.0, np.float32)
        u, v = points[0].round().astype(int)
        plane[v - 1 : v + 2, u - 1 : u + 2] = 1
        assert np.argwhere(SLICES.mask({5: plane})).tolist() == [[5, 6, 20]]

    def test_a_long_stroke_becomes_few_points_on_each_slice_it_crosses(self):
        found = SLICES.points(scribble([(x, 4, z) for z in (3, 4) for x in range(2, 26)], "background"))
        assert sorted(found) == [3, 4]
        assert all(len(points) == POINTS_A_STROKE and not labels.any() for points, labels in found.values())

    def test_a_box_becomes_its_corners(self):
        points, labels = SLICES.points(box((4, 5, 7), (9, 12, 7)))[7]
        assert labels.tolist() == [2, 3]
        assert np.allclose(SLICES.clip.to_voxels(points), [[4, 5], [9, 12]])


class TestSliceBySlice:
    """The predictor is a fake: a disc round the first tumor point on slices 3 to 9, nothing beyond."""

    @pytest.fixture
    def asked(self):
        return {}

    @pytest.fixture
    def segmenter(self, asked):
        def predict(z, prompt):
            asked[z] = prompt
            if not 3 <= z <= 9:
                return None
            v, u = np.indices((16, 16))
            center = (prompt[0][prompt[1] > 0][0] + 0.5) / 4 - 0.5
            return np.where((u - center[0]) ** 2 + (v - center[1]) ** 2 <= 4, 1.0, -1.0).astype(np.float32)

        return _SliceBySlice(predict, SLICES)

    def test_it_walks_from_the_prompted_slice_until_the_object_is_gone(self, segmenter, asked):
        mask = segmenter.add(click(14, 12, 5))
        assert np.flatnonzero(mask.any(axis=(1, 2))).tolist() == list(range(3, 10))
        assert sorted(asked) == list(range(2, 11))

    def test_between_prompted_slices_the_point_is_on_the_line_between_them(self, segmenter, asked):
        segmenter.add(click(8, 12, 4))
        segmenter.add(click(16, 12, 8))
        assert np.allclose(SLICES.clip.to_voxels(asked[6][0]), [[12, 12]])

    def test_background_on_a_slice_is_added_to_the_point_that_leads_there(self, segmenter, asked):
        segmenter.add(click(14, 12, 5))
        segmenter.add(click(15, 12, 7, label="background"))
        assert asked[7][1].tolist() == [1, 0]
        assert asked[6][1].tolist() == [1]

    def test_points_of_one_slice_count_by_their_middle(self):
        prompts = {
            2: (np.array([[0.0, 0.0], [4.0, 0.0], [9.0, 9.0]]), np.array([1, 1, 0])),
            4: (np.array([[6.0, 8.0]]), np.array([1])),
        }
        points, labels = _interpolated(3, [2, 4], prompts)
        assert points.tolist() == [[4.0, 4.0]]
        assert labels.tolist() == [1]


class TestUnetClick:
    SETTINGS = Settings(channels=(4, 8))

    def test_every_drawn_voxel_is_seen_on_a_coarser_grid(self):
        marks = np.zeros((4, 9, 9), np.int8)
        marks[3, 8, 0] = -1
        marks[0, 4, 8] = 1
        small = shrunk(marks, (2, 3, 3))
        assert np.argwhere(small).tolist() == [[0, 1, 2], [1, 2, 0]]
        assert (small[0, 1, 2], small[1, 2, 0]) == (1, -1)

    def test_without_a_ct_its_channel_is_0(self):
        pet = np.full((2, 2, 2), 5.0, np.float32)
        channels = encode(None, pet, np.zeros((2, 2, 2), np.int8), (3.0, 3.0, 3.0), self.SETTINGS)
        assert channels.shape == (5, 2, 2, 2)
        assert not channels[0].any()
        assert torch.allclose(channels[1], torch.tensor(0.5))

    def test_the_default_network_has_about_1_2_million_weights(self):
        assert sum(p.numel() for p in build(Settings()).parameters()) == pytest.approx(1.2e6, rel=0.02)

    def test_what_is_saved_is_loaded(self, tmp_path):
        network = build(self.SETTINGS)
        save(network, self.SETTINGS, {"cases": ["a"]}, tmp_path)
        again, settings, sha256 = load(tmp_path)
        assert settings == self.SETTINGS
        assert len(sha256) == 64
        assert all(torch.equal(again.state_dict()[key], value) for key, value in network.state_dict().items())

    def test_missing_weights_say_how_they_are_made(self, tmp_path):
        with pytest.raises(InputError, match=r"train_unet_click\.py"):
            make_method(f"unet-click:{tmp_path}")

    def test_damaged_files_are_told(self, tmp_path):
        save(build(self.SETTINGS), self.SETTINGS, {}, tmp_path)
        with (tmp_path / WEIGHTS).open("ab") as stream:
            stream.write(b"x")
        with pytest.raises(InputError, match="damaged or was changed"):
            load(tmp_path)
        (tmp_path / SETTINGS).write_text("{}")
        with pytest.raises(InputError, match="is damaged"):
            load(tmp_path)
