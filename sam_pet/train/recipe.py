"""Training recipes: everything a run depends on, in one YAML file."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, Field, ValidationError, field_serializer, field_validator, model_validator

from sam_pet.errors import InputError, one_line
from sam_pet.phantom.frame import parse_grid
from sam_pet.sam2.clips import ClipRecipe
from sam_pet.settings import InferenceSettings
from sam_pet.train.recipe_stages import (
    AppearanceStage,
    ClassifierStage,
    ContourStage,
    RankerStage,
    RecipePart,
)

_MOST_BYTES = 1 << 20
_MANY = 10**9
_MOST_SEEDS = 10**6


LoraTarget = Literal["trunk", "memory_attention", "memory_encoder", "mask_decoder"]


class Data(RecipePart):
    """Cases of one folder, or phantoms.

    Attributes:
        folder: of the cases; all of them, or those named in `cases`, or one side of a `fold` of nnU-Net's `splits`
            (`splits_final.json`).
        phantoms: seeds, as `FIRST:COUNT`, `FIRST:COUNT:STEP`, and several of these with commas between; even ones are
            FDG, odd ones PSMA.
        grid: of the phantoms, as 200x200x326@4.07x4.07x3; by default one of the challenge's.
        variant: of the phantoms: `warped` ones lie on another phantom's bent organs, `atypical` ones have a hot
            bladder or are cut short, `wide` ones vary far more than real studies.
        maps: a folder of real organ maps (`read_patients`) that wide phantoms are painted on, with those patients'
            lesions; seed i takes patient i of the folder, from the first again after the last.
        coarsest_mm: of phantoms on maps, voxels are at least so long along each axis, to save time.
        ct: whether they come with their CT.
        weight: how often networks draw from them.
        held: whether they are for the ranker and the lesion classifier alone. Where a recipe has such cases, networks
            learn from all others; elsewhere one patient in `folds` is held.
    """

    folder: Path | None = None
    cases: list[str] | None = None
    splits: Path | None = None
    fold: int = 0
    phantoms: str | None = None
    grid: str | None = None
    variant: Literal["plain", "warped", "atypical", "wide"] = "plain"
    maps: Path | None = None
    coarsest_mm: float = Field(default=0.0, ge=0)
    ct: bool = True
    weight: float = Field(default=1.0, gt=0)
    held: bool = False

    @field_validator("phantoms")
    @classmethod
    def _are_seeds(cls, text: str | None) -> str | None:
        if text is not None:
            seeds(text)
        return text

    @field_validator("grid")
    @classmethod
    def _is_grid(cls, text: str | None) -> str | None:
        if text is not None:
            parse_grid(text)
        return text

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.folder is None) == (self.phantoms is None):
            raise ValueError("give either a folder of cases or seeds of phantoms")
        if self.variant == "warped" and self.grid is None:
            raise ValueError("warped phantoms need a grid; give one, as 200x200x326@4.07x4.07x3")
        if self.maps is not None and (self.variant != "wide" or self.grid is not None):
            raise ValueError("organ maps are for phantoms of the variant wide, and bring their own grids; drop grid")
        if self.splits is not None and self.cases is not None:
            raise ValueError(f"data {self.folder}: give either cases or splits, not both")
        return self


def seeds(text: str) -> list[int]:
    """The seeds of FIRST, FIRST:COUNT or FIRST:COUNT:STEP, and of several of these with commas between.

    Raises:
        ValueError: it is none of these.
    """
    found: list[int] = []
    for part in text.split(","):
        numbers = part.split(":")
        if not 1 <= len(numbers) <= 3 or not all(number.strip().isdecimal() for number in numbers):
            raise ValueError(f"seeds {part!r} are not FIRST, FIRST:COUNT or FIRST:COUNT:STEP")
        first, count, step = map(int, [*numbers, "1", "1"][:3])
        if first + count * step > _MANY or len(found) + count > _MOST_SEEDS:
            raise ValueError(f"seeds {part[:40]!r} are more than anybody makes phantoms of; give fewer")
        found += range(first, first + count * max(step, 1), max(step, 1))
    return found


class Stage(RecipePart):
    """A stretch of training: `steps` optimizer steps of `batch` clips of `length` frames.

    `batch` is that of all processes together. Up to `corrections` strokes follow the first prompt.
    """

    steps: int = Field(gt=0, le=_MANY)
    batch: int = Field(gt=0, le=_MANY)
    length: int = Field(gt=0, le=_MANY)
    corrections: int = Field(default=0, ge=0, le=_MANY)


class Optimization(RecipePart):
    """AdamW with linear warm-up and cosine decay over all stages."""

    lr: float = Field(gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    warmup: int = Field(default=200, ge=0)
    clip_norm: float = Field(default=1.0, gt=0)
    ema: float = Field(default=0.999, ge=0, lt=1)


class Lora(RecipePart):
    """Low-rank adapters (Hu et al. 2021, arXiv 2106.09685) on parts of the model."""

    rank: int = Field(default=8, gt=0)
    alpha: int = Field(default=16, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: list[LoraTarget] = Field(default_factory=lambda: list(get_args(LoraTarget)))


class Samples(RecipePart):
    """What training clips are like, see `sam_pet.train.samples`."""

    lesions: float = Field(default=0.8, ge=0, le=1)
    without_ct: float = Field(default=0.1, ge=0, le=1)
    max_points: int = Field(default=8, gt=0)
    margin_mm: float = Field(default=60.0, gt=0)
    hot_spots: int = Field(default=6, ge=0)


class Validation(RecipePart):
    """The interactive loop on cases kept apart, every `every` steps and at the end: a click, `scribbles` strokes."""

    data: list[Data]
    every: int = Field(default=1000, gt=0)
    scribbles: int = Field(default=5, ge=0)
    limit: int | None = None


class Recipe(RecipePart):
    """One training run. Relative folders are relative to where the command runs.

    `sam-pet finetune` trains the tracker alone; `sam-pet train` also what stands below `folds`, each part that is
    named: one case in `folds`, or what is said to be held, is kept from the networks, and the ranker and the
    classifier's points are fitted to it.
    Without `stages` the tracker is the base's. `settings` are numbers that decide when the model is used; those not
    named are the base's.
    `store` keeps examples for this and other runs, by default one in the user's cache folder; `workers` processes make
    them and prepare batches. With `half` the tracker's weights are stored in half precision.

    Examples:
        >>> from sam_pet.train.recipe import read_recipe
        >>> from sam_pet.train.recipes import shipped_recipes
        >>> read_recipe(shipped_recipes()["tiny.yaml"].path).steps
        26
    """

    name: str
    out: Path
    base: str
    mode: Literal["full", "lora"] = "full"
    image_size: int | None = None
    frames: str | None = None
    clip: ClipRecipe | None = None
    settings: InferenceSettings = InferenceSettings()
    train: list[Data]
    validation: Validation | None = None
    samples: Samples = Samples()
    stages: list[Stage] = Field(default_factory=list)
    optimization: Optimization = Optimization(lr=1e-4)
    lora: Lora = Lora()
    dropout: float = Field(default=0.0, ge=0, lt=1)
    precision: Literal["no", "bf16", "fp16"] = "no"
    gradient_checkpointing: bool = False
    workers: int = Field(default=1, ge=0)
    save_every: int = Field(default=200, gt=0)
    seed: int = Field(default=0, ge=-(2**40), le=2**40)
    licence: str = "Apache-2.0"
    attribution: str = ""
    folds: int = Field(default=5, ge=2)
    store: Path | None = None
    half: bool = False
    contour: ContourStage | None = None
    appearance: AppearanceStage | None = None
    classifier: ClassifierStage | None = None
    ranker: RankerStage | None = None

    @field_validator("precision", mode="before")
    @classmethod
    def _no_is_a_word(cls, value: Any) -> Any:
        # YAML takes it for false.
        return "no" if value is False else value

    @field_serializer("settings")
    def _given_alone(self, settings: InferenceSettings) -> dict[str, Any]:
        return settings.model_dump(exclude_unset=True)

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)


def read_recipe(path: str | os.PathLike[str], changes: Sequence[str] = ()) -> Recipe:
    """A recipe file with changes of the form `key=value` or `part.key=value`, values in YAML.

    Raises:
        InputError: no such file, not YAML in UTF-8, or a key or value that is not a recipe's.

    Examples:
        >>> from sam_pet.train.recipe import read_recipe
        >>> from sam_pet.train.recipes import copy_recipes
        >>> (path,) = copy_recipes(["tiny.yaml"], "finetune")
        >>> read_recipe(path, ["out=runs/mine"]).out.as_posix()
        'runs/mine'
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
        raise InputError(f"recipe: {path} must be a mapping of keys to values; correct it")
    for change in changes:
        _apply(content, change)
    return parsed_recipe(content, f"recipe: {path}")


def parsed_recipe(content: Any, where: str) -> Recipe:
    """A recipe from decoded YAML.

    Raises:
        InputError: a key or value that is not a recipe's; `where` says whose.
    """
    try:
        recipe = Recipe.model_validate(content)
        _require_numbers(content, recipe)
        return recipe
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "recipe"
        raise InputError(f"{where}: {place[:200]}: {first['msg']}") from error
    except (RecursionError, ValueError, TypeError, OverflowError) as error:
        raise InputError(
            f"{where} holds values that are not a recipe's ({one_line(error)[:100]}); correct them"
        ) from error


def _require_numbers(given: Any, read: Any, place: str = "") -> None:
    """Raise a ValueError where yes or no was given and a number was read."""
    if isinstance(given, bool) and isinstance(read, int | float) and not isinstance(read, bool):
        raise ValueError(f"{place[1:]} is {str(given).lower()} and must be a number")
    if isinstance(given, dict) and isinstance(read, BaseModel):
        for key, value in given.items():
            _require_numbers(value, getattr(read, key), f"{place}.{key}")
    elif isinstance(given, list) and isinstance(read, list | tuple):
        for number, (value, taken) in enumerate(zip(given, read, strict=True)):
            _require_numbers(value, taken, f"{place}.{number}")


class _Loader(yaml.SafeLoader):
    """YAML without its traps: the last of two values of one key, 010 for 8, 1:30 for 90."""

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        text = str(self.construct_scalar(node))
        if ":" in text or re.fullmatch(r"[-+]?0[0-9_]+", text):
            raise ValueError(f"{text[:40]} is no decimal number")
        return int(super().construct_yaml_int(node))

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise ValueError(f"it says {twice[:40]!r} twice in one place")
        return super().construct_mapping(node, deep)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def _yaml(text: str, where: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    # Besides its own errors PyYAML raises those of what it makes dates and numbers with.
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(f"{where} is not YAML ({one_line(error)[:200]}); correct it") from error


def _apply(content: dict[str, Any], change: str) -> None:
    key, sign, value = change.partition("=")
    if not sign:
        raise InputError(f"recipe: {change!r} is not of the form key=value; write it so")
    *parents, last = key.split(".")
    place: Any = content
    for parent in parents:
        place = _below(place, parent, key)
        if not isinstance(place, dict | list):
            raise InputError(f"recipe: {key!r} has nothing below {parent!r}; name another key")
    decoded = _yaml(value, f"recipe: {change[:80]!r}")
    if isinstance(place, list):
        place[_index(place, last, key)] = decoded
    else:
        place[last] = decoded


def _below(place: Any, name: str, key: str) -> Any:
    if isinstance(place, list):
        return place[_index(place, name, key)]
    if place.get(name) is None:
        place[name] = {}
    return place[name]


def _index(items: list[Any], name: str, key: str) -> int:
    if not (name.isascii() and name.isdecimal() and len(name) < 6 and int(name) < len(items)):
        raise InputError(f"recipe: {key!r}: there is no {name!r} in a list of {len(items)}; count from 0")
    return int(name)
