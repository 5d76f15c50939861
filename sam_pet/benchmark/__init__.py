"""The benchmark: methods times cases under one simulated reader, statistics over them, and a report."""
