"""Write phantoms in the two layouts of case folders."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from sam_pet.errors import InputError
from sam_pet.files import write_image, write_json
from sam_pet.phantom.make import Phantom
from sam_pet.study import AIR_HU

_DATASET = "simulated PET/CT"


def write_nnunet(
    phantom: Phantom, name: str, folder: Path, *, instances: bool = True, asked: dict[str, Any] | None = None
) -> None:
    """Write `imagesTr/NAME_0000.nii.gz` (CT), `_0001` (PET), `labelsTr/NAME.nii.gz` (0/1) and `dataset.json`.

    `phantoms/NAME.json` holds the facts, `asked` (what the command was given) among them;
    `phantoms/NAME_lesions.nii.gz` one number a lesion, if `instances`.

    Raises:
        InputError: the case exists already, or the folder is another data set; nothing is written then.

    Examples:
        >>> from pathlib import Path
        >>> from sam_pet.demo import small_phantom
        >>> from sam_pet.phantom import write_nnunet
        >>> write_nnunet(small_phantom(), "one", Path("dataset"))
        >>> sorted(path.name for path in Path("dataset/imagesTr").iterdir())
        ['one_0000.nii.gz', 'one_0001.nii.gz']
    """
    files = {
        "ct": folder / "imagesTr" / f"{name}_0000.nii.gz",
        "pet": folder / "imagesTr" / f"{name}_0001.nii.gz",
        "label": folder / "labelsTr" / f"{name}.nii.gz",
        "instances": folder / "phantoms" / f"{name}_lesions.nii.gz",
        "facts": folder / "phantoms" / f"{name}.json",
    }
    _require_own_dataset(folder / "dataset.json")
    # This layout has no cases without CT.
    _write(phantom, name, files, needs_ct=True, instances=instances, asked=asked)
    write_dataset(folder)


def write_dataset(folder: Path) -> None:
    """Write `dataset.json` for the cases that are there, unless it says so already."""
    cases = len([path for path in (folder / "labelsTr").glob("*.nii.gz") if not path.name.startswith(".")])
    path, content = folder / "dataset.json", _dataset(cases)
    with suppress(OSError, ValueError):
        if json.loads(path.read_text(encoding="utf-8")) == content:
            return
    write_json(content, path)


def write_folder(
    phantom: Phantom, name: str, folder: Path, *, instances: bool = True, asked: dict[str, Any] | None = None
) -> None:
    """Write `NAME/{CTres,SUV,SEG}.nii.gz`, `NAME/phantom.json` and, if `instances`, `NAME/lesions.nii.gz`.

    Raises:
        InputError: the case exists already; nothing is written then.

    Examples:
        >>> from pathlib import Path
        >>> from sam_pet.demo import small_phantom
        >>> from sam_pet.phantom import write_folder
        >>> write_folder(small_phantom(), "one", Path("cases"))
        >>> sorted(path.name for path in Path("cases/one").iterdir())
        ['CTres.nii.gz', 'SEG.nii.gz', 'SUV.nii.gz', 'lesions.nii.gz', 'phantom.json']
    """
    case = folder / name
    files = {
        "ct": case / "CTres.nii.gz",
        "pet": case / "SUV.nii.gz",
        "label": case / "SEG.nii.gz",
        "instances": case / "lesions.nii.gz",
        "facts": case / "phantom.json",
    }
    _write(phantom, name, files, needs_ct=False, instances=instances, asked=asked)


def made_before(name: str, folder: Path, layout: str, asked: dict[str, Any]) -> int | None:
    """The number of lesions of a case that an earlier run has made whole; None where it is to be made.

    Raises:
        InputError: there is another case of this name, which `asked` would not have led to.
    """
    folders = layout == "folders"
    label = folder / name / "SEG.nii.gz" if folders else folder / "labelsTr" / f"{name}.nii.gz"
    if not label.exists():
        return None
    try:
        place = folder / name / "phantom.json" if folders else folder / "phantoms" / f"{name}.json"
        facts = json.loads(place.read_text(encoding="utf-8"))
        if facts["asked"] == asked:
            return len(facts["lesions"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    raise InputError(f"case {name} exists: {label}; choose another folder or seed, or remove it")


def _write(
    phantom: Phantom,
    name: str,
    files: dict[str, Path],
    *,
    needs_ct: bool,
    instances: bool,
    asked: dict[str, Any] | None,
) -> None:
    # The label comes last: without it the others are what a killed run has left.
    if files["label"].exists():
        raise InputError(f"case {name} exists: {files['label']}; choose another folder or seed, or remove it")
    grid = phantom.study.grid
    try:
        if phantom.study.ct is not None:
            write_image(grid.image(phantom.study.ct.astype(np.int16)), files["ct"])
        elif needs_ct:
            write_image(grid.image(np.full(grid.shape, AIR_HU, np.int16)), files["ct"])
        write_image(grid.image(phantom.study.pet), files["pet"])
        if instances:
            write_image(grid.image(phantom.lesions), files["instances"])
        write_json({"case": name, "asked": asked, **phantom.facts}, files["facts"])
        # Last, so that a case with a label is whole.
        write_image(grid.image((phantom.lesions > 0).astype(np.uint8)), files["label"])
    except BaseException:
        # Half a case would be in the way of whoever reads the folder.
        for path in files.values():
            path.unlink(missing_ok=True)
        for folder in {path.parent for path in files.values()}:
            with suppress(OSError):
                folder.rmdir()
        raise


def _require_own_dataset(path: Path) -> None:
    try:
        own = not path.exists() or json.loads(path.read_text(encoding="utf-8"))["name"] == _DATASET
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        own = False
    if not own:
        raise InputError(f"cannot write {path}: another data set is there; choose another folder")


def _dataset(cases: int) -> dict[str, Any]:
    return {
        "name": _DATASET,
        "description": "Phantoms made by sam_pet.phantom; no patient data. See phantoms/ for each case's facts.",
        "channel_names": {"0": "CT", "1": "PET"},
        "labels": {"background": 0, "tumor": 1},
        "numTraining": cases,
        "file_ending": ".nii.gz",
    }
