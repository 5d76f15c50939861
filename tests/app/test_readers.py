"""Readers, windows, memory and jobs."""

from __future__ import annotations

import gc
import json
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from sam_pet.app.jobs import AppJob
from sam_pet.app.journal import Journal
from sam_pet.app.settings import AppSettings
from sam_pet.segmenter import Segmenter
from sam_pet.study import Study, read_study
from tests.app.serving import Caller, Labels, Served, events, put, until

FIRST, SECOND = (20, 24, 10), (44, 24, 30)


def test_two_readers_on_two_studies_at_once_get_the_masks_of_one_alone(
    served: Served, studies: dict[str, str], segmenter: Segmenter, cases: Path
) -> None:
    def read(reader: str, title: str) -> Labels:
        with served.client(reader) as caller:
            session = caller.begin(studies[title])
            for voxel in (FIRST, SECOND):
                caller.click(session, voxel)
            caller.click(session, (22, 24, 10), "background")
            return caller.labels(session, (40, 48, 64))

    with ThreadPoolExecutor() as pool:
        both = [pool.submit(read, *args) for args in (("reader", "one"), ("other", "two"))]
        together = [one.result() for one in both]
    for labels, title in zip(together, ("one", "two"), strict=True):
        alone = segmenter.open(read_study(cases / title / "CTres.nii.gz", cases / title / "SUV.nii.gz"))
        alone.add_click(FIRST)
        alone.add_click(SECOND)
        alone.add_click((22, 24, 10), "background")
        assert np.array_equal(labels, alone.labels)


def test_a_session_is_its_reader_s(served: Served, client: Caller, studies: dict[str, str]) -> None:
    session = client.begin(studies["one"])
    with served.client("other") as other:
        assert session not in [row["id"] for row in other.json("GET", "/sessions")["sessions"]]
        paths = [("GET", ""), ("GET", "/labels"), ("GET", "/exports/csv"), ("POST", "/undo"), ("POST", "/open")]
        for method, path in [*paths, ("DELETE", "")]:
            other.json(method, f"/sessions/{session}{path}", status=404)
        assert other.get(f"/api/events?session={session}").status_code == 404
    assert session in [row["id"] for row in client.json("GET", "/sessions")["sessions"]]


def test_two_windows_on_one_session_see_the_same(
    served: Served, client: Caller, studies: dict[str, str], study: Study
) -> None:
    session, foreign = client.begin(studies["one"]), client.begin(studies["two"])
    with events(served, session) as one, events(served, session) as two:
        client.click(session, FIRST)
        client.click(foreign, FIRST)
        last = client.click(session, SECOND)
        for told in (one, two):
            until(lambda told=told: sum(kind == "change" for kind, _ in told) == 2)
            seen, changes = (
                np.zeros(study.grid.shape, np.uint16),
                [json.loads(d) for kind, d in told if kind == "change"],
            )
            for change in changes:
                assert change.pop("session") == session
                put(seen, change["update"])
            assert changes[-1] == last
            assert np.array_equal(seen, client.labels(session, study.grid.shape))
        client.json("DELETE", f"/sessions/{session}")
        until(lambda: ("gone", json.dumps({"session": session})) in two)


def test_released_sessions_come_back_as_they_were(
    tmp_path: Path, segmenter: Segmenter, cases: Path, study: Study
) -> None:
    settings = AppSettings(tmp_path, (cases / "one",), memory_bytes=1)
    with Served(settings, segmenter) as served, served.client() as client:
        (found,) = client.json("GET", "/studies")["studies"]
        probe = client.begin(found["id"])
        client.click(probe, FIRST)
        served.room.desk._memory_bytes = limit = int(2.5 * served.room.desk.held_bytes)
        sessions = [client.begin(found["id"]) for _ in range(10)]
        masks = {}
        for number, session in enumerate(sessions):
            client.json(
                "POST",
                f"/sessions/{session}/brush",
                {"mode": "paint", "path": [[5 + 5 * number, 24, 10]], "radius_mm": 9},
            )
            client.click(session, FIRST if number % 2 else SECOND)
            masks[session] = client.labels(session, study.grid.shape)
            assert served.room.desk.held_bytes <= limit
        listed = client.json("GET", "/sessions")["sessions"]
        assert sum(row["open"] for row in listed) in (1, 2, 3)
        assert {row["id"]: row["lesions"] for row in listed if row["id"] in masks} == {
            session: len(np.unique(mask)) - 1 for session, mask in masks.items()
        }
        for session, mask in masks.items():
            assert np.array_equal(client.labels(session, study.grid.shape), mask)
            assert served.room.desk.held_bytes <= limit
        undone = client.json("POST", f"/sessions/{sessions[0]}/undo")
        assert [row["outline"] for row in undone["lesions"]] == ["paint"]
        assert served.room.desk.release_idle(0.0) > 0
        assert not any(row["open"] for row in client.json("GET", "/sessions")["sessions"])


def test_a_released_session_leaves_nothing_for_the_collector(
    served: Served, client: Caller, studies: dict[str, str]
) -> None:
    session = client.begin(studies["one"])
    client.click(session, FIRST)
    study = weakref.ref(served.room.desk.study("reader", session).study)
    gc.collect()
    gc.disable()
    try:
        served.room.desk.release("reader", session)
        until(lambda: study() is None, 10.0)
    finally:
        gc.enable()


def test_a_first_answer_tells_how_far_it_is(served: Served, client: Caller, studies: dict[str, str]) -> None:
    session = client.begin(studies["one"])
    with events(served, session) as told:
        job = client.wait(client.json("POST", f"/sessions/{session}/first-answer", {"tracer": "fdg"}))
        assert job["state"] == "done"
        until(lambda: any(kind == "change" for kind, _ in told))
        jobs = [json.loads(data) for kind, data in told if kind == "job"]
        until(lambda: json.loads([data for kind, data in told if kind == "job"][-1])["state"] == "done")
    assert {row["id"] for row in jobs} == {job["id"]}
    assert client.json("GET", f"/sessions/{session}")["first_answer"] == "fdg"
    assert job["result"]["lesions"] == len(client.json("GET", f"/sessions/{session}")["lesions"])
    client.click(session, FIRST)
    late = client.wait(client.json("POST", f"/sessions/{session}/first-answer", {}))
    assert late["state"] == "failed"
    assert "before the first prompt" in late["error"]


def test_a_first_answer_can_be_cancelled_and_nothing_has_changed(
    served: Served, client: Caller, studies: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = client.begin(studies["one"])
    held, go_on = threading.Event(), threading.Event()
    report = AppJob.report

    def slow(job: AppJob, message: str, progress: float | None = None) -> None:
        if message == "asking the model":
            held.set()
            assert go_on.wait(30)
        report(job, message, progress)

    monkeypatch.setattr(AppJob, "report", slow)
    job = client.json("POST", f"/sessions/{session}/first-answer", {})
    assert held.wait(60)
    client.json("DELETE", f"/jobs/{job['id']}")
    go_on.set()
    assert client.wait(job)["state"] == "cancelled"
    content = client.json("GET", f"/sessions/{session}")
    assert (content["revision"], content["lesions"], content["first_answer"]) == (0, [], None)
    with served.client("other") as other:
        other.json("GET", f"/jobs/{job['id']}", status=404)


def test_a_change_that_cannot_be_written_is_not_there(
    client: Caller, studies: dict[str, str], study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = client.begin(studies["one"])
    client.json("POST", f"/sessions/{session}/brush", {"mode": "paint", "path": [FIRST], "radius_mm": 9})
    before = client.labels(session, study.grid.shape)

    def full(_: Journal, __: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "append", full)
        told = client.json(
            "POST", f"/sessions/{session}/brush", {"mode": "erase", "path": [FIRST], "radius_mm": 9}, 507
        )
        assert "No space left" in told["error"]
    assert np.array_equal(client.labels(session, study.grid.shape), before)
    assert client.json("GET", f"/sessions/{session}")["revision"] == 1
