"""The masks of a fixed set by hash: whether a change of the code leaves every one of them as it was.

    python benchmarks/mask_hashes.py --out hashes.json --sts DATA/sts --anatomy DATA/autopet/anatomy
    python benchmarks/mask_hashes.py --out hashes.json ... --check before.json

The set: sarcoma studies (a click, then five strokes), six simulated studies and four real anatomies with simulated
lesions (a first answer, then five strokes). Every mask of every step goes into the hash of its case. Hashes hold for
one machine and one version of its libraries. Started again with the same --out, it goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sam_pet.benchmark.protocol import Protocol, run_case
from sam_pet.cases import Case, find_cases
from sam_pet.files import read_image
from sam_pet.geometry import Grid
from sam_pet.methods import make_method
from sam_pet.methods.method import AnswersFirst, Mask, MethodSession
from sam_pet.phantom import make_phantom, write_folder
from sam_pet.phantom.frame import parse_grid
from sam_pet.prompt_files import read_prompts
from sam_pet.readers import CHALLENGE_SEED, Stroke, make_reader
from sam_pet.study import Study

READER, STEPS = "scribble-mixed", 5
PHANTOMS = range(33000, 33006)
GRID = "200x200x326@4.07x4.07x3"
ANATOMIES = 4


class Hashed:
    """A method whose masks are hashed, in the order in which they come."""

    def __init__(self, model: str) -> None:
        self._method = make_method("sam-pet" if model == "default" else f"sam-pet:{model}")
        self.name, self.facts = self._method.name, self._method.facts
        self.digest = hashlib.sha256()

    def open(self, study: Study) -> MethodSession:
        return _Session(self._method.open(study), self.digest)

    def answer(self, study: Study) -> MethodSession:
        assert isinstance(self._method, AnswersFirst)
        return _Session(self._method.answer(study), self.digest)


class _Session:
    def __init__(self, session: MethodSession, digest: hashlib._Hash) -> None:
        self._session, self._digest = session, digest

    def add(self, stroke: Stroke) -> None:
        self._session.add(stroke)

    @property
    def mask(self) -> Mask:
        mask = self._session.mask
        self._digest.update(np.packbits(mask).tobytes())
        return mask


def simulated(anatomies: Path | None, folder: Path) -> Iterator[Case]:
    """Each study is written, used and overwritten by the next."""
    for i, seed in enumerate(PHANTOMS):
        phantom = make_phantom(seed, ("fdg", "psma")[i % 2], parse_grid(GRID), lesion_free=False)
        write_folder(phantom, f"{('fdg', 'psma')[i % 2]}_sim{seed}_0", folder, instances=False)
        yield find_cases(folder, [f"{('fdg', 'psma')[i % 2]}_sim{seed}_0"])[0]
    found = [] if anatomies is None else sorted(p for p in anatomies.iterdir() if (p / "organs.nii.gz").is_file())
    for i, path in enumerate(found[:ANATOMIES]):
        organs = read_image(path / "organs.nii.gz", "organ map")
        strokes = path / "lesion-clicks.json"
        drawn = read_prompts(strokes, Grid.of(organs)) if strokes.is_file() else []
        seeds = [(x, y, z) for p in drawn if p.label == "tumor" for x, y, z in p.voxels.tolist()]
        tracer = "psma" if path.name.startswith("psma") else "fdg"
        phantom = make_phantom(34000 + i, tracer, None, lesion_free=not seeds, anatomy=organs, seeds=seeds or None)
        write_folder(phantom, path.name, folder, instances=False)
        yield find_cases(folder, [path.name])[0]


def cases(sts: Path | None, anatomies: Path | None, folder: Path) -> Iterator[tuple[Case, Protocol]]:
    for case in find_cases(sts) if sts is not None else []:
        yield case, Protocol(READER, STEPS, "click", CHALLENGE_SEED)
    for case in simulated(anatomies, folder):
        yield case, Protocol(READER, STEPS, "nothing", CHALLENGE_SEED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sts", type=Path)
    parser.add_argument("--anatomy", type=Path)
    parser.add_argument("--model", default="default")
    parser.add_argument("--check", type=Path, help="hashes that these must equal")
    options = parser.parse_args()

    found: dict[str, str] = json.loads(options.out.read_text(encoding="utf-8")) if options.out.is_file() else {}
    with tempfile.TemporaryDirectory() as folder:
        for case, protocol in cases(options.sts, options.anatomy, Path(folder)):
            if case.name in found:
                continue
            method = Hashed(options.model)
            outcome = run_case(case, method, make_reader(READER, case.name), protocol)
            found[case.name] = method.digest.hexdigest()
            options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
            print(case.name, *(f"{row['dice']:.3f}" for row in outcome.rows), flush=True)
    if options.check is not None:
        before = json.loads(options.check.read_text(encoding="utf-8"))
        others = [name for name in before if before[name] != found.get(name)]
        print(f"{len(before) - len(others)} of {len(before)} are the same", *others)
        sys.exit(1 if others else 0)


if __name__ == "__main__":
    main()
