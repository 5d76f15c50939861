"""Draw docs/images/tutorial_*.png: runs the Python of docs/tutorial.md in a folder of its own.

Run from the root of the project: python docs/tutorial_pictures.py (a minute on two cores).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PICTURES = ("study", "click", "all")


def main() -> None:
    page = (HERE / "tutorial.md").read_text("utf-8")
    blocks = re.findall(r"```(sh|python)\n(.*?)```", page, re.DOTALL)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        command = next(text.split() for language, text in blocks if language == "sh")
        subprocess.run([str(Path(sys.executable).with_name(command[0])), *command[1:]], check=True)
        exec(compile("\n".join(text for language, text in blocks if language == "python"), "tutorial.md", "exec"), {})
        for name in PICTURES:
            shutil.copyfile(f"{name}.png", HERE / "images" / f"tutorial_{name}.png")
        os.chdir(HERE)


if __name__ == "__main__":
    main()
