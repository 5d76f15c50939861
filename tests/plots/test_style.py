from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.layout_engine import LayoutEngine

from sam_pet.plots.style import pdf

# In points of a page 720 wide, these lie on both sides of where six digits are rounded.
_LEFT = 0.1 + 5e-7 / 720


class Solver(LayoutEngine):
    """One whose results differ a little from one time to the next."""

    _adjust_compatible = True
    _colorbar_gridspec = True

    def __init__(self, jitter: float) -> None:
        super().__init__()
        self._jitter = jitter

    def execute(self, fig: Figure) -> None:
        for axes in fig.axes:
            axes.set_position((_LEFT + self._jitter, 0.2, 0.5, 0.5))


def test_the_last_digits_of_a_layout_do_not_change_a_byte() -> None:
    found = set()
    for jitter in (-1e-10, 1e-10):
        figure = Figure(figsize=(10, 5), layout=Solver(jitter))
        figure.add_subplot().plot([0, 1], [0, 1])
        found.add(pdf(figure, "x"))
    assert len(found) == 1
