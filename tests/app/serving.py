"""A server in a thread of this process, and studies for it."""

from __future__ import annotations

import base64
import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import numpy as np
import numpy.typing as npt
import uvicorn

from sam_pet.app.room import ReadingRoom
from sam_pet.app.server import make_app
from sam_pet.app.settings import AppSettings
from sam_pet.files import write_image
from sam_pet.segmenter import Segmenter
from sam_pet.study import Study
from tests.dicom.make import pet_tags, save, slices

Labels = npt.NDArray[np.uint16]


class Served:
    """A reading room behind a port of this machine."""

    def __init__(self, settings: AppSettings, segmenter: Segmenter) -> None:
        self.room = ReadingRoom(settings, segmenter)
        config = uvicorn.Config(make_app(self.room), port=0, log_level="critical", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        self.port: int = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def token(self, reader: str = "reader") -> str:
        return self.room.tokens.of(reader)

    def client(self, reader: str = "reader") -> Caller:
        return Caller(self.url, self.token(reader))

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Caller(httpx.Client):
    """A program that calls the API."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=120)

    def json(self, method: str, path: str, body: Any = None, status: int | None = None) -> Any:
        answer = (
            self.request(method, f"/api{path}", json=body) if body is not None else self.request(method, f"/api{path}")
        )
        assert answer.status_code == status if status else answer.is_success, answer.text
        return answer.json() if answer.content else None

    def wait(self, job: dict[str, Any]) -> dict[str, Any]:
        while job["state"] == "running":
            time.sleep(0.02)
            job = self.json("GET", f"/jobs/{job['id']}")
        return job

    def begin(self, study: str, **series: str) -> str:
        begun = self.json("POST", "/sessions", {"study": study, **series})
        assert self.wait(begun["job"])["state"] == "done", begun
        name: str = begun["session"]["id"]
        return name

    def click(self, session: str, voxel: tuple[int, int, int], label: str = "tumor") -> dict[str, Any]:
        body = {"kind": "click", "label": label, "voxels": [voxel]}
        change: dict[str, Any] = self.json("POST", f"/sessions/{session}/prompts", body)
        return change

    def labels(self, session: str, shape: tuple[int, int, int]) -> Labels:
        """The whole mask, as a window would have it."""
        labels = np.ones(shape, np.uint16)
        put(labels, self.json("GET", f"/sessions/{session}/labels"))
        return labels


def put(labels: Labels, update: dict[str, Any] | None) -> None:
    """Take an update as a window does."""
    if update is None:
        return
    if update["reset"]:
        labels[:] = 0
    x, y, z = update["low"]
    nx, ny, nz = update["size"]
    values = np.frombuffer(gzip.decompress(base64.b64decode(update["data"])), "<u2").reshape(nz, ny, nx)
    labels[z : z + nz, y : y + ny, x : x + nx] = values


def write_case(study: Study, folder: Path) -> Path:
    """A folder of images."""
    write_image(study.grid.image(study.pet), folder / "SUV.nii.gz")
    if study.ct is not None:
        write_image(study.grid.image(study.ct.astype(np.int16)), folder / "CTres.nii.gz")
    return folder


def write_dicom_study(study: Study, folder: Path, **tags: Any) -> Path:
    """A folder of DICOM with the PET and the CT of a study, SUVs rounded to hundredths."""
    spacing, origin = study.grid.spacing, study.grid.origin
    where = {"spacing": spacing, "origin": origin}
    injection = {
        "RadionuclideTotalDose": "70000000",
        "RadiopharmaceuticalStartTime": "100000",
        "RadionuclideHalfLife": "6586.2",
    }
    # 70 kg, 70 MBq and no decay: an SUV of 1 is 1000 Bq/mL.
    header = pet_tags(injection, PatientWeight="70", DecayCorrection="ADMIN")
    pet = slices(np.rint(study.pet * 100).astype(np.int16), "PT", slopes=10.0, **where, **{**header, **tags})
    save(pet, folder / "PET")
    if study.ct is not None:
        save(slices(study.ct.astype(np.int16), "CT", **where, **tags), folder / "CT")
    return folder


@contextmanager
def events(served: Served, session: str | None, reader: str = "reader") -> Iterator[list[tuple[str, str]]]:
    """What a window is told, as (event, data), in the order that it comes."""
    told: list[tuple[str, str]] = []
    ready = threading.Event()
    client = served.client(reader)
    query = "" if session is None else f"?session={session}"

    def listen() -> None:
        try:
            with client.stream("GET", f"/api/events{query}") as stream:
                kind = ""
                for line in stream.iter_lines():
                    if line.startswith("event: "):
                        kind = line[7:]
                    elif line.startswith("data: "):
                        told.append((kind, line[6:]))
                        ready.set()
        except (httpx.HTTPError, RuntimeError):
            ready.set()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    assert ready.wait(30)
    try:
        yield told
    finally:
        client.close()


def until(holds: Any, seconds: float = 30.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it does not come to hold"
        time.sleep(0.01)
