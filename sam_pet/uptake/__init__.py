"""Where tracer is taken up: peaks, the basins around them, and regions above a level."""
