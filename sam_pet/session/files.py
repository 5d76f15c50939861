"""The files of a saved session."""

from __future__ import annotations

from sam_pet.audit.log import LOG
from sam_pet.audit.seal import MANIFEST

# What its log calls it.
SESSION = "session"
MASK, LESIONS, PROMPTS, LESIONS_TABLE = "mask.nii.gz", "lesions.nii.gz", "prompts.json", "lesions.csv"
# What another detector than ours has found, before any prompt; of other sessions there is none.
FOUND = "first_answer.nii.gz"
# What a saved session says: its manifest holds their hashes.
CONTENT = (MASK, LESIONS, "lesions.ctbl", PROMPTS, LESIONS_TABLE)
# All that a saved session consists of.
FILES = (*CONTENT, FOUND, LOG, MANIFEST)
