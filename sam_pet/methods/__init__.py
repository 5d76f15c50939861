"""Methods: anything that turns a study and strokes into a mask, behind one protocol, so that peers can be compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sam_pet.errors import InputError
from sam_pet.methods.method import Mask, Method, MethodSession, StrokesMethod, obey

__all__ = ["METHODS", "Mask", "Method", "MethodSession", "make_method", "obey"]


def _threshold(name: str, _: str | None) -> Method:
    from sam_pet.methods import liver, threshold

    levels = {
        "threshold41": threshold.fraction_of_max(0.41),
        "threshold50": threshold.fraction_of_max(0.50),
        "suv4": threshold.fixed(4.0),
        "percist": liver.percist,
    }
    return StrokesMethod(name, threshold.region_growing(levels[name]))


def _stable_region(name: str, _: str | None) -> Method:
    from sam_pet.methods.stable_region import most_stable

    return StrokesMethod(name, most_stable)


def _graph(name: str, _: str | None) -> Method:
    from sam_pet.methods import graph

    solvers = {"random-walker": graph.walk, "geodesic": graph.geodesic}
    return StrokesMethod(name, graph.from_seeds(solvers[name]))


def _sam_pet(name: str, model: str | None) -> Method:
    from sam_pet.methods.ours import make_sam_pet

    return make_sam_pet(name, model or "default")


def _sam_pet_container(name: str, model: str | None) -> Method:
    from sam_pet.methods.container import make_sam_pet_container

    return make_sam_pet_container(name, model)


def _sam2_stock(name: str, model: str | None) -> Method:
    from sam_pet.methods.sam2_stock import make_sam2_stock

    return make_sam2_stock(name, model or "default")


def _sam2_slices(name: str, model: str | None) -> Method:
    from sam_pet.methods.sam2_slices import make_sam2_slices

    return make_sam2_slices(name, model or "default")


def _unet_click(name: str, folder: str | None) -> Method:
    from sam_pet.methods.unet_click import make_unet_click

    return make_unet_click(name, folder)


def _medsam_lite(name: str, _: str | None) -> Method:
    from sam_pet.methods.medsam_lite import make_medsam_lite

    return make_medsam_lite(name)


def _nninteractive(name: str, _: str | None) -> Method:
    from sam_pet.methods.nninteractive import make_nninteractive

    return make_nninteractive(name)


@dataclass(frozen=True)
class _Maker:
    make: Callable[[str, str | None], Method]
    # What may follow the name and a colon.
    takes: str | None = None


_MAKERS = {
    "sam-pet": _Maker(_sam_pet, "MODEL"),
    "sam-pet-container": _Maker(_sam_pet_container, "MODEL"),
    "threshold41": _Maker(_threshold),
    "threshold50": _Maker(_threshold),
    "suv4": _Maker(_threshold),
    "percist": _Maker(_threshold),
    "stable-region": _Maker(_stable_region),
    "random-walker": _Maker(_graph),
    "geodesic": _Maker(_graph),
    "sam2-stock": _Maker(_sam2_stock, "MODEL"),
    "sam2-slices": _Maker(_sam2_slices, "MODEL"),
    "unet-click": _Maker(_unet_click, "FOLDER"),
    "medsam-lite": _Maker(_medsam_lite),
    "nninteractive": _Maker(_nninteractive),
}
METHODS = tuple(f"{name}[:{maker.takes}]" if maker.takes else name for name, maker in _MAKERS.items())


def make_method(name: str) -> Method:
    """The method of a name in `METHODS`; what follows a colon names the weights: `sam-pet:sam2.1-hiera-tiny`.

    Raises:
        InputError: unknown name, or what the method needs is not installed.

    Examples:
        >>> from sam_pet.demo import small_phantom
        >>> from sam_pet import Click
        >>> from sam_pet.methods import make_method
        >>> from sam_pet.readers import Stroke
        >>> session = make_method("threshold41").open(small_phantom().study)
        >>> session.add(Stroke.of(Click((30, 22, 59))))
        >>> int(session.mask[59, 22, 30])
        1
    """
    kind, colon, choice = name.partition(":")
    maker = _MAKERS.get(kind)
    if maker is None or (colon and (maker.takes is None or not choice)):
        raise InputError(f"unknown method {name!r}; known are {', '.join(METHODS)}")
    return maker.make(name, choice or None)
