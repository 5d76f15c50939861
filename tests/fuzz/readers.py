"""What is fuzzed: every reader of files, each with sound content that is damaged before it is read."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import yaml

from sam_pet.audit import LOG, AuditLog, begin, seal
from sam_pet.audit.seal import MANIFEST
from sam_pet.benchmark.folder import ResultsFolder as Benchmark
from sam_pet.cases import find_cases
from sam_pet.challenge.points import read_points
from sam_pet.challenge.state import Store
from sam_pet.cohort.folder import CohortFolder
from sam_pet.cohort.studies import find_studies
from sam_pet.dicom.read import read_ct, read_pet
from sam_pet.dicom.rtstruct import read_rtstruct
from sam_pet.files import read_image
from sam_pet.geometry import Grid
from sam_pet.masks import read_labels
from sam_pet.phantom import read_patients
from sam_pet.phantom.write import made_before
from sam_pet.prompt_files import read_prompts
from sam_pet.session.saved import fingerprint
from sam_pet.session.saved import read_record as read_session
from sam_pet.study import Study
from sam_pet.train.recipe import read_recipe
from sam_pet.verify.trail import check_environment, check_trail, read_trail
from tests.dicom.make import pet_tags, save, slices
from tests.fuzz.models import of_models
from tests.fuzz.target import Target, of_folder
from tests.fuzz.training import of_training
from tests.images import GRID, pet_array

_STUDY = Study(pet_array(), None, GRID)


def targets(scratch: Path) -> dict[str, Target]:
    """The readers by name; `scratch` is an empty folder in which sound files are made."""
    return {
        **_images(scratch),
        **_texts(),
        **_tables(),
        **of_models(scratch),
        **of_training(scratch),
        **_dicom(scratch),
    }


def _images(scratch: Path) -> dict[str, Target]:
    found = {}
    images = {"image": GRID.image(pet_array()), "labels": GRID.image((pet_array() > 1).astype(np.uint8))}
    for kind, image in images.items():
        read = read_image if kind == "image" else read_labels
        for name, packed in (("a.mha", True), ("b.mha", False), ("a.nii", False), ("a.nii.gz", True), ("a.nrrd", True)):
            sitk.WriteImage(image, scratch / name, useCompression=packed)
            content = (scratch / name).read_bytes()
            found[f"{kind} {name}"] = Target(name, content, lambda folder, n=name, read=read: read(folder / n, "PET"))
    for name in ("a.mhd", "a.nhdr"):
        folder = scratch / f"two of {name}"
        folder.mkdir()
        sitk.WriteImage(images["image"], folder / name)
        found[f"image {name}"] = of_folder(folder, name, lambda folder, n=name: read_image(folder / n, "PET"))
    return found


def _texts() -> dict[str, Target]:
    forms: dict[str, Any] = {
        "points": {"type": "Multiple points", "points": [{"point": [6, 5, 3], "name": "tumor"}] * 3},
        "lists": {"tumor": [[6, 5, 3], [7, 5, 3]], "background": [[1, 1, 1]]},
        "markups": {
            "markups": [
                {
                    "type": "Curve",
                    "coordinateSystem": "LPS",
                    "coordinateUnits": ["mm", "UCUM", "millimeter"],
                    "name": "tumor",
                    "controlPoints": [
                        {"label": "F-1", "position": [-8, -10, 105], "positionStatus": "defined"},
                        {"label": "F-2", "position": [-4, -10, 105]},
                    ],
                }
            ]
        },
        "record": {
            "type": "sam_pet prompts",
            "prompts": [
                {"kind": "click", "label": "tumor", "voxels": [[6, 5, 3]], "lesions": [1]},
                {"kind": "box", "label": "tumor", "voxels": [[1, 1, 1], [3, 3, 3]], "lesions": [2]},
            ],
        },
    }
    found = {}
    for name, form in forms.items():
        content = json.dumps(form).encode()
        found[f"prompts {name}"] = Target("p.json", content, lambda folder: read_prompts(folder / "p.json", GRID))
    found["container points"] = Target(
        "p.json", json.dumps(forms["points"]).encode(), lambda folder: read_points(folder / "p.json", GRID)
    )
    prompts = json.dumps(forms["record"]).encode()
    manifest = json.dumps(
        {
            "version": "1",
            "model": {"source": "default", "sha256": "0", "trained": True},
            "study": fingerprint(_STUDY),
            "first_answer": None,
            "mask_sha256": "0",
        }
    ).encode()
    read = lambda folder: read_session(folder, _STUDY)  # noqa: E731
    found["session manifest"] = Target("manifest.json", manifest, read, (("prompts.json", prompts),))
    found["session prompts"] = Target("prompts.json", prompts, read, (("manifest.json", manifest),))
    recipe = {
        "name": "x",
        "base": "nano-untrained",
        "out": "run",
        "train": [{"folder": "cases", "weight": 1.0}],
        "stages": [{"steps": 2, "batch": 1, "length": 3, "corrections": 1}],
        "optimization": {"lr": 1e-4, "warmup": 1},
        "precision": "no",
    }
    text = yaml.safe_dump(recipe)
    found["recipe"] = Target("r.yaml", text.encode(), lambda folder: read_recipe(folder / "r.yaml"))
    found["recipe change"] = Target(
        "change",
        b"stages.0.steps=3",
        lambda folder: read_recipe(
            folder / "r.yaml", [(folder / "change").read_bytes().decode("utf-8", "surrogateescape")]
        ),
        (("r.yaml", text.encode()),),
    )
    row = {"step": 0, "dice": 0.5, "dmm": None}
    facts = {"patient": "a", "tracer": None, "centre": None, "lesions": 1, "lesion_ml": 2.0, "suv_max": 3.0}
    result = json.dumps({"case": "a", "method": "suv4", "facts": facts, "rows": [row]}).encode() + b"\n"
    found["results"] = Target("results.jsonl", result * 2, lambda folder: Benchmark(folder).results())
    manifest = json.dumps({"protocol": {}, "cases": {}, "packages": {}, "methods": {"a": {}}}).encode()
    found["results manifest"] = Target("manifest.json", manifest, lambda folder: Benchmark(folder)._manifest())
    return found


def _tables() -> dict[str, Target]:
    """What tells of many studies."""
    rows = b"name,pet,ct,prompts\na,a.mha,,p.json\nb,b.mha,c.mha,\n"
    dataset = json.dumps({"file_ending": ".mha", "labels": {"tumor": 1}}).encode()
    case = tuple((name, b"") for name in ("imagesTr/a_0000.mha", "imagesTr/a_0001.mha", "labelsTr/a.mha"))
    asked = {"seed": 1, "tracer": "fdg"}
    facts = json.dumps({"case": "a", "asked": asked, "lesions": [{"suv": 3.0}]}).encode()
    lesions = b"case,x,y,z,volume_ml,suv_max,suv_mean,sphericity\na,1,2,3,4.5,9,5,0.8\n"
    maps = (("organs/a.nii.gz", b""), ("lesions.csv", lesions))
    strokes = json.dumps({"a": [[1, 2, 3], [2, 2, 3]]}).encode()
    manifest = json.dumps({"name": "a", "key": "k", "sha256": "0", "lesions": 1}).encode()
    mask = (("a/mask.nii.gz", b""),)
    state = hashlib.sha256(b"key" + b"blob").digest()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "a.txt").write_text("a")
        log = AuditLog(folder / LOG)
        begin(log, {"run": "cohort", "environment": {}, "workers": 1})
        seal(log, {"run": "cohort"}, [folder / "a.txt"])
        trails = {name: of_folder(folder, name, _trail) for name in (LOG, MANIFEST)}
    return {
        **{f"trail {name}": target for name, target in trails.items()},
        "cohort": Target("s.csv", rows, lambda folder: list(find_studies(folder / "s.csv"))),
        "cohort manifest": Target(
            "a/manifest.json", manifest, lambda folder: CohortFolder(folder).done("a", False, key="k"), mask
        ),
        "dataset": Target("dataset.json", dataset, find_cases, case),
        "phantom facts": Target(
            "a/phantom.json", facts, lambda folder: made_before("a", folder, "folders", asked), (("a/SEG.nii.gz", b""),)
        ),
        "organ maps": Target("lesions.csv", lesions, read_patients, maps[:1]),
        "organ strokes": Target("strokes.json", strokes, read_patients, maps),
        "container state": Target(
            "first", b"sam_pet state 1\n" + state + b"blob", lambda folder: Store([folder], "key").read("first")
        ),
    }


def _trail(folder: Path) -> None:
    """A run's log and manifest, looked at and gone on with."""
    trail = read_trail(folder)
    checks = [*check_trail(trail), check_environment(trail)]
    assert all("\n" not in check.detail for check in checks)
    begin(AuditLog(folder / LOG), {"run": "cohort"})


def _dicom(scratch: Path) -> dict[str, Target]:
    paths = save(slices(np.ones((3, 4, 4), np.int16), "PT", **pet_tags()), scratch / "pet")
    others = tuple((f"pet/{path.name}", path.read_bytes()) for path in paths[1:])
    target = Target(f"pet/{paths[0].name}", paths[0].read_bytes(), lambda folder: read_pet(folder / "pet"), others)
    paths = save(slices(np.zeros((3, 4, 4), np.int16), "CT"), scratch / "ct")
    ct = of_folder(scratch / "ct", paths[0].name, read_ct)
    labels = np.zeros((3, 4, 4), np.uint16)
    labels[1, 1:3, 1:3] = 1
    from sam_pet.dicom.rtstruct import write_rtstruct
    from sam_pet.dicom.series import read_series

    series = read_series(scratch / "pet", "PET")
    write_rtstruct(labels, series, scratch / "rt.dcm", model="x")
    grid: Grid = series.grid
    content = (scratch / "rt.dcm").read_bytes()
    structure = Target("rt.dcm", content, lambda folder: read_rtstruct(folder / "rt.dcm", "Lesion 1", grid))
    return {"dicom": target, "dicom ct": ct, "rtstruct": structure}
