from __future__ import annotations

from pathlib import Path

import pytest


def test_steps_are_joined_over_lines_and_comments_left_out(tmp_path: Path) -> None:
    from rootfs import Step, read_steps

    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("# about\nFROM debian:bookworm-slim AS build\nRUN one \\\n    # between\n    && two\n")
    assert read_steps(dockerfile) == [Step("FROM", "debian:bookworm-slim AS build"), Step("RUN", "one     && two")]
    assert dockerfile.read_text().startswith("# about")


@pytest.mark.parametrize("image", ["debian:bookworm", "debian:bookworm-20250520-slim"])
def test_a_debian_image_names_its_release(image: str) -> None:
    from rootfs import suite_of

    assert suite_of(image) == "bookworm"


@pytest.mark.parametrize("image", ["ubuntu:24.04", "debian", "debian:latest-20250520 x"])
def test_another_image_is_refused(image: str) -> None:
    from rootfs import suite_of

    with pytest.raises(ValueError, match="Debian's images"):
        suite_of(image)


def test_pairs_keep_quoted_words() -> None:
    from rootfs import pairs

    assert pairs('A=1 B="two words" C') == {"A": "1", "B": "two words", "C": ""}


def stage(tmp_path: Path) -> Path:
    """What stands for a base system."""
    base = tmp_path / "work" / "base-bookworm"
    (base / "etc").mkdir(parents=True)
    (base / "etc" / "os-release").write_text("Debian")
    return tmp_path / "work"


def build(tmp_path: Path, *lines: str, **arguments: str) -> tuple[Path, object]:
    from rootfs import Build, Step

    context = tmp_path / "context"
    (context / "code" / "__pycache__").mkdir(parents=True)
    (context / "code" / "a.py").write_text("a")
    (context / "code" / "__pycache__" / "a.pyc").write_text("a")
    (context / "b.txt").write_text("b")
    steps = [Step(*line.split(" ", 1)) for line in ("FROM debian:bookworm-slim", *lines)]
    return Build(stage(tmp_path), context, arguments, {}).run(steps)


def files(root: Path) -> list[str]:
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())


def test_copy_takes_the_content_of_a_folder_and_files_by_name(tmp_path: Path) -> None:
    root, _ = build(tmp_path, "WORKDIR /src", "COPY code ./code", "COPY b.txt /opt/c.txt", "COPY b.txt code/a.py ./")
    assert files(root) == ["etc/os-release", "opt/c.txt", "src/a.py", "src/b.txt", "src/code/a.py"]


def test_copy_from_a_stage_and_nothing_else_of_it(tmp_path: Path) -> None:
    lines = ("COPY code /opt/code", "FROM debian:bookworm-slim", "COPY --from=final /opt/code /code")
    root, _ = build(tmp_path, "WORKDIR /", "FROM debian:bookworm-slim AS one", *lines[:1], *lines[1:2], "WORKDIR /")
    assert files(root) == ["etc/os-release"]
    root, _ = build(
        tmp_path / "2", "FROM debian:bookworm-slim AS one", *lines[:2], lines[2].replace("final", "one"), "WORKDIR /"
    )
    assert files(root) == ["code/a.py", "etc/os-release"]


def test_the_configuration_is_that_of_the_last_stage(tmp_path: Path) -> None:
    _, config = build(
        tmp_path, "ENV A=1", "FROM debian:bookworm-slim", "ENV B=2", "USER 5:6", "WORKDIR /w", 'ENTRYPOINT ["/x", "y"]'
    )
    assert config.env.keys() == {"PATH", "B"}  # type: ignore[attr-defined]
    assert (config.user, config.workdir, config.entrypoint) == ("5:6", "/w", ["/x", "y"])  # type: ignore[attr-defined]


def test_an_unknown_instruction_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="VOLUME is not known"):
        build(tmp_path, "VOLUME /data")


LINES = ("FROM debian:bookworm-slim AS one", "COPY b.txt /", "RUN slow", "COPY code /code", "RUN more", "WORKDIR /w")
SECOND = ("FROM debian:bookworm-slim", "COPY --from=one /code /code")


def keys(context: Path, *lines: str, **arguments: str) -> list[str]:
    from rootfs import Step, step_keys

    return step_keys([Step(*line.split(" ", 1)) for line in lines], context, arguments)


def unchanged(before: list[str], after: list[str]) -> list[bool]:
    return [a == b for a, b in zip(before, after, strict=True)]


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """Not to be left out, whatever the folders above it are called."""
    made = tmp_path / "downloads" / "context"
    (made / "code" / "__pycache__").mkdir(parents=True)
    for name in ("b.txt", "code/a.py", "code/__pycache__/a.pyc"):
        (made / name).write_text("as it was")
    return made


def test_what_is_copied_makes_its_step_and_all_after_it_new(context: Path) -> None:
    before = keys(context, *LINES, *SECOND)
    (context / "code/__pycache__/a.pyc").write_text("changed")
    assert keys(context, *LINES, *SECOND) == before
    (context / "code/a.py").write_text("changed")
    assert unchanged(before, keys(context, *LINES, *SECOND)) == [True] * 3 + [False] * 3 + [True, False]


def test_a_file_more_and_another_argument_make_steps_new(context: Path) -> None:
    before = keys(context, *LINES)
    assert not any(unchanged(before, keys(context, *LINES, TORCH="2")))
    (context / "code" / "more.py").write_text("")
    assert unchanged(before, keys(context, *LINES)) == [True] * 3 + [False] * 3


def test_a_slow_step_is_done_again_only_if_something_before_it_has_changed(
    tmp_path: Path, context: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import rootfs

    done: list[str] = []

    def run(build: rootfs.Build, value: str) -> None:
        done.append(value)
        (build._root / value).write_text("done")

    monkeypatch.setattr(rootfs.Build, "do_run", run)
    monkeypatch.setattr(rootfs, "_WORTH_A_LAYER_S", -1.0)
    work = stage(tmp_path)

    def built() -> list[str]:
        done.clear()
        steps = [rootfs.Step(*line.split(" ", 1)) for line in (*LINES, *SECOND)]
        root, _ = rootfs.Build(work, context, {}, {}).run(steps)
        assert (root / "code/a.py").read_text() == (context / "code/a.py").read_text()
        assert files(work / "stage-one") == ["b.txt", "code/a.py", "etc/os-release", "more", "slow"]
        return list(done)

    assert built() == ["slow", "more"]
    assert built() == []
    (context / "code/a.py").write_text("changed")
    assert built() == ["more"]
    (context / "b.txt").write_text("changed")
    assert built() == ["slow", "more"]
    assert len(list(work.glob("layer-*"))) == 2


def test_any_user_but_root_has_no_capabilities() -> None:
    from rootfs import as_user

    assert as_user("0:0") == []
    command = as_user("1000:1000")
    assert command[:3] == ["setpriv", "--reuid=1000", "--regid=1000"]
    assert {"--no-new-privs", "--bounding-set=-all", "--clear-groups"} <= set(command)
