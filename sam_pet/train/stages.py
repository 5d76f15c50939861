"""The stages of a course: what each part of a checkpoint is made from, and how."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from sam_pet.cases import Case
from sam_pet.detection.appearance import Appearance
from sam_pet.detection.classifier import LEAST_PREFILTER, LesionClassifier
from sam_pet.detection.coarse_batch import CoarseBatch
from sam_pet.detection.coarse_study import CoarseStudy
from sam_pet.detection.detect import find_candidates
from sam_pet.errors import InputError
from sam_pet.models.checkpoint import LoadedModel, add_part
from sam_pet.models.fp16 import write_fp16
from sam_pet.models.loading import load_model
from sam_pet.models.parts import NAMES as PART_NAMES
from sam_pet.progress import steps
from sam_pet.segmenter import Segmenter
from sam_pet.train import appearance as appearance_net
from sam_pet.train import classifier as trees
from sam_pet.train import prompt_examples, ranker, volume_net
from sam_pet.train.boosted import predict
from sam_pet.train.candidate_examples import CandidateExample
from sam_pet.train.case_examples import candidates_file, cubes_file, scene_file
from sam_pet.train.data import Groups
from sam_pet.train.network import TrainSettings
from sam_pet.train.ranker_examples import FirstExamples, RankerExample
from sam_pet.train.recipe import Recipe
from sam_pet.train.recipe_stages import NetworkStage
from sam_pet.train.simulated_prompts import lesions_of
from sam_pet.train.store import ExampleStore, digest, made
from sam_pet.train.stroke_examples import StrokeExamples
from sam_pet.train.volume_examples import load_cubes
from sam_pet.trees import Floats

T = TypeVar("T")
# At most so many cases say what is pointed at: each gives dozens of places.
_POINTED_CASES = 100


@dataclass(frozen=True)
class Work:
    """What a stage has to work with.

    Attributes:
        recipe: of the run.
        store: of examples.
        seen: the cases that networks learn from.
        held: those they never see.
        device: for networks.
        folder: the stage's own, for its state.
        loaded: the checkpoint so far.
        checkpoint: its folder.
    """

    recipe: Recipe
    store: ExampleStore
    seen: Groups
    held: Groups
    device: torch.device
    folder: Path
    loaded: LoadedModel
    checkpoint: Path

    @property
    def segmenter(self) -> Segmenter:
        return Segmenter(self.loaded, str(self.device))

    @property
    def options(self) -> dict[str, Any]:
        """Of `train_network`."""
        return {
            "device": self.device,
            "state": self.folder / "state.pt",
            "save_every": self.recipe.save_every,
        }


@dataclass(frozen=True)
class Made:
    """A part: what writes its file, and what was counted and measured on the way."""

    write: Callable[[Path], object]
    facts: dict[str, Any]


@dataclass(frozen=True)
class Maker:
    """How a part is made.

    Attributes:
        make: makes it.
        fitted_to: the parts that it learns from besides cases: when they change it is made anew.
    """

    make: Callable[[Work], Made]
    fitted_to: tuple[str, ...] = ()


def make_contour(work: Work) -> Made:
    """Learns from cubes round the lesions of the seen cases."""
    stage = work.recipe.contour
    assert stage is not None
    groups = []
    for cases, weight in work.seen:
        files = made(cases, partial(cubes_file, work.store, work.recipe.seed), work.recipe.workers, "cubes")
        cubes = [cube for file in files for cube in load_cubes(file)]
        if cubes:
            groups.append((cubes, weight))
    _require(groups, "contour network")
    settings = _settings(stage, work.recipe.seed)
    begin = None if stage.start == "new" else _of_base("contour", work.loaded.contour).network
    network = volume_net.train_contour(groups, settings, stage.bfloat16, begin, **work.options)
    facts = {"examples": sum(len(cubes) for cubes, _ in groups), "steps": stage.steps}
    return Made(lambda path: write_fp16(network, path), facts)


def make_appearance(work: Work) -> Made:
    """Learns from the candidates of the seen cases."""
    stage = work.recipe.appearance
    assert stage is not None
    cases = _all(work.seen)
    samples = _samples(work, cases)
    scenes = made(cases, partial(scene_file, work.store), work.recipe.workers, "scenes")
    batch = CoarseBatch.of(map(CoarseStudy.load, scenes), work.device)
    given = [
        appearance_net.AppearanceExample(one.places, one.features, one.positive, seen)
        for one, seen in zip(samples, trees.prefiltered(samples), strict=True)
    ]
    options = {key: value for key, value in work.options.items() if key != "device"}
    path = work.loaded.parts.get("appearance")
    begin = None if stage.start == "new" else Appearance.read(_of_base("appearance", path)).network
    training = _settings(stage, work.recipe.seed)
    network = appearance_net.train_appearance(batch, given, training, begin, **options)
    facts = {"examples": sum(len(one.features) for one in samples), "steps": stage.steps}
    return Made(lambda path: write_fp16(network, path), facts)


def make_classifier(work: Work) -> Made:
    """First trees learn from the candidates of the seen cases, what follows them from those of the held ones."""
    stage = work.recipe.classifier
    assert stage is not None
    held_cases = _all(work.held)
    held = _samples(work, held_cases)
    if stage.start == "base":
        base = _of_base("judge", work.segmenter.lesion_classifier)
        held = _with_cnn_logits(work, held_cases, held, base.appearance, base.prefilter)
        classifier = trees.refit(base, held, work.recipe.seed)
    else:
        path = work.loaded.parts.get("appearance")
        network = None if path is None else Appearance.read(path)
        seen = _samples(work, _all(work.seen))
        if not any(one.positive.any() for one in seen):
            raise InputError("lesion classifier: no candidate is a lesion; give more cases, or other ones")
        prefilter = trees.train_prefilter(seen, work.recipe.seed)
        held = _with_cnn_logits(work, held_cases, held, network, partial(predict, prefilter))
        classifier = trees.fit(seen, held, work.recipe.seed, network, prefilter)
    every = -(-len(held_cases) // _POINTED_CASES)
    known = digest(classifier.content.model_dump(exclude={"training", "opinion"}, by_alias=True))
    places = [_places(work, case, classifier, known) for case in steps(held_cases[::every], "places")]
    classifier = classifier.with_prompt_score(prompt_examples.fit(places, work.recipe.seed))
    points = {tracer: point.model_dump(by_alias=True) for tracer, point in classifier.content.points.items()}
    facts = {"examples": sum(len(one.features) for one in held), "points": points, **classifier.content.training}
    return Made(classifier.write, facts)


def make_ranker(work: Work) -> Made:
    """Learns from first prompts on the held cases, which no network has seen, then from strokes on what it chose."""
    stage = work.recipe.ranker
    assert stage is not None
    first = FirstExamples(work.store, stage.prompts, stage.least, stage.most)
    strokes = StrokeExamples(work.store, stage.found, stage.started, stage.strokes)
    prompted = [_by_model(work, cases, first.of, "first prompts") for cases, _ in work.held]
    if not any(one.choices for group in prompted for one in group):
        raise InputError("outline ranker: no case has a lesion to learn from; check the labels, or give more cases")
    corrected = _strokes(work, prompted, strokes)
    groups = [
        [one.joined(other) for one, other in zip(*group, strict=True)]
        for group in zip(prompted, corrected, strict=True)
    ]
    fitted = ranker.fit(groups, work.recipe.seed)
    return Made(fitted.write, dict(fitted.content.training))


def _strokes(
    work: Work, prompted: Sequence[Sequence[RankerExample]], examples: StrokeExamples
) -> list[list[RankerExample]]:
    """Strokes on the held cases, on masks chosen by a ranker that has learned from first prompts on the other half."""
    found = [[RankerExample.of([])] * len(cases) for cases, _ in work.held]
    folder = work.folder / "first"
    for half in (0, 1):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(work.checkpoint, folder)
        others = [group[1 - half :: 2] for group in prompted]
        if any(one.choices for group in others for one in group):
            add_part(folder, "ranker", ranker.unchecked(others, work.recipe.seed).write)
        begun = replace(work, loaded=load_model(folder), checkpoint=folder)
        for group, (cases, _) in zip(found, work.held, strict=True):
            group[half::2] = _by_model(begun, cases[half::2], examples.of, "strokes")
    shutil.rmtree(folder)
    return found


MAKERS = {
    "contour": Maker(make_contour),
    "appearance": Maker(make_appearance),
    "judge": Maker(make_classifier, ("appearance",)),
    "ranker": Maker(make_ranker, ("tracker", "contour", "judge")),
}
# The stages by the names that recipes have for them, with the parts that they make, in this order.
STAGES = {"contour": "contour", "appearance": "appearance", "classifier": "judge", "ranker": "ranker"}


def _settings(stage: NetworkStage, seed: int) -> TrainSettings:
    return TrainSettings(stage.steps, stage.batch, stage.rate, stage.decay, stage.warmup, stage.average, seed)


def _of_base(part: str, held: T | None) -> T:
    """What the base has of a part that a stage starts from.

    Raises:
        InputError: it has none.
    """
    if held is None:
        raise InputError(f"recipe: the base has no {PART_NAMES[part]} to start from; write start: new")
    return held


def _require(groups: Sequence[Any], what: str) -> None:
    if not groups:
        raise InputError(f"{what}: no case has a lesion to learn from; check the labels, or give more cases")


def _all(groups: Groups) -> list[Case]:
    return [case for cases, _ in groups for case in cases]


def _by_model(work: Work, cases: Sequence[Case], of: Callable[[Case, Segmenter, int], T], what: str) -> list[T]:
    """The examples of cases that the checkpoint so far has a part in."""
    facts = digest({**work.loaded.hashes, **work.loaded.record.settings.changes})
    make = partial(_with_model, of, str(work.checkpoint), facts, str(work.device), work.recipe.seed)
    return made(cases, make, work.recipe.workers, what)


def _with_model(
    of: Callable[[Case, Segmenter, int], T], checkpoint: str, facts: str, device: str, seed: int, case: Case
) -> T:
    return of(case, _opened(checkpoint, facts, device), seed)


@lru_cache(maxsize=1)
def _opened(checkpoint: str, facts: str, device: str) -> Segmenter:
    del facts  # another checkpoint may lie in the same folder
    return Segmenter.from_pretrained(checkpoint, device)


def _samples(work: Work, cases: Sequence[Case]) -> list[CandidateExample]:
    files = made(cases, partial(candidates_file, work.store), work.recipe.workers, "candidates")
    return [CandidateExample.load(file) for file in files]


def _with_cnn_logits(
    work: Work,
    cases: Sequence[Case],
    samples: Sequence[CandidateExample],
    network: Appearance | None,
    prefilter: Callable[[Floats], Floats],
) -> list[CandidateExample]:
    """The samples with the network's logits of each candidate that the prefilter does not rule out."""
    if network is None:
        return list(samples)
    found = []
    for case, one in zip(steps(cases, "appearance"), samples, strict=True):
        rows = np.flatnonzero(prefilter(one.features) >= LEAST_PREFILTER)
        coarse = CoarseStudy.load(scene_file(work.store, case))
        cnn_logits = np.full(len(one.features), np.nan)
        cnn_logits[rows] = network.predict_logits(coarse, one.places[rows], one.features[rows])
        found.append(replace(one, cnn_logits=cnn_logits))
    return found


def _places(work: Work, case: Case, classifier: LesionClassifier, known: str) -> prompt_examples.Pointed:
    """What is pointed at in a case, with the probabilities of a classifier of this digest."""

    def make(path: Path) -> None:
        study = case.study()
        labels = lesions_of(case, study, 0.0)[0]
        table = find_candidates(study)
        rng = np.random.default_rng(work.recipe.seed)
        prompt_examples.pointed(study, labels, classifier, table, rng).save(path)

    facts = [work.store.fingerprint(case), known, work.recipe.seed]
    return prompt_examples.Pointed.load(work.store.get("places", facts, make))


def parts_of(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """The stages that a recipe names, with the parts that they make, in order."""
    for stage, part in STAGES.items():
        if getattr(recipe, stage) is not None:
            yield stage, part
