"""Run the notebooks of this folder and keep their outputs: `python notebooks/run.py [NAME ...]`."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
WIDGET = "application/vnd.jupyter.widget-view+json"


def run(notebook: Path, folder: Path, timeout_s: int = 1200) -> Any:
    """The notebook with its outputs, run beside a copy of the recipes in an empty folder.

    Widgets give way to the pictures that stand in for them: there is no kernel where the notebook is read.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    content = nbformat.read(notebook, as_version=4)
    (folder / "notebooks").mkdir()
    shutil.copytree(HERE.parent / "finetune", folder / "finetune")
    client = NotebookClient(
        content,
        timeout=timeout_s,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder / "notebooks")}},
        store_widget_state=False,
        record_timing=False,
    )
    # Of other people's code, and with the paths of this machine.
    client.execute(env={**os.environ, "PYTHONWARNINGS": "ignore::FutureWarning"})
    for cell in content.cells:
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop(WIDGET, None)
    content.metadata.pop("widgets", None)
    return content


def main(names: list[str]) -> None:
    for notebook in [HERE / name for name in names] or sorted(HERE.glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as folder:
            content = run(notebook, Path(folder))
        nbformat.write(content, notebook)
        print(f"{notebook.name}: {notebook.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main(sys.argv[1:])
