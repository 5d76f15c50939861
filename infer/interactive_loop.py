"""The challenge's loop of six steps against the container: predict, draw one stroke on the worst error, predict again.

A step is a run of the container with all points so far. It is killed after 600 s, and scores 0 if it fails, is killed,
or leaves anything but one valid mask. `dice_scores.json` has the form of the challenge's own.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from engines import Docker, Engine, Folders, Run, Sandbox, find_program
from rootfs import REPOSITORY, build

from sam_pet.cases import Case, find_cases
from sam_pet.files import write_json
from sam_pet.geometry import Grid
from sam_pet.masks import read_mask
from sam_pet.prompt_files import points
from sam_pet.readers import Stroke, make_reader
from sam_pet.scores import area_under, score

STEPS = 6
_MASKS = "images/tumor-lesion-segmentation"


@dataclass(frozen=True)
class Scored:
    """A step: its scores (DMM is None for an empty truth), what it cost, and what was wrong with it."""

    iteration: int
    dice: float
    dmm: float | None
    seconds: float
    peak_gb: float | None
    report: dict[str, Any] | None
    fault: str | None


def run_case(case: Case, engine: Engine, folder: Path, reader_name: str, model: Path | None = None) -> list[Scored]:
    """The six steps of a case; what the container saw and wrote stays in `folder`, less the images."""
    shutil.rmtree(folder, ignore_errors=True)
    folders = Folders(folder / "input", folder / "output", folder / "cache", model)
    for path in (folders.input / "images/ct", folders.input / "images/pet", folders.output, folders.cache):
        path.mkdir(parents=True)
    for path in (folders.output, folders.cache):
        # The container's user is none of this machine's.
        path.chmod(0o777)
    study = case.study()
    truth = case.mask(study.grid)
    reader = make_reader(reader_name, case.name)
    images = [("ct", case.ct), ("pet", case.pet)]
    files = {kind: _converted(path, folders.input / "images" / kind) for kind, path in images if path is not None}
    strokes: list[Stroke] = []
    mask = np.zeros(study.grid.shape, np.uint8)
    steps: list[Scored] = []
    for iteration in range(STEPS):
        if iteration:
            stroke = reader.correct(mask, truth, study, iteration)
            strokes += [] if stroke is None else [stroke]
        # The platform gives the same image another name each time.
        files = {kind: path.rename(path.with_name(f"{uuid.uuid4()}.mha")) for kind, path in files.items()}
        write_json(points([stroke.prompt for stroke in strokes]), folders.input / "lesion-clicks.json")
        run = engine.run(folders, {})
        found, fault = _mask_of(run, folders.output / _MASKS, files.get("ct", files["pet"]))
        if found is not None:
            mask = found
        scores = score(mask, truth, study.grid.spacing)
        failed = found is None
        dmm = 0.0 if failed and scores.dmm is not None else scores.dmm
        steps.append(
            Scored(
                iteration,
                0.0 if failed else scores.dice,
                dmm,
                run.seconds,
                run.peak_gb,
                _report(run),
                fault,
            )
        )
        (folder / f"iter_{iteration}.log").write_text(run.log, encoding="utf-8")
        sitk.WriteImage(study.grid.image(mask), folder / f"iter_{iteration}.nii.gz", useCompression=True)
    for path in files.values():
        path.unlink()
    return steps


def _converted(image: Path, folder: Path) -> Path:
    path = folder / "image.mha"
    read = sitk.ReadImage(image)
    # A NIfTI file's own words have no place in the other format, and ITK would warn of each.
    for key in read.GetMetaDataKeys():
        read.EraseMetaData(key)
    sitk.WriteImage(read, path, useCompression=True)
    return path


def _report(run: Run) -> dict[str, Any] | None:
    try:
        return dict(json.loads(run.printed.splitlines()[-1]))
    except (IndexError, ValueError, TypeError):
        return None


def _mask_of(run: Run, folder: Path, ct: Path) -> tuple[Any, str | None]:
    """The mask a step left, or None, and what is wrong."""
    if run.status is None:
        return None, "killed after 600 s"
    if run.status != 0:
        return None, f"exit status {run.status}: {run.log.strip().splitlines()[-1:]}"
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if names != [ct.name]:
        return None, f"there should be one mask {ct.name}, and there is {names}"
    try:
        mask, grid = read_mask(folder / ct.name, "mask")
    except ValueError as error:
        return None, str(error)
    image = sitk.ReadImage(folder / ct.name)
    if image.GetPixelID() != sitk.sitkUInt8 or grid != Grid.of(sitk.ReadImage(ct)):
        return None, f"the mask is {image.GetPixelIDTypeAsString()} on {grid}"
    return mask, None


def write_scores(results: dict[str, list[Scored]], out: Path) -> None:
    """`dice_scores.json` and `dice_scores_AUC.json` as the challenge writes them, and `steps.json` with all else."""
    write_json(
        {
            name: [{"iteration": s.iteration, "dice": s.dice, "dmm": s.dmm} for s in steps]
            for name, steps in results.items()
        },
        out / "dice_scores.json",
    )
    areas = {
        name: {"auc": area_under([s.dice for s in steps]), "auc_dmm": area_under([s.dmm for s in steps])}
        for name, steps in results.items()
    }
    write_json(areas, out / "dice_scores_AUC.json")
    write_json({name: [vars(s) for s in steps] for name, steps in results.items()}, out / "steps.json")


def challenge_name(case: Case) -> str:
    """What the challenge calls a case: its CT's file name less the suffix, in nnU-Net's layout."""
    return f"{case.name}_0000" if case.ct is not None and case.ct.name.endswith("_0000.nii.gz") else case.name


def loop(
    cases: list[Case], engine: Engine, out: Path, reader: str, model: Path | None = None
) -> dict[str, list[Scored]]:
    """Run all cases and write the scores after each one; a line for each step goes to stderr."""
    results: dict[str, list[Scored]] = {}
    for case in cases:
        name = challenge_name(case)
        results[name] = run_case(case, engine, out / case.name, reader, model)
        for s in results[name]:
            report = s.report or {}
            figures = (s.dmm, s.peak_gb, report.get("cpu_seconds"))
            dmm, peak, cpu = ("-" if value is None else f"{value:.3g}" for value in figures)
            state = s.fault or report.get("answer", "")
            costs = f"{s.seconds:.1f} s ({cpu} s of CPU), peak {peak} GB"
            print(f"{name} step {s.iteration}: Dice {s.dice:.3f} DMM {dmm}, {costs}; {state}", file=sys.stderr)
        write_scores(results, out)
    return results


def make_engine(name: str) -> Engine:
    """The engine of a name; `auto` is docker or podman where one runs, else the sandbox."""
    program = find_program() if name == "auto" else name if name in ("docker", "podman") else None
    return Docker(program) if program else Sandbox(*build(REPOSITORY / "infer" / "build"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path, required=True, help="nnU-Net layout, or a folder a case")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--engine", choices=("auto", "docker", "podman", "sandbox"), default="auto")
    parser.add_argument("--reader", default="scribble-mixed")
    parser.add_argument("--model", type=Path, help="folder to mount as /opt/ml/model")
    parser.add_argument("--names", nargs="+", help="only these cases")
    arguments = parser.parse_args()
    cases = find_cases(arguments.cases, arguments.names)
    model = arguments.model and arguments.model.resolve()
    loop(cases, make_engine(arguments.engine), arguments.out.resolve(), arguments.reader, model)


if __name__ == "__main__":
    main()
