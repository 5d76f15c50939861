"""What a recipe says of the parts beside the tracker: how each is trained."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class RecipePart(BaseModel):
    """A part of a recipe: unknown keys, and numbers that are none, are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _is_a_name(cls, value: Any) -> Any:
        if isinstance(value, str) and "\0" in value:
            raise ValueError("must not hold the character 0")
        return value


class LearnedStage(RecipePart):
    """A stage that may go on from what the base has: `start: base`."""

    start: Literal["new", "base"] = "new"


class NetworkStage(LearnedStage):
    """How a network beside SAM 2 is trained: AdamW with linear warm-up and cosine decay, a moving average."""

    steps: int = Field(gt=0)
    batch: int = Field(gt=0)
    rate: float = Field(gt=0)
    decay: float = Field(ge=0)
    warmup: int = Field(default=50, ge=0)
    average: float = Field(default=0.995, ge=0, lt=1)


class ContourStage(NetworkStage):
    """The contour network; in bfloat16 a step takes half the time on a device that knows it."""

    steps: int = Field(default=2500, gt=0)
    batch: int = Field(default=8, gt=0)
    rate: float = Field(default=2e-3, gt=0)
    decay: float = Field(default=0.02, ge=0)
    bfloat16: bool = False


class AppearanceStage(NetworkStage):
    """The appearance network."""

    steps: int = Field(default=4000, gt=0)
    batch: int = Field(default=48, gt=0)
    rate: float = Field(default=2e-3, gt=0)
    decay: float = Field(default=0.03, ge=0)


class ClassifierStage(LearnedStage):
    """The lesion classifier: first trees, then calibration and context; with `start: base` the first trees are those
    of the base, and all cases are held ones."""


class RankerStage(RecipePart):
    """The ranker.

    Each lesion is prompted `prompts` times, those of a case at least `least` times in all, of at most `most` lesions.
    Then, of a case, so many lesions of the first answer that are none, so many that are some (`found`), and so many
    that prompts start (`started`) are given `strokes` each.
    """

    prompts: int = Field(default=2, gt=0)
    least: int = Field(default=8, gt=0)
    most: int = Field(default=16, gt=0)
    found: int = Field(default=6, ge=0)
    started: int = Field(default=4, ge=0)
    strokes: int = Field(default=3, gt=0)
