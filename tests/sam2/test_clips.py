from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sam_pet.geometry import Grid
from sam_pet.sam2.clips import Clip, ClipRecipe
from sam_pet.sam2.frames import RECIPES, FrameRecipe
from sam_pet.study import AIR_HU, Study
from tests.test_geometry import ORIENTATIONS

PLAIN = RECIPES["petct"].model_copy(update={"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)})
UNIT = Clip((10.0, 10.0), 20.0, 20, (1.0, 1.0), 0, 0)
spacings = st.floats(0.5, 6.5)


@st.composite
def clips(draw):
    """Clips of 60 to 300 mm over frames of odd spacings, in part beyond the volume's border."""
    center = draw(st.floats(-5, 45)), draw(st.floats(-5, 45))
    return Clip(center, draw(st.floats(60, 300)), draw(st.integers(16, 80)), (draw(spacings), draw(spacings)), 0, 0)


def blob(shape: tuple[int, int], center: tuple[float, float], sigma: tuple[float, float]) -> np.ndarray:
    """A Gaussian of height 1 as one slice [1, y, x]; center and sigma (x, y) in voxels."""
    y, x = np.indices(shape)
    distance = ((x - center[0]) / sigma[0]) ** 2 + ((y - center[1]) / sigma[1]) ** 2
    return np.exp(-distance / 2).astype(np.float32)[None]


def centroid(plane: np.ndarray) -> np.ndarray:
    """The centre (x, y) of what is above half of the maximum."""
    weight = np.where(plane > 0.5 * plane.max(), plane, 0)
    y, x = np.indices(plane.shape)
    return np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()


class TestGeometry:
    def test_the_middle_of_the_window_is_its_centre(self):
        clip = Clip((30.0, 12.5), 100.0, 256, (4.07, 2.0), 3, 9)
        assert clip.to_pixels([[30.0, 12.5]]).tolist() == [[127.5, 127.5]]

    def test_a_voxel_as_large_as_a_pixel_moves_by_one(self):
        assert UNIT.to_pixels([[10, 10], [11, 8]]).tolist() == [[9.5, 9.5], [10.5, 7.5]]

    def test_pixels_count_millimetres_not_voxels(self):
        clip = Clip((0.0, 0.0), 100.0, 200, (4.0, 2.0), 0, 0)
        step = clip.to_pixels([[1, 1]]) - clip.to_pixels([[0, 0]])
        assert step.tolist() == [[8.0, 4.0]]

    def test_the_edges_of_the_outer_pixels_are_the_window(self):
        corners = UNIT.to_voxels([[-0.5, -0.5], [19.5, 19.5]])
        assert corners.tolist() == [[0.0, 0.0], [20.0, 20.0]]

    @given(clips(), st.lists(st.tuples(st.integers(0, 800), st.integers(0, 800)), min_size=1, max_size=5))
    def test_a_voxels_centre_maps_to_itself(self, clip, voxels):
        assert clip.to_voxels(clip.to_pixels(voxels)) == pytest.approx(np.array(voxels, float), abs=0.01)

    @given(clips(), st.integers(0, 40), st.integers(0, 40))
    def test_the_third_coordinate_does_not_matter(self, clip, x, y):
        assert np.array_equal(clip.to_pixels([[x, y, 7]]), clip.to_pixels([[x, y]]))

    @given(clips(), st.sampled_from([0, 1]), st.integers(1, 60))
    def test_voxel_range_holds_the_voxels_whose_centres_are_in_the_window(self, clip, axis, length):
        pixels = clip.to_pixels(np.arange(length)[:, None].repeat(2, axis=1))[:, axis]
        inside = np.flatnonzero((pixels >= -0.5) & (pixels <= clip.size - 0.5))
        assert list(clip.voxel_range(axis, length)) == inside.tolist()

    def test_slices_count_both_ends(self):
        assert list(Clip((0.0, 0.0), 1.0, 1, (1.0, 1.0), 3, 5).slices) == [3, 4, 5]


class TestSampling:
    def test_pixels_on_voxels_are_those_voxels(self):
        volume = np.random.default_rng(0).random((2, 30, 30), np.float32)
        clip = Clip((9.5, 11.5), 20.0, 20, (1.0, 1.0), 0, 1)
        assert clip.sample(volume, [1, 0], 0.0) == pytest.approx(volume[[1, 0], 2:22, 0:20], abs=1e-6)

    def test_coarse_voxels_are_joined_by_straight_lines(self):
        ramp = np.broadcast_to(np.arange(30, dtype=np.float32) * 5, (1, 30, 30))
        clip = Clip((15.0, 15.0), 40.0, 64, (4.0, 4.0), 0, 0)
        expected = clip.to_voxels(np.arange(64)[:, None].repeat(2, axis=1))[:, 0] * 5
        assert clip.sample(ramp, [0], 0.0) == pytest.approx(np.broadcast_to(expected, (1, 64, 64)), abs=1e-3)

    def test_fine_voxels_are_averaged_and_not_skipped(self):
        stripes = np.zeros((1, 200, 200), np.float32)
        stripes[:, :, ::2] = 1
        sampled = Clip((100.0, 100.0), 100.0, 10, (1.0, 1.0), 0, 0).sample(stripes, [0], 0.0)
        assert sampled == pytest.approx(np.full((1, 10, 10), 0.5), abs=0.02)

    @given(clips(), st.tuples(st.integers(1, 40), st.integers(1, 40)))
    def test_beyond_the_border_is_padding(self, clip, shape):
        """On a volume of one value, pixels more than a pixel or voxel out are padding, those as far in that value."""
        sampled = clip.sample(np.full((1, *shape), 40, np.float32), [0], AIR_HU)[0]
        u = np.arange(clip.size)
        voxels = clip.to_voxels(np.stack([u, u], axis=1))
        reach = np.maximum(1.0, clip.width_mm / clip.size / np.array(clip.spacing))
        beyond = (voxels <= -reach) | (voxels >= np.array(shape[::-1]) - 1 + reach)
        within = (voxels >= reach - 1) & (voxels <= np.array(shape[::-1]) - reach)
        assert (sampled[beyond[:, 1]] == AIR_HU).all()
        assert (sampled[:, beyond[:, 0]] == AIR_HU).all()
        assert sampled[np.ix_(within[:, 1], within[:, 0])] == pytest.approx(40, abs=0.01)

    def test_a_window_beside_the_volume_is_all_padding(self):
        clip = Clip((200.0, 10.0), 50.0, 16, (1.0, 1.0), 0, 0)
        assert (clip.sample(np.ones((1, 20, 20), np.float32), [0], -7.0) == -7).all()

    def test_padding_of_frames_is_air_without_uptake(self):
        study = Study(np.full((1, 8, 8), 10, np.float32), np.full((1, 8, 8), 240, np.float32), Grid((8, 8, 1)))
        frames = Clip((0.0, 0.0), 16.0, 16, (1.0, 1.0), 0, 0).frames(study, PLAIN, [0])
        assert frames.shape == (1, 3, 16, 16)
        assert frames[0, :2, 12, 12].tolist() == [1, 1]
        assert frames[0, :, 2, 2].tolist() == [0, 0, 0]

    def test_frames_of_a_pet_alone(self):
        study = Study(np.full((2, 8, 8), 10, np.float32), None, Grid((8, 8, 2)))
        frames = Clip((4.0, 4.0), 4.0, 4, (1.0, 1.0), 0, 1).frames(study, PLAIN, [0, 1])
        assert frames[:, 0].max() == 0
        assert frames[:, 1] == pytest.approx(np.ones((2, 4, 4)), abs=1e-6)

    @pytest.mark.parametrize("orientation", ORIENTATIONS[1::7], ids=lambda o: "".join(map(str, o.astype(int).ravel())))
    def test_frames_are_the_same_however_the_study_is_stored(self, orientation):
        axial = np.random.default_rng(0).random((4, 9, 7), np.float32) * 10
        plain = Study(axial, None, Grid((7, 9, 4), (3.0, 3.0, 3.0)))
        size = tuple(int(n) for n in np.abs(orientation.T) @ np.array([7, 9, 4]))
        turned = Grid(size, (3.0, 3.0, 3.0), direction=tuple(orientation.ravel().tolist()))
        empty = Study(np.zeros(turned.shape, np.float32), None, turned)
        stored = Study(empty.order.restore(axial), None, turned)
        clip = Clip((3.0, 4.0), 24.0, 20, (3.0, 3.0), 0, 3)
        recipe: FrameRecipe = RECIPES["pet"]
        assert np.array_equal(clip.frames(stored, recipe, [0, 3]), clip.frames(plain, recipe, [0, 3]))


class TestRestore:
    def test_pixels_on_voxels_come_back_as_they_are(self):
        logits = np.random.default_rng(0).normal(size=(2, 20, 20)).astype(np.float32)
        values, (rows, columns) = Clip((9.5, 11.5), 20.0, 20, (1.0, 1.0), 0, 1).restore(logits, (30, 30))
        assert (rows, columns) == (slice(2, 22), slice(0, 20))
        assert values == pytest.approx(logits, abs=1e-5)

    def test_what_is_beyond_the_volume_is_left_out(self):
        values, (rows, columns) = UNIT.restore(np.zeros((1, 20, 20), np.float32), (15, 100))
        assert (rows, columns) == (slice(0, 15), slice(0, 21))
        assert values.shape == (1, 15, 21)

    @given(
        spacing=st.tuples(spacings, spacings),
        width=st.floats(60, 150),
        size=st.integers(48, 96),
        shift=st.tuples(st.floats(-12, 12), st.floats(-12, 12)),
    )
    def test_a_blob_lands_on_the_voxels_it_came_from(self, spacing, width, size, shift):
        """Sampled into a clip and restored, a smooth blob is what and where it was, at odd spacings too."""
        pixel = width / size
        sigma = tuple(max(10.0, 2.5 * s, 2.5 * pixel) / s for s in spacing)
        shape = tuple(int(np.ceil(200 / s)) for s in spacing[::-1])
        center = tuple((n - 1) / 2 + mm / s for n, mm, s in zip(shape[::-1], shift, spacing, strict=True))
        volume = blob(shape, center, sigma)
        clip = Clip(((shape[1] - 1) / 2, (shape[0] - 1) / 2), width, size, spacing, 0, 0)
        values, (rows, columns) = clip.restore(clip.sample(volume, [0], 0.0), shape)
        original = volume[:, rows, columns]
        assert np.abs(values - original).max() < 0.06
        assert ((values > 0.5) == (original > 0.5))[np.abs(original - 0.5) > 0.06].all()

    @pytest.mark.parametrize("reduction", [1, 2, 4])
    def test_logits_of_lower_resolution_land_on_the_same_voxels(self, reduction):
        """The decoder's logits have a quarter of the model's pixels: each stands for the middle of a block of them."""
        volume = blob((60, 70), (33.3, 28.6), (5.0, 4.0))
        clip = Clip((35.0, 30.0), 150.0, 128, (3.0, 3.0), 0, 0)
        side = 128 // reduction
        pooled = clip.sample(volume, [0], 0.0).reshape(1, side, reduction, side, reduction).mean(axis=(2, 4))
        values, (rows, columns) = clip.restore(pooled, (60, 70))
        found = centroid(values[0]) + np.array([columns.start, rows.start])
        assert found == pytest.approx(centroid(volume[0]), abs=0.1)


@pytest.mark.parametrize("wrong", [{"first_mm": 0}, {"largest_mm": -1}, {"growth": 1}, {"width": 100}])
def test_a_recipe_without_sense_is_refused(wrong):
    with pytest.raises(ValidationError):
        ClipRecipe.model_validate(wrong)
