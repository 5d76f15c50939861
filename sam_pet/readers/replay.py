"""The replay reader: prompts recorded against another prediction, given again in their order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sam_pet.errors import InputError
from sam_pet.geometry import Grid
from sam_pet.prompt_files import read_prompts
from sam_pet.prompts import Prompt
from sam_pet.readers.clicks import ClickReader
from sam_pet.readers.stroke import Mask, Stroke
from sam_pet.study import Study


@dataclass(frozen=True)
class ReplayReader:
    """Gives prompt k of a file at step k, whatever the prediction is, and nothing when they are used up.

    All forms of prompt files are read; only the record of a session keeps an order between tumor and background,
    in the others the tumor strokes come first.
    """

    path: Path

    def __post_init__(self) -> None:
        if not self.path.is_file():
            raise InputError(f"replay: no such file: {self.path}")

    @property
    def name(self) -> str:
        return f"replay:{self.path}"

    def first(self, truth: Mask, study: Study | None) -> Stroke | None:
        return ClickReader("center").first(truth, study)

    def correct(self, prediction: Mask, truth: Mask, study: Study | None, step: int) -> Stroke | None:  # noqa: ARG002
        if study is None:
            raise InputError("replay: the recorded prompts lie on a grid: give the reader the study")
        prompts = _recorded(self.path, study.grid)
        return Stroke.of(prompts[step - 1]) if 1 <= step <= len(prompts) else None


@lru_cache(maxsize=16)
def _recorded(path: Path, grid: Grid) -> tuple[Prompt, ...]:
    return tuple(read_prompts(path, grid))
