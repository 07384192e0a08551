"""The rows of the table in docs/reliability.md: build/faults/NAME.json for each test."""

import json
import os
import sys
from pathlib import Path

from harness import LONG

FOLDER = Path(__file__).resolve().parents[2] / "build/faults"


def record(side, fault, times, observed, recovery):
    """One row. `times`: how often; `observed`: what was checked; `recovery`: how it went on."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    name = os.environ["PYTEST_CURRENT_TEST"].split("::")[-1].split(" ")[0]
    frame = sys._getframe(1)
    row = {"place": [os.path.basename(frame.f_code.co_filename), frame.f_lineno], "long": LONG, "side": side, "fault": fault, "times": times, "observed": observed, "recovery": recovery}
    (FOLDER / f"{name}.json").write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")
    print(f"      {side}, {fault}: {times}; {observed}; {recovery}")


def number(value):
    return f"{value:,}"
