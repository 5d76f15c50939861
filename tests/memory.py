"""The peak memory of a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# `ru_maxrss` would count the process that started this one: it outlives exec, VmHWM does not.
_PEAK = """
import re
with open("/proc/self/status") as status:
    print(re.search(r"VmHWM:\\s+(\\d+)", status.read()).group(1), file=__import__("sys").stderr)
"""


def run_and_peak(script: str, *arguments: object, folder: Path) -> tuple[str, float]:
    """What a Python script prints, and the most memory it held, in GB."""
    command = [sys.executable, "-c", script + _PEAK, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout, int(done.stderr.split()[-1]) * 1024 / 1e9
