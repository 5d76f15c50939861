"""The viewer of a session in a notebook, see `sam_pet.Session.view`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sam_pet.session.session import Session
    from sam_pet.viewer.still import Still
    from sam_pet.viewer.widget import Viewer

logger = logging.getLogger(__name__)


def view(session: Session) -> Viewer | Still:
    """The interactive viewer, or a still picture where the extra `notebook` is not installed."""
    try:
        from sam_pet.viewer.widget import Viewer
    except ModuleNotFoundError as error:
        from sam_pet.viewer.still import Still

        logger.warning("a still picture only: %s is missing; pip install 'sam-pet[notebook]'", error.name)
        return Still(session)
    return Viewer(session)
