"""What a paper can start from: methods and results of a run, each sentence traced to a value of the run."""

from sam_pet.manuscript.write import write_manuscript

__all__ = ["write_manuscript"]
