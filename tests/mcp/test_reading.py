"""A real client reads whole studies over stdio and HTTP."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("mcp")
from mcp import Client, StdioServerParameters

from sam_pet.agent.looks import MOST_BYTES
from sam_pet.cli.app import main
from sam_pet.demo import demo_study
from sam_pet.files import write_image
from sam_pet.mcp.shelf import DEMO_SEED

CLI = [sys.executable, "-c", "from sam_pet.cli.app import main; main()"]


def command(studies: Path, out: Path, *more: str) -> list[str]:
    return [*CLI, "mcp", "--studies", str(studies), "--out", str(out), "--device", "cpu", *more]


@asynccontextmanager
async def over_stdio(studies: Path, out: Path) -> AsyncIterator[Client]:
    first, *rest = command(studies, out)
    async with Client(StdioServerParameters(command=first, args=rest, env={"OMP_NUM_THREADS": "1"})) as client:
        yield client


@contextmanager
def serving(studies: Path, out: Path):
    """The address of a server over HTTP on a free port."""
    process = subprocess.Popen(
        command(studies, out, "--transport", "http", "--port", "0"), stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        yield next(found[0] for line in process.stderr if (found := re.search(r"http://127\.0\.0\.1:\d+/mcp", line)))
    finally:
        process.terminate()
        process.wait(30)


def refused(address: str, header: str, value: str) -> int:
    """The status of a request that a page of another origin, or under another name, would make."""
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", header: value}
    for _ in range(300):
        try:
            urllib.request.urlopen(urllib.request.Request(address, b"{}", headers), timeout=60)
        except urllib.error.HTTPError as error:
            return error.code
        except urllib.error.URLError:
            # The address is told just before it is listened at.
            time.sleep(0.1)
    pytest.fail("the server took the request, or never listened")


@asynccontextmanager
async def over_http(studies: Path, out: Path) -> AsyncIterator[Client]:
    with serving(studies, out) as address:
        assert refused(address, "Origin", "http://evil.example") == 403
        assert refused(address, "Host", "evil.example") == 421
        async with Client(address) as client:
            yield client


async def use(client: Client, tool: str, **arguments):
    """What a tool says, and its picture."""
    result = await client.call_tool(tool, arguments)
    text = result.content[0].text
    assert not result.is_error, text
    assert json.loads(text) == result.structured_content
    pictures = [base64.b64decode(part.data) for part in result.content if part.type == "image"]
    assert all(len(png) < MOST_BYTES and png.startswith(b"\x89PNG") for png in pictures)
    return result.structured_content, pictures[0] if pictures else None


async def read_mask(client: Client, said, folder: Path) -> np.ndarray:
    """The mask of an export, as the client gets it."""
    uri = next(name for name in said["files"] if name.endswith("/mask.nii.gz"))
    content = (await client.read_resource(uri)).contents[0]
    path = folder / "got.nii.gz"
    path.write_bytes(base64.b64decode(content.blob))
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


async def look_click_correct_reject_measure_export(client: Client, study: str, voxel, folder: Path):
    """A whole reading from a first click; the mask as the client got it, and the folder's prompts."""
    facts, _ = await use(client, "open_study", study=study)
    reading = facts["reading"]

    async def do(tool: str, **arguments):
        return await use(client, tool, reading=reading, **arguments)

    assert (await do("look_mip", grid=True))[1] is not None
    assert (await do("look_slice", voxel=voxel, width_mm=200.0))[1] is not None
    clicked, _ = await do("add_point", voxel=voxel)
    assert clicked["added_ml"] > 0
    assert (await do("look_lesion", lesion=1))[1] is not None
    # One picture point is corrected on the slice that was looked at: what lies under its middle is background.
    seen, _ = await do("look_slice", voxel=voxel, plane="axial", width_mm=60.0)
    corrected, _ = await do("add_point", picture=[40, 500], label="background")
    assert corrected["turn"] == 2
    assert (await do("compare"))[1] is not None
    other = [max(n - 9, 0) for n in seen["voxel"]]
    await do("add_point", voxel=other, lesion=2)
    listed, _ = await do("list_lesions")
    if any(row["lesion"] == 2 for row in listed["lesions"]):
        rejected, _ = await do("reject", lesion=2)
        assert rejected["added_ml"] == 0
    measured, _ = await do("measure")
    assert measured["total_mtv_ml"] == pytest.approx(sum(row["volume_ml"] for row in measured["lesions"]), rel=1e-3)
    exported, _ = await do("export")
    assert (await do("stop", reason="done"))[0]["reason"] == "done"
    return await read_mask(client, exported, folder), reading


def segmented(pet: Path, ct: Path | None, prompts: Path, folder: Path) -> np.ndarray:
    """The mask of the command line for the same prompts."""
    images = ["--pet", str(pet), *([] if ct is None else ["--ct", str(ct)])]
    arguments = [*images, "--prompts", str(prompts), "--out", str(folder / "cli.nii.gz"), "--device", "cpu"]
    with pytest.raises(SystemExit) as ended:
        main(["segment", *arguments])
    assert ended.value.code in (0, None)
    return sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "cli.nii.gz")))


def test_a_client_reads_a_real_study_over_http_and_gets_the_masks_of_the_command_line(data, tmp_path):
    async def run():
        async with over_http(data / "sts", tmp_path / "out") as client:
            return await look_click_correct_reject_measure_export(client, "STS_001", [20, 21, 28], tmp_path)

    mask, reading = anyio.run(run)
    case = data / "sts" / "STS_001"
    prompts = tmp_path / "out" / reading / "session" / "prompts.json"
    kinds = [one["kind"] for one in json.loads(prompts.read_text())["prompts"]]
    assert kinds[:2] == ["click", "click"]
    expected = segmented(case / "SUV.nii.gz", case / "CTres.nii.gz", prompts, tmp_path)
    assert mask.any()
    np.testing.assert_array_equal(mask, expected)


def test_a_client_reads_the_built_in_study_over_stdio_and_gets_the_masks_of_the_command_line(tmp_path):
    (tmp_path / "studies").mkdir()
    study, lesions = demo_study(DEMO_SEED)
    z, y, x = np.argwhere(lesions == np.bincount(lesions[lesions > 0]).argmax())[5].tolist()

    async def run():
        async with over_stdio(tmp_path / "studies", tmp_path / "out") as client:
            return await look_click_correct_reject_measure_export(client, "demo", [x, y, z], tmp_path)

    mask, reading = anyio.run(run)
    for name, array in (("SUV", study.pet), ("CTres", study.ct)):
        write_image(study.grid.image(array), tmp_path / f"{name}.nii.gz")
    prompts = tmp_path / "out" / reading / "session" / "prompts.json"
    expected = segmented(tmp_path / "SUV.nii.gz", tmp_path / "CTres.nii.gz", prompts, tmp_path)
    assert mask.any()
    np.testing.assert_array_equal(mask, expected)
