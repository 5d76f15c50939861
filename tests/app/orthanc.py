"""An Orthanc with its DICOMweb plug-in, on free ports, with its database in a folder."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

_PROGRAMS = ("/usr/sbin/Orthanc", "/usr/bin/Orthanc")
_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def orthanc(folder: Path) -> Iterator[tuple[str, str]]:
    """The addresses of its REST API and of its DICOMweb root; the test skips where it is not installed."""
    program = next((path for path in _PROGRAMS if Path(path).exists()), shutil.which("Orthanc"))
    if program is None or not _PLUGIN.exists():
        pytest.skip("no Orthanc with DICOMweb; install orthanc and orthanc-dicomweb")
    port = _free_port()
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "Name": "test",
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "HttpPort": port,
        "HttpBindAddresses": ["127.0.0.1"],
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [str(_PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings), encoding="utf-8")
    log = (folder / "log").open("wb")
    process = subprocess.Popen([program, str(folder / "orthanc.json")], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 60
        while True:
            try:
                if httpx.get(f"{url}/dicom-web/studies").status_code == 200:
                    break
            except httpx.HTTPError:
                pass
            if process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"Orthanc does not start: {(folder / 'log').read_text('utf-8', 'replace')[-500:]}")
            time.sleep(0.1)
        yield url, f"{url}/dicom-web"
    finally:
        process.terminate()
        process.wait()
        log.close()


def fill(rest_url: str, folder: Path) -> None:
    """Put the DICOM files of a folder into it."""
    for path in sorted(folder.rglob("*.dcm")):
        httpx.post(f"{rest_url}/instances", content=path.read_bytes()).raise_for_status()
