"""The draft of an evaluation: its facts, and what they say on each item of the checklist."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sam_pet import __version__
from sam_pet.audit.seal import MANIFEST
from sam_pet.benchmark import figures
from sam_pet.benchmark.folder import RESULTS, Result, ResultsFolder
from sam_pet.benchmark.report_tables import (
    cost_table,
    differences,
    group_tables,
    lesion_free_table,
    ranking_table,
    scores_table,
    step_means,
)
from sam_pet.benchmark.statistics import RANKED, REPLICATES, Bootstrap, Ranking, rank
from sam_pet.benchmark.tables import case_table, step_table
from sam_pet.errors import InputError
from sam_pet.files import file_sha256
from sam_pet.manuscript import weights
from sam_pet.manuscript.appendix import case_rows, cases_of, steps_of
from sam_pet.manuscript.draft import Draft, Figure, ShownTable
from sam_pet.manuscript.facts import Facts, listed
from sam_pet.manuscript.log import log_facts, say_of_log
from sam_pet.page import Cell, Table, number
from sam_pet.plots.style import png
from sam_pet.scores import SURFACE_TOLERANCE_MM
from sam_pet.scores.lesions import CONNECTIVITY, MATCH_IOU

_STATISTICS = f"{RESULTS}, by sam_pet.benchmark.statistics"
_RESULTS_KEY = "SHA-256 of all results"
_CODE = {
    "preprocessing": "the CT, where there was one, was resampled to the grid of the PET, which is in SUV",
    "reference": "one binary mask a case, on the grid of the PET",
    "lesion.neighbours": CONNECTIVITY,
    "lesion.iou": MATCH_IOU,
    "surface.mm": SURFACE_TOLERANCE_MM,
    "failed.score": 0,
    "bootstrap.draws": REPLICATES,
    "bootstrap.percent": 95,
    "test": "two-sided Wilcoxon signed-rank tests",
    "test.adjusted": "Holm's method within each metric",
    "truth": "no method is given the reference",
}
_DISCRETE = {"tp", "fp", "fn", "voxels", "interactions", "degrees_of_freedom"}


def draft_evaluation(folder: Path) -> Draft:
    """The draft of the evaluation in a folder.

    Raises:
        InputError: its records are damaged, or it has no results.
    """
    run = ResultsFolder(folder)
    manifest, results = run.require_manifest(), run.results(repair=False)
    steps = step_table(results, int(manifest["protocol"]["steps"]))
    if steps.empty:
        raise InputError(f"methods: {folder} has no results yet; run the evaluation first")
    methods = [name for name in manifest["methods"] if name in set(steps["method"])]
    table = case_table(steps)
    facts = _facts(folder, manifest, results, table, methods)
    draft = Draft(
        facts,
        facts.say(
            "Interactive segmentation of lesions in PET: {run.methods} methods under a simulated reader on "
            "{run.cases} cases"
        ),
    )
    _design(draft)
    _data(draft, table)
    known = _models(draft, manifest, methods)
    _evaluation(draft)
    _results(draft, steps, table, methods, manifest["protocol"])
    _limits(draft, methods, known)
    _appendix(draft, steps)
    return draft


def _facts(
    folder: Path, manifest: dict[str, Any], results: Sequence[Result], table: pd.DataFrame, methods: Sequence[str]
) -> Facts:
    facts = Facts()
    facts.add(MANIFEST, {key: manifest.get(key) or {} for key in ("protocol", "system")})
    facts.add(MANIFEST, {name: version for name, version in manifest["packages"].items() if version}, "packages.")
    for n, method in enumerate(methods, 1):
        facts.add(MANIFEST, {"name": method, **manifest["methods"][method]}, f"method.{n}.")
    per_case = table.drop_duplicates("case")
    counts = {
        "methods": len(methods),
        "method names": listed(methods),
        "with weights": sum("sha256" in manifest["methods"][method] for method in methods),
        "cases": len(manifest["cases"]),
        "patients": table["patient"].nunique(),
        "cases with lesions": int((per_case["lesions"] > 0).sum()),
        "cases without lesions": int((per_case["lesions"] == 0).sum()),
        "lesions": int(per_case["lesions"].sum()),
        "failed": sum("error" in result for result in results),
        "tracers": sorted(per_case["tracer"].dropna().unique()) or None,
        "centres": sorted(per_case["centre"].dropna().unique()) or None,
    }
    facts.add(f"{MANIFEST} and {RESULTS}, counted", counts, "run.")
    facts.add(f"sam_pet {__version__}, its code", _CODE, "code.")
    facts.add(RESULTS, {_RESULTS_KEY: file_sha256(folder / RESULTS)})
    log_facts(facts, folder)
    return facts


def _design(draft: Draft) -> None:
    draft.say(1, "Methods with trained weights: {run.with weights} of {run.methods}.")
    draft.miss(1, "the kind of AI, in the title")
    draft.say(
        2,
        "A simulated reader ({protocol.reader}) gave {protocol.steps} corrections to each of {run.methods} methods "
        "({run.method names}) on {run.cases} cases of {run.patients} patients.",
    )
    draft.miss(2, "background and conclusions")
    say_of_log(draft, 5)
    draft.miss(5, "whether the data were collected before the study or for it")
    draft.say(6, "The methods were compared under the same reader, {protocol.reader}, from the same start.")
    if draft.facts["protocol.start"].value == "click":
        draft.say(6, "Each case started from the first prompt of the reader.", "protocol.start")
    else:
        draft.say(6, "Each case started from {protocol.start}.")
    draft.say(6, "Each method's own mask was corrected {protocol.steps} times; the reader's seed was {protocol.seed}.")
    draft.say(6, "The rule was: {code.truth}.")


def _data(draft: Draft, table: pd.DataFrame) -> None:
    facts = draft.facts
    draft.say(7, "The run holds the SHA-256 of the files of each of its {run.cases} cases.")
    for key, text in (("run.tracers", "Tracers by the names of the cases: {run.tracers}."),
                      ("run.centres", "Centres by the names of the cases: {run.centres}.")):  # fmt: skip
        if key in facts:
            draft.say(7, text)
    draft.miss(7, "where and when the data were acquired, and under which licence and approval they are used")
    draft.say(9, "Preprocessing: {code.preprocessing}.")
    draft.say(10, "The run names {run.cases} cases.")
    draft.miss(10, "how these cases were chosen")
    draft.say(11, "A lesion is a component of the reference mask with {code.lesion.neighbours} neighbours a voxel.")
    draft.say(13, "{run.failed} results failed; such a result counts with Dice and DMM of {code.failed.score}.")
    draft.say(14, "The reference standard is {code.reference}.")
    draft.miss(14, "how the reference masks were drawn")
    draft.say(19, "There were {run.cases} cases of {run.patients} patients.")
    draft.miss(19, "how this number was chosen")
    draft.say(
        33,
        "Of {run.cases} cases of {run.patients} patients, {run.cases with lesions} had lesions and "
        "{run.cases without lesions} had none; {run.failed} results failed.",
    )
    draft.say(34, "The cases had {run.lesions} lesions in all.")
    caption = draft.facts.say(
        "The {run.cases} cases: lesions, their median volume, and the highest SUV in them.", _RESULTS_KEY
    )
    draft.add(34, ShownTable(caption, cases_of(table)))
    draft.miss(34, "age, sex, disease, stage and treatment of the patients")


def _models(draft: Draft, manifest: dict[str, Any], methods: Sequence[str]) -> dict[str, bool]:
    """Say what is known of the methods' weights; whether their training is known, by method."""
    facts = draft.facts
    rows = [
        [Cell(method), Cell(key), Cell(str(value))]
        for method in methods
        for key, value in (manifest["methods"][method] or {"weights": "none"}).items()
    ]
    draft.say(22, "The methods were {run.method names}.")
    draft.add(22, ShownTable(facts.say("The {run.methods} methods and the SHA-256 of their weights."), Table(
        ["method", "part", "model or SHA-256"], rows)))  # fmt: skip
    known = {}
    for n, method in enumerate(methods, 1):
        if "sha256" in manifest["methods"][method]:
            known[method] = weights.say(draft, n, method, list(manifest["cases"]))
    if not all(known.values()) or len(known) < len(methods):
        draft.miss(22, "how each method works that the weights do not describe")
    draft.say(20, "Nothing was trained in this run: all {run.cases} cases were tested on.")
    draft.say(21, "Intervals and tests are over {run.patients} patients, not over studies.")
    draft.say(23, "Python {system.python} on {system.machine} with {system.cpus} processors.")
    if "environment.device" in facts:
        draft.say(23, "Device {environment.device}; threads of torch: {environment.threads.torch}.")
    versions = facts.below("packages")
    table = Table(["package", "version"], [[Cell(f.key.partition(".")[2]), Cell(str(f.value))] for f in versions])
    caption = facts.say("Versions of the packages that results depend on.", *(fact.key for fact in versions))
    draft.add(23, ShownTable(caption, table))
    for item in (24, 25, 26):
        if not known:
            draft.say(item, "Nothing to tell: methods with trained weights were {run.with weights}.")
        elif item not in draft.contents:
            draft.miss(item, "the run does not tell how the weights came about")
    return known


def _evaluation(draft: Draft) -> None:
    draft.say(28, "Dice, and the area under it over the {protocol.steps} corrections (AUC-Dice).")
    draft.say(
        28,
        "DMM is the F1 of lesions, found where the intersection over union is at least {code.lesion.iou}; AUC-DMM is "
        "its area.",
    )
    draft.say(28, "NSD is the normalised surface Dice within {code.surface.mm} mm.")
    draft.say(28, "Costs: interactions, voxels drawn, seconds and peak memory on {system.machine}.")
    draft.say(
        29,
        "Means come with {code.bootstrap.percent} % percentile intervals of {code.bootstrap.draws} bootstrap draws of "
        "patients (seed {protocol.seed}).",
    )
    if draft.facts["run.methods"].value > 1:
        draft.say(29, "Methods were compared with {method.1.name} by {code.test}, adjusted by {code.test.adjusted}.")
        draft.say(29, "The combined rank is that of the mean of the ranks by AUC-Dice and AUC-DMM.", "run.methods")


def _results(
    draft: Draft, steps: pd.DataFrame, table: pd.DataFrame, methods: Sequence[str], protocol: dict[str, Any]
) -> None:
    facts, seed, corrections = draft.facts, int(protocol["seed"]), int(protocol["steps"])
    with_lesions, free = table[table["lesions"] > 0], table[table["lesions"] == 0]
    if not free.empty:
        caption = facts.say(
            "The {run.cases without lesions} cases without lesions, in which the reader draws nothing.", _RESULTS_KEY
        )
        draft.add(35, ShownTable(caption, lesion_free_table(free, methods)))
    draft.say(35, "Tables and figure show {run.method names} at every step up to {protocol.steps} corrections.")
    if not with_lesions.empty:
        bootstrap = Bootstrap(with_lesions, methods, seed)
        ranking = rank(with_lesions, methods, bootstrap)
        _say_means(draft, ranking, bootstrap)
        shown = steps[steps["lesions"] > 0]
        _tables(draft, shown, with_lesions, methods, ranking, bootstrap, corrections)
    _failures(draft, table, methods)


def _say_means(draft: Draft, ranking: Ranking, bootstrap: Bootstrap) -> None:
    """A sentence a method, the best first; that of the abstract is the first of them."""
    for n, method in enumerate((str(name) for name in ranking.table["method"]), 1):
        values: dict[str, Any] = {"name": method, "rank": float(ranking.table["combined"][n - 1])}
        for metric in ("dice", "dmm", *RANKED):
            interval = bootstrap.interval(metric, method)
            values[metric] = {"mean": interval.mean, "low": interval.low, "high": interval.high}
        draft.facts.add(_STATISTICS, values, f"rank.{n}.")
        if interval.mean is None:
            continue
        key = f"rank.{n}"
        text = (
            f"With {{{key}.name}} the mean Dice after the last correction was {{{key}.dice.mean|.3f}} "
            f"({{code.bootstrap.percent}} % interval {{{key}.dice.low|.3f}} to {{{key}.dice.high|.3f}}), AUC-Dice "
            f"{{{key}.auc_dice.mean|.3f}} ({{{key}.auc_dice.low|.3f}} to {{{key}.auc_dice.high|.3f}}), AUC-DMM "
            f"{{{key}.auc_dmm.mean|.3f}} ({{{key}.auc_dmm.low|.3f}} to {{{key}.auc_dmm.high|.3f}}); "
            f"combined rank {{{key}.rank}}."
        )
        draft.say(36, text)
        if n == 1:
            draft.contents[2].insert(1, draft.facts.say(text))


def _tables(
    draft: Draft,
    steps: pd.DataFrame,
    table: pd.DataFrame,
    methods: Sequence[str],
    ranking: Ranking,
    bootstrap: Bootstrap,
    corrections: int,
) -> None:
    facts = draft.facts

    def add(item: int, shown: Table, caption: str) -> None:
        draft.add(item, ShownTable(facts.say(caption, _RESULTS_KEY), shown))

    n = "{run.cases with lesions} cases with lesions"
    add(35, step_means(steps, ranking, "dice"), f"Mean Dice at each step over {n}.")
    add(35, step_means(steps, ranking, "dmm"), f"Mean DMM at each step over {n}.")
    curves = facts.say("Mean Dice and DMM over {protocol.steps} corrections.", _RESULTS_KEY)
    draft.add(35, Figure(curves, png(figures.curves(steps, methods), dpi=150)))
    add(35, scores_table(table, ranking), f"Means after the last correction over {n}; errors are relative.")
    add(35, cost_table(table, ranking), f"Corrections to a Dice, effort and cost over {n}.")
    interval = "{code.bootstrap.percent} % interval over {run.patients} patients"
    add(36, ranking_table(table, ranking, bootstrap, corrections), f"Ranks, and areas with their {interval}.")
    for metric in RANKED if len(methods) > 1 else ():
        about = "Differences over patients from {method.1.name}; p by {code.test}, adjusted by {code.test.adjusted}."
        add(36, differences(table, methods, metric), about)
    volumes = facts.say("Segmented against true volume after {protocol.steps} corrections: bias (line) and limits of "
                        "agreement (dashed).", _RESULTS_KEY)  # fmt: skip
    draft.add(36, Figure(volumes, png(figures.bland_altman(table, methods), dpi=150)))
    groups, worst = group_tables(table, methods)
    if groups.rows:
        add(30, groups, "Mean AUC-Dice by group of the {run.cases with lesions} cases with lesions.")
        add(30, worst, "The worst group of each method.")
    if len(methods) > 1:
        tau = float(pd.Series(ranking.tau).mean())
        if pd.isna(tau):
            draft.miss(30, "whether redrawn patients rank alike: with ties alone Kendall's tau is not defined")
        else:
            facts.add(_STATISTICS, {"tau": tau}, "stability.")
            draft.say(30, "Kendall's tau between the ranking and those of redrawn patients: mean {stability.tau|.2f}.")
        text = "Combined ranks in {code.bootstrap.draws} draws of patients."
        draft.add(30, Figure(facts.say(text, _RESULTS_KEY), png(figures.stability(ranking, methods), dpi=150)))


def _failures(draft: Draft, table: pd.DataFrame, methods: Sequence[str]) -> None:
    failed = table[table["error"].notna()]
    draft.say(37, "{run.failed} results failed.")
    if not failed.empty:
        rows = [[Cell(str(row[key])) for key in ("method", "case", "error")] for row in failed.to_dict("records")]
        draft.add(37, ShownTable(draft.facts.say("What failed, of {run.methods} methods.", _RESULTS_KEY), Table(
            ["method", "case", "error"], rows)))  # fmt: skip
    mine = table[(table["method"] == methods[0]) & (table["lesions"] > 0)]
    if not mine.empty:
        worst = mine.nsmallest(5, "dice")
        rows = [
            [Cell(str(row["case"])), *(Cell(number(row[k], d)) for k, d in (("dice", 3), ("volume_ml", 1),
             ("true_volume_ml", 1)))]
            for row in worst.to_dict("records")
        ]  # fmt: skip
        shown = Table(["case", "Dice", "segmented, mL", "true, mL"], rows)
        draft.add(
            37, ShownTable(draft.facts.say("The cases with the lowest Dice of {method.1.name}.", _RESULTS_KEY), shown)
        )
    draft.miss(37, "why the worst cases went wrong")


def _limits(draft: Draft, methods: Sequence[str], known: dict[str, bool]) -> None:
    draft.say(38, "The reader was simulated ({protocol.reader}); no person drew.")
    draft.say(38, "There were {run.patients} patients.")
    draft.say(38, "Times and memory are those of one machine ({system.machine}, {system.cpus} processors).")
    if len(methods) > 1:
        draft.say(38, "Each method was run with the settings that {run.method names} have in this software.")
    if not all(known.values()):
        draft.facts.add(MANIFEST, {"names": listed(name for name, told in known.items() if not told)}, "unknown.")
        draft.say(38, "The run does not tell on what the weights of {unknown.names} were trained.")
    draft.say(41, "The software is sam_pet {packages.sam-pet}." if "packages.sam-pet" in draft.facts else
              "The run's Python was {system.python}.")  # fmt: skip
    say_of_log(draft, 41, sealed=True)
    draft.miss(41, "where protocol, code, weights and data can be had")


def _appendix(draft: Draft, steps: pd.DataFrame) -> None:
    def add(table: Table, caption: str) -> None:
        draft.appendix.append(ShownTable(draft.facts.say(caption, _RESULTS_KEY), table))

    cases = "of each of the {run.cases} cases by each of the {run.methods} methods"
    add(steps_of(steps, "dice"), f"Dice at each step {cases}.")
    add(steps_of(steps, "dmm"), f"DMM at each step {cases}.")
    add(case_rows(steps), f"Scores and costs after the last correction {cases}; seconds are those of the last step.")
    add(steps_of(steps, "seconds", 3), f"Seconds of each step {cases}.")
