"""The log on disk: it only grows, and a change anywhere breaks its chain or its seal."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

from sam_pet.audit import LOG, PERSON, Actor, AuditLog, begin, environment, mask_sha256, seal
from sam_pet.audit.log import NOTHING, Act, read_log
from sam_pet.audit.seal import MANIFEST, content_sha256, files_below
from sam_pet.errors import InputError

AGENT = Actor("agent", "agent:llm", model="some-model-7b")


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    log = AuditLog(tmp_path / LOG)
    log.append(Act(PERSON, "start", {"environment": environment()}))
    log.append(Act(AGENT, "add", {"voxels": [[1, 2, 3]]}, {"lesions": 1}, "ab" * 32), Act(AGENT, "stop"))
    return log


def test_each_line_holds_the_hash_of_the_line_before(log: AuditLog) -> None:
    texts = log.path.read_bytes().splitlines()
    lines = [json.loads(text) for text in texts]
    hashes = [hashlib.sha256(text).hexdigest() for text in texts]
    assert [line["previous"] for line in lines] == [NOTHING, *hashes[:-1]]
    assert log.head == AuditLog(log.path).head == hashes[-1]
    assert lines[1]["actor"] == {"kind": "agent", "name": "agent:llm", "model": "some-model-7b"}
    assert lines[1]["mask_sha256"] == "ab" * 32
    assert lines[0]["time"] < lines[2]["time"]
    assert lines[0]["details"]["environment"]["packages"]["numpy"] == np.__version__


def test_a_line_that_a_killed_process_left_is_cut_off_and_what_stood_stays(log: AuditLog) -> None:
    before = log.path.read_bytes()
    log.path.write_bytes(before + b'{"line": 3, "ti')
    assert read_log(log.path).torn
    again = AuditLog(log.path)
    assert again.record == log.record
    again.append(Act(PERSON, "undo"))
    assert log.path.read_bytes().startswith(before)
    found = read_log(log.path)
    assert (found.fault, found.torn, len(found.heads)) == (None, False, 4)


def test_every_changed_byte_but_the_last_line_s_breaks_the_chain(log: AuditLog) -> None:
    sound = log.path.read_bytes()
    last = sound[:-1].rfind(b"\n") + 1
    for place in range(0, last, 7):
        damaged = bytearray(sound)
        damaged[place] ^= 1
        log.path.write_bytes(damaged)
        assert read_log(log.path).fault is not None, place
    log.path.write_bytes(sound[: sound.find(b"\n") + 1] + sound[last:])
    assert read_log(log.path).fault == "line 1 is damaged"


def test_a_seal_holds_every_file_and_the_head_which_holds_the_manifest(log: AuditLog, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "a.nii").write_bytes(b"a")
    (tmp_path / ".partial-1").write_bytes(b"b")
    seal(log, {"steps": 3, "audit": "an older one"}, files_below(tmp_path))
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    assert manifest["files"] == {"masks/a.nii": hashlib.sha256(b"a").hexdigest()}
    assert manifest["audit"] == {"lines": 4, "head": log.head}
    last = read_log(log.path).entries[-1]
    assert last["details"] == {"manifest_sha256": content_sha256(manifest)}
    assert content_sha256({**manifest, "steps": 4}) != content_sha256(manifest)


def test_a_run_that_goes_on_takes_the_seal_off(log: AuditLog, tmp_path: Path) -> None:
    seal(log, {"steps": 3}, [])
    sealed = (tmp_path / MANIFEST).read_bytes(), log.path.read_bytes()
    begin(log, {"run": "cohort"})
    seal(log, {"steps": 3}, [])
    assert ((tmp_path / MANIFEST).read_bytes(), log.path.read_bytes()) == sealed, "nothing was done"
    log.append(Act(PERSON, "segment"))
    assert json.loads((tmp_path / MANIFEST).read_text()) == {"steps": 3}
    assert [entry["action"] for entry in read_log(log.path).entries[-2:]] == ["start", "segment"]
    (tmp_path / MANIFEST).write_text("[")
    before = log.path.read_bytes()
    with pytest.raises(InputError, match="is damaged"):
        begin(log, {"run": "cohort"})
    assert log.path.read_bytes() == before


def test_the_hash_of_a_mask_is_that_of_its_bytes_as_they_are_stored() -> None:
    mask = np.zeros((3, 4, 5), np.uint8)
    mask[1, 2, 3] = 1
    expected = hashlib.sha256(mask.tobytes()).hexdigest()
    assert mask_sha256(mask) == mask_sha256(np.asfortranarray(mask)) == expected


@pytest.mark.skipif(os.name != "posix", reason="file sizes are limited by POSIX")
@pytest.mark.parametrize("new", [False, True])
def test_a_line_that_does_not_fit_on_the_disk_leaves_no_part_of_it(log: AuditLog, new: bool) -> None:
    import resource

    path = log.path.parent / "new" / LOG if new else log.path
    before = None if new else path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before or b"") + 20, hard))
    try:
        with pytest.raises(OSError, match=LOG):
            AuditLog(path).append(Act(PERSON, "add"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (path.read_bytes() if path.exists() else None) == before
