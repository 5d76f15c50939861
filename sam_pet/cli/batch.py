"""`sam-pet batch`: a cohort in, a folder of masks, tables and a page out."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sam_pet.cohort.batch import StudyPool
    from sam_pet.cohort.job import SegmentStudy

_SCRIPT = "batch.sbatch"


def batch(
    studies: Annotated[
        Path,
        typer.Option(help="CSV with columns pet, ct, prompts, name; a folder with a folder a study; or DICOM files."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for masks, manifests and tables; a run in it is continued.")],
    model: Annotated[str, typer.Option(help="Name, hub id, checkpoint folder or .pt; see `models list`.")] = "default",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Studies at once: 1 by default, on a Ray cluster as many as it has room for."),
    ] = None,
    reports: Annotated[
        bool, typer.Option("--reports", metavar="", help="A page with pictures for each study.")
    ] = False,
    ray: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster that does the work; `auto` for this machine's.")
    ] = None,
    memory: Annotated[float, typer.Option(min=0.1, help="GB of a worker, with --ray and --slurm.")] = 4.0,
    shard: Annotated[
        str | None, typer.Option(help="K/N: part K, from 0 on, of N. The tables are left to a run without it.")
    ] = None,
    slurm: Annotated[
        int | None, typer.Option(min=1, help="Run nothing; write OUT/batch.sbatch, an array job of so many parts.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON line a study.")] = False,
) -> None:
    """Segment every study of a cohort; what is done is not done again, and what fails is listed."""
    from sam_pet.cohort.batch import BatchSettings, run_batch
    from sam_pet.cohort.folder import Manifest
    from sam_pet.cohort.studies import find_studies

    if slurm is not None:
        _write_script(studies, out, model, device, workers or 1, reports, memory, slurm)
        return
    part = None if shard is None else _parsed(shard)
    cohort = find_studies(studies.absolute())
    # Workers on other machines have other working folders.
    model = str(Path(model).absolute()) if Path(model).exists() else model
    # Ray tells of what happens in the cluster by printing it.
    stdout = sys.stdout
    with ExitStack() as stack:
        pool = None
        if ray is not None:
            pool, workers = _ray(stack, ray, device, workers, memory)
        progress = stack.enter_context(_Progress(len(cohort) if part is None else len(cohort.shard(*part))))

        def report(manifest: Manifest) -> None:
            if as_json:
                print(json.dumps({k: v for k, v in manifest.items() if k != "measurements"}), file=stdout, flush=True)
            progress.add(manifest)

        settings = BatchSettings(model, device, workers or 1, reports)
        counts = run_batch(cohort, out.absolute(), settings, part, pool, report)
    if not as_json:
        print(f"{counts.done} studies done ({counts.resumed} before), {counts.failed} failed: {out}")
    if counts.failed:
        raise typer.Exit(1)


def _parsed(shard: str) -> tuple[int, int]:
    from sam_pet.errors import InputError

    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", shard)
    if found is None or not int(found[1]) < int(found[2]):
        raise InputError(f"batch: --shard {shard!r} is not K/N with K from 0 to N - 1; give 0/8 for the first of eight")
    return int(found[1]), int(found[2])


def _ray(
    stack: ExitStack, address: str, device: str, workers: int | None, memory_gb: float
) -> tuple[Callable[[SegmentStudy], AbstractContextManager[StudyPool]], int]:
    """How workers of a Ray cluster are started, and how many."""
    from sam_pet.cohort.batch import AHEAD
    from sam_pet.cohort.ray_pool import ray_cluster, ray_pool, room_for

    resources: dict[str, Any] = stack.enter_context(ray_cluster(address)).cluster_resources()
    gpu = device != "cpu" and resources.get("GPU", 0) >= 1
    room = room_for(resources, gpu, memory_gb)
    # More would wait for room that never comes.
    return partial(ray_pool, ahead=AHEAD, gpu=gpu, memory_gb=memory_gb), min(workers or room, room)


def _write_script(
    studies: Path, out: Path, model: str, device: str, workers: int, reports: bool, memory_gb: float, parts: int
) -> None:
    from sam_pet.cohort.slurm import write_script
    from sam_pet.cohort.studies import find_studies
    from sam_pet.files import require_folder

    require_folder(out)
    cohort = find_studies(studies)
    program = Path(sys.executable).with_name("sam-pet")
    options = {"studies": studies.absolute(), "out": out.absolute(), "device": device, "workers": workers}
    options["model"] = Path(model).absolute() if Path(model).exists() else model
    command = [str(program) if program.is_file() else "sam-pet", "batch"]
    command += [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    path = out.absolute() / _SCRIPT
    write_script(path, [*command, *(["--reports"] if reports else [])], parts, workers, memory_gb)
    print(f"{len(cohort)} studies in {parts} parts: {path} says how to submit it")


class _Progress:
    """How far a run is and how long it takes yet: a bar on a terminal, else a line now and then, on stderr."""

    _EVERY_S = 30.0

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._total = total
        self._console = Console(stderr=True)
        columns = (TextColumn("batch"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=self._console, disable=not self._console.is_terminal, transient=True)
        self._task = self._bar.add_task("batch", total=total)
        self._seen = self._worked = self._failed = 0
        self._started = self._said = time.monotonic()

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def add(self, manifest: dict[str, Any]) -> None:
        self._seen += 1
        # What was done before says nothing of how long the rest takes.
        self._worked += "resumed" not in manifest
        self._bar.update(self._task, advance=1)
        if "error" in manifest:
            self._failed += 1
            self._say(f"{manifest['name']}: {manifest['error']}")
        now = time.monotonic()
        if not self._console.is_terminal and now - self._said >= self._EVERY_S:
            self._said = now
            self._say(self._line(now))

    def _line(self, now: float) -> str:
        rate = self._worked / (now - self._started)
        left = (self._total - self._seen) / rate if rate else float("inf")
        time_left = (
            ""
            if left == float("inf")
            else f", {left / 3600:.1f} h left"
            if left > 7200
            else f", {left / 60:.0f} min left"
        )
        return (
            f"batch: {self._seen} of {self._total} studies, {self._failed} failed, {60 * rate:.1f} a minute{time_left}"
        )

    def _say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)
