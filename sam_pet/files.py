"""Reading image files with errors a user can act on, and writing files that are whole or absent."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from sam_pet.errors import InputError, without_native_messages
from sam_pet.headers import require_sound_metaimage, require_sound_nrrd, unpacked_size
from sam_pet.nifti import read_nifti, require_sound_nifti_header
from sam_pet.sanity import UnsoundError, cut_short, require_one_volume, require_sound_geometry

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
_PARTIAL, _OLD = ".partial-", "old"
# What another machine left unfinished is not cleared before.
_STALE_S = 3 * 86400.0
_CLEARED: set[Path] = set()
_LFS_POINTER = b"version https://git-lfs"


def file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def image_suffix(path: Path) -> str | None:
    """The image suffix of a file name (".nii.gz" whole), or None if it is not one we read.

    Examples:
        >>> from pathlib import Path
        >>> from sam_pet.files import image_suffix
        >>> image_suffix(Path("a.b.NII.GZ")), image_suffix(Path("notes.txt"))
        ('.nii.gz', None)
    """
    return next((s for s in IMAGE_SUFFIXES if path.name.lower().endswith(s)), None)


def read_image(path: str | os.PathLike[str], what: str) -> sitk.Image:
    """The 3-D image in a MHA, NIfTI or NRRD file, in the pixel type it is stored in.

    Raises:
        InputError: no such file, a Git-LFS pointer, not an image, cut short, a NIfTI file with NaN or infinite voxels
            (only there would they be lost), or not one scalar 3-D volume; `what` names it ("CT", "PET", "mask").

    Examples:
        >>> import numpy as np
        >>> from sam_pet import Grid
        >>> from sam_pet.files import read_image, write_image
        >>> write_image(Grid((30, 40, 20)).image(np.zeros((20, 40, 30), np.int16)), "ct.mha")
        >>> read_image("ct.mha", "CT").GetSize()
        (30, 40, 20)
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{what}: {path} is a folder; give an image file ({', '.join(IMAGE_SUFFIXES)})")
    if not path.is_file():
        raise InputError(f"{what}: no such file: {path}")
    if _is_pointer(path, what):
        raise InputError(
            f"{what}: {path} is a Git-LFS pointer and not the image; run 'git lfs pull' where it came from"
        )
    suffix = image_suffix(path)
    if suffix is None:
        raise InputError(f"{what}: {path} has no image suffix; known are {', '.join(IMAGE_SUFFIXES)}")
    try:
        if _READERS[suffix] == "NiftiImageIO":
            image = read_nifti(path, what)
        else:
            check = require_sound_metaimage if _READERS[suffix] == "MetaImageIO" else require_sound_nrrd
            check(path)
            with plain_path(path) as plain, without_native_messages():
                image = sitk.ReadImage(plain, imageIO=_READERS[suffix])
            if image.GetDimension() == 4 and image.GetSize()[3] == 1:
                image = image[:, :, :, 0]
            require_one_volume(image.GetSize(), image.GetNumberOfComponentsPerPixel())
            if "vector" in image.GetPixelIDTypeAsString():
                # NRRD may have an axis of one value a voxel.
                image = sitk.VectorIndexSelectionCast(image, 0)
        require_sound_geometry(image)
    except UnsoundError as error:
        raise InputError(f"{what}: {path} {error}") from error
    except OSError as error:
        raise InputError(f"{what}: {path} cannot be read ({error.strerror or error})") from error
    except RuntimeError as error:
        raise InputError(
            f"{what}: {path} cannot be read as an image; check that it is complete ({_reason(error)})"
        ) from error
    return image


def require_sound_header(path: Path) -> None:
    """Raise a ValueError if an image file's header is one that ITK must not see; its data are not looked at."""
    kind = _READERS[image_suffix(path) or ""]
    if kind == "NiftiImageIO":
        require_sound_nifti_header(path)
    else:
        check = require_sound_metaimage if kind == "MetaImageIO" else require_sound_nrrd
        check(path, data=False)


def _is_pointer(path: Path, what: str) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(len(_LFS_POINTER)) == _LFS_POINTER
    except OSError as error:
        raise InputError(f"{what}: {path} cannot be read ({error.strerror or error})") from error


def _reason(error: RuntimeError) -> str:
    """What ITK says, less its source lines, addresses and the latest errno, which has nothing to do with it."""
    lines = [line for line in str(error).strip().splitlines() if not line.startswith("Reason:")]
    return re.sub(r"^\S*\s?ERROR: (\w+\(0x[0-9a-f]+\): )?", "", lines[-1])


@contextmanager
def plain_path(path: Path) -> Iterator[str]:
    """A path to the same file that ITK can be given: it takes UTF-8 alone, and is killed by other bytes."""
    try:
        os.fspath(path).encode("utf-8")
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory(prefix="sam-pet-") as folder:
            link = Path(folder) / f"image{image_suffix(path) or ''}"
            link.symlink_to(path.absolute())
            yield str(link)
    else:
        yield os.fspath(path)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary name beside `path` that takes its place when the block ends without an error.

    The temporary name keeps the suffix, by which image writers choose a format. What killed processes left beside it
    is taken away.

    Raises:
        OSError: it cannot be written, `path` being its file name.

    Examples:
        >>> from pathlib import Path
        >>> from sam_pet.files import replacing
        >>> with replacing("notes.txt") as temporary:
        ...     _ = temporary.write_text("whole", encoding="utf-8")
        >>> Path("notes.txt").read_text(encoding="utf-8")
        'whole'
    """
    path = Path(path)
    suffix = image_suffix(path) or path.suffix
    with errors_on(path):
        if path.exists() and not path.is_file():
            # A device or a pipe would be gone.
            raise OSError(errno.EINVAL, "it is no file")
        path.parent.mkdir(parents=True, exist_ok=True)
        clear_left(path.parent)
        handle, name = tempfile.mkstemp(prefix=partial_prefix(), suffix=suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o666 & ~mask)
            # Some file systems tell only now that they are full.
            with temporary.open("rb+") as stream:
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def errors_on(path: Path) -> Iterator[None]:
    """Errors of the block as errors on `path`, and not on the temporary name that nobody knows."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def partial_prefix() -> str:
    """What names of unfinished files and folders begin with: it tells whose they are."""
    return f"{_PARTIAL}{_host()}-{os.getpid()}-"


@cache
def _host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]


def is_unfinished(path: Path) -> bool:
    """Whether a file or folder goes by the name of an unfinished one."""
    return path.name.startswith(_PARTIAL)


def clear_left(folder: Path) -> None:
    """Take away, once in a process, what killed processes of this machine left unfinished in a folder.

    A folder that was about to be replaced takes its place again.
    """
    if folder in _CLEARED:
        return
    _CLEARED.add(folder)
    with suppress(OSError):
        for path in folder.glob(f"{_PARTIAL}*"):
            if _is_left(path):
                restore(path)
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def restore(scratch: Path) -> None:
    """Put back the folder that lies in the `old` of a scratch folder, if nothing has taken its place."""
    for old in (scratch / _OLD).glob("*"):
        place = scratch.parent / old.name
        if not place.exists():
            old.rename(place)


def _is_left(path: Path) -> bool:
    found = re.match(rf"{re.escape(_PARTIAL)}([0-9a-f]{{6}})-(\d+)-", path.name)
    if found and found[1] == _host() and os.name == "posix":
        return not _is_alive(int(found[2]))
    return time.time() - path.stat().st_mtime > _STALE_S


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def require_image_name(path: str | os.PathLike[str]) -> None:
    """Raise an InputError if no image can be written under this name."""
    path = Path(path)
    if image_suffix(path) not in _ONE_FILE:
        raise InputError(f"cannot write {path}: the name must end in one of {', '.join(_ONE_FILE)}")
    require_file_name(path)


def require_file_name(path: str | os.PathLike[str]) -> None:
    """Raise an InputError if no file can be written under this name."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"cannot write {path}: there is a folder of that name; give a file name")
    if path.exists() and not path.is_file():
        raise InputError(f"cannot write {path}: it is a device or a pipe; give a file name")
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


def require_apart(outputs: Iterable[str | os.PathLike[str] | None], inputs: Iterable[Any]) -> None:
    """Raise an InputError if an output would replace an input or another output, whatever way their paths are written.

    Args:
        outputs: files that will be written; None is none.
        inputs: files and folders that are read, all files of a folder; what is no path that is there counts for none.
    """
    taken: dict[object, str] = {}
    for given in inputs:
        if given is None:
            continue
        path = Path(given)
        with suppress(OSError, ValueError):
            for file in path.rglob("*") if path.is_dir() else [path]:
                if file.is_file():
                    taken[_identity(file)] = f"the input {file}"
    for output in outputs:
        if output is None:
            continue
        identity = _identity(Path(output))
        if identity in taken:
            raise InputError(f"cannot write {output}: it is {taken[identity]}; give another name")
        taken[identity] = "another output, too"


def _identity(path: Path) -> object:
    """What paths of one file have in common, links and letter case aside; where it is not there yet, its whole path."""
    # A folder that is not there yet hides what lies beyond "..".
    whole = Path(os.path.realpath(path))
    try:
        status = whole.stat()
    except (OSError, ValueError):
        return whole
    return status.st_dev, status.st_ino


def write_image(image: sitk.Image, path: str | os.PathLike[str]) -> None:
    """Write an image, compressed where the format can be; the file is whole or absent.

    Raises:
        InputError: no image goes by this name.
        OSError: it cannot be written whole, as on a full disk; what was there before still is.

    Examples:
        >>> import numpy as np
        >>> from sam_pet import Grid
        >>> from sam_pet.files import write_image
        >>> write_image(Grid((30, 40, 20)).image(np.zeros((20, 40, 30), np.uint8)), "mask.nii.gz")
    """
    require_image_name(path)
    with replacing(path) as temporary, _plain_to_write(temporary) as plain:
        try:
            with without_native_messages():
                sitk.WriteImage(image, plain, useCompression=True)
            _require_whole(temporary, image)
        except (RuntimeError, UnsoundError) as error:
            # ITK does not look whether its bytes have gone to the disk.
            raise OSError(errno.ENOSPC, "the file could not be written whole; is the disk full?") from error


@contextmanager
def _plain_to_write(path: Path) -> Iterator[str]:
    """As `plain_path`, for a file with a plain name that is to be written."""
    try:
        os.fspath(path).encode("utf-8")
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory(prefix="sam-pet-") as folder:
            link = Path(folder) / "folder"
            link.symlink_to(path.parent.absolute(), target_is_directory=True)
            yield str(link / path.name)
    else:
        yield os.fspath(path)


def _require_whole(path: Path, image: sitk.Image) -> None:
    kind = _READERS[image_suffix(path) or ""]
    if kind == "MetaImageIO":
        require_sound_metaimage(path)
    elif kind == "NrrdImageIO":
        require_sound_nrrd(path)
    else:
        wanted = image.GetNumberOfPixels() * image.GetSizeOfPixelComponent()
        with path.open("rb") as stream:
            whole = unpacked_size(stream, wanted) if path.name.endswith(".gz") else path.stat().st_size
        if whole <= wanted:
            raise cut_short(wanted)


def write_json(content: Any, path: str | os.PathLike[str]) -> None:
    """Write indented JSON; the file is whole or absent.

    Examples:
        >>> import json
        >>> from pathlib import Path
        >>> from sam_pet.files import write_json
        >>> write_json({"dice": 0.8}, "score.json")
        >>> json.loads(Path("score.json").read_text(encoding="utf-8"))
        {'dice': 0.8}
    """
    with replacing(path) as temporary:
        temporary.write_bytes(json_bytes(content))


def json_bytes(content: Any) -> bytes:
    """What `write_json` writes."""
    return (json.dumps(content, indent=2) + "\n").encode()
