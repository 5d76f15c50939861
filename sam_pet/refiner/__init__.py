"""The last look at a lesion: a small 3-D network that sees all its slices at once."""
