"""A PACS of one's own: Orthanc with its DICOMweb plugin."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


class Orthanc:
    """A running one."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.dicomweb = f"{url}/dicom-web/"

    def get(self, path: str) -> Any:
        return httpx.get(f"{self.url}{path}", timeout=60).raise_for_status().json()

    def add(self, folder: Path) -> None:
        """Take all files of a folder."""
        with httpx.Client(timeout=60) as client:
            for path in sorted(folder.rglob("*.dcm")):
                client.post(f"{self.url}/instances", content=path.read_bytes()).raise_for_status()

    def modalities(self) -> list[str]:
        """Of every series there is."""
        return sorted(series["MainDicomTags"]["Modality"] for series in self.get("/series?expand"))


@contextmanager
def orthanc(folder: Path) -> Iterator[Orthanc]:
    """Run one that keeps its files in a folder, and end it."""
    program = shutil.which("Orthanc", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None or not PLUGIN.exists():
        if os.environ.get("CI"):
            pytest.fail("CI needs orthanc and orthanc-dicomweb")
        pytest.skip("orthanc with orthanc-dicomweb is not installed")
    ports = [_free() for _ in range(2)]
    config = {
        "Name": "test",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": ports[0],
        "DicomPort": ports[1],
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "orthanc.json").write_text(json.dumps(config))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([program, str(folder / "orthanc.json")], stdout=log, stderr=log)
    try:
        running = Orthanc(f"http://127.0.0.1:{ports[0]}")
        end = time.monotonic() + 60
        while True:
            try:
                running.get("/system")
                break
            except httpx.HTTPError:
                if process.poll() is not None or time.monotonic() > end:
                    pytest.fail(f"Orthanc did not start:\n{(folder / 'log').read_text()}")
                time.sleep(0.1)
        yield running
    finally:
        process.terminate()
        process.wait(30)


def _free() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
