from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_pet.geometry import Grid
from sam_pet.sam2.clip_width import covering, first_clip, grown, narrow_clip
from sam_pet.sam2.clips import Clip, ClipRecipe
from sam_pet.settings import DEFAULTS
from sam_pet.study import Study

TRACKING = DEFAULTS.tracking
RECIPE = ClipRecipe(first_mm=100, largest_mm=480, growth=1.5)
SPACING = (4.0, 4.0, 5.0)
SHAPE = (40, 150, 150)


def study(*balls: tuple[tuple[int, int, int], float], body: float = 0.0) -> Study:
    """A PET with hot balls (centre (x, y, z) in voxels, radius in mm) of SUV 10."""
    pet = np.full(SHAPE, body, np.float32)
    z, y, x = np.indices(SHAPE)
    for (cx, cy, cz), radius in balls:
        squares = zip((x - cx, y - cy, z - cz), SPACING, strict=True)
        pet[sum((d * s) ** 2 for d, s in squares) <= radius**2] = 10.0
    return Study(pet, None, Grid(SHAPE[::-1], SPACING))


def at(*voxels: tuple[int, int, int]) -> np.ndarray:
    return np.array(voxels, np.int64)


def holds(clip: Clip, voxels: np.ndarray) -> bool:
    pixels = clip.to_pixels(voxels)
    inside = (pixels >= 0).all() and (pixels <= clip.size - 1).all()
    return bool(inside) and clip.first <= voxels[:, 2].min() and voxels[:, 2].max() <= clip.last


class TestFirstClip:
    def test_a_small_lesion_gets_the_first_width_around_its_middle(self):
        clip = first_clip(study(((80, 70, 20), 10)), at((81, 70, 20)), RECIPE, 128, TRACKING)
        assert (clip.center, clip.width_mm, clip.size, clip.spacing) == ((80.0, 70.0), 100.0, 128, (4.0, 4.0))

    def test_it_is_as_long_as_it_is_wide(self):
        # 50 mm each way are 10 slices of 5 mm.
        clip = first_clip(study(((80, 70, 20), 10)), at((80, 70, 20)), RECIPE, 128, TRACKING)
        assert list(clip.slices) == list(range(10, 31))

    def test_a_large_lesion_gets_the_first_width_with_room_for_it(self):
        # 29 voxels of 4 mm across and 30 % of room: 151 mm, where the ladder has 100, 150 and 225.
        assert first_clip(study(((80, 70, 20), 56)), at((80, 70, 20)), RECIPE, 128, TRACKING).width_mm == 225

    def test_a_prompt_off_centre_does_not_move_the_window_from_the_lesion(self):
        assert first_clip(study(((80, 70, 20), 40)), at((72, 70, 20)), RECIPE, 128, TRACKING).center == (80.0, 70.0)

    def test_uptake_elsewhere_does_not_widen_it(self):
        two = study(((80, 70, 20), 10), ((95, 70, 20), 30))
        assert first_clip(two, at((80, 70, 20)), RECIPE, 128, TRACKING).width_mm == 100

    def test_warm_surroundings_do_not_widen_it(self):
        assert first_clip(study(((80, 70, 20), 10), body=3.0), at((80, 70, 20)), RECIPE, 128, TRACKING).width_mm == 100

    def test_the_width_ends_with_the_ladder(self):
        clip = first_clip(study(body=5.0), at((75, 75, 20)), ClipRecipe(first_mm=100, largest_mm=200), 128, TRACKING)
        assert clip.width_mm == 150

    def test_a_prompt_without_any_uptake(self):
        clip = first_clip(study(), at((5, 5, 0)), RECIPE, 128, TRACKING)
        assert (clip.first, clip.center) == (0, (5.0, 5.0))
        assert clip.width_mm == 100

    def test_a_box_over_several_slices_is_as_wide_as_what_is_in_it(self):
        """Its corners lie in the warm body, which must not be taken for the lesion."""
        box = at((76, 66, 18), (84, 74, 22))
        clip = first_clip(study(((80, 70, 20), 10), body=1.0), box, RECIPE, 128, TRACKING)
        assert clip.width_mm == 100
        assert clip.center == (80.0, 70.0)
        assert holds(clip, box)

    def test_what_is_drawn_is_held_beyond_the_ladder(self):
        wide = at((10, 75, 20), (140, 75, 20))
        assert holds(first_clip(study(), wide, RECIPE, 128, TRACKING), wide)

    def test_a_single_slice(self):
        flat = Study(np.ones((1, 30, 20), np.float32), None, Grid((20, 30, 1), SPACING))
        assert list(first_clip(flat, at((10, 15, 0)), RECIPE, 64, TRACKING).slices) == [0]

    @given(
        st.tuples(*[st.integers(1, 24)] * 3),
        st.tuples(*[st.floats(0.7, 9.0)] * 3),
        st.integers(0, 2**31),
        st.integers(1, 6),
    )
    def test_it_holds_what_is_drawn_and_stays_in_the_volume(self, size, spacing, seed, count):
        rng = np.random.default_rng(seed)
        grid = Grid(size, spacing)
        noisy = Study(rng.exponential(1.0, grid.shape).astype(np.float32), None, grid)
        voxels = rng.integers(0, size, (count, 3))
        clip = first_clip(noisy, voxels, RECIPE, 64, TRACKING)
        assert holds(clip, voxels)
        assert clip.first >= 0
        assert clip.last < size[2]


def test_a_narrow_clip_is_narrow_even_in_a_large_lesion():
    clip = narrow_clip(study(((80, 70, 20), 56)), at((72, 70, 20)), RECIPE, 128, TRACKING)
    assert (clip.center, clip.width_mm) == ((72.0, 70.0), 100)
    wide = at((10, 75, 20), (140, 75, 20))
    assert holds(narrow_clip(study(), wide, RECIPE, 128, TRACKING), wide)


class TestCovering:
    CLIP = Clip((75.0, 75.0), 100.0, 128, (4.0, 4.0), 10, 30)

    def test_a_clip_stays_for_what_lies_well_inside(self):
        assert covering(study(), self.CLIP, at((75, 75, 20), (85, 65, 30)), RECIPE, TRACKING) is self.CLIP

    def test_another_slice_makes_it_longer_and_no_wider(self):
        longer = covering(study(), self.CLIP, at((75, 75, 35)), RECIPE, TRACKING)
        assert (longer.first, longer.last) == (10, 35)
        assert (longer.center, longer.width_mm) == (self.CLIP.center, self.CLIP.width_mm)

    @pytest.mark.parametrize("voxel", [(87, 75, 20), (100, 75, 20), (75, 20, 5), (0, 149, 39)])
    def test_what_is_at_its_edge_or_beyond_widens_it(self, voxel):
        wider = covering(study(), self.CLIP, at(voxel), RECIPE, TRACKING)
        assert holds(wider, at(voxel))
        assert wider.width_mm >= 150
        # All of the earlier window is in it: 12 voxels each way from the middle.
        assert holds(wider, at((63, 63, 10), (87, 87, 30)))

    @given(st.lists(st.tuples(st.integers(0, 149), st.integers(0, 149), st.integers(0, 39)), min_size=1, max_size=5))
    def test_what_it_covers_it_covers_well(self, drawn):
        empty = Study(np.broadcast_to(np.float32(0), SHAPE), None, Grid(SHAPE[::-1], SPACING))
        clip = covering(empty, self.CLIP, at(*drawn), RECIPE, TRACKING)
        assert covering(empty, clip, at(*drawn), RECIPE, TRACKING) is clip


def test_a_grown_clip_is_one_step_wider_around_the_mask():
    clip = grown(study(), TestCovering.CLIP, np.array([60, 70, 18]), np.array([70, 90, 24]), RECIPE)
    assert (clip.center, clip.width_mm, clip.size) == ((65.0, 80.0), 150.0, 128)
    # 75 mm are 15 slices; the mask takes 3 of them on each side of its middle.
    assert (clip.first, clip.last) == (18 - 12, 24 + 12)
