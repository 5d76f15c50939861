"""The numbers that decide when a model is used; they travel with its weights, each in one place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field


def _number(default: float, low: float, high: float, about: str) -> Any:
    # Strict: neither texts nor truth values are numbers.
    return Field(default=default, ge=low, le=high, strict=True, description=about)


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TrackingSettings(_Group):
    """How SAM 2 is shown a lesion and follows it."""

    spot_part: float = _number(0.4, 0, 1, "part of the hottest uptake at a prompt that is still the same spot")
    spot_reach_mm: float = _number(100.0, 1, 1000, "how far from a prompt its spot may reach")
    room: float = _number(1.3, 1, 10, "windows and cubes are so many times as wide as what they must hold")
    edge_part: float = _number(0.05, 0, 0.4, "part of a window, at each edge, that must stay free of what is drawn")
    points_per_slice: int = _number(8, 1, 100, "points that stand for a stroke on a slice")
    patience_slices: int = _number(1, 1, 1000, "a path ends after so many slices in a row without the lesion")


class OutlineSettings(_Group):
    """What the networks' logits make of a lesion."""

    fine_mm: float = _number(128.0, 1, 1000, "the contour network corrects lesions in cubes up to this wide")
    widest_weight: float = _number(0.5, 0, 10, "weight of its widest cube's logits beside SAM 2's")
    narrowest_probability: float = _number(0.35, 0.01, 0.99, "in its narrowest cubes lesion begins here; else at 0.5")


class StrokeSettings(_Group):
    """What a stroke changes in a mask that stands."""

    affinity_logits: float = _number(3.0, 0, 100, "logits that a stroke weighs at its own voxels")
    affinity_mm: float = _number(12.0, 0.1, 1000, "width of the Gaussian by which that falls with distance")
    affinity_log_ratio: float = _number(0.3, 0.01, 100, "the same for the logarithm of the ratio of uptakes")
    affinity_widths: float = _number(2.5, 0, 10, "so many widths from a stroke that is taken for 0")
    noise_suv: float = _number(0.3, 0.001, 100, "SUV below which uptake is noise; added before ratios are taken")
    reach_mm: float = _number(8.0, 0, 1000, "how far a stroke reaches at least")
    reach_lengths: float = _number(0.8, 0, 100, "or so many times its own length, if that is more")
    trim_mm: float = _number(6.0, 0, 1000, "`reach_mm` of a background stroke in a mask that follows uptake")
    trim_lengths: float = _number(0.25, 0, 100, "`reach_lengths` of such a stroke")
    coldest: float = _number(0.5, 0, 100, "what is added has at least so many times a stroke's median uptake")
    hottest: float = _number(1.5, 0, 100, "what is changed has at most so many times a stroke's highest uptake")
    trim_hottest: float = _number(1.1, 0, 100, "`hottest` of a background stroke in a mask that follows uptake")
    still_shown_part: float = _number(0.5, 0, 1, "a piece that is cut off stays if more than this part is still shown")
    added_low: float = _number(0.4, 0, 1, "a tumor stroke may add uptake above this part of the way to its peak")
    added_high: float = _number(0.6, 0, 1, "or above this one")
    split_mm: float = _number(100.0, 0, 10000, "how long a way between strokes one unit of log SUV makes, in mm")
    split_smooth_voxels: float = _number(0.5, 0, 10, "width of the Gaussian that smoothes log SUV for it")


class LesionSettings(_Group):
    """Which lesions a stroke is about."""

    neighbourhood_mm: float = _number(10.0, 0, 1000, "a tumor stroke this near to a lesion's mask belongs to it")
    mirror_mm: float = _number(30.0, 0, 1000, "paired organs lie this near to each other's mirror image")
    alike_uptake: float = _number(1.6, 1, 100, "and one's highest uptake is at most so many times the other's")
    alike_volume: float = _number(2.5, 1, 100, "and so is its volume")


class FirstAnswerSettings(_Group):
    """What a first answer takes for a lesion, beside the thresholds in the lesion classifier's own file."""

    part_probability: float = _number(0.1, 0, 1, "peaks less probable than this are cut out of others' outlines")
    widest_mm: float = _number(100.0, 1, 1000, "how wide clips at candidates grow")
    most_prompts: int = _number(250, 1, 300, "likely candidates that are weighed at most")
    fallback_score: float = _number(4.0, -100, 100, "without a classifier: SAM 2's object score, a logit, of a lesion")
    fallback_to_liver: float = _number(1.5, 0, 100, "without a classifier: uptake of a lesion over the liver's")
    fallback_prompts: int = _number(60, 1, 300, "without a classifier: peaks at which SAM 2 is prompted at most")
    head_mm: float = _number(260.0, 0, 1000, "FDG: the brain lies within this of the body's upper end")
    brain_ml: float = _number(250.0, 0, 10000, "FDG: volume of a brain at least")
    brain_to_liver: float = _number(1.15, 0, 100, "FDG: uptake of the brain over the liver's at least")
    brain_liver_suv: float = _number(4.0, 0, 100, "FDG: SUV that the liver is taken for at most, beside a brain")
    brain_suv: float = _number(2.0, 0, 100, "FDG: SUV of the brain at least")
    psma_liver_suv: float = _number(3.8, 0, 100, "PSMA: SUV of the liver at least, above that of FDG")
    kidney_suv: float = _number(8.0, 0, 100, "PSMA: SUV of a kidney at least")
    kidney_off_mm: float = _number(20.0, 0, 200, "PSMA: a kidney's middle lies farther than this from the midline")
    kidney_least_ml: float = _number(50.0, 0, 10000, "PSMA: volume of a kidney at least")
    kidney_most_ml: float = _number(500.0, 0, 10000, "PSMA: volume of a kidney at most")


class Number(NamedTuple):
    """One number of `InferenceSettings`: its `name` as group.field, what it is, and what it may be."""

    name: str
    default: float
    low: float
    high: float
    about: str


class InferenceSettings(_Group):
    """All numbers that decide, beside what the networks and trees were trained with; a checkpoint without has these.

    Examples:
        >>> from sam_pet.settings import InferenceSettings, StrokeSettings
        >>> settings = InferenceSettings(strokes=StrokeSettings(reach_mm=10.0))
        >>> settings.changes
        {'strokes.reach_mm': 10.0}
        >>> len(InferenceSettings.numbers()) <= 60
        True
    """

    tracking: TrackingSettings = TrackingSettings()
    outlines: OutlineSettings = OutlineSettings()
    strokes: StrokeSettings = StrokeSettings()
    lesions: LesionSettings = LesionSettings()
    first_answer: FirstAnswerSettings = FirstAnswerSettings()

    @classmethod
    def numbers(cls) -> list[Number]:
        """Every number, in order."""
        return list(_numbers(cls))

    def with_given(self, others: InferenceSettings) -> Self:
        """These, but for the numbers that were given when the others were made.

        Examples:
            >>> from sam_pet.settings import InferenceSettings
            >>> ours = InferenceSettings.model_validate({"strokes": {"reach_mm": 10}})
            >>> theirs = InferenceSettings.model_validate({"outlines": {"fine_mm": 64}})
            >>> ours.with_given(theirs).changes
            {'outlines.fine_mm': 64.0, 'strokes.reach_mm': 10.0}
        """
        values = self.model_dump()
        for group, given in others.model_dump(exclude_unset=True).items():
            values[group].update(given)
        return type(self).model_validate(values)

    @property
    def changes(self) -> dict[str, float]:
        """Those that differ from the defaults, by name."""
        values = {number.name: self._value(number.name) for number in self.numbers()}
        return {number.name: values[number.name] for number in self.numbers() if values[number.name] != number.default}

    @property
    def told(self) -> str:
        """Those that differ from the defaults, in one line; empty where none does."""
        return ", ".join(f"{name}={value!r}" for name, value in self.changes.items())

    def _value(self, name: str) -> float:
        group, field = name.split(".")
        value: float = getattr(getattr(self, group), field)
        return value


def _numbers(settings: type[InferenceSettings]) -> Iterator[Number]:
    for group, inner in settings.model_fields.items():
        for name, field in type(inner.default).model_fields.items():
            low, high = (next(getattr(m, at) for m in field.metadata if hasattr(m, at)) for at in ("ge", "le"))
            yield Number(f"{group}.{name}", field.default, low, high, str(field.description))


DEFAULTS = InferenceSettings()
