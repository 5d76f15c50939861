"""`make fuzz MINUTES=30`: damage every kind of file, read it, and keep what is not refused in one line.

python -m tests.fuzz.run --minutes 5 [--seed N] [TARGET ...]

A finding is an error other than `InputError`, a crash, seconds without an end, or gigabytes; its input is kept in
`fuzz-findings/` and belongs into a test.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import multiprocessing
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

from sam_pet.errors import InputError
from tests.fuzz.damage import damaged
from tests.fuzz.readers import Target, targets

FINDINGS = Path("fuzz-findings")
SLOWEST_S, MOST_MB, _LONGEST_S = 20.0, 2000.0, 120.0
_PIECE = 400


def try_one(target: Target, content: bytes, folder: Path) -> str | None:
    """What a reader makes of content that it should not; None if it reads or refuses it."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in (*target.others, (target.name, content)):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    began = time.monotonic()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.read(folder)
    except InputError as error:
        if "\n" in str(error):
            return f"a message of several lines: {error}"
    except Exception:
        return traceback.format_exc()
    if time.monotonic() - began > SLOWEST_S:
        return f"took {time.monotonic() - began:.0f} s"
    return None


def _piece(name: str, seed: int, last: Path) -> None:
    """Many damaged inputs of one target, the current one kept in `last` for the case of a crash."""
    faulthandler.enable()
    logging.disable()
    with tempfile.TemporaryDirectory() as place:
        scratch = Path(place) / "sound"
        scratch.mkdir()
        target = targets(scratch)[name]
        rng = random.Random(seed)
        for _ in range(_PIECE):
            content = damaged(target.content, rng)
            last.write_bytes(content)
            fault = try_one(target, content, Path(place) / "damaged")
            if fault is not None:
                print(f"FINDING {name}, seed {seed}: {fault}", flush=True)
                sys.exit(3)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if peak > MOST_MB:
        print(f"FINDING {name}, seed {seed}: {peak:.0f} MB", flush=True)
        sys.exit(3)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as place:
        scratch = Path(place)
        known = list(targets(scratch))
        names = [name for name in known if not options.names or name in options.names]
        ends, seed, findings, inputs = time.monotonic() + options.minutes * 60, options.seed, 0, 0
        while time.monotonic() < ends:
            name = names[seed % len(names)]
            process = context.Process(target=_piece, args=(name, seed, scratch / "last"))
            process.start()
            process.join(_LONGEST_S)
            if process.is_alive():
                process.kill()
                process.join()
            if process.exitcode != 0:
                findings += 1
                FINDINGS.mkdir(exist_ok=True)
                kept = FINDINGS / f"{name.replace(' ', '-')}-{seed}"
                shutil.copy(scratch / "last", kept)
                print(f"FINDING kept as {kept}, exit {process.exitcode}", flush=True)
            inputs += _PIECE
            seed += 1
    print(f"{inputs} inputs, {findings} findings, seeds {options.seed} to {seed - 1}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
