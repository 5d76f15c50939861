"""Cases: studies with a reference mask, in the two folder layouts of the field."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from sam_pet.errors import InputError
from sam_pet.files import read_image
from sam_pet.geometry import Grid
from sam_pet.study import Study, read_study

Mask = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Case:
    """The files of one study and its reference mask; `ct` is None for a PET alone."""

    name: str
    ct: Path | None
    pet: Path
    truth: Path

    @property
    def patient(self) -> str:
        """Who the study is of: autoPET names are TRACER_PATIENT_STUDY; any other name is a patient of its own."""
        match = re.match(r"(fdg|psma)_([^_]+)_", self.name)
        return match.group(2) if match else self.name

    @property
    def tracer(self) -> str | None:
        match = re.match(r"(fdg|psma)_", self.name)
        return match.group(1) if match else None

    def study(self) -> Study:
        """Read CT and PET, see `read_study`."""
        return read_study(self.ct, self.pet)

    def mask(self, grid: Grid) -> Mask:
        """The reference mask [z, y, x], 0 or 1.

        Raises:
            InputError: it is on another grid than the PET, or holds other values.
        """
        image = read_image(self.truth, "truth")
        if not Grid.of(image).same_as(grid):
            raise InputError(f"truth: {self.truth} is not on the grid of {self.pet}; resample it to the PET grid")
        mask = sitk.GetArrayFromImage(image)
        values = np.unique(mask)
        if not np.isin(values, (0, 1)).all():
            raise InputError(f"truth: {self.truth} must hold 0 and 1 only, not {values[:5].tolist()}")
        return mask.astype(np.uint8)


def find_cases(folder: str | os.PathLike[str], names: Sequence[str] | None = None) -> list[Case]:
    """The cases of a folder, sorted by name.

    Args:
        folder: nnU-Net layout (`imagesTr/NAME_0000.nii.gz` CT, `_0001` PET, `labelsTr/NAME.nii.gz`)
            or a folder a case (`CASE/{CTres,SUV,SEG}.nii.gz`; CTres may be missing).
        names: only these, in this order.

    Raises:
        InputError: no such folder, neither layout, a file missing, or a name that is not there.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"cases: no such folder: {root}")
    found = _nnunet(root) if (root / "labelsTr").is_dir() else _folders(root)
    if not found:
        raise InputError(
            f"cases: {root} holds neither imagesTr/ with labelsTr/ nor folders with SUV.nii.gz and SEG.nii.gz"
        )
    if names is None:
        return found
    known = {case.name: case for case in found}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(
            f"cases: {root} has no case {unknown[0]!r}; it has {len(known)} cases, {found[0].name!r} first"
        )
    return [known[name] for name in names]


def _nnunet(root: Path) -> list[Case]:
    cases = []
    for truth in sorted((root / "labelsTr").glob("*.nii.gz")):
        name = truth.name.removesuffix(".nii.gz")
        ct, pet = (root / "imagesTr" / f"{name}_{channel}.nii.gz" for channel in ("0000", "0001"))
        cases.append(Case(name, _existing(ct, name), _existing(pet, name), truth))
    return cases


def _folders(root: Path) -> list[Case]:
    cases = []
    for folder in sorted(p for p in root.iterdir() if p.is_dir() and (p / "SUV.nii.gz").is_file()):
        ct = folder / "CTres.nii.gz"
        truth = _existing(folder / "SEG.nii.gz", folder.name)
        cases.append(Case(folder.name, ct if ct.is_file() else None, folder / "SUV.nii.gz", truth))
    return cases


def _existing(path: Path, name: str) -> Path:
    if not path.is_file():
        raise InputError(f"cases: case {name!r} lacks {path.name}; add {path} or remove the case")
    return path
