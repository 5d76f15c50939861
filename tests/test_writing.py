"""What is written is whole or absent, on full disks and in killed processes, under names of any encoding."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from sam_pet.errors import InputError
from sam_pet.files import (
    clear_left,
    partial_prefix,
    read_image,
    replacing,
    require_apart,
    require_file_name,
    write_image,
)
from tests.images import GRID, pet_array, write

LATIN = b"pet_\xe9.nii.gz".decode("utf-8", "surrogateescape")


@pytest.mark.parametrize("suffix", [".nii.gz", ".mha", ".nrrd"])
def test_names_that_are_no_utf8_are_read_and_written(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / LATIN.removesuffix(".nii.gz")
    path = folder / LATIN.replace(".nii.gz", suffix)
    write_image(GRID.image(pet_array()), path)
    assert np.array_equal(sitk.GetArrayFromImage(read_image(path, "PET")), pet_array())


FULL = """
import resource, sys, numpy as np
from sam_pet.errors import reported
from sam_pet.files import write_image
from sam_pet.geometry import Grid
grid = Grid((60, 60, 60))
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
with reported("sam-pet"):
    write_image(grid.image(np.random.default_rng(0).random(grid.shape, np.float32)), sys.argv[1])
"""


@pytest.mark.skipif(os.name != "posix", reason="file sizes are limited by POSIX")
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".mha", ".nrrd"])
def test_a_file_that_cannot_be_written_whole_leaves_the_old_one(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"m{suffix}", pet_array())
    before = path.read_bytes()
    # The limit would be that of a measurement of coverage, too.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run([sys.executable, "-c", FULL, path], capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 2
    assert path.name in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("sam-pet: ")
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 20_000


def test_errors_name_the_file_and_not_the_temporary_one(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"a\.json") as caught, replacing(tmp_path / "a.json"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.filename == str(tmp_path / "a.json")


def test_what_killed_processes_left_is_taken_away(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    prefix = partial_prefix().replace(f"-{os.getpid()}-", f"-{dead.pid}-")
    (tmp_path / f"{prefix}x.mha").write_text("half")
    (tmp_path / f"{partial_prefix()}mine.mha").write_text("half")
    scratch = tmp_path / f"{prefix}folder"
    (scratch / "old" / "checkpoint").mkdir(parents=True)
    (scratch / "old" / "checkpoint" / "weights").write_text("of a year")
    clear_left(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([f"{partial_prefix()}mine.mha", "checkpoint"])
    assert (tmp_path / "checkpoint" / "weights").read_text() == "of a year"


@pytest.mark.parametrize("way", ["itself", "dots", "symlink", "hard link", "inside"])
def test_no_output_replaces_an_input(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    pet = tmp_path / "in" / "pet.mha"
    pet.write_text("pet")
    given = tmp_path / "in" if way == "inside" else pet
    out: Path = {"dots": Path("in/../in/./pet.mha"), "symlink": Path("s.mha"), "hard link": Path("h.mha")}.get(way, pet)
    if way == "symlink":
        out.symlink_to(pet)
    if way == "hard link":
        out.hardlink_to(pet)
    with pytest.raises(InputError, match="it is the input"):
        require_apart([None, out], [None, given])
    require_apart([tmp_path / "in" / "new.mha", None], [given, "default"])


SLOW = """
import sys, time
from sam_pet.errors import reported
from sam_pet.files import replacing
with reported("sam-pet"), replacing(sys.argv[1]):
    print("begun", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_sigterm_leaves_no_unfinished_file(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", SLOW, tmp_path / "a.json"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 143
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_yet_hides_no_input(tmp_path: Path) -> None:
    pet = tmp_path / "pet.nii.gz"
    pet.write_bytes(b"the PET")
    with pytest.raises(InputError, match="it is the input"):
        require_apart([tmp_path / "not yet" / ".." / "pet.nii.gz"], [pet])


def test_two_outputs_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="another output"):
        require_apart([tmp_path / "a.dcm", None, tmp_path / "." / "a.dcm"], [])
    require_apart([tmp_path / "a.dcm", tmp_path / "b.dcm", None, None], [])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_no_file_and_is_left_alone(tmp_path: Path) -> None:
    pipe = tmp_path / "mask.json"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="a device or a pipe"):
        require_file_name(pipe)
    with pytest.raises(OSError, match="it is no file"), replacing(pipe) as temporary:
        temporary.write_text("{}")
    assert pipe.is_fifo()
