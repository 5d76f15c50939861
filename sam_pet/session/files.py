"""The files of a saved session."""

from __future__ import annotations

PROMPTS, LESIONS, MANIFEST = "prompts.json", "lesions.nii.gz", "manifest.json"
# All that a saved session consists of.
FILES = ("mask.nii.gz", LESIONS, "lesions.ctbl", PROMPTS, "lesions.csv", MANIFEST)
