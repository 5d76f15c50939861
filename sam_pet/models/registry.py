"""Models by name: the embedded ones, and those on the hub that are known to work."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import sam_pet
from sam_pet.errors import InputError
from sam_pet.models import hub
from sam_pet.models.hashes import download_folder, read_hashes
from sam_pet.models.manifest import CONFIG, RECORD, WEIGHTS, read_manifest

DEFAULT, UNTRAINED = "default", "nano-untrained"


@dataclass(frozen=True)
class ModelEntry:
    """A named model: embedded in `folder`, on the hub in `repository`, or, with neither, built from a seed."""

    name: str
    about: str
    family: str
    licence: str
    folder: Path | None = None
    repository: str | None = None
    files: tuple[str, ...] = ()
    image_size: int | None = None
    published_mb: int | None = None
    note: str | None = None

    @property
    def here(self) -> bool:
        """Whether it can be loaded without a network."""
        return self.repository is None or hub.location(self.repository, self.files) is not None

    @property
    def location(self) -> Path:
        """The folder its files lie in, or will."""
        if self.repository is not None:
            return hub.location(self.repository, self.files) or download_folder(self.repository)
        if self.folder is None:
            raise InputError(f"{self.name} has no files: it is built from a seed; write some with models convert")
        return self.folder

    @property
    def megabytes(self) -> int | None:
        """What its files take on disk, or will; None where it has none."""
        if self.folder is None or self.repository is not None:
            return self.published_mb
        return round(sum(path.stat().st_size for path in self.folder.iterdir() if path.is_file()) / 1e6)

    @property
    def sha256(self) -> str | None:
        """The recorded SHA-256 of the weights; None before a first fetch, and where there is no file."""
        if self.folder is not None:
            record = read_manifest(self.folder)
            return None if record is None else record.sha256
        return None if self.repository is None else read_hashes(self.location).get(self.files[-1])


_NATURAL = "Trained on natural images: fine-tune it before you trust it on PET/CT."


def _meta(version: str, size: str, millions: int) -> ModelEntry:
    name = f"{version}-hiera-{size}"
    family = f"SAM {version.removeprefix('sam')}"
    return ModelEntry(
        name,
        f"{size}, {millions} M, natural images and video",
        family,
        "Apache-2.0",
        repository=f"facebook/{name}",
        files=(CONFIG, WEIGHTS),
        published_mb=4 * millions,
        note=_NATURAL,
    )


def _medsam2(name: str, file: str, about: str) -> ModelEntry:
    # The licence is the one on https://huggingface.co/wanglab/MedSAM2.
    return ModelEntry(
        name,
        about,
        "SAM 2.1",
        "CC-BY-SA-4.0",
        repository="wanglab/MedSAM2",
        files=(file,),
        image_size=512,
        published_mb=156,
        note="Its weights are CC-BY-SA-4.0: give credit, and share what you derive from them alike.",
    )


_HUB = (
    *(
        _meta(version, size, millions)
        for version in ("sam2.1", "sam2")
        for size, millions in (("tiny", 39), ("small", 46), ("base-plus", 81), ("large", 224))
    ),
    _medsam2("medsam2", "MedSAM2_latest.pt", "tiny, tuned on CT, MRI, ultrasound, 512 px"),
    _medsam2("medsam2-ctlesion", "MedSAM2_CTLesion.pt", "tiny, tuned on lesions in CT, 512 px"),
    ModelEntry(
        "sam3",
        "its tracker, 466 M, natural images, video",
        "SAM 3",
        "SAM License",
        repository="facebook/sam3",
        files=(CONFIG, WEIGHTS),
        published_mb=3440,
        note=f"Gated: its terms are accepted on the hub. {_NATURAL}",
    ),
    ModelEntry(
        "edgetam",
        "14 M, natural images and video",
        "EdgeTAM",
        "Apache-2.0",
        repository="yonigozlan/EdgeTAM-hf",
        files=(CONFIG, WEIGHTS),
        published_mb=56,
        note=_NATURAL,
    ),
)
_SEEDED = ModelEntry(UNTRAINED, "random weights, for tests and as a start", "SAM 2.1", "Apache-2.0")


def checkpoints_folder() -> Path:
    """Where the embedded weights lie: in the installed package, or beside it in a checkout."""
    package = Path(sam_pet.__file__).parent
    installed = package / "checkpoints"
    return installed if installed.is_dir() else package.parent / "checkpoints"


def entries() -> dict[str, ModelEntry]:
    """All known models by name; every checkpoint folder among the embedded weights is one."""
    embedded = {}
    for path in sorted(checkpoints_folder().glob(f"*/{RECORD}")):
        record = read_manifest(path.parent)
        if record is not None:
            about = str(record.training.get("about", "embedded"))
            name = path.parent.name
            embedded[name] = ModelEntry(name, about, _family(path.parent), record.licence, folder=path.parent)
    return {entry.name: entry for entry in (*embedded.values(), _SEEDED, *_HUB)}


def _family(folder: Path) -> str:
    """The family of an embedded checkpoint, from its configuration alone."""
    path = folder / CONFIG
    families = {"sam2_video": "SAM 2.1", "sam3_tracker_video": "SAM 3", "edgetam_video": "EdgeTAM"}
    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        return families.get(str(json.loads(path.read_text(encoding="utf-8"))["model_type"]), "unknown")
    return "unknown"


def find(name: str) -> ModelEntry | None:
    """The model of a name; `default` is the untrained one until trained weights are embedded."""
    known = entries()
    return known.get(name) or (known[UNTRAINED] if name == DEFAULT else None)


def unknown(source: str | Path) -> InputError:
    """The error for words that name no model."""
    known = ", ".join(entries())
    return InputError(f"no model is named {str(source)[:200]!r}, nor is there such a folder; known are {known}")
