"""Reading image files with errors a user can act on, and writing files that are whole or absent."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from sam_pet.errors import InputError
from sam_pet.nifti import require_sound

# By ITK's reader, which else would take the suffix in one case only.
_READERS = {
    ".nii.gz": "NiftiImageIO",
    ".nii": "NiftiImageIO",
    ".mha": "MetaImageIO",
    ".mhd": "MetaImageIO",
    ".nrrd": "NrrdImageIO",
    ".nhdr": "NrrdImageIO",
}
IMAGE_SUFFIXES = tuple(_READERS)
# The others are two files, which cannot take their places at once.
_ONE_FILE = (".nii.gz", ".nii", ".mha", ".nrrd")
_LFS_POINTER = b"version https://git-lfs"


def key_of(facts: object) -> str:
    """A short name for what was made of facts (as JSON knows them), the same for the same facts."""
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def image_suffix(path: Path) -> str | None:
    """The image suffix of a file name (".nii.gz" whole), or None if it is not one we read."""
    return next((s for s in IMAGE_SUFFIXES if path.name.lower().endswith(s)), None)


def read_image(path: str | os.PathLike[str], what: str) -> sitk.Image:
    """The 3-D image in a MHA, NIfTI or NRRD file, in the pixel type it is stored in.

    Raises:
        InputError: no such file, a Git-LFS pointer, not an image, cut short, a NIfTI file with NaN or infinite voxels
            (only there would they be lost), or not one scalar 3-D volume; `what` names it ("CT", "PET", "mask").
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{what}: {path} is a folder; give an image file ({', '.join(IMAGE_SUFFIXES)})")
    if not path.is_file():
        raise InputError(f"{what}: no such file: {path}")
    with path.open("rb") as stream:
        if stream.read(len(_LFS_POINTER)) == _LFS_POINTER:
            raise InputError(
                f"{what}: {path} is a Git-LFS pointer and not the image; run 'git lfs pull' where it came from"
            )
    suffix = image_suffix(path)
    if suffix is None:
        raise InputError(f"{what}: {path} has no image suffix; known are {', '.join(IMAGE_SUFFIXES)}")
    try:
        image = sitk.ReadImage(os.fspath(path), imageIO=_READERS[suffix])
    except RuntimeError as error:
        raise InputError(
            f"{what}: {path} cannot be read as an image; check that it is complete ({_reason(error)})"
        ) from error
    if _READERS[suffix] == "NiftiImageIO":
        require_sound(path, image, what)
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[:, :, :, 0]
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        size = " x ".join(map(str, image.GetSize()))
        raise InputError(
            f"{what}: {path} is not one 3-D volume ({size}, "
            f"{image.GetNumberOfComponentsPerPixel()} values a voxel); export a single 3-D series"
        )
    return image


def _reason(error: RuntimeError) -> str:
    """What ITK says, less its source lines, addresses and the latest errno, which has nothing to do with it."""
    lines = [line for line in str(error).strip().splitlines() if not line.startswith("Reason:")]
    return re.sub(r"^\S*\s?ERROR: (\w+\(0x[0-9a-f]+\): )?", "", lines[-1])


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary name beside `path` that takes its place when the block ends without an error.

    The temporary name keeps the suffix, by which image writers choose a format.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = image_suffix(path) or path.suffix
    handle, name = tempfile.mkstemp(prefix=".partial-", suffix=suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def require_image_name(path: str | os.PathLike[str]) -> None:
    """Raise an InputError if no image can be written under this name."""
    path = Path(path)
    if image_suffix(path) not in _ONE_FILE:
        raise InputError(f"cannot write {path}: the name must end in one of {', '.join(_ONE_FILE)}")
    if path.is_dir():
        raise InputError(f"cannot write {path}: there is a folder of that name; give a file name")
    require_room(path, path.parent)


def require_folder(path: str | os.PathLike[str]) -> None:
    """Raise an InputError if no files can be written to a folder of this name, which need not be there yet."""
    require_room(Path(path), Path(path))


def require_room(path: Path, folder: Path) -> None:
    """Raise an InputError that names `path` if nothing can be written to a folder, which need not be there yet."""
    folder = folder.absolute()
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise InputError(f"cannot write {path}: {nearest} is not a folder that can be written to; give another name")


def write_image(image: sitk.Image, path: str | os.PathLike[str]) -> None:
    """Write an image, compressed where the format can be; the file is whole or absent."""
    require_image_name(path)
    with replacing(path) as temporary:
        sitk.WriteImage(image, os.fspath(temporary), useCompression=True)


def write_json(content: Any, path: str | os.PathLike[str]) -> None:
    """Write indented JSON; the file is whole or absent."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
