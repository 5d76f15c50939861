"""Cases: studies with a reference mask, in the two folder layouts of the field."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sam_pet.errors import InputError
from sam_pet.geometry import Grid
from sam_pet.masks import read_mask, require_same_grid
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

    @property
    def centre(self) -> str | None:
        """The hospital: autoPET's FDG studies are from Tübingen (UKT), its PSMA studies from Munich (LMU)."""
        return None if self.tracer is None else {"fdg": "UKT", "psma": "LMU"}[self.tracer]

    def study(self) -> Study:
        """Read CT and PET, see `read_study`."""
        return read_study(self.ct, self.pet)

    def mask(self, grid: Grid) -> Mask:
        """The reference mask [z, y, x], 0 or 1.

        Raises:
            InputError: it is on another grid than the PET, or holds other values.
        """
        mask, own = read_mask(self.truth, "truth")
        try:
            require_same_grid(own, grid, "truth", "PET")
        except InputError as error:
            raise InputError(f"{error} ({self.truth})") from error
        return mask


def find_cases(folder: str | os.PathLike[str], names: Sequence[str] | None = None) -> list[Case]:
    """The cases of a folder, sorted by name.

    Args:
        folder: nnU-Net layout (`imagesTr/NAME_0000.nii.gz` CT, `_0001` PET, `labelsTr/NAME.nii.gz`)
            or a folder a case (`CASE/{CTres,SUV,SEG}.nii.gz`; only CTres may be missing).
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
    truths = {path.name.removesuffix(".nii.gz") for path in (root / "labelsTr").glob("*.nii.gz")}
    images = {path.name.removesuffix(".nii.gz")[:-5] for path in (root / "imagesTr").glob("*_000[01].nii.gz")}
    cases = []
    for name in sorted(truths | images):
        ct, pet = (root / "imagesTr" / f"{name}_{channel}.nii.gz" for channel in ("0000", "0001"))
        truth = root / "labelsTr" / f"{name}.nii.gz"
        cases.append(Case(name, _existing(ct, name), _existing(pet, name), _existing(truth, name)))
    return cases


def _folders(root: Path) -> list[Case]:
    cases = []
    for folder in sorted(p for p in root.iterdir() if p.is_dir()):
        ct, pet, truth = (folder / f"{part}.nii.gz" for part in ("CTres", "SUV", "SEG"))
        if any(path.is_file() for path in (ct, pet, truth)):
            name = folder.name
            cases.append(Case(name, ct if ct.is_file() else None, _existing(pet, name), _existing(truth, name)))
    return cases


def _existing(path: Path, name: str) -> Path:
    if not path.is_file():
        raise InputError(f"cases: case {name!r} lacks {path.name}; add {path} or remove the case")
    return path
