"""A server that is killed, and one that comes after it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from sam_pet.app.journal import JOURNAL, Journal, read_journal, standing
from sam_pet.app.problems import NotNowError
from sam_pet.study import Study
from tests.app.serving import Caller, Labels

FIRST, SECOND = (20, 24, 10), (44, 24, 30)


@dataclass
class Running:
    process: subprocess.Popen[str]
    client: Caller

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.client.close()


def start(study: Path, folder: Path) -> Running:
    command = [sys.executable, "-m", "tests.app.serve_random", str(study), str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    url, _, token = address.partition("/?token=")
    return Running(process, Caller(url, token))


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_what_was_acknowledged_outlives_a_kill_in_the_middle_of_a_stroke(
    cases: Path, tmp_path: Path, study: Study
) -> None:
    running = start(cases / "one", tmp_path)
    client = running.client
    (found,) = client.json("GET", "/studies")["studies"]
    session = client.begin(found["id"])
    acknowledged: list[dict[str, Any]] = []
    masks: list[Labels] = []

    def draw() -> None:
        try:
            for number in range(100):
                place = (18 + number % 5, 22 + number // 5 % 5, 10)
                acknowledged.append(client.click(session, place, "background" if number % 2 else "tumor"))
                masks.append(client.labels(session, study.grid.shape))
        except httpx.HTTPError:
            return

    hand = threading.Thread(target=draw)
    hand.start()
    while len(acknowledged) < 3:
        time.sleep(0.005)
    # Masks are asked for after each stroke: somewhere in the next stroke it is killed.
    seen = len(masks)
    while len(masks) == seen:
        time.sleep(0.001)
    running.kill()
    hand.join()

    running = start(cases / "one", tmp_path)
    client = running.client
    try:
        (listed,) = client.json("GET", "/sessions")["sessions"]
        assert (listed["id"], listed["open"], listed["title"]) == (session, False, "one")
        content = client.json("GET", f"/sessions/{session}")
        assert content["revision"] - len(acknowledged) in (0, 1)
        assert (listed["revision"], listed["lesions"]) == (content["revision"], len(content["lesions"]))
        for _ in range(content["revision"] - len(masks)):
            client.json("POST", f"/sessions/{session}/undo")
        assert np.array_equal(client.labels(session, study.grid.shape), masks[-1])
        client.click(session, SECOND)
    finally:
        running.kill()


def test_a_line_that_was_cut_off_is_left_out_and_the_next_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / JOURNAL
    journal = Journal(path)
    for number in range(3):
        journal.append({"do": "delete", "prompt": number})
    journal.close()
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        kept = read_journal(path)
        assert [op["prompt"] for op in kept] == list(range(whole[:length].count(b"\n")))
        again = Journal(path)
        again.append({"do": "redo"})
        again.close()
        assert read_journal(path) == [*kept, {"do": "redo"}]


def test_a_damaged_line_is_not_passed_over(tmp_path: Path) -> None:
    path = tmp_path / JOURNAL
    path.write_bytes(b'{"do": "undo"}\n{"do"\n{"do": "undo"}\n')
    with pytest.raises(NotNowError, match="damaged"):
        read_journal(path)


def test_only_what_can_still_be_seen_is_done_again() -> None:
    one, two, three = ({"do": "add", "n": n} for n in (1, 2, 3))
    facts, undo, redo = {"do": "facts"}, {"do": "undo"}, {"do": "redo"}
    assert standing([one, two, undo, three]) == ([one, three], 0)
    assert standing([one, two, undo, undo, redo]) == ([one, two], 1)
    assert standing([one, facts, undo]) == ([one, facts], 1)
    assert standing([one, undo, facts, redo, two]) == ([one, facts, two], 0)
    assert standing([one, two, facts, undo, three]) == ([one, facts, three], 0)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM")
def test_a_server_that_is_told_to_end_while_a_window_is_open_says_nothing(cases: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.app.serve_random", str(cases / "one"), str(tmp_path)]
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True)
    assert process.stdout is not None
    url, _, token = process.stdout.readline().strip().partition("/?token=")
    with Caller(url, token) as client, client.stream("GET", "/api/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: hello"
        process.terminate()
        process.wait(60)
        assert [line for line in lines if line.startswith("event:")] == []
    assert "Traceback" not in (tmp_path / "said").read_text()
    assert "ERROR" not in (tmp_path / "said").read_text()
