"""SAM 2 on volumes: slices as frames, clips round lesions, memory carried from slice to slice."""
