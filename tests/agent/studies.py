"""A phantom with its first answer, made once for the tests of agents."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sam_pet.agent.desk import Desk
from sam_pet.demo import demo_study
from sam_pet.segmenter import Segmenter
from sam_pet.session.session import Session
from sam_pet.session.state import State
from sam_pet.study import Study


@lru_cache(maxsize=1)
def segmenter() -> Segmenter:
    return Segmenter.from_pretrained("default", "cpu")


@lru_cache(maxsize=1)
def _answered() -> tuple[Study, np.ndarray, Session, State]:
    study, lesions = demo_study(7)
    session = segmenter().open(study)
    session.first_answer()
    return study, (lesions > 0).astype(np.uint8), session, session.state


def answered_desk() -> tuple[Desk, np.ndarray]:
    """A desk whose session has its first answer, and the truth."""
    _, truth, session, state = _answered()
    session.restore(state)
    return Desk(session), truth
