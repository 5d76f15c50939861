"""The training curve of a checkpoint's card: losses over the steps, and Dice on validation cases if there is any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from sam_pet.files import replacing
from sam_pet.models.card import CURVE
from sam_pet.plots.style import STYLE, line_style, png

_LOSSES = ("loss", "dice", "object")
_SMOOTH = 10


def training_curve(metrics: Sequence[Mapping[str, Any]]) -> Figure:
    """Running means of the losses, logged as in `metrics.jsonl`, over the steps."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.0, 3.4), layout="constrained")
        ax = figure.subplots()
        for number, name in enumerate(_LOSSES):
            steps, values = _column(metrics, name)
            if len(values):
                window = min(_SMOOTH, len(values))
                mean = np.convolve(values, np.full(window, 1 / window), mode="valid")
                style = {**line_style(number), "marker": ""}
                ax.plot(steps[window - 1 :], mean, label=name if name == "loss" else f"{name} loss", **style)
        ax.set(xlabel="step", ylabel="loss", ylim=(0, None))
        ax.grid(alpha=0.25)
        dice = [name for name in dict.fromkeys(key for line in metrics for key in line) if name.startswith("dice_")]
        if dice:
            right = ax.twinx()
            right.set(ylabel="Dice on validation cases", ylim=(0, 1))
            for number, name in enumerate(dice, len(_LOSSES)):
                right.plot(*_column(metrics, name), label=name.replace("_", " "), **line_style(number))
        figure.legend(loc="outside right upper", frameon=False)
    return figure


def write_curve(metrics: Sequence[Mapping[str, Any]], checkpoint: Path) -> None:
    """Put the curve where the model card of a checkpoint folder shows it."""
    with replacing(checkpoint / CURVE) as temporary:
        temporary.write_bytes(png(training_curve(metrics)))


def _column(metrics: Sequence[Mapping[str, Any]], name: str) -> tuple[list[float], list[float]]:
    lines = [line for line in metrics if name in line]
    return [line["step"] for line in lines], [line[name] for line in lines]
