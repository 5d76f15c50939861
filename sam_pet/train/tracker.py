"""The training loop: stages of clips, one optimizer, an average of the weights, and a state to resume from."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from sam_pet.errors import InputError
from sam_pet.files import file_sha256
from sam_pet.models.adapters import save_adapter
from sam_pet.models.checkpoint import LoadedModel, save_model
from sam_pet.models.loading import load_model
from sam_pet.models.manifest import ModelManifest, require_manifest
from sam_pet.processes import end_with_parent
from sam_pet.sam2.frames import frame_recipe
from sam_pet.threads import leave_room
from sam_pet.train.crops import CropFolder
from sam_pet.train.curve import write_curve
from sam_pet.train.data import Groups, cases_of, example_store
from sam_pet.train.lora import add_lora, parameter_counts
from sam_pet.train.recipe import Recipe, Stage
from sam_pet.train.run_folder import RunFolder, damaged_state
from sam_pet.train.samples import ClipDataset, Sample, SampleSettings, WeightedCrops
from sam_pet.train.schedule import averaging, warm_cosine
from sam_pet.train.step import ClipStep

logger = logging.getLogger(__name__)

Validate = Callable[[LoadedModel], dict[str, float]]


def finetune(
    recipe: Recipe, validate: Validate | None = None, groups: Groups | None = None, device: str = "auto"
) -> Path:
    """Run a recipe to its end, from where it was left, and return the checkpoint folder.

    Under `accelerate launch` or torchrun every process calls this. A run that was killed and started again
    gives the same weights as one that was not: samples and dropout depend on the seed and the step alone.

    Args:
        recipe: see `sam_pet.train.recipe`.
        validate: called on the main process with the averaged model; its numbers are logged.
        groups: the cases to train on and how often each group is drawn from, in place of the recipe's.
        device: "cpu", or "auto" for the best there is.

    Raises:
        InputError: a faulty case or recipe, or a run folder of another recipe.
    """
    if not recipe.stages:
        raise InputError("finetune: the recipe has no stages; say how many steps to train, or use sam-pet train")
    # Else a process, such as a notebook's, is held to the precision of its first run.
    AcceleratorState._reset_state()
    accelerator = Accelerator(
        cpu=device == "cpu",
        mixed_precision=recipe.precision,
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )
    leave_room(recipe.workers)
    run = RunFolder(recipe.out)
    run.require_own("finetune")
    if run.is_finished(recipe):
        # Parts may have been trained into its checkpoint since.
        logger.warning("the run in %s is finished; it is left as it is", recipe.out)
        return run.checkpoint
    base = load_model(recipe.base, recipe.image_size)
    record = _record(recipe, base)
    store = example_store(recipe)
    groups = groups or [
        (cases_of(data, store, workers=recipe.workers), data.weight) for data in recipe.train if not data.held
    ]
    crops = _crops(recipe, accelerator, groups)
    if accelerator.is_main_process:
        run.open(recipe, [path for paths, _ in crops for path in paths])
        store = example_store(recipe)
        learnt = [store.fingerprint(case) for cases, _ in groups for case in cases]
        many = accelerator.num_processes
        where = f"{accelerator.device}, {many} processes" if many > 1 else str(accelerator.device)
        run.begin("finetune", recipe, base.facts, learnt, where)

    model: Any = base.model
    _set_dropout(model, recipe.dropout)
    if recipe.mode == "lora":
        torch.manual_seed(recipe.seed)
        model = add_lora(model, recipe.lora)
    model.requires_grad_(True) if recipe.mode == "full" else None
    _Run(recipe, run, accelerator, base, record, model, crops, validate).finish()
    return run.checkpoint


class _Run:
    def __init__(
        self,
        recipe: Recipe,
        folder: RunFolder,
        accelerator: Accelerator,
        base: LoadedModel,
        record: ModelManifest,
        model: Any,
        crops: list[WeightedCrops],
        validate: Validate | None,
    ) -> None:
        self.recipe, self.folder, self.accelerator = recipe, folder, accelerator
        self.base, self.record, self.crops, self.validate = base, record, crops, validate
        self.model = model
        self.average = AveragedModel(model, avg_fn=averaging(recipe.optimization.ema))
        inner = model.base_model.model if recipe.mode == "lora" else model
        self.step_module = ClipStep(
            inner,
            max(s.corrections for s in recipe.stages),
            recipe.samples.max_points,
            recipe.gradient_checkpointing,
        )
        trained = [p for p in model.parameters() if p.requires_grad]
        options = recipe.optimization
        self.optimizer = torch.optim.AdamW(trained, lr=options.lr, weight_decay=options.weight_decay)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, warm_cosine(options.warmup, recipe.steps))
        self.done = 0
        state = folder.load_state()
        if state is not None:
            try:
                self._restore(state)
            except Exception as error:  # torch raises what its parts raise
                raise damaged_state(folder.state_file, error) from error
        self.wrapped, self.optimizer = accelerator.prepare(self.step_module, self.optimizer)

    def finish(self) -> None:
        counts = parameter_counts(self.model)
        main = self.accelerator.is_main_process
        if main and self.done == 0:
            self.folder.measure(step=0, trained_parameters=counts[0], parameters=counts[1])
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        console = Console(stderr=True)
        with Progress(*columns, console=console, disable=not (main and sys.stderr.isatty())) as bar:
            task = bar.add_task(self.recipe.name, total=self.recipe.steps, completed=self.done)
            for losses in self._steps():
                bar.update(task, completed=self.done, description=f"{self.recipe.name} loss {losses['loss']:.3f}")
        if main:
            self._save_checkpoint()

    def _steps(self) -> Iterator[dict[str, float]]:
        first = 0
        for number, stage in enumerate(self.recipe.stages):
            last = first + stage.steps
            if self.done < last:
                yield from self._stage(stage, number, self.done - first)
            first = last

    def _stage(self, stage: Stage, number: int, start: int) -> Iterator[dict[str, float]]:
        self.step_module.corrections = stage.corrections
        started = time.perf_counter()
        for batch in self._batches(stage, number, start):
            losses = self._train(batch)
            self.done += 1
            seconds, started = time.perf_counter() - started, time.perf_counter()
            end = self.done == self.recipe.steps
            if self.accelerator.is_main_process:
                if self.done % 10 == 0 or end:
                    self.folder.measure(
                        step=self.done, seconds=round(seconds, 3), lr=float(self.schedule.get_last_lr()[0]), **losses
                    )
                if self.done % self.recipe.save_every == 0 or end:
                    self.folder.save_state(self._state())
                    state = {"state_sha256": file_sha256(self.folder.state_file)}
                    self.folder.note("step", {"step": self.done}, losses | state)
            self._validate_if_due(end)
            yield losses

    def _batches(self, stage: Stage, number: int, first: int) -> Iterator[list[Sample]]:
        """The batches of stage `number` from its step `first` on, this process's share of each."""
        ranks = self.accelerator.num_processes
        if stage.batch % ranks:
            raise InputError(
                f"finetune: a batch of {stage.batch} does not divide over {ranks} processes; change stages"
            )
        settings = SampleSettings(
            frames=self.record.frames,
            clip=self.record.clip,
            image_size=self.base.image_size,
            length=stage.length,
            lesions=self.recipe.samples.lesions,
            without_ct=self.recipe.samples.without_ct,
            max_points=self.recipe.samples.max_points,
        )
        seed = self.recipe.seed * 1000 + number
        dataset = ClipDataset(self.crops, settings, stage.steps * stage.batch, seed)
        share = stage.batch // ranks
        start = self.accelerator.process_index * share
        batches = [
            list(range(step * stage.batch + start, step * stage.batch + start + share))
            for step in range(first, stage.steps)
        ]
        return _told_in_one_line(
            DataLoader(
                dataset,
                batch_sampler=batches,
                collate_fn=list,
                num_workers=self.recipe.workers,
                prefetch_factor=4 if self.recipe.workers else None,
                worker_init_fn=end_with_parent,
            )
        )

    def _train(self, batch: list[Sample]) -> dict[str, float]:
        self.model.train()
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.done)
        with self.accelerator.autocast():
            losses = self.wrapped(batch)
        if not torch.isfinite(losses["loss"]):
            raise InputError(f"finetune: the loss is not finite at step {self.done}; lower optimization.lr")
        self.accelerator.backward(losses["loss"])
        self.accelerator.clip_grad_norm_(self.model.parameters(), self.recipe.optimization.clip_norm)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update_parameters(self.model)
        names = list(losses)
        means = self.accelerator.reduce(torch.stack([losses[name].detach() for name in names]), reduction="mean")
        return dict(zip(names, means.tolist(), strict=True))

    def _validate_if_due(self, end: bool) -> None:
        if self.validate is None or self.recipe.validation is None:
            return
        if not end and self.done % self.recipe.validation.every:
            return
        # The others wait for its numbers to appear: a collective would time out meanwhile.
        if not self.accelerator.is_main_process:
            self.folder.wait_for(self.done)
            return
        model: Any = self.average.module
        if self.recipe.mode == "lora":
            model = model.base_model.model
        loaded = LoadedModel(model.eval(), self.record, sha256="", source=self.recipe.name)
        found = self.validate(loaded)
        self.folder.measure(step=self.done, **found)
        self.folder.note("validate", {"step": self.done}, found)
        self.folder.mark(self.done)

    def _state(self) -> dict[str, Any]:
        return {
            "done": self.done,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.done = int(state["done"])
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])

    def _save_checkpoint(self) -> None:
        metrics = self.folder.metrics
        last = {k: v for m in metrics for k, v in m.items() if k not in ("step", "seconds", "lr")}
        training = {
            "recipe": _portable(self.recipe.model_dump(mode="json", exclude={"out"})),
            "steps": self.done,
            "attribution": self.recipe.attribution,
            "metrics": last,
            "curve": True,
        }
        record = self.record.model_copy(update={"training": training})
        if self.recipe.mode == "lora":
            save_adapter(self.average.module, self.base, record, self.folder.checkpoint)
        else:
            save_model(self.average.module, record, self.folder.checkpoint, self.base.parts)
        write_curve(metrics, self.folder.checkpoint)
        self.folder.note("checkpoint", {"steps": self.done}, require_manifest(self.folder.checkpoint).hashes)
        self.folder.seal("finetune", self.recipe)


def _told_in_one_line(batches: Iterable[list[Sample]]) -> Iterator[list[Sample]]:
    """The batches; a worker's error without the traceback that torch puts before it."""
    try:
        yield from batches
    except InputError as error:
        last = str(error).strip().splitlines()[-1]
        raise InputError(last.rpartition("InputError: ")[2]) from None


def _crops(recipe: Recipe, accelerator: Accelerator, groups: Groups) -> list[WeightedCrops]:
    store = example_store(recipe)
    folder = CropFolder(store, margin_mm=recipe.samples.margin_mm, hot_spots=recipe.samples.hot_spots)
    # Each process cuts its share, then waits for the others' files: a collective would time out meanwhile.
    rank, ranks = accelerator.process_index, accelerator.num_processes
    folder.prepare([case for cases, _ in groups for case in cases][rank::ranks], recipe.workers)
    crops: list[WeightedCrops] = [(folder.collect(cases), weight) for cases, weight in groups]
    if not any("lesion" in path.name for paths, _ in crops for path in paths):
        raise InputError("recipe: no case to train on has a lesion; check the labels of the folders under train")
    return crops


def _record(recipe: Recipe, base: LoadedModel) -> ModelManifest:
    return ModelManifest(
        name=recipe.name,
        frames=base.record.frames if recipe.frames is None else frame_recipe(recipe.frames),
        clip=recipe.clip or base.record.clip,
        settings=base.record.settings.with_given(recipe.settings),
        parts=base.record.parts,
        trained=True,
        base=base.source,
        base_sha256=base.sha256,
        licence=recipe.licence,
    )


def _portable(recipe: dict[str, Any]) -> dict[str, Any]:
    """The recipe without where the data lay: a checkpoint travels, folders do not."""
    for data in (*recipe["train"], *((recipe["validation"] or {}).get("data", ()))):
        data["folder"] = None if data["folder"] is None else Path(data["folder"]).name
    return recipe


def _set_dropout(model: nn.Module, rate: float) -> None:
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = rate
        elif hasattr(module, "dropout_p"):
            module.dropout_p = rate  # type: ignore[assignment]
