"""The viewer as a widget: canvases that draw pictures made here and report what the mouse did."""

from __future__ import annotations

import base64
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets
import traitlets

from sam_pet.audit.actor import PERSON
from sam_pet.errors import InputError
from sam_pet.labels import lesion_colour
from sam_pet.measures import measure_lesions
from sam_pet.viewer.paint import RGB, png
from sam_pet.viewer.planes import Plane
from sam_pet.viewer.scene import MIP, PLANES, Scene

if TYPE_CHECKING:
    from sam_pet.session.session import Session

_HINT = "click: tumor; shift-click: background; drag: scribble; wheel: slices"
_MIP_HINT = "click: go there"
# Columns of the lesion list: which measurement, its heading, decimals.
_COLUMNS = (
    ("volume_ml", "mL", 2),
    ("suv_max", "SUVmax", 1),
    ("suv_peak", "SUVpeak", 1),
    ("tlg", "TLG", 1),
    ("diameter_mm", "mm", 0),
)


class CanvasWidget(anywidget.AnyWidget):
    """A picture that tells its `on_msg` callbacks of strokes and of turns of the wheel."""

    _esm = Path(__file__).with_name("canvas.js")
    name = traitlets.Unicode().tag(sync=True)
    hint = traitlets.Unicode().tag(sync=True)
    width = traitlets.Int().tag(sync=True)
    height = traitlets.Int().tag(sync=True)
    png = traitlets.Bytes().tag(sync=True)
    count = traitlets.Int().tag(sync=True)

    def show(self, rgb: RGB) -> None:
        with self.hold_sync():
            self.png = png(rgb)
            self.count += 1


class Viewer:
    """Three planes, a projection, sliders and the list of lesions of a session; made by `Session.view`.

    Strokes go into the session. `refresh` shows what was changed elsewhere.
    """

    def __init__(self, session: Session) -> None:
        self.scene = Scene(session)
        session.history.actor = PERSON
        self._canvases = {plane: self._canvas(plane) for plane in PLANES}
        width, height = self.scene.canvas(MIP)
        self._mip = CanvasWidget(name="mip", hint=_MIP_HINT, width=width, height=height)
        self._mip.on_msg(self._on_mip)
        self._slices = {plane: self._slice_slider(plane) for plane in PLANES}
        top = max(self.scene.suv[1] * 2, round(float(self.scene.study.pet.max())))
        self._suv = ipywidgets.FloatRangeSlider(
            value=self.scene.suv, min=0, max=min(top, 50), step=0.1, description="SUV", readout_format=".1f"
        )
        self._fusion = ipywidgets.FloatSlider(value=self.scene.fusion, min=0, max=1, step=0.05, description="CT - PET")
        self._zoom = ipywidgets.FloatLogSlider(
            value=1, base=2, min=0, max=4, step=0.25, description="zoom", readout_format=".1f"
        )
        self._undo = ipywidgets.Button(description="Undo", icon="undo")
        self._line = ipywidgets.HTML()
        self._table = ipywidgets.HTML()
        for slider in (self._suv, self._fusion, self._zoom):
            slider.observe(self._on_look, "value")
        self._undo.on_click(self._on_undo)
        self.widget = self._laid_out()
        self.refresh()

    def refresh(self) -> None:
        """Draw everything again, and measure the lesions."""
        self._paint(self.scene.here)
        self._table.value = self._lesion_list()

    def still(self) -> bytes:
        """What is shown, as one PNG."""
        return png(self.scene.still(), 9)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """The widget, and a picture for where there is no front end to run it."""
        bundle: dict[str, Any] = dict(self.widget._repr_mimebundle_(**kwargs))
        return {**bundle, "image/png": base64.b64encode(self.still()).decode(), "text/plain": self.scene.here}

    # Parts

    def _canvas(self, plane: Plane) -> CanvasWidget:
        width, height = self.scene.canvas(plane)
        canvas = CanvasWidget(name=plane.name, hint=_HINT, width=width, height=height)
        canvas.on_msg(partial(self._on_plane, plane))
        return canvas

    def _slice_slider(self, plane: Plane) -> Any:
        slider = ipywidgets.IntSlider(
            value=self.scene.cursor[plane.through],
            min=0,
            max=self.scene.size[plane.through] - 1,
            description=plane.name,
            style={"description_width": "60px"},
            layout=ipywidgets.Layout(width=f"{max(self.scene.canvas(plane)[0], 220)}px"),
        )
        slider.observe(partial(self._on_slice, plane), "value")
        return slider

    def _laid_out(self) -> Any:
        planes = [ipywidgets.VBox([self._canvases[p], self._slices[p]]) for p in PLANES]
        row = ipywidgets.Layout(flex_flow="row wrap", align_items="flex-end")
        return ipywidgets.VBox(
            [
                ipywidgets.Box([self._suv, self._fusion, self._zoom, self._undo], layout=row),
                ipywidgets.Box([ipywidgets.VBox([self._mip, ipywidgets.HTML("MIP")]), *planes], layout=row),
                self._line,
                self._table,
            ]
        )

    # What the reader does

    def _on_plane(self, plane: Plane, _: Any, message: dict[str, Any], __: Any) -> None:
        if message["kind"] == "wheel":
            voxel = list(self.scene.cursor)
            voxel[plane.through] -= message["turn"]
            self.scene.move(voxel)
            self._paint(self.scene.here)
            return
        self._line.value = "segmenting ..."
        self._do(lambda: self.scene.draw(plane, message["pixels"], "background" if message["background"] else "tumor"))

    def _on_mip(self, _: Any, message: dict[str, Any], __: Any) -> None:
        if message["kind"] == "stroke":
            self.scene.find(message["pixels"][-1])
            self._paint(self.scene.here)

    def _on_undo(self, _: Any) -> None:
        self._do(self.scene.session.undo)

    def _do(self, change: Any) -> None:
        try:
            change()
        except InputError as error:
            self._paint(str(error))
        except Exception as error:
            self._paint(f"failed: {error}")
            raise
        else:
            self.refresh()

    def _on_slice(self, plane: Plane, change: dict[str, Any]) -> None:
        voxel = list(self.scene.cursor)
        if voxel[plane.through] != change["new"]:
            voxel[plane.through] = change["new"]
            self.scene.move(voxel)
            self._paint(self.scene.here)

    def _on_look(self, _: Any) -> None:
        low, high = self._suv.value
        self.scene.suv = (low, max(high, low + 0.1))
        self.scene.fusion = self._fusion.value
        if self.scene.zoom != self._zoom.value:
            self.scene.magnify(self._zoom.value)
        self._paint(self.scene.here)

    # What there is to see

    def _paint(self, line: str) -> None:
        for plane in PLANES:
            self._canvases[plane].show(self.scene.picture(plane))
            self._slices[plane].value = self.scene.cursor[plane.through]
        self._mip.show(self.scene.mip())
        self._line.value = escape(line)

    def _lesion_list(self) -> str:
        study = self.scene.study
        table = measure_lesions(study.order.restore(self.scene.labels), study.pet, study.grid)
        if table.empty:
            return f"no lesions yet; {_HINT}"
        rows = []
        for measured in table.to_dict("records"):
            number = int(measured["lesion"])
            values = "".join(f'<td class="{name}">{measured[name]:.{n}f}</td>' for name, _, n in _COLUMNS)
            rows.append(f'<td style="background:rgb{lesion_colour(number)}">&emsp;</td><td>{number}</td>{values}')
        heads = ("", "lesion", *(head for _, head, _ in _COLUMNS))
        head = "".join(f'<th style="padding:0 .7em">{h}</th>' for h in heads)
        body = "".join(f'<tr style="text-align:right">{row}</tr>' for row in rows)
        return f'<table class="sam-pet-lesions"><tr>{head}</tr>{body}</table>'
