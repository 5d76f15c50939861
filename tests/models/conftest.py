"""Meta's own SAM 2 models, built from Meta's own configurations, and a stand-in for the hub."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch


@pytest.fixture(scope="session")
def meta_model() -> Callable[..., Any]:
    """Builds `SAM2Base` of a configuration such as "sam2.1/sam2.1_hiera_t"; a seed fills every weight at random."""

    def build(config: str, *overrides: str, seed: int | None = None) -> Any:
        pytest.importorskip("sam2")  # registers its configurations with hydra; no dependency asks for it
        from hydra import compose
        from hydra.utils import instantiate
        from omegaconf import OmegaConf
        from transformers.initialization import no_init_weights

        content = compose(config_name=f"configs/{config}.yaml", overrides=list(overrides))
        OmegaConf.resolve(content)
        if seed is None:
            with no_init_weights():
                return instantiate(content.model, _recursive_=True)
        torch.manual_seed(seed)
        model = instantiate(content.model, _recursive_=True).eval()
        with torch.no_grad():
            for parameter in model.parameters():  # some start at zero and would hide a lost key
                parameter.add_(torch.randn_like(parameter) * 0.02)
        return model

    return build


class Hub:
    """A stand-in for the hub on loopback: repositories are folders; counts what is asked for.

    Args:
        root: holds the repositories.

    Attributes:
        commit: the commit that every branch is at.
        lies_about: by file, a SHA-256 to tell of it that is not its own.
        gates: by repository, the token that its files want.
        breaks: by file, how many more answers end half way.
        ranges: the ranges that were asked for.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.commit = "0" * 40
        self.asked: list[str] = []
        self.ranges: list[str] = []
        self.lies_about: dict[str, str] = {}
        self.gates: dict[str, str] = {}
        self.breaks: dict[str, int] = {}
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self._answer(with_body=False)

            def do_GET(self) -> None:
                self._answer(with_body=True)

            def _answer(self, with_body: bool) -> None:
                hub.asked.append(f"{self.command} {self.path}")
                repository, _, rest = self.path.lstrip("/").partition("/resolve/")
                asked_for, _, file = rest.partition("/")
                path = hub.root / repository / file
                if repository in hub.gates:
                    given = self.headers.get("Authorization")
                    if given != f"Bearer {hub.gates[repository]}":
                        self.send_response(401 if given is None else 403)
                        self.send_header("X-Error-Code", "GatedRepo")
                        self.send_header("Content-Length", "0")
                        self.end_headers()
                        return
                content = path.read_bytes() if file and path.is_file() else b""
                asked = self.headers.get("Range") if content else None
                start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
                self.send_response(206 if asked else 200 if content else 404)
                if asked:
                    hub.ranges.append(asked)
                    self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
                if content:
                    sha256 = hub.lies_about.get(file, hashlib.sha256(content).hexdigest())
                    self.send_header("ETag", f'"{sha256}"')
                    self.send_header("X-Repo-Commit", asked_for if len(asked_for) == 40 else hub.commit)
                else:
                    known = (hub.root / repository).is_dir()
                    self.send_header("X-Error-Code", "EntryNotFound" if known else "RepoNotFound")
                body = content[start:]
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if with_body and hub.breaks.get(file, 0):
                    hub.breaks[file] -= 1
                    self.wfile.write(body[: len(body) // 2])
                    self.close_connection = True
                elif with_body:
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A stand-in hub that serves the folders in tmp_path / "hub", and an empty home for downloads."""
    (tmp_path / "hub").mkdir()
    stand_in = Hub(tmp_path / "hub")
    thread = threading.Thread(target=stand_in.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", stand_in.url)
    monkeypatch.setenv("SAM_PET_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    yield stand_in
    stand_in.server.shutdown()
    stand_in.server.server_close()
    thread.join()
