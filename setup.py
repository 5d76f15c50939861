"""Everything is said in pyproject.toml but this: an installed package carries embedded weights and recipes inside."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithData(build_py):
    """Copies checkpoints/ and recipes into the package; an editable install finds them where they are."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib, "sam_pet", "checkpoints")
            shutil.copytree("checkpoints", target, ignore=shutil.ignore_patterns("downloads"), dirs_exist_ok=True)
            recipes = Path(self.build_lib, "sam_pet", "recipes")
            recipes.mkdir(parents=True, exist_ok=True)
            for recipe in Path("finetune").glob("*.yaml"):
                shutil.copyfile(recipe, recipes / recipe.name)


setup(cmdclass={"build_py": BuildWithData})
