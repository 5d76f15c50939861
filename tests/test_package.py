from __future__ import annotations

import subprocess
import sys

import pytest

import sam_pet

HEAVY = (
    "torch",
    "transformers",
    "peft",
    "pandas",
    "SimpleITK",
    "scipy",
    "skimage",
    "matplotlib",
    "pydicom",
    "networkx",
)
SHOW = f"import sys; print('loaded', *(m for m in {HEAVY!r} if m in sys.modules))"


def loaded(code: str) -> list[str]:
    """The heavy modules that a fresh interpreter holds after some code."""
    done = subprocess.run([sys.executable, "-c", f"{code}\n{SHOW}"], capture_output=True, text=True, check=True)
    line = done.stdout.splitlines()[-1].split()
    assert line[0] == "loaded"
    return line[1:]


def command(*arguments: str) -> str:
    return f"""
from sam_pet.cli.app import main
try:
    main({list(arguments)!r})
except SystemExit:
    pass
"""


def test_importing_the_package_loads_nothing_heavy():
    assert loaded("import sam_pet") == []


@pytest.mark.parametrize("arguments", [["--help"], ["segment", "--help"], ["models", "--help"]])
def test_help_loads_nothing_heavy(arguments):
    assert loaded(command(*arguments)) == []


def test_input_at_fault_is_refused_before_torch_is_loaded(tmp_path):
    arguments = ["segment", "--pet", "no.mha", "--prompts", "no.json", "--out", str(tmp_path / "m.mha")]
    assert not {"torch", "transformers", "pandas"} & set(loaded(command(*arguments)))


def test_reading_a_study_loads_no_torch():
    assert not {"torch", "transformers", "pandas"} & set(loaded("import sam_pet; sam_pet.read_study; sam_pet.Study"))


# XGBoost takes scikit-learn along where it is, which no user of a click needs to have.
CLICK = """
import sys
sys.modules["sklearn"] = None
import numpy as np, sam_pet
pet = np.ones((8, 16, 16), np.float32)
pet[2:5, 6:10, 6:10] = 9
study = sam_pet.Study(pet, None, sam_pet.Grid((16, 16, 8), (4, 4, 4)))
session = sam_pet.Segmenter.from_pretrained("default").open(study)
session.add_click((8, 8, 3))
assert session.array.any()
"""


def test_a_click_loads_what_it_needs_alone():
    assert not {"peft", "pandas", "matplotlib", "networkx", "pydicom", "rich", "monai"} & set(loaded(CLICK))


def test_the_check_sees_what_is_loaded():
    assert loaded("import SimpleITK") == ["SimpleITK"]


@pytest.mark.parametrize("name", sam_pet.__all__)
def test_every_public_name_is_there(name):
    assert name in dir(sam_pet)
    assert getattr(sam_pet, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'sam_pet' has no attribute 'Nothing'"):
        _ = sam_pet.Nothing
