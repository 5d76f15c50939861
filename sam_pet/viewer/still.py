"""A session as one picture, for where there is no front end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sam_pet.viewer.paint import png
from sam_pet.viewer.scene import Scene

if TYPE_CHECKING:
    from sam_pet.session.session import Session


class Still:
    """Planes and projection as they were when it was made; a notebook shows it as a picture."""

    def __init__(self, session: Session) -> None:
        self.png = png(Scene(session).still(), 9)

    def _repr_png_(self) -> bytes:
        return self.png
