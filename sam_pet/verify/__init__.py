"""Whether a run is what it says: its files, its log, and its outputs computed again from inputs and weights."""

from sam_pet.verify.checks import Check, Verification
from sam_pet.verify.run import verify_run

__all__ = ["Check", "Verification", "verify_run"]
