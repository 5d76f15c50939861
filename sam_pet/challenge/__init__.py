"""The autoPET V challenge container: a mask for every step, whatever happens.

`supervisor.run` is what the container runs. It is light and does nothing that can fail; what can (reading, torch, the
model) happens in a `worker` process of its own, and the best mask that came of it is written.
"""
