"""`make fuzz MINUTES=30`: damage every kind of file, read it, and keep what is not refused in one line.

python -m tests.fuzz.run --minutes 5 [--seed N] [TARGET ...]

A finding is an error other than `InputError`, a crash, seconds without an end, or gigabytes; its input is kept in
`fuzz-findings/` and belongs into a test. Seconds are those of the processor: a busy machine is no finding.
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
from tests.fuzz.readers import targets
from tests.fuzz.target import Target

FINDINGS = Path("fuzz-findings")
SLOWEST_S, MOST_MB = 20, 2000.0
_PIECE, _PIECE_S, _WAIT_S = 400, 10, 900.0


def try_one(target: Target, content: bytes, folder: Path) -> str | None:
    """What a reader makes of content that it should not; None if it reads or refuses it."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in (*target.others, (target.name, content)):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    began = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.read(folder)
    except InputError as error:
        if "\n" in str(error):
            return f"a message of several lines: {error}"
    except Exception:
        return traceback.format_exc()
    if time.process_time() - began > SLOWEST_S:
        return f"took {time.process_time() - began:.0f} s"
    return None


def _piece(name: str, seed: int, last: Path) -> None:
    """Damaged inputs of one target, the current one kept in `last` for the case of a crash or of no end."""
    faulthandler.enable()
    logging.disable()
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        scratch = Path(place) / "sound"
        scratch.mkdir()
        target = targets(scratch)[name]
        began, count = time.process_time(), 0
        resource.setrlimit(resource.RLIMIT_CPU, (int(began) + _PIECE_S + 2 * SLOWEST_S, resource.RLIM_INFINITY))
        while count < _PIECE and time.process_time() - began < _PIECE_S:
            content = damaged(target.content, rng)
            last.write_bytes(content)
            fault = try_one(target, content, Path(place) / "damaged")
            count += 1
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            if fault is None and peak > MOST_MB:
                fault = f"{peak:.0f} MB"
            if fault is not None:
                print(f"FINDING {name}, seed {seed}, input {count}: {fault}", flush=True)
                sys.exit(3)
    print(f"{name}, seed {seed}: {count} inputs", flush=True)
    last.write_text(str(count))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    # Each piece in a process of its own, with what takes long to import there already.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([targets.__module__])
    with tempfile.TemporaryDirectory() as place:
        scratch = Path(place)
        known = list(targets(scratch))
        names = [name for name in known if not options.names or name in options.names]
        ends, seed, findings, inputs = time.monotonic() + options.minutes * 60, options.seed, 0, 0
        while time.monotonic() < ends:
            name = names[seed % len(names)]
            process = context.Process(target=_piece, args=(name, seed, scratch / "last"))
            process.start()
            process.join(_WAIT_S)
            if process.is_alive():
                process.kill()
                process.join()
            if process.exitcode == 0:
                inputs += int((scratch / "last").read_text())
            else:
                findings += 1
                FINDINGS.mkdir(exist_ok=True)
                kept = FINDINGS / f"{name.replace(' ', '-')}-{seed}"
                shutil.copy(scratch / "last", kept)
                print(f"FINDING kept as {kept}, exit {process.exitcode}", flush=True)
            seed += 1
    print(f"{inputs} inputs, {findings} findings, seeds {options.seed} to {seed - 1}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
