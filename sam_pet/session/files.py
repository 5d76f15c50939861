"""The files of a saved session."""

from __future__ import annotations

PROMPTS, LESIONS, MANIFEST = "prompts.json", "lesions.nii.gz", "manifest.json"
# What another detector than ours has found, before any prompt.
FOUND = "first_answer.nii.gz"
# All that a saved session consists of.
FILES = ("mask.nii.gz", LESIONS, "lesions.ctbl", PROMPTS, "lesions.csv", FOUND, MANIFEST)
