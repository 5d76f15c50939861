"""Training of SAM 2 through its memory; heavy, imported only when a training runs."""
