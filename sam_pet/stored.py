"""Arrays that are kept to be learnt from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from sam_pet.errors import InputError, one_line


@contextmanager
def stored_arrays(path: str | os.PathLike[str]) -> Iterator[Any]:
    """The arrays in an `.npz` file that was made to be learnt from, by name.

    Raises:
        InputError: the file is damaged, or the block does not find in it what belongs there.
    """
    try:
        with np.load(path, allow_pickle=False) as held:
            yield held
    except Exception as error:  # numpy and zipfile raise what their parts raise
        raise InputError(f"{path} is damaged ({one_line(error)[:100]}); remove it to have it made again") from error
