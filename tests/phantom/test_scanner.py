"""Blur, noise and breathing as a scanner has them."""

from __future__ import annotations

import numpy as np
import pytest

from sam_pet.phantom.scanner import Scanner, correlated_noise, pet_image
from sam_pet.phantom.shapes import Canvas, smooth_noise
from sam_pet.phantom.tissue import Tissue

SPACING = (2.0, 2.0, 2.0)


def canvas(n: int = 48) -> Canvas:
    axis = (2.0 * np.arange(n) - n).astype(np.float32)
    made = Canvas.empty(axis, axis, axis - 400, np.zeros((n, n, n), np.float32))
    made.tissue[:] = Tissue.MUSCLE
    return made


def scanner(noise: float) -> Scanner:
    return Scanner(6.0, noise, 5.0, 0.0, 2.0, (0.0, 0.0, 0.0), 10.0)


def test_a_point_is_blurred_to_the_width_of_the_scanner() -> None:
    uptake = np.full((48, 48, 48), 1e-6, np.float32)
    uptake[24, 24, 24] = 1000.0
    line = pet_image(uptake, canvas(), SPACING, scanner(0.0), np.random.default_rng(0))[24, 24]
    offset = 2.0 * (np.arange(48) - 24)
    sigma = np.sqrt((line * offset**2).sum() / line.sum())
    assert sigma * 2.3548 == pytest.approx(6.0, abs=0.4)


def test_noise_grows_with_the_uptake_and_slower_than_it() -> None:
    uptake = np.ones((48, 48, 48), np.float32)
    uptake[:, :, 24:] = 8.0
    pet = pet_image(uptake, canvas(), SPACING, scanner(0.15), np.random.default_rng(0))
    cold, hot = pet[:, :, 4:18], pet[:, :, 30:44]
    assert hot.std() > 2 * cold.std()
    assert hot.std() / hot.mean() < cold.std() / cold.mean()
    assert hot.mean() == pytest.approx(8.0, rel=0.03)
    assert pet.min() >= 0


def test_noise_of_neighbours_is_correlated_and_far_noise_is_not() -> None:
    noise = correlated_noise((64, 64, 64), [1.0, 1.0, 1.0], np.random.default_rng(0))
    assert noise.std() == pytest.approx(1.0, abs=0.02)
    assert (noise[:, :, 1:] * noise[:, :, :-1]).mean() > 0.6
    assert abs((noise[:, :, 16:] * noise[:, :, :-16]).mean()) < 0.1


def test_smooth_noise_has_unit_variance_and_changes_slowly() -> None:
    field = np.stack([smooth_noise(np.random.default_rng(i), (30, 40, 50), (2.0, 2.0, 2.0), 12.0) for i in range(6)])
    assert field.shape == (6, 30, 40, 50)
    assert field.std() == pytest.approx(1.0, abs=0.1)
    assert np.abs(np.diff(field, axis=-1)).mean() < 0.35
