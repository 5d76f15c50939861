"""What is refused, and what is harmless: other sites, other hosts, wrong tokens, paths, floods, bombs, names."""

from __future__ import annotations

import io
import json
import logging
import socket
import zipfile
from pathlib import Path

import httpx
import pytest

from sam_pet.app.guard import cookie_name
from sam_pet.app.settings import AppSettings
from sam_pet.segmenter import Segmenter
from tests.app.serving import Caller, Served

NAME = "<img src=x onerror=alert(1)>"


def raw(served: Served, head: str, body: bytes = b"") -> tuple[int, str]:
    """The status and the rest of an answer to bytes as they are."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as link:
        link.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        answer = b""
        while part := link.recv(65536):
            answer += part
            if b"\r\n\r\n" in answer and b"content-length: 0" not in answer.lower():
                length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                if len(answer.split(b"\r\n\r\n", 1)[1]) >= length:
                    break
    return int(answer.split()[1]), answer.decode("latin-1")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost.evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    ],
)
def test_a_page_of_another_origin_is_refused_even_with_the_token(client: Caller, headers: dict[str, str]) -> None:
    for method, path in (("GET", "/api/studies"), ("POST", "/api/sessions"), ("OPTIONS", "/api/sessions")):
        answer = client.request(method, path, headers=headers)
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert client.get("/nninteractive/capabilities", headers=headers).status_code == 403


def test_the_page_s_own_origin_passes(client: Caller, served: Served) -> None:
    own = {"Origin": served.url, "Sec-Fetch-Site": "same-origin"}
    assert client.get("/api/about", headers=own).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "localhost@evil.example"]
)
def test_a_foreign_host_name_is_refused(client: Caller, host: str) -> None:
    assert client.get("/api/studies", headers={"Host": host}).status_code == 403


def test_a_name_that_was_allowed_passes(tmp_path: Path, segmenter: Segmenter) -> None:
    with Served(AppSettings(tmp_path, hosts=("pet.example.org",)), segmenter) as served, served.client() as client:
        headers = {"Host": "pet.example.org", "Origin": "https://pet.example.org"}
        assert client.get("/api/about", headers=headers).status_code == 200


def test_without_a_right_token_nothing_is_told(served: Served) -> None:
    right = served.token()
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {right}x"},
        {"Authorization": f"Basic {right}"},
        {"Cookie": f"{cookie_name(f'127.0.0.1:{served.port}')}=wrong"},
        {"Cookie": f"sam_pet_1={right}"},
    ):
        for path in ("/", "/api/studies", "/api/openapi.json", "/api/events", "/nninteractive/capabilities"):
            answer = httpx.get(served.url + path, headers=headers)
            assert (answer.status_code, set(answer.json())) == (401, {"error", "detail"})
    assert httpx.get(f"{served.url}/?token=wrong").status_code == 401
    assert httpx.get(f"{served.url}/api/studies?token={right}").status_code == 401


def test_the_start_address_leaves_a_cookie_that_scripts_and_other_sites_do_not_get(served: Served) -> None:
    with httpx.Client(base_url=served.url) as browser:
        answer = browser.get(f"/?token={served.token()}")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert {"HttpOnly", "SameSite=Strict"} <= {part.strip() for part in answer.headers["set-cookie"].split(";")}
        page = browser.get("/")
        assert page.status_code == 200
        assert "script-src 'self'" in page.headers["content-security-policy"]
        assert page.headers["x-content-type-options"] == "nosniff"
        assert browser.get("/api/about").json()["reader"] == "reader"


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd",
        "/..%2f..%2f..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/%2e%2e/app/server.py",
        "/static/../../server.py",
        "/..\\..\\server.py",
        "/api/studies/..%2f..%2fetc%2fpasswd",
        "/api/sessions/../../lock",
        "/api/sessions/x/exports/..%2f..%2flock",
        "//etc/passwd",
        "/C:/Windows/win.ini",
    ],
)
def test_no_path_of_the_server_is_reachable(served: Served, path: str) -> None:
    status, answer = raw(served, f"GET {path} HTTP/1.1\nHost: 127.0.0.1\nAuthorization: Bearer {served.token()}")
    assert status in (404, 405, 422)
    assert "root:" not in answer
    assert "import" not in answer


def test_an_upload_of_10_gb_is_refused_before_it_comes(client: Caller, served: Served) -> None:
    client.json("POST", "/uploads", {"bytes": 10 << 30}, 413)
    upload = client.json("POST", "/uploads", {"bytes": 1000})["id"]
    token = served.token()
    for path in (f"/api/uploads/{upload}/files/0", "/api/sessions", "/nninteractive/set_image"):
        method = "PUT" if "uploads" in path else "POST"
        head = f"{method} {path} HTTP/1.1\nHost: 127.0.0.1\nAuthorization: Bearer {token}\nContent-Length: {10 << 30}"
        status, _ = raw(served, head)
        assert status == 413
    client.json("DELETE", f"/uploads/{upload}")


def test_an_upload_that_is_longer_than_it_said_is_cut_off(client: Caller, served: Served) -> None:
    upload = client.json("POST", "/uploads", {"bytes": 1000})["id"]
    answer = client.put(f"/api/uploads/{upload}/files/0", content=iter([bytes(900)] * 50))
    assert answer.status_code == 413
    assert client.put(f"/api/uploads/{upload}/files/1", content=bytes(900)).status_code == 204
    assert client.put(f"/api/uploads/{upload}/files/2", content=bytes(900)).status_code == 413
    client.json("POST", f"/uploads/{upload}/done", status=422)
    assert list((served.room.settings.folder / "studies").iterdir()) == []


def test_a_body_without_a_length_is_bounded_too(client: Caller) -> None:
    parts = iter([b" " * (1 << 20)] * 40)
    answer = client.post("/api/sessions", content=parts, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


def upload_zip(client: Caller, packed: bytes, status: int) -> None:
    upload = client.json("POST", "/uploads", {"bytes": len(packed)})["id"]
    assert client.put(f"/api/uploads/{upload}/files/0?name=study.zip", content=packed).status_code == 204
    client.json("POST", f"/uploads/{upload}/done", status=status)


def test_a_zip_bomb_is_refused_and_leaves_nothing(tmp_path: Path, segmenter: Segmenter) -> None:
    told, lies = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(told, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.dcm", bytes(30 << 20))
    with zipfile.ZipFile(lies, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.dcm", bytes(30 << 20))
    # It says of itself that it holds ten bytes, in both places.
    size = (30 << 20).to_bytes(4, "little")
    liar = lies.getvalue().replace(size, (10).to_bytes(4, "little"))
    assert liar != lies.getvalue()
    with Served(AppSettings(tmp_path, upload_bytes=20 << 20), segmenter) as served, served.client() as client:
        upload_zip(client, told.getvalue(), 413)
        upload_zip(client, liar, 422)
        upload_zip(client, b"PK\3\4 no zip", 422)
        assert list((tmp_path / "studies").rglob("*")) == []


def test_names_in_a_zip_go_nowhere(tmp_path: Path, segmenter: Segmenter) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("../../escaped.dcm", "/tmp/escaped-sam-pet.dcm", "..\\..\\escaped.nii.gz"):
            archive.writestr(name, b"no image")
    with Served(AppSettings(tmp_path / "app"), segmenter) as served, served.client() as client:
        upload_zip(client, packed.getvalue(), 422)
    assert not list(tmp_path.rglob("*escaped*"))
    assert not Path("/tmp/escaped-sam-pet.dcm").exists()


def test_a_script_in_a_patient_s_name_is_text_and_stays_out_of_reports_and_logs(
    client: Caller, studies: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = client.get("/api/studies")
    assert answer.headers["content-type"] == "application/json"
    assert NAME in [study["patient"] for study in answer.json()["studies"]]
    session = client.begin(studies["dicom"])
    client.click(session, (20, 24, 10))
    client.json("PATCH", f"/sessions/{session}/lesions/1", {"name": '=HYPERLINK("x")'})
    page = client.get(f"/api/sessions/{session}/exports/html")
    assert page.headers["content-disposition"].startswith("attachment")
    assert "<img src=x" not in page.text
    table = client.get(f"/api/sessions/{session}/exports/csv").text
    assert "\"'=HYPERLINK(" in table
    assert NAME not in table
    client.json("POST", f"/sessions/{session}/lesions/7/reject", status=404)
    assert "onerror" not in caplog.text
    assert json.dumps(client.json("GET", f"/sessions/{session}")).count(NAME) == 1


def test_a_fault_of_the_server_tells_nothing(
    client: Caller, served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_: str) -> None:
        raise KeyError("Quillfeather^Zebedee")

    monkeypatch.setattr(served.room.catalogue, "of", fails)
    answer = client.get("/api/studies")
    assert answer.status_code == 500
    assert "Quillfeather" not in answer.text + caplog.text
    assert "KeyError" in caplog.text
