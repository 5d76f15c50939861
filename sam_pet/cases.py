"""Cases: studies with a reference mask, in the two folder layouts of the field."""

from __future__ import annotations

import json
import logging
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sam_pet.errors import InputError
from sam_pet.files import IMAGE_SUFFIXES, image_suffix
from sam_pet.geometry import Grid
from sam_pet.masks import read_mask, require_same_grid
from sam_pet.study import Study, read_study

logger = logging.getLogger(__name__)

Mask = npt.NDArray[np.uint8]
_FILE_ENDING = ".nii.gz"
_PARTS = ("CTres", "SUV", "SEG")


@dataclass(frozen=True)
class Case:
    """The files of one study and its reference mask; `ct` is None for a PET alone.

    Examples:
        >>> from pathlib import Path
        >>> from sam_pet.cases import Case
        >>> case = Case("fdg_a1_2020", None, Path("SUV.nii.gz"), Path("SEG.nii.gz"))
        >>> case.tracer, case.patient
        ('fdg', 'a1')
    """

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
    """The cases of a folder, sorted by name; files and folders whose names begin with a dot are passed over.

    Args:
        folder: nnU-Net layout (`imagesTr/NAME_0000.nii.gz` CT, `_0001` PET, `labelsTr/NAME.nii.gz`, or with another
            image suffix, as `file_ending` in `dataset.json` says) or a folder a case (`CASE/{CTres,SUV,SEG}.nii.gz`;
            only CTres may be missing).
        names: only these, in this order.

    Raises:
        InputError: no such folder, neither layout, a file missing, or a name that is not there.

    Examples:
        >>> from pathlib import Path
        >>> from sam_pet.cases import find_cases
        >>> from sam_pet.demo import small_phantom
        >>> from sam_pet.phantom import write_folder
        >>> write_folder(small_phantom(), "one", Path("cases"))
        >>> (case,) = find_cases("cases")
        >>> case.name, case.study().grid.size
        ('one', (60, 60, 90))
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"cases: no such folder: {root}")
    found = _nnunet(root) if (root / "labelsTr").is_dir() else _folders(root)
    if not found:
        raise InputError(
            f"cases: {root} holds neither imagesTr/ with labelsTr/ nor folders with SUV.nii.gz and SEG.nii.gz; "
            "give the folder of the cases"
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
    ending = _file_ending(root)
    truths = {name.removesuffix(ending) for name in _names(root / "labelsTr") if name.endswith(ending)}
    images = {
        name.removesuffix(ending)[:-5]
        for name in _names(root / "imagesTr")
        if name.endswith((f"_0000{ending}", f"_0001{ending}"))
    }
    cases = []
    for name in sorted(truths | images):
        ct, pet = (root / "imagesTr" / f"{name}_{channel}{ending}" for channel in ("0000", "0001"))
        truth = root / "labelsTr" / f"{name}{ending}"
        cases.append(Case(name, _existing(ct, name), _existing(pet, name), _existing(truth, name)))
    return cases


def _file_ending(root: Path) -> str:
    """The suffix of a folder's images: that of `dataset.json`, else the one that most labels have.

    Raises:
        InputError: it is none that is read.
    """
    names = _names(root / "labelsTr")
    # Systems leave files of their own beside images.
    found = Counter(map(_suffix, filter(_is_image, names)))
    if names and not found:
        raise InputError(
            f"cases: {root} has labels that end in {_suffix(names[0])!r}; read are {', '.join(IMAGE_SUFFIXES)}"
        )
    try:
        ending = json.loads((root / "dataset.json").read_text(encoding="utf-8"))["file_ending"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        ending = None
    if not isinstance(ending, str) or ending not in found:
        ending = found.most_common(1)[0][0] if found else _FILE_ENDING
    for other in sorted(found.keys() - {ending}):
        logger.warning(
            "cases: %s has labels that end in %s (%d) besides those in %s: they are left out",
            *(root, other, found[other], ending),
        )
    return ending


def _suffix(name: str) -> str:
    known = image_suffix(Path(name))
    return Path(name).suffix if known is None else name[len(name) - len(known) :]


def _names(folder: Path) -> list[str]:
    """The names of the files in a folder that are not hidden."""
    if not folder.is_dir():
        return []
    try:
        return sorted(path.name for path in folder.iterdir() if not path.name.startswith(".") and path.is_file())
    except OSError as error:
        raise InputError(f"cases: {folder} cannot be read ({error.strerror})") from error


def _folders(root: Path) -> list[Case]:
    cases = []
    try:
        folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError as error:
        raise InputError(f"cases: {root} cannot be read ({error.strerror})") from error
    for folder in folders:
        images = [(name.removesuffix(_suffix(name)), folder / name) for name in _names(folder) if _is_image(name)]
        parts = dict(images)
        if parts.keys().isdisjoint(_PARTS):
            continue
        twice = next((part for part in _PARTS if [name for name, _ in images].count(part) > 1), None)
        if twice is not None:
            raise InputError(f"cases: case {folder.name!r} has more than one {twice}; leave one of them in {folder}")
        pet, truth = (parts.get(part, folder / f"{part}{_FILE_ENDING}") for part in ("SUV", "SEG"))
        cases.append(Case(folder.name, parts.get("CTres"), _existing(pet, folder.name), _existing(truth, folder.name)))
    return cases


def _is_image(name: str) -> bool:
    return image_suffix(Path(name)) is not None


def _existing(path: Path, name: str) -> Path:
    if not path.is_file():
        raise InputError(f"cases: case {name!r} lacks {path.name}; add {path} or remove the case")
    return path
