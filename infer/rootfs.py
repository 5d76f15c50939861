"""The container's root file system without a container engine, made by the steps of the Dockerfile itself.

Only what `FROM` names is made otherwise: by mmdebstrap, from Debian's packages, which is how Debian makes its images.
Everything else (RUN, COPY, ENV, ARG, USER, WORKDIR, ENTRYPOINT) is done as the Dockerfile says. An instruction not
known here is an error: nothing is passed over.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

from dockerfile_parse import DockerfileParser

logger = logging.getLogger("rootfs")

REPOSITORY = Path(__file__).resolve().parents[1]
DOCKERFILE = REPOSITORY / "infer" / "Dockerfile"
_TOOLS = {"mmdebstrap": "mmdebstrap", "bwrap": "bubblewrap"}
_MIRRORS = (
    "deb http://deb.debian.org/debian {0} main",
    "deb http://deb.debian.org/debian {0}-updates main",
    "deb http://deb.debian.org/debian-security {0}-security main",
)
_NOT_COPIED = ("__pycache__", "downloads", "*.egg-info")
# A RUN step that takes longer is kept as a layer.
_WORTH_A_LAYER_S = 20.0
_PLACES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS")
_CERTIFICATE = "/run/pip.crt"
_CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class Config:
    """What an engine keeps beside an image's files."""

    env: dict[str, str] = field(default_factory=lambda: {"PATH": _PATH})
    user: str = "0:0"
    workdir: str = "/"
    entrypoint: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Step:
    """One instruction of a Dockerfile and what follows it, continuation lines joined."""

    instruction: str
    value: str


def read_steps(dockerfile: Path) -> list[Step]:
    """The instructions of a Dockerfile, comments left out."""
    # The parser writes to the file it is given; from a stream it only reads.
    with dockerfile.open("rb") as stream:
        structure = DockerfileParser(fileobj=stream).structure
    return [Step(s["instruction"], s["value"]) for s in structure if s["instruction"] != "COMMENT"]


def suite_of(image: str) -> str:
    """The Debian release of `debian:RELEASE-DATE-slim`.

    Raises:
        ValueError: not such an image.
    """
    match = re.fullmatch(r"debian:([a-z]+)(-\d{8})?(-slim)?", image)
    if match is None:
        raise ValueError(f"a file system can only be made of Debian's images, not of {image}")
    return match.group(1)


def pairs(value: str) -> dict[str, str]:
    """NAME=VALUE ... as ENV and ARG have them; a name alone stands for an empty value."""
    return {name: content for name, _, content in (word.partition("=") for word in shlex.split(value))}


@dataclass(frozen=True)
class Copy:
    """A COPY step: what it copies, of the context or of a stage, and where to; `into` where that is a folder."""

    stage: str | None
    names: list[str]
    target: str
    into: bool

    @classmethod
    def parse(cls, value: str) -> Self:
        words = shlex.split(value)
        stage = words.pop(0).removeprefix("--from=") if words[0].startswith("--from=") else None
        *names, target = words
        return cls(stage, names, target, into=target.endswith("/") or len(names) > 1)


def step_keys(steps: list[Step], context: Path, arguments: Mapping[str, str]) -> list[str]:
    """A digest of what each step's outcome depends on: the steps up to it, what they copy, and build arguments."""
    keys: list[str] = []
    stages: dict[str, str] = {}
    name = ""
    for step in steps:
        if step.instruction == "FROM":
            name = _from(step.value)[1]
            depends = [json.dumps(dict(arguments), sort_keys=True)]
        else:
            depends = [keys[-1]]
        if step.instruction == "COPY":
            copy = Copy.parse(step.value)
            depends += [_digest(context, copy.names) if copy.stage is None else stages[copy.stage]]
        keys.append(hashlib.sha256("\n".join([*depends, step.instruction, step.value]).encode()).hexdigest())
        stages[name] = keys[-1]
    return keys


def _from(value: str) -> tuple[str, str]:
    """Image and name of a stage."""
    image, _, name = value.partition(" AS ")
    return image, name or "final"


def _digest(context: Path, names: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for path in (context / name for name in names):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            relative = file.relative_to(context)
            if file.is_file() and not any(fnmatch(part, no) for part in relative.parts for no in _NOT_COPIED):
                digest.update(f"{relative} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


class Build:
    """Runs the steps of a Dockerfile; each stage is a folder below `work`.

    As with an engine, a step is done again if it, a step before it, or a file that it copies has changed.

    Args:
        work: where stages are made; of an earlier build the base and the layers that still hold are reused.
        context: the folder that COPY copies from.
        arguments: build arguments, and settings for pip that RUN steps of stages that declare them see.
        binds: folders and files of this machine that RUN steps can read, by their path inside.
    """

    def __init__(self, work: Path, context: Path, arguments: Mapping[str, str], binds: Mapping[str, Path]) -> None:
        self._work = work
        self._context = context
        self._arguments = arguments
        self._binds = {"/etc/resolv.conf": Path("/etc/resolv.conf"), **binds}
        self._stages: dict[str, Path] = {}
        self._root = work
        self._begin_with: Path | None = None
        self._args: dict[str, str] = {}
        self._shell = ["/bin/sh", "-c"]
        self.config = Config()

    def run(self, steps: list[Step]) -> tuple[Path, Config]:
        """The folder of the last stage, and its configuration."""
        layers = [self._work / f"layer-{key[:16]}" for key in step_keys(steps, self._context, self._arguments)]
        starts = [i for i, step in enumerate(steps) if step.instruction == "FROM"]
        for start, end in pairwise([*starts, len(steps)]):
            done = max((i for i in range(start, end) if layers[i].is_dir()), default=start)
            self._begin_with = layers[done] if done > start else None
            for i in range(start, end):
                if i > done or steps[i].instruction not in ("RUN", "COPY"):
                    self._do(steps[i], layers[i])
        for old in set(self._work.glob("layer-*")) - set(layers):
            shutil.rmtree(old)
        return self._root, self.config

    def _do(self, step: Step, layer: Path) -> None:
        logger.info("%s %s", step.instruction, step.value[:100])
        handler = getattr(self, f"do_{step.instruction.lower()}", None)
        if handler is None:
            raise ValueError(f"Dockerfile: {step.instruction} is not known here")
        began = time.monotonic()
        handler(step.value)
        if step.instruction == "RUN" and time.monotonic() - began > _WORTH_A_LAYER_S:
            partial = layer.with_name(f"partial-{layer.name}")
            _copied(self._root, partial)
            partial.rename(layer)

    def do_from(self, value: str) -> None:
        image, name = _from(value)
        self._root = self._work / f"stage-{name}"
        _copied(self._begin_with or _base(suite_of(image), self._work), self._root)
        self._stages[name] = self._root
        self.config, self._args, self._shell = Config(), {}, ["/bin/sh", "-c"]

    def do_shell(self, value: str) -> None:
        self._shell = json.loads(value)

    def do_arg(self, value: str) -> None:
        for name, default in pairs(value).items():
            if self._arguments.get(name, default):
                self._args[name] = self._arguments.get(name, default)

    def do_env(self, value: str) -> None:
        self.config.env |= pairs(value)

    def do_user(self, value: str) -> None:
        self.config.user = value

    def do_workdir(self, value: str) -> None:
        self.config.workdir = value
        self._inside(value).mkdir(parents=True, exist_ok=True)

    def do_entrypoint(self, value: str) -> None:
        self.config.entrypoint = json.loads(value)

    def do_copy(self, value: str) -> None:
        copy = Copy.parse(value)
        source = self._context if copy.stage is None else self._stages[copy.stage]
        target = self._inside(copy.target)
        for name in copy.names:
            path = source / name.lstrip("/")
            place = target / path.name if copy.into else target
            place.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                # As an engine does: the content of a folder goes into the target.
                ignore = shutil.ignore_patterns(*_NOT_COPIED) if copy.stage is None else None
                shutil.copytree(path, target, symlinks=True, dirs_exist_ok=True, ignore=ignore)
            else:
                shutil.copy2(path, place)

    def do_run(self, value: str) -> None:
        command = json.loads(value) if value.startswith("[") else [*self._shell, value]
        with _mount_points(self._root, self._binds):
            sandbox = [
                *("bwrap", "--bind", os.fspath(self._root), "/", "--dev", "/dev", "--proc", "/proc"),
                *("--perms", "1777", "--tmpfs", "/tmp"),
                *(
                    word
                    for target, path in self._binds.items()
                    for word in ("--ro-bind", os.fspath(path.resolve()), target)
                ),
                *("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent"),
                *environment(self._args | self.config.env),
                *("--chdir", self.config.workdir, "--", *as_user(self.config.user), *command),
            ]
            subprocess.run(sandbox, check=True, stdin=subprocess.DEVNULL)

    def _inside(self, path: str) -> Path:
        return self._root / (Path(self.config.workdir) / path).as_posix().lstrip("/")


def _copied(source: Path, target: Path) -> None:
    """Make `target` the same as a root file system."""
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(["cp", "-a", source, target], check=True)


def environment(variables: Mapping[str, str]) -> list[str]:
    """Arguments of bwrap for these variables and no others."""
    return ["--clearenv", *(word for name, text in variables.items() for word in ("--setenv", name, text))]


def as_user(user: str) -> list[str]:
    """The start of a command line that runs the rest as "UID:GID"; any but root has no capability and gains none."""
    uid, _, gid = user.partition(":")
    if uid == "0":
        return []
    drop = ("--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all")
    return ["setpriv", f"--reuid={uid}", f"--regid={gid}", *drop, "--"]


@contextmanager
def _mount_points(root: Path, paths: Iterable[str]) -> Iterator[None]:
    """Takes away what bwrap makes in a root file system to mount things on."""
    targets = [root / path.lstrip("/") for path in paths]
    made = [target for target in targets if not target.exists()]
    try:
        yield
    finally:
        for target in made:
            while target != root and target.exists() and not (target.is_dir() and any(target.iterdir())):
                if target.is_dir():
                    target.rmdir()
                else:
                    target.unlink()
                target = target.parent


def _base(suite: str, work: Path) -> Path:
    """A folder with the base system of a Debian release."""
    base = work / f"base-{suite}"
    if not base.is_dir():
        made = work / f"base-{suite}.partial"
        shutil.rmtree(made, ignore_errors=True)
        mirrors = [line.format(suite) for line in _MIRRORS]
        subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", "--mode=root", suite, made, *mirrors], check=True)
        made.rename(base)
    return base


def need_tools() -> None:
    """Install what is missing; needs root on a Debian or Ubuntu.

    Raises:
        RuntimeError: that is not to be had here.
    """
    missing = [package for tool, package in _TOOLS.items() if shutil.which(tool) is None]
    if os.geteuid() != 0:
        raise RuntimeError("a root file system can only be made, and run, by root; or install docker or podman")
    if missing:
        if shutil.which("apt-get") is None:
            raise RuntimeError(f"install {' and '.join(missing)}; or docker or podman")
        logger.info("installing %s", ", ".join(missing))
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing, "debian-archive-keyring"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def pip_settings() -> tuple[dict[str, str], dict[str, Path]]:
    """This machine's mirrors of PyPI as build arguments, and what of them lies on its disk, by path inside the build.

    Torch is asked for as CPU wheel: a machine without an engine is tested without a GPU.
    """
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    )
    found: dict[str, str] = {}
    for line in listing.stdout.splitlines():
        name, _, value = line.partition("=")
        variable = f"PIP_{name.rpartition('.')[2].replace('-', '_').upper()}"
        if variable in (*_PLACES, "PIP_CERT"):
            found[variable] = value.strip("'")
    binds: dict[str, Path] = {}
    if "PIP_CERT" in found:
        # Not at its own path, where a package is to be installed.
        binds[_CERTIFICATE] = Path(found["PIP_CERT"])
        found["PIP_CERT"] = _CERTIFICATE
    folders = [Path(word.removeprefix("file://")) for name in _PLACES for word in found.get(name, "").split()]
    here = [folder for folder in folders if folder.is_absolute() and folder.is_dir()]
    # An index links to files that lie beside it.
    binds |= {os.fspath(f): f for f in (folder.parent if folder.name == "simple" else folder for folder in here)}
    if not any(next(folder.glob("torch-*+cpu-*.whl"), None) for folder in here):
        found["PIP_EXTRA_INDEX_URL"] = f"{found.get('PIP_EXTRA_INDEX_URL', '')} {_CPU_WHEELS}".strip()
    version = re.search(r"^torch==(\S+)$", (REPOSITORY / "constraints.txt").read_text(), re.MULTILINE)
    if version is None:
        raise ValueError("constraints.txt does not pin torch")
    return {**found, "TORCH": f"{version.group(1)}+cpu"}, binds


def image_key() -> str:
    """What the image of this checkout depends on, in one digest."""
    return step_keys(read_steps(DOCKERFILE), REPOSITORY, pip_settings()[0])[-1]


def build(work: Path) -> tuple[Path, Config]:
    """The root file system and its configuration, made below `work`; what is there is reused if nothing has changed."""
    need_tools()
    work.mkdir(parents=True, exist_ok=True)
    note, key = work / "image.json", image_key()
    if note.is_file():
        content: dict[str, Any] = json.loads(note.read_text())
        if content.get("key") == key and Path(content["root"]).is_dir():
            return Path(content["root"]), Config(**content["config"])
    note.unlink(missing_ok=True)
    arguments, binds = pip_settings()
    root, config = Build(work, REPOSITORY, arguments, binds).run(read_steps(DOCKERFILE))
    note.write_text(json.dumps({"key": key, "root": str(root), "config": asdict(config)}, indent=2))
    return root, config


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    built, _ = build(REPOSITORY / "infer" / "build")
    print(built)
