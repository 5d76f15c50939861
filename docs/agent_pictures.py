"""Draw docs/images/agent_*.png: what an agent sees of the built-in study, by the tools that it has.

Run from the root of the project: python docs/agent_pictures.py (a minute on two cores).
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image

from sam_pet.agent.desk import Desk
from sam_pet.agent.tools import call
from sam_pet.demo import demo_study
from sam_pet.mcp.shelf import DEMO_SEED
from sam_pet.segmenter import Segmenter

HERE = Path(__file__).resolve().parent


def main() -> None:
    desk = Desk(Segmenter.from_pretrained("default").open(demo_study(DEMO_SEED)[0]))

    def keep(name: str, tool: str, **arguments: Any) -> None:
        call(desk, tool, arguments)
        assert desk.sight.last is not None
        image = Image.open(io.BytesIO(desk.sight.last.png))
        image.save(HERE / "images" / f"agent_{name}.png", optimize=True)

    call(desk, "first_answer", {})
    keep("mip", "look_mip", grid=True)
    keep("lesion", "look_lesion", lesion=2, grid=True)
    call(desk, "look_lesion", {"lesion": 3})
    call(desk, "reject", {"lesion": 3})
    keep("compare", "compare", plane="coronal", width_mm=120.0)


if __name__ == "__main__":
    main()
