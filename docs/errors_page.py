"""Makes `errors.md` from the code: every message of an input error, when it comes up, and what to do about it.

`python docs/errors_page.py` writes the page; a test says whether it is of today's code.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "errors.md"
PACKAGE = ROOT / "sam_pet"
ERRORS = ("InputError", "UnsoundError")
# What somebody was doing, and the modules whose messages then come up: each is of the first that names it.
GROUPS: dict[str, tuple[str, ...]] = {
    "Reading prompts": ("prompts", "prompt_files", "markups"),
    "Reading and writing DICOM": ("dicom", "outputs"),
    "Reading and writing images": (
        *("study", "files", "sanity", "headers", "nifti", "masks", "geometry", "labels", "measures", "slicer"),
    ),
    "Sessions": ("session", "segmenter", "viewer", "boxes"),
    "Models and adapters": ("models", "proposers", "sam2", "trees", "ubjson"),
    "First answers": ("detection", "uptake"),
    "Agents and assistants": ("agent", "mcp"),
    "Training": ("train",),
    "Cases, readers and benchmarks": ("cases", "readers", "benchmark", "methods", "scores"),
    "Simulated studies": ("phantom", "demo"),
    "Many studies": ("cohort",),
    "Verifying and writing up a run": ("audit", "verify", "manuscript"),
    "Pictures and reports": ("plots", "report", "page"),
    "The challenge's container": ("challenge",),
    "The command line": ("cli",),
    "Elsewhere": (),
}
# Where a message says it all, and what is always the same to do.
_ALWAYS = (
    (r"no such (file|folder)", "Check the path."),
    (r"cannot be (read|fetched)\b", "Check that the file is there, whole, and that you may read it."),
    (r"^REASON|REASON$", "What REASON says."),
    (r"\b(give|say|must|needs?|lie on|leave|name the)\b", "What the message says."),
)
_NAMES = {
    "FILE": r"path|file|where|source|place|splits|output|table|at|pet_path|ct_path",
    "FOLDER": r"folder|root|out|stage|target|nearest|uploaded|places",
    "REASON": r"error|reason|strerror|errors|first|fault|last",
    "WHAT": r"what",
}
_PAGE = """# Errors

An error that the input causes is one line: what is wrong, where, and what to do. The command line then ends with exit
code 2, and nothing is written or lost. From Python it is a `sam_pet.InputError`. Exit code 1 is for memory that ran out
and for faults of this program; `SAM_PET_TRACEBACK=1` shows where such a one comes from.

`cannot read or write FILE: ...` passes on what the system says: a full disk, or a folder that this user may not use.

Words in capitals stand for what a message names: WHAT is the CT, the PET, a mask or a point. Three dots are other
values. A line above a table tells what all of its messages have in common.
"""


@dataclass(frozen=True)
class Message:
    """A message as it stands in the code; `doc` is of the function that raises it."""

    text: str
    doc: str


def messages(path: Path) -> list[Message]:
    """The messages of one module, without those that only pass another on."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    names = vars(importlib.import_module(name.removesuffix(".__init__")))
    found = [Message(_text(call.args[0], names), doc) for call, doc in _calls(tree, ast.get_docstring(tree) or "")]
    return [message for message in dict.fromkeys(found) if re.search(r"[a-z]{3}", message.text)]


def _calls(node: ast.AST, doc: str) -> Iterator[tuple[ast.Call, str]]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        doc = ast.get_docstring(node) or doc
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS and node.args:
        yield node, doc
    for child in ast.iter_child_nodes(node):
        yield from _calls(child, doc)


def _text(node: ast.expr, names: dict[str, Any]) -> str:
    """A message with words for what it is filled with."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, names) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left, names) + _text(node.right, names)
    value = node.value if isinstance(node, ast.FormattedValue) else node
    try:
        # What depends on the module alone, as the name of a DICOM attribute or a list of suffixes.
        return str(eval(compile(ast.Expression(value), "message", "eval"), names))
    except Exception:
        return _word(value)


def _word(value: ast.expr) -> str:
    last = [part for part in ast.walk(value) if isinstance(part, ast.Name | ast.Attribute)]
    told = {part.attr if isinstance(part, ast.Attribute) else part.id for part in last}
    for word, pattern in _NAMES.items():
        if any(re.fullmatch(pattern, name) for name in told):
            return word
    return "..."


def remedy(text: str) -> tuple[str, str]:
    """A message without what it says is to be done, and that."""
    what, semicolon, told = text.rpartition("; ")
    if semicolon:
        return what, f"{told[:1].upper()}{told[1:]}{'' if told.endswith('.') else '.'}"
    found = next((do for pattern, do in _ALWAYS if re.search(pattern, text)), "")
    return text, found


def cause(doc: str) -> str:
    """When a message comes up, as the docstring of what raises it says; empty where it is left to the message."""
    raises = re.search(r"(?:Input|Unsound)Error: (.+?)(?:\n\s*\n|\n\s{0,6}\w+Error:|\Z)", doc, re.DOTALL)
    if raises is None:
        raises = re.search(r"Raise an? (?:Input|Unsound)Error (?:if )?(.+?)(?:\n\s*\n|\Z)", doc, re.DOTALL)
    text = " ".join(raises[1].split()) if raises else ""
    text = re.sub(r";? ?(?:see|raises like|as|raise) `[^`]*`(?:, `[^`]*`| and `[^`]*`)*\.?", "", text).strip(" ,;.")
    return f"When: {text[:1].lower() if text[1:2].islower() else text[:1]}{text[1:]}" if text else ""


def group_of(path: Path) -> str:
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return next((title for title, parts in GROUPS.items() if part in parts), "Elsewhere")


def page() -> str:
    """The whole page."""
    rows: dict[str, dict[str, list[str]]] = {title: {"": []} for title in GROUPS}
    for path in sorted(PACKAGE.rglob("*.py")):
        for message in messages(path):
            what, do = remedy(message.text)
            rows[group_of(path)].setdefault(cause(message.doc), []).append(f"| {_cell(what)} | {_cell(do)} |")
    parts = [_PAGE]
    for title, causes in rows.items():
        found = {why: lines for why, lines in causes.items() if lines}
        if found:
            parts.append(f"\n## {title}\n")
        for why, lines in found.items():
            parts.append(f"\n{_cell(why)}.\n" if why else "")
            parts.append("\n| message | what to do |\n| --- | --- |\n" + "\n".join(dict.fromkeys(lines)) + "\n")
    return "".join(parts)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("{", "&#123;").replace("*", "\\*")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
