"""Training recipes: everything a run depends on, in one YAML file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from sam_pet.errors import InputError, one_line
from sam_pet.sam2.clips import ClipRecipe

_MOST_BYTES = 1 << 20
_MANY = 10**9


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _is_a_name(cls, value: Any) -> Any:
        if isinstance(value, str) and "\0" in value:
            raise ValueError("must not hold the character 0")
        return value


class Data(_Part):
    """Cases of one folder; all of them, or those named, or one side of a fold of nnU-Net's `splits_final.json`."""

    folder: Path
    cases: list[str] | None = None
    splits: Path | None = None
    fold: int = 0
    weight: float = Field(default=1.0, gt=0)


class Stage(_Part):
    """A stretch of training: `steps` optimizer steps of `batch` clips of `length` frames.

    `batch` is that of all processes together. Up to `corrections` strokes follow the first prompt.
    """

    steps: int = Field(gt=0, le=_MANY)
    batch: int = Field(gt=0, le=_MANY)
    length: int = Field(gt=0, le=_MANY)
    corrections: int = Field(default=0, ge=0, le=_MANY)


class Optimization(_Part):
    """AdamW with linear warm-up and cosine decay over all stages."""

    lr: float = Field(gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    warmup: int = Field(default=200, ge=0)
    clip_norm: float = Field(default=1.0, gt=0)
    ema: float = Field(default=0.999, ge=0, lt=1)


class Lora(_Part):
    """Low-rank adapters (Hu et al. 2021, arXiv 2106.09685) on parts of the model."""

    rank: int = Field(default=8, gt=0)
    alpha: int = Field(default=16, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: list[Literal["trunk", "memory_attention", "memory_encoder", "mask_decoder"]] = [
        "trunk",
        "memory_attention",
        "memory_encoder",
        "mask_decoder",
    ]


class Samples(_Part):
    """What training clips are like, see `sam_pet.train.samples`."""

    lesions: float = Field(default=0.8, ge=0, le=1)
    without_ct: float = Field(default=0.1, ge=0, le=1)
    max_points: int = Field(default=8, gt=0)
    margin_mm: float = Field(default=60.0, gt=0)
    hot_spots: int = Field(default=6, ge=0)


class Validation(_Part):
    """The interactive loop on cases kept apart, every `every` steps and at the end: a click, `scribbles` strokes."""

    data: list[Data]
    every: int = Field(default=1000, gt=0)
    scribbles: int = Field(default=5, ge=0)
    limit: int | None = None


class Recipe(_Part):
    """One training run. Relative folders are relative to where the command runs."""

    name: str
    out: Path
    base: str
    mode: Literal["full", "lora"] = "full"
    image_size: int | None = None
    frames: str | None = None
    clip: ClipRecipe | None = None
    train: list[Data]
    validation: Validation | None = None
    samples: Samples = Samples()
    stages: list[Stage] = Field(min_length=1)
    optimization: Optimization
    lora: Lora = Lora()
    dropout: float = Field(default=0.0, ge=0, lt=1)
    precision: Literal["no", "bf16", "fp16"] = "no"
    gradient_checkpointing: bool = False
    workers: int = Field(default=1, ge=0)
    save_every: int = Field(default=200, gt=0)
    seed: int = Field(default=0, ge=-(2**40), le=2**40)
    licence: str = "Apache-2.0"
    attribution: str = ""

    @field_validator("precision", mode="before")
    @classmethod
    def _no_is_a_word(cls, value: Any) -> Any:
        # YAML takes it for false.
        return "no" if value is False else value

    @model_validator(mode="after")
    def _splits_have_no_names(self) -> Self:
        for data in (*self.train, *(self.validation.data if self.validation else ())):
            if data.splits is not None and data.cases is not None:
                raise ValueError(f"data {data.folder}: give either cases or splits, not both")
        return self

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)


def read_recipe(path: str | os.PathLike[str], changes: Sequence[str] = ()) -> Recipe:
    """A recipe file with changes of the form `key=value` or `part.key=value`, values in YAML.

    Raises:
        InputError: no such file, not YAML in UTF-8, or a key or value that is not a recipe's.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"recipe: no such file: {path}")
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"recipe: {path} has more than {_MOST_BYTES >> 20} MB; give a recipe")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"recipe: {path} is not in UTF-8 ({error.reason}); save it in this encoding") from error
    except OSError as error:
        raise InputError(f"recipe: {path} cannot be read ({error.strerror})") from error
    content = _yaml(text, f"recipe: {path}")
    if not isinstance(content, dict):
        raise InputError(f"recipe: {path} must be a mapping of keys to values")
    for change in changes:
        _apply(content, change)
    return parsed_recipe(content, f"recipe: {path}")


def parsed_recipe(content: Any, where: str) -> Recipe:
    """A recipe from decoded YAML.

    Raises:
        InputError: a key or value that is not a recipe's; `where` says whose.
    """
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "recipe"
        raise InputError(f"{where}: {place[:200]}: {first['msg']}") from error
    except (RecursionError, ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{where} holds values that are not a recipe's ({one_line(error)[:100]})") from error


def _yaml(text: str, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    # Besides its own errors PyYAML raises those of what it makes dates and numbers with.
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(f"{where} is not YAML ({one_line(error)[:200]}); correct it") from error


def _apply(content: dict[str, Any], change: str) -> None:
    key, sign, value = change.partition("=")
    if not sign:
        raise InputError(f"recipe: {change!r} is not of the form key=value")
    *parents, last = key.split(".")
    place: Any = content
    for parent in parents:
        place = _below(place, parent, key)
        if not isinstance(place, dict | list):
            raise InputError(f"recipe: {key!r} has nothing below {parent!r}")
    decoded = _yaml(value, f"recipe: {change[:80]!r}")
    if isinstance(place, list):
        place[_index(place, last, key)] = decoded
    else:
        place[last] = decoded


def _below(place: Any, name: str, key: str) -> Any:
    return place[_index(place, name, key)] if isinstance(place, list) else place.setdefault(name, {})


def _index(items: list[Any], name: str, key: str) -> int:
    if not (name.isascii() and name.isdecimal() and len(name) < 6 and int(name) < len(items)):
        raise InputError(f"recipe: {key!r}: there is no {name!r} in a list of {len(items)}, counted from 0")
    return int(name)
