"""The numbers that decide: few, bounded, described, used, and nowhere else."""

from __future__ import annotations

import ast
import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import sam_pet
from sam_pet.settings import DEFAULTS, InferenceSettings, LesionSettings, Number, StrokeSettings

ROOT = Path(sam_pet.__file__).parent
NUMBERS = InferenceSettings.numbers()
# The packages that use a model, and of their constants those that are no numbers to tune: they define what networks and
# trees were trained with, or bound memory and time.
RUN_TIME = ("sam2", "proposers", "session", "detection", "uptake", "segmenter.py", "boxes.py")
DEFINED: dict[str, set[str]] = {
    "sam2": {"ABSENT_LOGIT", "_PROMPT_LOGIT_LIMIT", "_IMAGENET_MEAN", "_IMAGENET_STD", "_SMALLEST_GRID"},
    "proposers": {
        *("_MARGIN", "_SMALL", "_UPTAKE_LIMIT", "CHANNELS", "_GROUPS", "LEVELS", "SIDE", "WIDTHS_MM", "_REACH"),
        *("STANDING", "OFF_MIDDLE", "_LEVELS", "(_TUMOR, _BACKGROUND, _BOX_LOW, _BOX_HIGH)"),
    },
    "session": set(),
    "detection": {
        *("_BATCH", "_WIDTHS", "(_KNOWN, _HIDDEN)", "_DROPPED", "_FAR_OFF", "SIDE", "CHANNELS", "CELL_MM", "COARSER"),
        *("(_SOFT_CENTRE, _SOFT_HALF, _WIDE_HALF)", "(_MIDDLE_LOG, _MIDDLE_RATIO, _HIGHEST_RATIO)", "_MARGIN_MM"),
        *("(HU_STEP, LOWEST, _HIGHEST)", "(_LUNG_HU, _FAT_HU, _BONE_HU)", "_SHELL_MM", "_NEAR_MM", "_SMALL"),
        *("_BLOCK_MM", "_BODY_SUV", "_BODY_HU", "_LUNG_HU", "_SMALLEST_LUNG_ML", "_MIDLINE_MM", "_LIVER_MM"),
        *("_LIVER_HU", "_LIVER_SUV", "_LIVER_TO_BACKGROUND", "_LARGEST_VARIATION", "_SMALLEST_LIVER_ML"),
        *("_OFF_MIDLINE_MM", "_LOWEST_TO_BACKGROUND", "_LOWEST_SUV", "LEAST_PREFILTER", "_CNN_LOGIT_LIMIT", "_EXTENTS"),
        *("THRESHOLD",),
    },
    "uptake": {
        *("BLOCK_MM", "_STEP", "_PROMINENCE", "_MOST", "_PARENT_LEVEL", "(_NEAR_MM, _LOWEST_TO_PROMPT)"),
        *("_MARGIN_MM", "_SHELL_MM", "_HALF", "STANDARD"),
    },
    "segmenter.py": set(),
    "boxes.py": {"CONNECTIVITY", "LOGIT_LIMIT"},
}


def constants(path: Path) -> set[str]:
    """The names of a module's constants that are numbers, or hold nothing else."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            value = ast.unparse(node.value)
            target = ast.unparse(node.target if isinstance(node, ast.AnnAssign) else node.targets[0])
            if any(
                isinstance(part, ast.Constant) and type(part.value) in (int, float) for part in ast.walk(node.value)
            ):
                simple = not any(word in value for word in ("Channel(", "FrameRecipe(", "repvit", "zeros(", "_SMALL)"))
                found |= {target} if simple else set()
    return found


def test_there_are_at_most_60_in_five_groups_each_described_within_bounds() -> None:
    assert len(NUMBERS) == 46
    assert {number.name.split(".")[0] for number in NUMBERS} == set(InferenceSettings.model_fields)
    assert len(InferenceSettings.model_fields) == 5
    assert len({number.about for number in NUMBERS}) == len(NUMBERS)
    for number in NUMBERS:
        assert math.isfinite(number.low)
        assert math.isfinite(number.high)
        assert number.low <= number.default <= number.high


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.name)
def test_each_is_read_where_a_model_is_used(number: Number) -> None:
    field = number.name.split(".")[1]
    texts = (path.read_text("utf-8") for part in ("sam2", "proposers", "session", "detection") for path in _files(part))
    assert any(f"settings.{field}" in text for text in texts)


@pytest.mark.parametrize("part", RUN_TIME)
def test_no_other_constant_decides(part: str) -> None:
    assert set[str]().union(*map(constants, _files(part))) <= DEFINED[part]


def _files(part: str) -> list[Path]:
    return [ROOT / part] if part.endswith(".py") else sorted((ROOT / part).glob("*.py"))


@pytest.mark.parametrize("value", [-1.0, 1001.0, float("nan"), float("inf"), "8", True, None])
def test_what_is_no_number_within_bounds_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError, match="reach_mm"):
        StrokeSettings(reach_mm=value)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"strokes\.length"):
        InferenceSettings.model_validate({"strokes": {"length": 1.0}})


def test_changes_are_told_by_name_and_read_again() -> None:
    settings = InferenceSettings(strokes=StrokeSettings(reach_mm=10), lesions=LesionSettings(mirror_mm=0.1))
    assert settings.changes == {"strokes.reach_mm": 10.0, "lesions.mirror_mm": 0.1}
    assert settings.told == "strokes.reach_mm=10.0, lesions.mirror_mm=0.1"
    assert InferenceSettings.model_validate_json(settings.model_dump_json()) == settings
    assert DEFAULTS.told == ""
