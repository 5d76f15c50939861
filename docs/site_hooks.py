"""What mkdocs does not do by itself: pages from other folders, the command line's own help, links into the code."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
SOURCE = "https://github.com/OWNER/sam_pet/blob/main/"
# Files that lie where people look for them in the repository, and their names in the site.
ELSEWHERE = {
    "README.md": "index.md",
    "CHANGELOG.md": "project/changelog.md",
    "CODE_OF_CONDUCT.md": "project/conduct.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "checkpoints/README.md": "project/checkpoints.md",
    "checkpoints/default/README.md": "project/default.md",
    "checkpoints/default/training.png": "project/training.png",
    "finetune/README.md": "project/finetune.md",
    "infer/README.md": "project/container.md",
}
LINK = re.compile(r"(\]\()([^)\s#:]+)(#[^)\s]*)?(\))")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Leave out of the navigation what is not there."""
    config.nav = _there(config.nav or [])
    return config


def _there(entries: list[Any]) -> list[Any]:
    kept: list[Any] = []
    for entry in entries:
        ((title, target),) = entry.items()
        if isinstance(target, list):
            kept.append({title: _there(target)})
        elif target in (*ELSEWHERE.values(), "reference/cli.md") or (ROOT / "docs" / target).is_file():
            kept.append(entry)
    return kept


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for source, name in ELSEWHERE.items():
        if source != "README.md":
            path = str(ROOT / source)
            files.append(File.generated(config, name, abs_src_path=path))
    files.append(File.generated(config, "reference/cli.md", content=command_line()))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Links to files of the repository lead to their pages, or to the code host."""
    homes = {name: source for source, name in ELSEWHERE.items() if name != "index.md"}
    uri = page.file.src_uri
    folder = Path(homes.get(uri, f"docs/{uri}")).parent

    def led(match: re.Match[str]) -> str:
        start, target, anchor, end = match[1], match[2], match[3] or "", match[4]
        path = os.path.normpath(folder / target).replace(os.sep, "/")
        if path in ELSEWHERE:
            name = ELSEWHERE[path]
        elif path.startswith("docs/"):
            name = path.removeprefix("docs/")
        elif (ROOT / path).exists():
            return f"{start}{SOURCE}{path}{end}"
        else:
            return match[0]
        return f"{start}{os.path.relpath(name, Path(uri).parent).replace(os.sep, '/')}{anchor}{end}"

    return LINK.sub(led, markdown)


def command_line() -> str:
    """The page of the command line: what `--help` says of every command."""
    import typer

    from sam_pet.cli.app import app

    parts = ["# Command line\n\nMade from the commands themselves. `--json` prints one JSON object on standard output;"]
    parts.append(
        "logs and progress go to standard error. Exit code 0: done; 2: the input is at fault, and one line says why.\n"
    )
    for name, command in sorted(_commands(typer.main.get_command(app), "sam-pet")):
        if getattr(command, "commands", None):
            continue
        shown = [p for p in command.params if not getattr(p, "hidden", False)]
        parts.append(f"## {name}\n\n{command.help}\n\n| option | meaning | default |\n| --- | --- | --- |")
        for option in shown:
            names = ", ".join(option.opts) if option.param_type_name == "option" else option.name.upper()
            default = "required" if option.required else "" if option.default in (None, False, ()) else option.default
            about = (getattr(option, "help", "") or "").replace("|", "\\|")
            parts.append(f"| `{names}` | {about} | {getattr(default, 'value', default)} |")
        parts.append("")
    return "\n".join(parts)


def _commands(command: Any, name: str) -> list[tuple[str, Any]]:
    inner = getattr(command, "commands", {})
    return [(name, command), *(found for part, c in inner.items() for found in _commands(c, f"{name} {part}"))]
