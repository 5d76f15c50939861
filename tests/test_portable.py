"""What differs between systems, as far as Linux shows it: encodings, names, processes, what may be missing."""

from __future__ import annotations

import ast
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sam_pet.benchmark import resources
from sam_pet.benchmark.protocol import _larger
from sam_pet.cohort.batch import named
from sam_pet.cohort.folder import CohortFolder
from sam_pet.cohort.study import CohortStudy
from sam_pet.files import write_image
from sam_pet.names import names_a_folder
from sam_pet.train import run_folder
from tests.fakes import two_lesion_study

ROOT = Path(__file__).parents[1]
CODE = [path for folder in ("sam_pet", "benchmarks", "docs", "finetune") for path in (ROOT / folder).rglob("*.py")]
_TEXT = {"read_text": 1, "write_text": 2}


def unnamed(code: str) -> Iterator[int]:
    """The lines that read or write text in whatever encoding the system has."""
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.Call):
            continue
        named = any(keyword.arg == "encoding" for keyword in node.keywords)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in _TEXT and not named and len(node.args) < _TEXT[name]:
            yield node.lineno
        modes = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        if name == "open" and not named and modes and set(modes[-1]) <= set("rwax+t"):
            yield node.lineno
        text = any(k.arg in ("text", "universal_newlines") and ast.unparse(k.value) == "True" for k in node.keywords)
        if text and not named:
            yield node.lineno


def test_text_is_read_and_written_in_a_named_encoding() -> None:
    assert {str(path.relative_to(ROOT)): lines for path in CODE if (lines := [*unnamed(path.read_text("utf-8"))])} == {}


@pytest.mark.parametrize(
    "code", ["p.read_text()", "p.write_text(a)", "p.open('a')", "open(p, 'w')", "subprocess.run(a, text=True)"]
)
def test_text_without_an_encoding_would_be_seen(code: str) -> None:
    assert [*unnamed(code)] == [1]


@pytest.mark.parametrize("code", ["p.read_text('utf-8')", "p.open('rb')", "open(p, 'w', encoding='utf-8')"])
def test_text_with_an_encoding_is_none(code: str) -> None:
    assert [*unnamed(code)] == []


def in_a_poor_locale(*arguments: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """The command under a console of code page 1252 and a system encoding of ASCII, as far as Linux has them."""
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment |= {"PYTHONIOENCODING": "cp1252", "OMP_NUM_THREADS": "1"}
    run = [sys.executable, "-c", "from sam_pet.cli.app import main; main()", *arguments]
    return subprocess.run(run, env=environment, cwd=folder, capture_output=True, check=False)


def test_a_study_with_a_japanese_name_is_segmented_under_a_poor_locale(tmp_path: Path) -> None:
    study = two_lesion_study()
    folder = tmp_path / "患者"
    write_image(study.grid.image(study.pet), folder / "SUV.nii.gz")
    (folder / "clicks.json").write_text('{"tumor": [[20, 24, 10]]}', encoding="utf-8")
    paths = [str(folder / name) for name in ("SUV.nii.gz", "clicks.json", "mask.nii.gz", "session")]
    words = ["segment", "--pet", paths[0], "--prompts", paths[1], "--out", paths[2], "--session", paths[3]]
    done = in_a_poor_locale(*words, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (folder / "mask.nii.gz").is_file()
    assert (folder / "session" / "manifest.json").is_file()
    assert b"\\udce6" in done.stdout


def test_an_error_that_names_such_a_file_is_one_line(tmp_path: Path) -> None:
    done = in_a_poor_locale("score", "--prediction", "患者.nii.gz", "--truth", "b.nii.gz", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b"no such file: \\udce6" in done.stderr


@pytest.mark.parametrize(
    "name", ["aux", "NUL.nii", "com1", "a:b", "a?b", "a/b", "..", ".a", "a.", "a ", "", "a\tb", "é" * 101]
)
def test_names_that_some_system_cannot_have_are_known(name: str) -> None:
    assert not names_a_folder(name)
    assert CohortFolder(Path("out")).fault(CohortStudy(name, Path("x.mha"))) is not None


@pytest.mark.parametrize("name", ["a", "PETCT 0a1b", "患者\u3000一", "auxiliary", "a.b", "com10", "Müller"])
def test_other_names_are_taken(name: str) -> None:
    assert names_a_folder(name)


def test_names_that_differ_in_case_alone_are_one() -> None:
    studies = [CohortStudy(name, Path("x.mha")) for name in ("anna", "ANNA")]
    assert [fault is None for _, fault in named(studies, CohortFolder(Path("out")))] == [True, False]


def test_what_workers_are_given_can_be_sent_to_them(tmp_path: Path) -> None:
    """Windows and macOS start workers anew: what they work on is pickled."""
    from sam_pet.cases import find_cases
    from sam_pet.models import ModelManifest
    from sam_pet.train.crops import CropFolder
    from sam_pet.train.samples import ClipDataset, SampleSettings
    from sam_pet.train.store import ExampleStore
    from tests.train.cases import write_cases

    crops = CropFolder(ExampleStore(tmp_path / "store")).prepare(find_cases(write_cases(tmp_path / "cases", 1)))
    record = ModelManifest(name="any")
    dataset = ClipDataset([(crops, 1.0)], SampleSettings(record.frames, record.clip, 64, 2), size=2, seed=0)
    sent = pickle.loads(pickle.dumps(dataset))
    assert all(np.array_equal(a, b) for a, b in zip(vars(dataset[1]).values(), vars(sent[1]).values(), strict=True))


def test_memory_is_unknown_where_the_system_does_not_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(resources, "_STATUS", tmp_path / "no")
    monkeypatch.setitem(sys.modules, "resource", None)
    with resources.measured() as usage:
        pass
    assert usage.peak_mb is None
    assert usage.seconds >= 0
    assert (_larger(None, None), _larger(None, 3.0), _larger(2.0, 3.0)) == (None, 3.0, 3.0)


def test_a_run_knows_its_machine_without_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run_folder.environment()["revision"] is None


def test_a_folder_that_may_not_be_written_to_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    from sam_pet.errors import InputError
    from sam_pet.files import require_folder

    with pytest.raises(InputError, match="can be written to"):
        require_folder(tmp_path / "out")


def test_checkpoints_are_checked_out_byte_by_byte() -> None:
    lines = (ROOT / ".gitattributes").read_text(encoding="utf-8").splitlines()
    assert "checkpoints/** -text" in lines
