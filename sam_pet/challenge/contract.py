"""Where the challenge puts its inputs and expects the mask, and what each is called."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from sam_pet.errors import InputError, one_line
from sam_pet.files import IMAGE_SUFFIXES, image_suffix, is_unfinished, plain_path, require_sound_header, write_image
from sam_pet.geometry import Grid
from sam_pet.sanity import perpendicular, require_one_volume, require_spacing

logger = logging.getLogger(__name__)

Mask = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Places:
    """The paths of the contract below `root`, which is "/" in the container."""

    root: Path = Path("/")

    @property
    def ct(self) -> Path:
        return self.root / "input" / "images" / "ct"

    @property
    def pet(self) -> Path:
        return self.root / "input" / "images" / "pet"

    @property
    def points(self) -> Path:
        return self.root / "input" / "lesion-clicks.json"

    @property
    def masks(self) -> Path:
        return self.root / "output" / "images" / "tumor-lesion-segmentation"

    @property
    def state(self) -> tuple[Path, ...]:
        """Folders that may outlive a step, the better one first."""
        return self.root / "cache" / "sam_pet", self.root / "output" / "sam_pet"

    @property
    def model(self) -> Path:
        """Where the platform unpacks uploaded weights."""
        return self.root / "opt" / "ml" / "model"


@dataclass(frozen=True)
class Inputs:
    """The images of a step; one of them may be None. `grid` and `name` are the mask's: those of the CT, or of the PET
    where there is no CT that can be read. `faults` says what is wrong with them, in words for the log."""

    ct: Path | None
    pet: Path | None
    grid: Grid
    name: str
    faults: tuple[str, ...] = ()

    @property
    def mask_name(self) -> str:
        return f"{self.name}.mha"


def find_inputs(places: Places) -> Inputs:
    """The CT and the PET of a step; of several images in a folder the first by name whose header can be read.

    Raises:
        InputError: neither folder has an image with a header that can be read: there is no grid for a mask.
    """
    ct, pet = _first_readable(places.ct, "CT"), _first_readable(places.pet, "PET")
    found = ct or pet
    if found is None:
        raise InputError(
            f"no image can be read in {places.ct} nor in {places.pet}: the grid of the mask is not known; "
            "put the CT and the PET there"
        )
    # The mask is called after the CT even where the CT cannot be used.
    named = ct[0] if ct else next(iter(_images(places.ct)), found[0])
    faults = tuple(f"no {what} can be read" for what, image in (("CT", ct), ("PET", pet)) if image is None)
    return Inputs(ct and ct[0], pet and pet[0], found[1], _stem(named), faults)


def _images(folder: Path) -> list[Path]:
    try:
        if not folder.is_dir():
            return []
        return sorted(p for p in folder.iterdir() if image_suffix(p) and not p.name.startswith(".") and p.is_file())
    except OSError as error:
        logger.warning("%s cannot be read: %s", folder, error.strerror)
        return []


def _first_readable(folder: Path, what: str) -> tuple[Path, Grid] | None:
    images = _images(folder)
    if len(images) != 1:
        logger.warning("%s: %d images (%s) in %s", what, len(images), ", ".join(IMAGE_SUFFIXES), folder)
    for path in images:
        try:
            return path, _header(path)
        except (RuntimeError, OSError, ValueError) as error:
            logger.warning("%s: %s has no header that can be read: %s", what, path, one_line(error))
    return None


def _header(path: Path) -> Grid:
    """The grid in an image's header; its voxels are not looked at.

    Raises:
        RuntimeError, OSError, ValueError: it has none that can be used.
    """
    require_sound_header(path)
    with plain_path(path) as plain:
        reader = sitk.ImageFileReader()
        reader.SetFileName(plain)
        reader.ReadImageInformation()
    size = reader.GetSize()
    if len(size) == 4 and size[3] == 1:
        size = size[:3]
    require_one_volume(size, reader.GetNumberOfComponents())
    if len(reader.GetSize()) == 3:
        grid = Grid(size, reader.GetSpacing(), reader.GetOrigin(), reader.GetDirection())
    else:
        direction = np.asarray(reader.GetDirection()).reshape(4, 4)[:3, :3]
        grid = Grid(size, reader.GetSpacing()[:3], reader.GetOrigin()[:3], tuple(direction.ravel().tolist()))
    # With another spacing or directions no mask could be written.
    require_spacing(grid.spacing, grid.size)
    perpendicular(np.asarray(grid.direction).reshape(3, 3), grid.spacing, grid.size)
    return grid


def _stem(path: Path) -> str:
    suffix = image_suffix(path) or path.suffix
    return path.name[: -len(suffix)]


def write_mask(mask: Mask, inputs: Inputs, places: Places) -> Path:
    """Write the mask [z, y, x] whole, and take away what earlier steps left beside it: one mask is expected.

    Raises:
        OSError, InputError: nothing can be written there.
    """
    path = places.masks / inputs.mask_name
    write_image(inputs.grid.image(mask), path)
    _remove(p for p in places.masks.iterdir() if p != path and (image_suffix(p) or is_unfinished(p)))
    return path


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        try:
            path.unlink()
            logger.warning("removed %s, which an earlier step left", path)
        except OSError as error:
            logger.warning("%s cannot be removed: %s", path, error)
