"""Processes that do not outlive the one that started them."""

from __future__ import annotations

import os
from multiprocessing import parent_process
from multiprocessing.connection import wait
from threading import Thread

_LOOK_EVERY_S = 1.0


def end_with_parent(_: object = None) -> None:
    """Have this process, a worker, end when its parent has, however that came about.

    Else it would wait for ever for work, or for somebody to take what it has done.
    """
    parent = parent_process()
    if parent is None:
        return
    sentinel, number = parent.sentinel, os.getppid()

    def watch() -> None:
        # Siblings that were forked later hold the sentinel open: the parent's number changes at once.
        while not wait([sentinel], _LOOK_EVERY_S) and os.getppid() == number:
            pass
        os._exit(1)

    Thread(target=watch, daemon=True).start()
