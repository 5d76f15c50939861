"""A door for nnInteractive's clients: their protocol, under /nninteractive."""
