"""What tools say: typed results, all numbers rounded to what can be told apart."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _rounded(value: float | None) -> float | None:
    return None if value is None or value != value else float(f"{value:.4g}")


Number = Annotated[float | None, AfterValidator(_rounded)]
Voxel3 = tuple[int, int, int]


class Said(BaseModel):
    """A result of a tool."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def line(self) -> str:
        """It as compact JSON."""
        return self.model_dump_json()


class StudyFacts(Said):
    """What is known of an opened study."""

    study: str
    simulated: bool = False
    size: Voxel3 = Field(description="voxels along x, y, z")
    spacing_mm: tuple[float, float, float]
    ct: bool
    suv_max: Number


class LesionRow(Said):
    """A lesion of the mask."""

    lesion: int
    origin: Literal["first answer", "prompt"]
    volume_ml: Number
    suv_max: Number
    suv_mean: Number
    hottest: Voxel3 = Field(description="voxel (x, y, z) of the highest SUV")
    probability: Number = Field(None, description="of being a lesion, by the classifier; for the first answer's")
    score: Number = Field(None, description="of its first prompt, a logit: above 0 the classifier agrees")
    expected_dice: Number = Field(None, description="of its outline, by the ranker of outlines")


class LesionList(Said):
    lesions: list[LesionRow]
    total_ml: Number


class CandidateRow(Said):
    """A place of uptake that may be a lesion."""

    candidate: int
    voxel: Voxel3 = Field(description="(x, y, z), the innermost of its region: where to click")
    probability: Number
    suv: Number = Field(description="at the peak")
    volume_ml: Number = Field(description="of the region about the peak")
    lesion: int | None = Field(None, description="the lesion of the mask that holds it")
    score: Number = Field(None, description="of a click there, a logit, where it was asked for")


class CandidateList(Said):
    candidates: list[CandidateRow]


class Changed(Said):
    """What a change did to the mask."""

    turn: int
    added_ml: Number
    removed_ml: Number
    lesions: int = Field(description="of the mask now")
    total_ml: Number
    changed: list[int] = Field(description="numbers of the lesions that came, went or changed")


class Pictured(Said):
    """A picture; points of it are [x, y] from 0 to 999, from the upper left corner to the right and down."""

    picture: str = Field(description="what it shows, panel by panel")
    voxel: Voxel3 = Field(description="(x, y, z) that the planes go through")
    suv_max: Number = Field(description="the SUV from which it is darkest, or hottest")


class Measured(Said):
    """Measurements; see the documentation of the package for their definitions."""

    lesions: list[dict[str, Any]]
    total_mtv_ml: Number
    total_tlg_g: Number
    dmax_mm: Number
    suv_max: Number


class Stopped(Said):
    reason: str
    turns: int
