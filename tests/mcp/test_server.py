"""Hostile and unlucky clients: every call ends in one clear line, nothing outside is read, written or told."""

from __future__ import annotations

import base64
import json
import resource
import threading
from pathlib import Path

import anyio
import numpy as np
import pytest

pytest.importorskip("mcp")
from mcp import Client
from mcp.shared.exceptions import MCPError

from sam_pet.errors import InputError
from sam_pet.mcp import readings as readings_module
from sam_pet.mcp import work
from sam_pet.mcp.readings import MOST_OPEN, Readings
from sam_pet.mcp.server import SCHEME, make_server
from sam_pet.mcp.shelf import Shelf
from tests.benchmark.cases import write_case
from tests.dicom.make import pet_tags, save, slices
from tests.fakes import random_segmenter

NAME = "Quillfeather^Zebedee"
HOT = [12, 11, 8]


@pytest.fixture
def studies(tmp_path) -> Path:
    write_case(tmp_path / "studies" / NAME)
    return tmp_path / "studies"


@pytest.fixture
def readings(studies, tmp_path) -> Readings:
    made = Readings(Shelf(studies), tmp_path / "out", device="cpu")
    made.segmenter = random_segmenter()
    return made


async def use(client, tool, **arguments):
    result = await client.call_tool(tool, arguments)
    return result.is_error, result.content[0].text, result


def at(readings, script):
    """Run a script with a client of a server on these readings."""

    async def run():
        async with Client(make_server(readings)) as client:
            return await script(client)

    return anyio.run(run)


async def opened(client) -> str:
    failed, text, result = await use(client, "open_study", study="study-01")
    assert not failed, text
    return result.structured_content["reading"]


def test_tools_say_what_they_take_and_give(readings):
    async def script(client):
        return (await client.list_tools()).tools

    tools = {tool.name: tool for tool in at(readings, script)}
    wanted = "list_studies open_study export look_mip look_slice look_lesion compare first_answer list_lesions measure"
    assert set(wanted.split()) <= set(tools)
    assert {"add_point", "add_box", "add_scribble", "reject", "undo", "stop", "list_candidates"} <= set(tools)
    for name, tool in tools.items():
        assert tool.description
        assert tool.output_schema["type"] == "object"
        assert ("reading" in tool.input_schema.get("required", ())) == (name not in ("list_studies", "open_study"))
    assert tools["look_mip"].annotations.read_only_hint
    assert not tools["add_point"].annotations.read_only_hint


def test_no_name_of_a_patient_is_told(readings, studies):
    (studies / "Doe^John").mkdir()
    (studies / "Doe^John" / "SUV.nii.gz").write_bytes(b"no image")

    async def script(client):
        texts = [(await use(client, "list_studies"))[1]]
        for study in ("study-01", "study-02", NAME, "Doe^John", "Doe", "study-03"):
            texts.append((await use(client, "open_study", study=study))[1])
        reading = json.loads(texts[2])["reading"]
        for form in ("mask", "session", "slicer", "report", "dicom_seg"):
            texts.append((await use(client, "export", reading=reading, forms=[form]))[1])
        texts += [str(one) for one in (await client.list_resources()).resources]
        return texts

    texts = at(readings, script)
    assert sum("reading-" in text for text in texts) > 4
    for part in (*NAME.split("^"), "Doe", "John", str(studies)):
        assert not any(part in text for text in texts), part
    assert "study-01" in texts[1]


def test_a_dicom_study_is_told_by_its_number_alone(tmp_path):
    pet = np.full((6, 20, 20), 200, np.int16)
    pet[2:4, 8:12, 8:12] = 2000
    (tmp_path / "studies" / NAME).mkdir(parents=True)
    save(slices(pet, "PT", **pet_tags()), tmp_path / "studies" / NAME / "PET")
    readings = Readings(Shelf(tmp_path / "studies"), tmp_path / "out", device="cpu")
    readings.segmenter = random_segmenter()

    async def script(client):
        texts = [(await use(client, "list_studies"))[1]]
        reading = await opened(client)
        await use(client, "add_point", reading=reading, voxel=[10, 10, 3])
        failed, text, result = await use(client, "export", reading=reading, forms=["dicom_seg", "rtstruct"])
        assert not failed, text
        return [*texts, text, *map(str, result.content)]

    texts = at(readings, script)
    assert json.loads(texts[0])["studies"][0] == {"study": "study-01", "dicom": True, "ct": None, "simulated": False}
    assert not any("Quillfeather" in text or "MRN" in text for text in texts)
    assert {path.name for path in (tmp_path / "out").rglob("*.dcm")} == {"seg.dcm", "rtstruct.dcm"}


@pytest.mark.parametrize(
    "study", ["../other", "/etc", "..", ".", "", "study-01/../..", "study-01\0", "a" * 300, "imagesTr", "link", "~"]
)
def test_what_lies_outside_cannot_be_opened(readings, studies, tmp_path, study):
    write_case(tmp_path / "other")
    (studies / "link").symlink_to(tmp_path / "other", target_is_directory=True)

    async def script(client):
        return await use(client, "open_study", study=study)

    failed, text, _ = at(readings, script)
    assert failed
    assert "\n" not in text
    assert "no such study" in text or "at most 255" in text


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("add_point", {"voxel": [10**12, 0, 0]}, "less than or equal to 1000000"),
        ("add_point", {"voxel": [999999, 0, 0]}, "outside the PET grid"),
        ("add_point", {"voxel": ["12", "11", "8"]}, "valid integer"),
        ("add_point", {"voxel": "[12, 11, 8]"}, "valid array"),
        ("add_point", {"picture": [10**12, 1]}, "less than or equal to 999"),
        ("add_scribble", {"voxels": [[1, 1, 1]] * 6000}, "at most 5000"),
        ("look_slice", {"width_mm": 1e300}, "less than or equal to 3000"),
        ("look_slice", {"plane": "oblique"}, "'axial', 'coronal' or 'sagittal'"),
        ("export", {"forms": ["../../mask"]}, "'mask', 'session'"),
        ("export", {"forms": ["mask"], "path": "/tmp/x"}, "not permitted"),
        ("export", {"forms": ["dicom_seg"]}, "this study is none"),
        ("stop", {"reason": 5}, "valid string"),
        ("execute_python", {"code": "import os"}, "there is no tool"),
    ],
)
def test_hostile_arguments_end_in_one_line(readings, tool, arguments, message):
    async def script(client):
        return await use(client, tool, reading=await opened(client), **arguments)

    failed, text, _ = at(readings, script)
    assert failed
    assert message in text
    assert "\n" not in text


@pytest.mark.parametrize("reading", [None, "", "reading-00000000", 5, ["a"], "../x"])
def test_another_reading_is_none(readings, reading):
    async def script(client):
        await opened(client)
        return await use(client, "undo", **({} if reading is None else {"reading": reading}))

    failed, text, _ = at(readings, script)
    assert failed
    assert "open_study" in text


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../../etc/passwd", "reading-1/mask.nii.gz", "reading-1/../../x"])
def test_only_exports_can_be_read(readings, name):
    async def script(client):
        reading = await opened(client)
        await use(client, "export", reading=reading)
        with pytest.raises(MCPError, match="no such resource"):
            await client.read_resource(f"{SCHEME}{name}")
        with pytest.raises(MCPError):
            await client.read_resource(f"file://{name}")
        (_, _, result) = await use(client, "export", reading=reading, forms=["mask"])
        links = [part for part in result.content if part.type == "resource_link"]
        (content,) = (await client.read_resource(links[0].uri)).contents
        return links[0], base64.b64decode(content.blob)

    link, got = at(readings, script)
    assert len(got) == link.size
    assert link.mime_type == "application/gzip"


def test_exports_are_all_that_is_written(readings, tmp_path):
    before = {path for path in tmp_path.rglob("*") if path.is_file()}

    async def script(client):
        reading = await opened(client)
        await use(client, "add_point", reading=reading, voxel=HOT)
        await use(client, "look_mip", reading=reading)
        await use(client, "export", reading=reading, forms=["mask", "session", "slicer", "report"])

    at(readings, script)
    new = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert new
    assert all(path.is_relative_to(tmp_path / "out") for path in new)


def test_very_many_calls_end_and_hold_no_memory(readings, monkeypatch):
    monkeypatch.setattr(readings_module, "MOST_CALLS", 1500)

    async def script(client):
        reading = await opened(client)
        peak = 0
        for number in range(1500):
            if number == 200:
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            failed, text, _ = await use(client, "reject", reading=reading, lesion=number + 1)
            assert failed
            assert "no lesion" in text
        failed, text, _ = await use(client, "reject", reading=reading, lesion=1)
        return text, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak

    text, more_kb = at(readings, script)
    assert "it has had 1500 calls" in text
    assert more_kb < 50_000


def test_too_many_readings_are_refused_until_one_is_stopped(readings):
    async def script(client):
        first, *_ = [await opened(client) for _ in range(MOST_OPEN)]
        failed, text, _ = await use(client, "open_study", study="study-01")
        assert failed
        assert f"{MOST_OPEN} readings are open" in text
        await use(client, "stop", reading=first)
        await opened(client)
        return await use(client, "look_mip", reading=first)

    failed, text, _ = at(readings, script)
    assert failed
    assert "none of this name" in text


def test_two_clients_at_once_do_not_disturb_each_other(readings):
    server = make_server(readings)
    masks = {}

    async def read(name, label):
        async with Client(server) as client:
            reading = await opened(client)
            await use(client, "add_point", reading=reading, voxel=HOT)
            await use(client, "add_point", reading=reading, voxel=HOT, label=label)
            masks[name] = (await use(client, "list_lesions", reading=reading))[2].structured_content["total_ml"]

    async def run():
        async with anyio.create_task_group() as group:
            group.start_soon(read, "one", "tumor")
            group.start_soon(read, "other", "background")

    anyio.run(run)
    both = dict(masks)
    anyio.run(read, "one", "tumor")
    anyio.run(read, "other", "background")
    assert both == masks
    assert masks["one"] != masks["other"]


def slow(readings, monkeypatch, seconds=1.5):
    """Make every click take a while; gives when it has begun, and what lets it end."""
    began, go_on = threading.Event(), threading.Event()
    segmenter = readings.segmenter

    def open_slowly(study, look_alikes=True):
        session = type(segmenter).open(segmenter, study, look_alikes)
        add = session.add

        def add_slowly(prompt, lesion=None):
            done = add(prompt, lesion)
            began.set()
            go_on.wait(seconds)
            return done

        monkeypatch.setattr(session, "add", add_slowly)
        return session

    monkeypatch.setattr(segmenter, "open", open_slowly)
    return began, go_on


def test_two_calls_on_one_reading_at_once_are_refused(readings, monkeypatch):
    began, go_on = slow(readings, monkeypatch, 30)

    async def script(client):
        reading = await opened(client)
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: use(client, "add_point", reading=reading, voxel=HOT))
            await anyio.to_thread.run_sync(began.wait)
            second = await use(client, "undo", reading=reading)
            go_on.set()
        return second

    failed, text, _ = at(readings, script)
    assert failed
    assert "another call works on it" in text


def test_long_work_shows_signs_of_life(readings, monkeypatch):
    slow(readings, monkeypatch)
    monkeypatch.setattr(work, "BEAT_S", 0.1)
    beats = []

    async def script(client):
        reading = await opened(client)

        async def keep(progress, _, message):
            beats.append((progress, message))

        await client.call_tool("add_point", {"reading": reading, "voxel": HOT}, progress_callback=keep)

    at(readings, script)
    assert len(beats) >= 5
    assert [progress for progress, _ in beats] == sorted(progress for progress, _ in beats)
    assert all(message.startswith("add_point: ") for _, message in beats)


def test_a_cancelled_call_is_taken_back(readings, monkeypatch):
    began, go_on = slow(readings, monkeypatch, 30)

    async def script(client):
        reading = await opened(client)
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: use(client, "add_point", reading=reading, voxel=HOT))
            await anyio.to_thread.run_sync(began.wait)
            group.cancel_scope.cancel()
        go_on.set()
        for _ in range(100):
            failed, text, result = await use(client, "list_lesions", reading=reading)
            if not failed:
                return result.structured_content, await use(client, "undo", reading=reading)
            assert "another call works on it" in text
            await anyio.sleep(0.1)
        raise AssertionError("the reading stayed busy")

    listed, (failed, text, _) = at(readings, script)
    assert listed["lesions"] == []
    assert failed
    assert "nothing has been drawn" in text


def test_a_fault_of_the_server_is_told_without_its_text(readings, monkeypatch):
    def broken(*_):
        raise RuntimeError(f"secret of {NAME}")

    monkeypatch.setattr(type(readings.shelf), "read", broken)

    async def script(client):
        return await use(client, "open_study", study="study-01")

    failed, text, _ = at(readings, script)
    assert failed
    assert text == "open_study: unexpected RuntimeError, a fault of this server; see its log"


def test_a_folder_that_cannot_be_written_is_refused_at_once(studies, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="not a folder"):
        Readings(Shelf(studies), tmp_path / "file" / "out")
    with pytest.raises(InputError, match="no such folder"):
        Shelf(tmp_path / "nowhere")


def test_pairs_of_images_are_studies_too(studies, tmp_path):
    (tmp_path / "pairs" / "imagesTr").mkdir(parents=True)
    for channel, name in (("0000", "CTres"), ("0001", "SUV")):
        (tmp_path / "pairs" / "imagesTr" / f"fdg_a_{channel}.nii.gz").write_bytes(
            (studies / NAME / f"{name}.nii.gz").read_bytes()
        )
    shelf = Shelf(tmp_path / "pairs")
    assert [one.name for one in shelf.studies.values()] == ["fdg_a"]
    assert shelf.read(shelf.find("fdg_a")).ct is not None
