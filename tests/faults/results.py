"""The rows of the table in docs/reliability.md."""

import os
import sys

import document_table
from harness import LONG


def record(side, fault, times, observed, recovery):
    """One row. `times`: how often; `observed`: what was checked; `recovery`: how it went on."""
    frame = sys._getframe(1)
    row = {"place": [os.path.basename(frame.f_code.co_filename), frame.f_lineno], "long": LONG, "side": side, "fault": fault, "times": times, "observed": observed, "recovery": recovery}
    document_table.record("faults", document_table.test_name(), row)
    print(f"      {side}, {fault}: {times}; {observed}; {recovery}")


def number(value):
    return f"{value:,}"
