"""Everything is said in pyproject.toml but this: an installed package carries the embedded weights inside."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithCheckpoints(build_py):
    """Copies checkpoints/ to sam_pet/checkpoints/; an editable install finds the folder where it is."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib, "sam_pet", "checkpoints")
            shutil.copytree("checkpoints", target, ignore=shutil.ignore_patterns("downloads"), dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithCheckpoints})
