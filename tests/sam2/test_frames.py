from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError

from sam_pet.errors import InputError
from sam_pet.sam2.frames import RECIPES, Channel, FrameRecipe, frame_recipe


def plane(*values: float) -> np.ndarray:
    return np.array([[values]], np.float32)


def raw(recipe: FrameRecipe, ct, pet) -> np.ndarray:
    """Frames before they are standardised."""
    return recipe.model_copy(update={"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}).render(ct, pet)


class TestChannel:
    def test_a_window_is_cut_at_both_ends(self):
        channel = Channel(source="ct", low=-160, high=240)
        assert channel.render(plane(-1000, -160, 40, 240, 3000)).ravel().tolist() == [0, 0, 0.5, 1, 1]

    def test_the_log_curve(self):
        channel = Channel(source="pet", low=0, high=50, curve="log")
        expected = [0, math.log(6) / math.log(51), 1, 1]
        assert channel.render(plane(0, 5, 50, 400)).ravel() == pytest.approx(expected, abs=1e-6)

    def test_the_log_curve_starts_at_its_window(self):
        channel = Channel(source="pet", low=2, high=9, curve="log")
        expected = [0, 0, math.log(4) / math.log(8), 1]
        assert channel.render(plane(0, 2, 5, 9)).ravel() == pytest.approx(expected, abs=1e-6)

    @pytest.mark.parametrize("curve", ["linear", "log"])
    def test_float32_stays_and_the_input_with_it(self, curve):
        values = plane(0, 5)
        assert Channel(source="pet", low=0, high=10, curve=curve).render(values).dtype == np.float32
        assert values.tolist() == [[[0, 5]]]

    @pytest.mark.parametrize(("low", "high"), [(5, 5), (6, 5), (0, math.nan)])
    def test_a_window_must_be_open(self, low, high):
        with pytest.raises(ValidationError, match="low < high"):
            Channel(source="pet", low=low, high=high)

    @pytest.mark.parametrize("wrong", [{"source": "mr"}, {"curve": "cubic"}, {"width": 400}])
    def test_what_it_does_not_know_is_refused(self, wrong):
        with pytest.raises(ValidationError):
            Channel.model_validate({"source": "pet", "low": 0, "high": 1, **wrong})


class TestFrameRecipe:
    def test_channels_are_ct_pet_and_compressed_pet(self):
        found = raw(RECIPES["petct"], plane(40, -1000), plane(5, 50))
        assert found.shape == (1, 3, 1, 2)
        assert found[0, :, 0, 0] == pytest.approx([0.5, 0.5, math.log(6) / math.log(51)], abs=1e-6)
        assert found[0, :, 0, 1] == pytest.approx([0, 1, 1], abs=1e-6)

    def test_the_lung_window_tells_lung_from_air(self):
        lung, air = raw(RECIPES["petct-lung"], plane(-800, -1000), plane(0, 0))[0, 0, 0]
        assert (lung, air) == (pytest.approx(200 / 1400), 0)
        assert raw(RECIPES["petct"], plane(-800, -1000), plane(0, 0))[0, 0, 0].tolist() == [0, 0]

    def test_frames_are_standardised_channel_by_channel(self):
        frame = RECIPES["petct"].render(plane(240), plane(0))[0, :, 0, 0]
        assert frame == pytest.approx([(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225], rel=1e-5)

    @pytest.mark.parametrize("name", RECIPES)
    def test_no_ct_is_a_ct_of_air(self, name):
        pet = np.random.default_rng(0).random((2, 4, 5), np.float32) * 20
        air = np.full(pet.shape, -1000, np.float32)
        frames = RECIPES[name].render(None, pet)
        assert np.array_equal(frames, RECIPES[name].render(air, pet))
        assert frames.dtype == np.float32

    def test_ct_alone_and_pet_alone_see_nothing_of_the_other(self):
        rng = np.random.default_rng(0)
        ct, pet = rng.normal(0, 300, (2, 1, 8, 8)).astype(np.float32), rng.random((2, 1, 8, 8), np.float32)
        assert np.array_equal(RECIPES["ct"].render(ct[0], pet[0]), RECIPES["ct"].render(ct[0], pet[1]))
        assert np.array_equal(RECIPES["pet"].render(ct[0], pet[0]), RECIPES["pet"].render(ct[1], pet[0]))

    @pytest.mark.parametrize("name", RECIPES)
    def test_a_recipe_travels_as_json(self, name):
        assert FrameRecipe.model_validate_json(RECIPES[name].model_dump_json()) == RECIPES[name]

    def test_recipes_go_by_their_names(self):
        assert frame_recipe("pet") is RECIPES["pet"]
        with pytest.raises(InputError, match=r"no frame recipe is named 'mri'; known are petct, petct-lung, ct, pet$"):
            frame_recipe("mri")
