"""Uploads: files in, a study out, within bounds and under names that are not the sender's."""

from __future__ import annotations

import secrets
import shutil
import stat
import threading
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from sam_pet.app.catalogue import Catalogue
from sam_pet.app.problems import NotThereError, TooLargeError, UnusableError
from sam_pet.app.sources import OfferedStudy, role_of
from sam_pet.files import image_suffix

MOST_FILES = 20_000
_CHUNK = 1 << 20
_ROLES = {"PT": "SUV", "CT": "CTres"}


@dataclass(eq=False)
class _Upload:
    reader: str
    folder: Path
    promised: int
    held: dict[int, int] = field(default_factory=dict)


class Uploads:
    """The uploads under way.

    Args:
        catalogue: takes what is done.
        most_bytes: the most that one upload may hold, unpacked.
    """

    def __init__(self, catalogue: Catalogue, most_bytes: int) -> None:
        self._catalogue = catalogue
        self._most = most_bytes
        self._uploads: dict[str, _Upload] = {}
        self._lock = threading.Lock()

    def begin(self, reader: str, size: int) -> str:
        """Begin an upload of so many bytes, and give its id.

        Raises:
            TooLargeError: it is more than one upload may hold, or than the disk has room for.
        """
        if size > self._most:
            raise TooLargeError(f"an upload may hold {self._most >> 20} MB; this is more")
        folder = self._catalogue.new_folder()
        if size > shutil.disk_usage(folder).free // 2:
            folder.rmdir()
            raise TooLargeError("the disk of the server has no room for this upload")
        name = secrets.token_hex(8)
        with self._lock:
            self._uploads[name] = _Upload(reader, folder, size)
        return name

    async def put(self, reader: str, name: str, number: int, filename: str, body: AsyncIterator[bytes]) -> None:
        """Take one file; of its name only the kind counts.

        Raises:
            TooLargeError: the upload is larger than it said, or than one may be.
            UnusableError: too many files.
        """
        upload = self._get(reader, name)
        if number >= MOST_FILES:
            raise UnusableError(f"an upload may have {MOST_FILES} files; pack them into a zip")
        path = upload.folder / f"{number:06d}-{_stored_name(filename)}"
        others = sum(size for other, size in upload.held.items() if other != number)
        size = 0
        try:
            with path.open("wb") as stream:
                async for part in body:
                    size += len(part)
                    if others + size > min(upload.promised, self._most):
                        raise TooLargeError("the upload is larger than it said that it would be")
                    stream.write(part)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        upload.held[number] = size

    def done(self, reader: str, name: str) -> OfferedStudy:
        """The study in an upload that is complete.

        Raises:
            UnusableError: a zip is damaged or a bomb, or there is no study; the upload is gone then.
        """
        upload = self._get(reader, name)
        with self._lock:
            del self._uploads[name]
        try:
            room = self._most
            for path in sorted(upload.folder.rglob("*.zip")):
                room -= unpack(path, path.with_suffix(""), room)
                path.unlink()
        except BaseException:
            shutil.rmtree(upload.folder, ignore_errors=True)
            raise
        _gather_images(upload.folder)
        return self._catalogue.keep(reader, upload.folder, "upload")

    def drop(self, reader: str, name: str) -> None:
        """Give an upload up."""
        upload = self._get(reader, name)
        with self._lock:
            del self._uploads[name]
        shutil.rmtree(upload.folder, ignore_errors=True)

    def close(self) -> None:
        for upload in self._uploads.values():
            shutil.rmtree(upload.folder, ignore_errors=True)

    def _get(self, reader: str, name: str) -> _Upload:
        with self._lock:
            upload = self._uploads.get(name)
        if upload is None or upload.reader != reader:
            raise NotThereError("there is no such upload")
        return upload


def unpack(archive: Path, folder: Path, room: int) -> int:
    """Unpack a zip under names of our own, and give the bytes that it took.

    Raises:
        TooLargeError: it holds more than `room` bytes, whatever it says of itself, or too many files.
        UnusableError: it is damaged or encrypted.
    """
    taken = 0
    too_much = TooLargeError(f"the zip holds more than the {room >> 20} MB that are left for it")
    try:
        with zipfile.ZipFile(archive) as packed:
            members = [member for member in packed.infolist() if not member.is_dir()]
            if len(members) > MOST_FILES or sum(member.file_size for member in members) > room:
                raise too_much
            for number, member in enumerate(members):
                if stat.S_ISLNK(member.external_attr >> 16):
                    continue
                # All in one folder, which is where the other slices of a series are looked for.
                place = folder / f"{number:06d}-{_stored_name(member.filename)}"
                folder.mkdir(exist_ok=True)
                with packed.open(member) as source, place.open("wb") as target:
                    while part := source.read(_CHUNK):
                        taken += len(part)
                        if taken > room:
                            raise too_much
                        target.write(part)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise UnusableError("the zip is damaged or encrypted; pack it again") from error
    return taken


def _stored_name(filename: str) -> str:
    """A name that tells the kind of a file and nothing else."""
    name = filename.replace("\\", "/").rpartition("/")[2]
    if name.lower().endswith(".zip"):
        return "packed.zip"
    suffix = image_suffix(Path(name))
    return "slice.dcm" if suffix is None else f"{_ROLES.get(role_of(name) or '', 'image')}{suffix}"


def _gather_images(folder: Path) -> None:
    """Put images, which came one by one, into one folder: a PET and its CT are looked for side by side."""
    for number, path in enumerate(sorted(p for p in folder.rglob("*") if p.is_file() and image_suffix(p))):
        name = path.name.rpartition("-")[2]
        target = folder / name
        path.rename(target if not target.exists() else folder / f"{number}-{name}")
