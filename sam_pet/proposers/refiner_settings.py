"""How a lesion is shown to the refiner; it travels with the network's weights."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class RefinerSettings(BaseModel):
    """How a lesion becomes cells; it travels with the network's weights.

    Attributes:
        side: cells across the window.
        beyond: cells above and below what the tracker has seen.
        reach: cells in which a stroke is noticed.
        widths: channels of the network's levels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    side: int = Field(default=40, gt=0, le=512)
    beyond: int = Field(default=4, ge=0, le=512)
    reach: float = Field(default=10.0, gt=0)
    widths: tuple[Annotated[int, Field(gt=0, le=4096)], ...] = (24, 48, 96)
