"""Where a lesion ends that one prompt starts: the model's mask, or a level of uptake."""
