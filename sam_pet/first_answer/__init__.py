"""A first answer without prompts: candidates from the study alone, judged as lesion or physiology, and a gate."""
