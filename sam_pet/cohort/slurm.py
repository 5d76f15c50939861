"""A cohort as an array job of SLURM: one file that runs a part, and afterwards what is left."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from sam_pet.files import replacing

_SCRIPT = """#!/usr/bin/env bash
#SBATCH --job-name=sam-pet-batch
#SBATCH --cpus-per-task={cpus}
#SBATCH --mem={memory}G
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --output={log}
# The parts, then a run over all that does what they have left and writes the tables and the page:
#   job=$(sbatch --parsable --array=0-{last} {name})
#   sbatch --dependency=afterany:$job {name}
# A part that is killed or requeued goes on where it was. Add --gres=gpu:1 where there are GPUs.
set -euo pipefail
part=${{SLURM_ARRAY_TASK_ID:+--shard $SLURM_ARRAY_TASK_ID/{parts}}}
exec {command} $part
"""


def write_script(path: Path, command: Sequence[str], parts: int, workers: int, memory_gb: float) -> None:
    """Write the file of an array job.

    Args:
        path: of the file.
        command: what runs the whole cohort; a part of it with `--shard K/N` after it.
        parts: how many.
        workers: of each part.
        memory_gb: of each worker.
    """
    text = _SCRIPT.format(
        cpus=workers,
        memory=max(1, round(workers * memory_gb)),
        log=shlex.quote(str(path.parent / "slurm-%A_%a.log")),
        last=parts - 1,
        name=shlex.quote(str(path)),
        parts=parts,
        command=shlex.join(command),
    )
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
