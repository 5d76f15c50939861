"""A cohort segmented into a folder: for each study a mask, its lesions and a manifest, and one table over all."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import sam_pet
from sam_pet import outputs
from sam_pet.audit import LOG, PROGRAM, Actor, AuditLog, begin, environment, mask_sha256, seal
from sam_pet.audit.log import Act
from sam_pet.cohort.engine import DIED, completed
from sam_pet.cohort.studies import CohortStudy
from sam_pet.errors import InputError
from sam_pet.files import file_sha256, key_of, replacing, require_apart, require_folder, write_json
from sam_pet.prompt_files import read_prompts
from sam_pet.study import LITTLE_COVERED, read_study

if TYPE_CHECKING:
    from sam_pet.prompts import Prompt
    from sam_pet.segmenter import Segmenter

Manifest = dict[str, Any]
MANIFEST, MASK, LESIONS, TABLE = "manifest.json", "mask.nii.gz", "lesions.csv", "measurements.csv"


def run_batch(
    studies: Sequence[CohortStudy],
    out: Path,
    model: str = "default",
    device: str = "auto",
    workers: int = 1,
    report: Callable[[Manifest], None] = lambda _: None,
) -> list[Manifest]:
    """Segment what is not yet done and return every study's manifest, in the order of the studies.

    A study is done if its folder has a manifest of the same inputs (by content), model and version. One that fails has
    a manifest with its one-line `error`, and is tried again by the next run.

    Args:
        out: gets `NAME/{mask.nii.gz,lesions.csv,manifest.json}`, `measurements.csv`, and a log with its manifest.
        report: called with each manifest as soon as it is there.

    Raises:
        InputError: nothing can be written to `out`, an output would replace an input, or the model cannot be loaded.

    Examples:
        >>> from pathlib import Path
        >>> from sam_pet.cohort.batch import run_batch
        >>> from sam_pet.cohort.studies import CohortStudy
        >>> from sam_pet.demo import small_phantom
        >>> from sam_pet.files import write_json
        >>> from sam_pet.phantom import write_folder
        >>> write_folder(small_phantom(), "one", Path("cohort"))
        >>> write_json({"tumor": [[30, 22, 59]]}, "cohort/one/prompts.json")
        >>> study = CohortStudy("one", Path("cohort/one/SUV.nii.gz"), prompts=Path("cohort/one/prompts.json"))
        >>> [manifest["lesions"] for manifest in run_batch([study], Path("results"))]
        [1]
    """
    require_folder(out)
    inputs = [path for study in studies for path in (study.pet, study.ct, study.prompts)]
    files = [out / study.name / name for study in studies for name in (MASK, LESIONS, MANIFEST)]
    require_apart([out / name for name in (TABLE, LOG, MANIFEST)] + files, [*inputs, model])
    found: dict[int, Manifest] = {}
    sound: list[tuple[int, CohortStudy]] = []
    names: set[str] = set()
    for number, study in enumerate(studies):
        fault = _name_fault(study.name, names)
        if fault is None:
            names.add(study.name.casefold())
            sound.append((number, study))
        else:
            # No folder of its own: it would be another study's, or lie elsewhere.
            found[number] = {"name": study.name, "error": fault}
            report(found[number])
    task = partial(_run_one, out=out, model=model, device=device)
    log = AuditLog(out / LOG)
    begin(log, {"run": "cohort", "environment": environment(), "workers": workers})
    for (number, study), manifest in completed(sound, task, workers):
        if manifest is None:
            manifest = _keep_error(study, out, DIED)
        found[number] = manifest
        log.append(_act(manifest))
        report(manifest)
    ordered = [found[number] for number in range(len(studies))]
    done = [m["name"] for m in ordered if "error" not in m]
    _write_table(done, out)
    content = {"version": sam_pet.__version__, "studies": {m["name"]: m.get("key") for m in ordered}}
    kept = [out / study.name / name for _, study in sound for name in (MASK, LESIONS, MANIFEST)]
    seal(log, content, [out / TABLE, *filter(Path.is_file, kept)])
    return ordered


def _act(manifest: Manifest) -> Act:
    """What the log is told of a study, which goes by its key there: that of its inputs, the model and the version."""
    about = {key: manifest.get(key) for key in ("key", "model", "weights")}
    # The error's text may hold a path, and so anything.
    result = {"failed": True} if "error" in manifest else {key: manifest[key] for key in ("lesions", "volume_ml")}
    action = "keep" if "resumed" in manifest else "segment"
    return Act(Actor(**manifest.get("actor", PROGRAM.record)), action, about, result, manifest.get("mask_sha256"))


def _name_fault(name: str, taken: set[str]) -> str | None:
    if name.startswith(".") or any(mark in name for mark in "/\\:\0") or name.casefold() in (TABLE, LOG, MANIFEST):
        return f"the name {name!r} cannot be a folder's; give another"
    # Some file systems do not tell letter case apart.
    return f"the name {name!r} is another study's; give each its own" if name.casefold() in taken else None


def _run_one(item: tuple[int, CohortStudy], out: Path, model: str, device: str) -> Manifest:
    study = item[1]
    try:
        key = _key(study, model)
    except OSError as error:
        return _keep_error(study, out, f"{error.filename} cannot be read ({error.strerror})")
    done = _done(out / study.name, key)
    if done is not None:
        return done
    # Outside: a model that does not load is no study's fault, and must not cost the masks of an earlier run.
    segmenter = _segmenter(model, device)
    try:
        return _segment(study, out / study.name, key, segmenter)
    except InputError as error:
        return _keep_error(study, out, str(error))
    except Exception as error:  # one study must not stop the others
        reason = (str(error).strip() or "no message").splitlines()[0]
        return _keep_error(study, out, f"{type(error).__name__}: {reason}")


@lru_cache(maxsize=1)
def _segmenter(model: str, device: str) -> Segmenter:
    from sam_pet.segmenter import Segmenter

    segmenter = Segmenter.from_pretrained(model, device)
    segmenter.warn_of_weights()
    return segmenter


def _key(study: CohortStudy, model: str) -> str:
    inputs = [_content(path) for path in (study.pet, study.ct, study.prompts)]
    return key_of([sam_pet.__version__, model, _model_content(model), *inputs])


@lru_cache(maxsize=1)
def _model_content(model: str) -> list[list[str]]:
    path = Path(model)
    return _content(path) if path.exists() else []


def _content(path: Path | None) -> list[list[str]]:
    """The names and SHA-256 of the files that an input is read from."""
    return [
        [file.name, file_sha256(file)]
        for source in outputs.sources(path)
        for file in (sorted(source.rglob("*")) if source.is_dir() else [source])
        if file.is_file()
    ]


def _done(folder: Path, key: str) -> Manifest | None:
    try:
        manifest: Manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        same = manifest["key"] == key and "error" not in manifest and file_sha256(folder / MASK) == manifest["sha256"]
        _lesions_in(folder)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return {**manifest, "resumed": True} if same else None


def _lesions_in(folder: Path) -> Any:
    """The table of a study's lesions; an OSError or a ValueError where it is missing or damaged."""
    import pandas as pd

    return pd.read_csv(folder / LESIONS)


def _segment(study: CohortStudy, folder: Path, key: str, segmenter: Segmenter) -> Manifest:
    images = read_study(study.ct, study.pet)
    drawn = [] if study.prompts is None else read_prompts(study.prompts, images.grid)
    if not drawn and images.ct is not None and images.ct_share < LITTLE_COVERED:
        images = replace(images, ct=None)
    session = segmenter.open(images)
    if not drawn:
        session.first_answer("auto")
    for prompt in drawn:
        session.add(prompt)
    labels, lesions = session.labels, session.lesions
    outputs.write_mask(labels, images.grid, folder / MASK)
    with replacing(folder / LESIONS) as temporary:
        lesions.to_csv(temporary, index=False)
    mask = (labels > 0).astype(np.uint8)
    voxels = int(mask.sum())
    manifest: Manifest = {
        "name": study.name,
        "key": key,
        "sha256": file_sha256(folder / MASK),
        "mask_sha256": mask_sha256(mask),
        "weights": segmenter.facts,
        "actor": _actor(study, drawn).record,
        "lesions": len(lesions),
        "volume_ml": round(voxels * images.grid.voxel_ml, 4),
        "model": segmenter.record.name,
        "trained": segmenter.record.trained,
        "version": sam_pet.__version__,
    }
    # Last: what has a manifest is whole.
    write_json(manifest, folder / MANIFEST)
    return manifest


def _actor(study: CohortStudy, drawn: Sequence[Prompt]) -> Actor:
    return Actor("file", sha256=file_sha256(study.prompts)) if study.prompts is not None and drawn else PROGRAM


def _keep_error(study: CohortStudy, out: Path, error: str) -> Manifest:
    manifest: Manifest = {"name": study.name, "error": error}
    folder = out / study.name
    # A mask of an earlier run's inputs must not be taken for that of these; what no run wrote is left alone.
    if (folder / MANIFEST).is_file():
        for name in (MASK, LESIONS):
            (folder / name).unlink(missing_ok=True)
    write_json(manifest, folder / MANIFEST)
    return manifest


def _write_table(names: Sequence[str], out: Path) -> None:
    import pandas as pd

    tables = []
    for name in names:
        table = _lesions_in(out / name)
        table.insert(0, "study", name)
        tables.append(table)
    with replacing(out / TABLE) as temporary:
        (pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"study": []})).to_csv(temporary, index=False)
