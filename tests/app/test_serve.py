"""`sam-pet serve` that cannot: one line, exit 2."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from sam_pet.app.run import _alone
from sam_pet.app.settings import AppSettings
from sam_pet.cli.app import main


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--no-browser", *words])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_study_that_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    line = refused(capsys, str(tmp_path / "none"), "--folder", str(tmp_path / "app"))
    assert "no such file or folder" in line
    assert not (tmp_path / "app").exists()


def test_a_folder_without_a_pet(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    words = [str(tmp_path / "empty"), "--folder", str(tmp_path / "app"), "--model", "nano-untrained"]
    assert "holds no PET" in refused(capsys, *words)


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"cannot listen on 127.0.0.1:{port}" in refused(
            capsys, "--folder", str(tmp_path / "app"), "--port", str(port)
        )


@pytest.mark.skipif(os.name != "posix", reason="locks of files are POSIX's")
def test_a_folder_that_another_server_uses_and_that_others_cannot_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "app"
    held = _alone(AppSettings(folder))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert "another server uses" in refused(capsys, "--folder", str(folder))
    held.close()


@pytest.mark.parametrize("words", [("--memory-gb", "0"), ("--upload-gb", "-1"), ("--dicomweb", "ftp://pacs")])
def test_settings_that_make_no_sense(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: tuple[str, str]
) -> None:
    assert refused(capsys, "--folder", str(tmp_path), "--model", "nano-untrained", *words)
