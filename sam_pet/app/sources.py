"""Where studies come from: folders of DICOM or images, and the built-in simulated one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

from sam_pet.errors import InputError
from sam_pet.files import image_suffix
from sam_pet.study import Study, read_study

Origin = Literal["folder", "upload", "pacs", "simulated"]
SIMULATED: Literal["simulated"] = "simulated"
NONE = "none"
_SEED = 7
_PET, _CT = "PT", "CT"


@dataclass(frozen=True)
class OfferedSeries:
    """One PET or CT of a study, by the path that it is read from."""

    id: str
    modality: str
    description: str
    images: int
    path: str


@dataclass(frozen=True)
class OfferedStudy:
    """A study that can be opened. Its texts are of unknown origin."""

    id: str
    title: str
    source: Origin
    dicom: bool = False
    patient: str = ""
    patient_id: str = ""
    date: str = ""
    description: str = ""
    series: tuple[OfferedSeries, ...] = ()
    pet: str | None = None
    ct: str | None = None
    problem: str | None = None

    @classmethod
    def of(cls, facts: dict[str, Any]) -> Self:
        """The inverse of `asdict`."""
        return cls(**{**facts, "series": tuple(OfferedSeries(**series) for series in facts["series"])})

    def chosen(self, series: str | None, modality: str) -> OfferedSeries | None:
        """The series of an id, or the preferred one; None for no CT.

        Raises:
            InputError: there is no such series.
        """
        if series == NONE and modality == _CT:
            return None
        wanted = series or (self.pet if modality == _PET else self.ct)
        found = next((s for s in self.series if s.id == wanted and s.modality == modality), None)
        if found is None and (series is not None or modality == _PET):
            raise InputError(f"study: it has no such series of modality {modality}; give another study")
        return found

    def read(self, pet: str | None = None, ct: str | None = None) -> Study:
        """Read it, with the series of these ids.

        Raises:
            InputError: see `read_study`; also when there is no such series.
        """
        if self.source == SIMULATED:
            from sam_pet.demo import demo_study

            return demo_study(_SEED)[0]
        first, second = self.chosen(pet, _PET), self.chosen(ct, _CT)
        assert first is not None
        return read_study(None if second is None else second.path, first.path)

    def facts(self) -> dict[str, Any]:
        return asdict(self)


def simulated() -> OfferedStudy:
    return OfferedStudy(SIMULATED, "simulated FDG study", SIMULATED, description="made from a seed; no patient")


def find_offered(root: Path, origin: Origin) -> list[OfferedStudy]:
    """The studies in a folder, or that of one PET file.

    Raises:
        InputError: there is no such path, or no PET in it.
    """
    if root.is_file() and image_suffix(root):
        return [_of_images(root.parent.name, [root, *_beside(root)], origin)]
    if not root.is_dir():
        raise InputError(f"studies: no such file or folder: {root}")
    found = [*_dicom(root, origin), *_images(root, origin)]
    if not found:
        raise InputError(f"studies: {root} holds no PET; give a DICOM folder, or one with SUV.nii.gz and CTres.nii.gz")
    return found


def role_of(name: str) -> str | None:
    """What an image of this file name is taken for: "PT", "CT" or None."""
    suffix = image_suffix(Path(name))
    if suffix is None:
        return None
    stem = name.lower().removesuffix(suffix)
    if stem.endswith(("_0001", "pet", "suv")) or stem.startswith(("pet", "suv")):
        return _PET
    return _CT if stem.endswith(("_0000", "ct")) or stem.startswith("ct") else None


def _dicom(root: Path, origin: Origin) -> Iterable[OfferedStudy]:
    try:
        from sam_pet.dicom.studies import find_studies_in
    except ModuleNotFoundError:
        return
    for study in find_studies_in(root):
        series = tuple(
            OfferedSeries(_id(s.uid), _PET if s.what == "PET" else _CT, s.description, len(s.paths), str(s.path))
            for s in study.series
        )
        pet, ct = (study.preferred(what) for what in ("PET", "CT"))
        yield OfferedStudy(
            _id(str(root.absolute()), study.uid),
            study.patient or study.patient_id or root.name,
            origin,
            True,
            study.patient,
            study.patient_id,
            study.date,
            study.description,
            series,
            None if pet is None else _id(pet.uid),
            None if ct is None else _id(ct.uid),
        )


def _images(root: Path, origin: Origin) -> Iterable[OfferedStudy]:
    images = [p for p in sorted(root.rglob("*")) if p.is_file() and role_of(p.name) and not p.name.startswith(".")]
    for folder in dict.fromkeys(path.parent for path in images):
        here = [path for path in images if path.parent == folder]
        cases = dict.fromkeys(_case(path) for path in here)
        for case in cases:
            members = [path for path in here if _case(path) == case]
            if any(role_of(path.name) == _PET for path in members):
                yield _of_images(case or folder.name, members, origin)


def _case(path: Path) -> str:
    """The case that a file of the nnU-Net layout is of; "" of any other."""
    stem = path.name.removesuffix(image_suffix(path) or "")
    return stem[:-5] if stem.endswith(("_0000", "_0001")) else ""


def _of_images(title: str, paths: list[Path], origin: Origin) -> OfferedStudy:
    roles = {path: role_of(path.name) or _PET for path in paths}
    series = tuple(
        OfferedSeries(_id(str(path.absolute())), role, path.name, 1, str(path)) for path, role in roles.items()
    )
    pets, cts = ([s.id for s in series if s.modality == modality] for modality in (_PET, _CT))
    name = _id(*[str(path.absolute()) for path in paths])
    return OfferedStudy(name, title, origin, series=series, pet=pets[0], ct=next(iter(cts), None))


def _beside(pet: Path) -> list[Path]:
    """The CT beside a PET file, if there is one."""
    return [p for p in sorted(pet.parent.iterdir()) if role_of(p.name) == _CT and _case(p) == _case(pet)][:1]


def _id(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:16]
