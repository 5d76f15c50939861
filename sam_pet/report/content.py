"""What a report says, before it has a form. It names no file and no patient."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk

from sam_pet import __version__
from sam_pet.labels import Labels
from sam_pet.masks import read_labels, require_same_grid
from sam_pet.measures import measure_lesions, summarise
from sam_pet.page import number
from sam_pet.plots.panels import SUV, Window
from sam_pet.prompts import Prompt
from sam_pet.session.saved import Record, read_record
from sam_pet.session.saved import read_labels as read_session_labels
from sam_pet.study import Study

# Column of `measure_lesions`, heading, digits.
COLUMNS = (
    ("lesion", "lesion", 0),
    ("volume_ml", "volume, mL", 2),
    ("suv_max", "SUVmax", 2),
    ("suv_mean", "SUVmean", 2),
    ("suv_peak", "SUVpeak", 2),
    ("tlg", "TLG, g", 1),
    ("diameter_mm", "diameter, mm", 1),
)


@dataclass(frozen=True)
class Content:
    """A study, its lesions as numbers [z, y, x] on its grid, and the session they come from; None for a mask."""

    study: Study
    labels: Labels
    suv: Window = SUV
    record: Record | None = None

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a lesion, see `sam_pet.measures.measure_lesions`."""
        return measure_lesions(self.labels, self.study.pet, self.study.grid)

    @cached_property
    def totals(self) -> dict[str, int | float | None]:
        """See `sam_pet.measures.summarise`."""
        return summarise(self.table)

    @property
    def title(self) -> str:
        return "Lesions on PET" if self.study.ct is None else "Lesions on PET/CT"

    @property
    def largest(self) -> list[int]:
        """The numbers of the lesions, the largest first."""
        return [int(n) for n in self.table.sort_values("volume_ml", ascending=False, kind="stable")["lesion"]]

    @property
    def total_lines(self) -> list[tuple[str, str]]:
        """The totals by name."""
        totals = self.totals
        return [
            ("lesions", str(totals["lesions"])),
            ("total MTV", number(totals["total_mtv_ml"], 2, " mL")),
            ("total TLG", number(totals["total_tlg"], 1, " g")),
            ("Dmax", number(totals["dmax_mm"], 0, " mm")),
            ("highest SUVmax", number(totals["suv_max"], 2)),
        ]

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Model, prompts, images and versions by name."""
        x, y, z = self.study.grid.size
        spacing = " x ".join(f"{s:.4g}" for s in self.study.grid.spacing)
        return [
            *_model(self.record),
            ("images", f"PET{'' if self.study.ct is None else ' and CT'}, {x} x {y} x {z} voxels of {spacing} mm"),
            ("versions", f"sam_pet {__version__}, numpy {np.__version__}, SimpleITK {sitk.Version.VersionString()}, "
             f"matplotlib {version('matplotlib')}"),
        ]  # fmt: skip


def of_session(study: Study, folder: str | os.PathLike[str], suv: Window = SUV) -> Content:
    """The content of a report on a saved session.

    Raises:
        InputError: no saved session, or one of another study.

    Examples:
        >>> from sam_pet import Segmenter
        >>> from sam_pet.demo import small_phantom
        >>> from sam_pet.report import of_session
        >>> session = Segmenter.from_pretrained("default").open(small_phantom().study)
        >>> _ = session.add_click((30, 22, 59))
        >>> session.save("session")
        >>> len(of_session(session.study, "session").table)
        1
    """
    record = read_record(folder, study)
    return Content(study, read_session_labels(folder, study), suv, record)


def of_mask(study: Study, path: str | os.PathLike[str], suv: Window = SUV) -> Content:
    """The content of a report on a mask or a label map, see `sam_pet.masks.read_labels`.

    Raises:
        InputError: not a label map, or on another grid than the study.

    Examples:
        >>> import numpy as np
        >>> from sam_pet.demo import small_phantom
        >>> from sam_pet.files import write_image
        >>> from sam_pet.report import of_mask
        >>> phantom = small_phantom()
        >>> write_image(phantom.study.grid.image(phantom.lesions), "lesions.nii.gz")
        >>> len(of_mask(phantom.study, "lesions.nii.gz").table)
        5
    """
    labels, grid = read_labels(path, "mask")
    require_same_grid(grid, study.grid, "mask", "PET")
    return Content(study, labels, suv)


def prompt_rows(record: Record) -> list[tuple[str, str, str, str, str]]:
    """Kind, label, lesions, voxels and the first voxel of each prompt, in the order they were drawn."""
    rows: list[tuple[str, str, str, str, str]] = []
    for prompt, lesions in record.drawn:
        voxels = prompt.voxels
        where = ", ".join(map(str, voxels[0].tolist()))
        numbers = ", ".join(map(str, lesions)) or "–"
        rows.append((_kind(prompt), prompt.label, numbers, str(len(voxels)), where))
    return rows


def _model(record: Record | None) -> list[tuple[str, str]]:
    if record is None:
        return [("lesions from", "a mask; it does not say how it was made")]
    source = str(record.model["source"])
    trained = "" if record.model["trained"] else ", untrained"
    name = Path(source).name if Path(source).is_absolute() else source
    return [
        ("model", f"{name}{trained}, SHA-256 {str(record.model['sha256'])[:16]}, run by sam_pet {record.version}"),
        *([] if record.asked is None else [("first answer", f"without prompts, tracer {record.asked}")]),
        ("prompts", _counted([prompt for prompt, _ in record.drawn])),
    ]


def _counted(prompts: Sequence[Prompt]) -> str:
    counts: dict[str, int] = {}
    for prompt in prompts:
        what = f"{prompt.label} {_kind(prompt)}"
        counts[what] = counts.get(what, 0) + 1
    return ", ".join(f"{n} {what}{_plural(what) if n > 1 else ''}" for what, n in counts.items()) or "none"


def _plural(what: str) -> str:
    return "es" if what.endswith("x") else "s"


def _kind(prompt: Any) -> str:
    return type(prompt).__name__.lower()
