"""What may import what: no package imports one above it, and no modules import each other in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import sam_pet

ROOT = Path(sam_pet.__file__).parent
# From the lowest to the highest: each may import those before it. Lazy imports count, those for type checkers do not.
LAYERS = (
    ("errors", "threads", "labels", "names", "progress", "sanity", "ubjson", "csv_cells", "settings"),
    ("",),
    ("headers", "nifti", "processes", "stored"),
    ("geometry", "files"),
    ("growing",),
    ("audit",),
    ("masks", "measures", "slicer", "prompts", "trees"),
    ("markups", "boxes"),
    ("prompt_files",),
    ("dicom",),
    ("study",),
    ("outputs", "requests"),
    ("uptake", "sam2", "phantom", "plots"),
    ("cases", "readers", "scores", "page"),
    ("proposers",),
    ("models",),
    ("detection", "viewer"),
    ("session",),
    ("segmenter",),
    ("report", "demo"),
    ("agent",),
    ("mcp",),
    ("cohort",),
    ("challenge",),
    ("methods",),
    ("benchmark",),
    ("train",),
    ("app",),
    ("verify", "manuscript"),
    ("cli",),
)


def modules() -> dict[str, Path]:
    return {_name(path): path for path in ROOT.rglob("*.py")}


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.AST, known: set[str]) -> Iterator[str]:
    """The modules of this package that code imports as it runs, also within functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.split(".")[0] == "sam_pet":
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in known else node.module for name in names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "sam_pet")
        yield from imports(node, known)


def graph(files: dict[str, Path]) -> dict[str, set[str]]:
    return {name: {*imports(ast.parse(path.read_text("utf-8")), set(files))} for name, path in files.items()}


def package(module: str) -> str:
    return [*module.split("."), ""][1]


def upward(edges: dict[str, set[str]]) -> list[str]:
    level = {name: height for height, names in enumerate(LAYERS) for name in names}
    return [
        f"{module} imports {other}"
        for module, others in edges.items()
        for other in others
        if package(module) != package(other) and level[package(module)] <= level[package(other)]
    ]


def circle(edges: dict[str, set[str]]) -> list[str] | None:
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return list(error.args[1])
    return None


def test_every_package_has_its_layer() -> None:
    listed = [name for names in LAYERS for name in names]
    assert len(listed) == len(set(listed))
    assert {package(module) for module in modules()} == set(listed)


def test_no_package_imports_one_above_it() -> None:
    assert upward(graph(modules())) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circle(graph(modules())) is None


@pytest.mark.parametrize(
    "code",
    [
        "from sam_pet.session.session import Session",
        "import sam_pet.session.session",
        "def lazily():\n    from sam_pet.session import session",
    ],
)
def test_an_import_upwards_would_be_seen(code: str) -> None:
    found = {*imports(ast.parse(code), {"sam_pet.session.session"})}
    assert found == {"sam_pet.session.session"}
    assert upward({"sam_pet.sam2.tracker": found}) == ["sam_pet.sam2.tracker imports sam_pet.session.session"]
    assert circle({"a": {"b"}, "b": {"a"}}) is not None


def test_imports_for_type_checkers_alone_do_not_count() -> None:
    code = "if TYPE_CHECKING:\n    from sam_pet.session.session import Session"
    assert {*imports(ast.parse(code), {"sam_pet.session.session"})} == set()


def test_no_file_is_longer_than_400_lines() -> None:
    assert {name: n for name, path in modules().items() if (n := len(path.read_text("utf-8").splitlines())) > 400} == {}


def test_no_two_classes_have_one_name() -> None:
    homes: dict[str, list[str]] = {}
    for module, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(module)
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}
