"""Where a phantom's random settings come from: the usual ones here, much wider ones in `sam_pet.phantom.wide`."""

from __future__ import annotations

import numpy as np

from sam_pet.phantom.frame import Patient
from sam_pet.phantom.lesions import Burden
from sam_pet.phantom.scanner import Ligand, Scanner, uptake_table
from sam_pet.phantom.shapes import Canvas, Floats
from sam_pet.phantom.tissue import LOOKS, Tissue, Tracer


class World:
    """The usual settings. Each is drawn from the generator that is passed, in an order that is fixed."""

    def patient(self, tracer: Tracer, rng: np.random.Generator) -> Patient:
        return Patient.draw(tracer, rng)

    def scanner(self, rng: np.random.Generator) -> Scanner:
        return Scanner.draw(rng)

    def uptake(
        self, tracer: Tracer, body_mass_index: float, rng: np.random.Generator
    ) -> tuple[Ligand, dict[Tissue, float]]:
        """The radioligand and the mean SUV of each tissue."""
        return uptake_table(tracer, body_mass_index, rng)

    def textures(self) -> dict[Tissue, float]:
        """How uneven uptake is within each tissue, as the spread of its logarithm."""
        return {tissue: look.within for tissue, look in LOOKS.items()}

    def burden(self, tracer: Tracer, lesion_free: bool, rng: np.random.Generator) -> Burden:
        return Burden.draw(tracer, lesion_free, rng)

    def more_benign(self, canvas: Canvas, patient: Patient) -> list[str]:
        """Paint what else takes up the tracer without being a lesion; returns what there is."""
        del canvas, patient
        return []

    def change_uptake(self, canvas: Canvas, uptake: Floats) -> None:
        """Change the SUVs before the scanner, in place."""

    def change_density(self, canvas: Canvas, hu: Floats) -> None:
        """Change the HUs before the scanner, in place."""
