"""Results as tables: a row for each step, and a row for each case and method."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sam_pet.benchmark.folder import Result
from sam_pet.scores import area_under, interactions_to, overshoot

# A failed step scores 0, as a crash does in the challenge; what cannot be said of it stays undefined.
_FAILED = {"dice": 0.0, "dmm": 0.0, "nsd_2mm": 0.0}
_LAST = (
    "dice",
    "dmm",
    "nsd_2mm",
    "hd95_mm",
    "fpv_ml",
    "fnv_ml",
    "volume_ml",
    "true_volume_ml",
    "tmtv_error_ml",
    "volume_bias",
    "suv_mean_error",
    "tlg_error",
    "interactions",
    "voxels",
    "degrees_of_freedom",
)
_LESION_ML = ([0, 1, 10, 100, np.inf], ["< 1 mL", "1-10 mL", "10-100 mL", ">= 100 mL"])
_SUV_MAX = ([0, 5, 10, 20, np.inf], ["SUVmax < 5", "SUVmax 5-10", "SUVmax 10-20", "SUVmax >= 20"])


def step_table(results: Sequence[Result], steps: int) -> pd.DataFrame:
    """A row for each case, method and step 0 to `steps`: scores, costs, and the case's facts.

    A failed case is filled up with scores of 0 and says why in `error`; one that failed for every method, of which
    nothing is known, is left out.
    """
    facts = {r["case"]: r["facts"] for r in results if "facts" in r}
    rows = []
    for result in results:
        name = result["case"]
        if name not in facts:
            continue
        empty = [{"step": step, **_FAILED} for step in range(steps + 1)]
        for row in result.get("rows", empty):
            known = {"case": name, "method": result["method"], "error": result.get("error"), **facts[name]}
            rows.append({**known, **row})
    return pd.DataFrame(rows)


def case_table(steps: pd.DataFrame) -> pd.DataFrame:
    """A row for each case and method: the scores of the last step, and what sums up all steps.

    Columns beside those of the last step: `auc_dice` and `auc_dmm` (over all steps, not normalised), `dice_first`,
    `overshoot` (best minus last Dice), `to_80` and `to_90` (the first step with that Dice, missing if none),
    `seconds` and `peak_mb` (median and largest over the steps), and the groups `lesion_size` and `uptake`.
    """
    rows = []
    for (case, method), group in steps.sort_values("step").groupby(["case", "method"], sort=False):
        dice, dmm = ([None if pd.isna(v) else float(v) for v in group[column]] for column in ("dice", "dmm"))
        last = group.iloc[-1]
        row = {key: last[key] for key in ("error", "patient", "tracer", "centre", "lesions", "lesion_ml", "suv_max")}
        row |= {key: last.get(key) for key in _LAST}
        row |= {
            "case": case,
            "method": method,
            "auc_dice": area_under(dice),
            "auc_dmm": area_under(dmm),
            "dice_first": dice[0],
            "overshoot": overshoot(dice),
            "to_80": interactions_to(dice, 0.8),
            "to_90": interactions_to(dice, 0.9),
            "seconds": group["seconds"].median() if "seconds" in group else None,
            "peak_mb": group["peak_mb"].max() if "peak_mb" in group else None,
        }
        rows.append(row)
    table = pd.DataFrame(rows)
    for column in (*_LAST, "auc_dice", "auc_dmm", "to_80", "to_90", "seconds", "peak_mb", "lesion_ml", "suv_max"):
        table[column] = pd.to_numeric(table[column])
    table["lesion_size"] = _binned(table["lesion_ml"], *_LESION_ML)
    table["uptake"] = _binned(table["suv_max"], *_SUV_MAX)
    return table


def _binned(values: pd.Series[float], edges: list[float], names: list[str]) -> pd.Series[str]:
    return pd.cut(values, edges, labels=names, right=False).astype(object)
