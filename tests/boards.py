"""The generated Grafana dashboards, and what Grafana makes of their queries. Standard library only."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "dashboards"))
from grafana import BOARDS  # noqa: E402

DASHBOARDS = [board.json() for board in BOARDS]
STEP_S = 10  # the data source's timeInterval


def queries(dashboard):
    """(panel, target) of every query."""
    return [(panel, target) for panel in dashboard["panels"] for target in panel["targets"]]


def substituted(expression, values, step=STEP_S):
    """The expression with Grafana's variables filled in, at a step in seconds; `values` has the template variables."""
    # Grafana: the greater of four times the step and the step plus the data source's timeInterval.
    known = {**values, "__rate_interval": f"{max(4 * step, step + STEP_S)}s"}

    def replace(match):
        name = match[1] or match[2]
        if name not in known:
            raise ValueError(f"unknown variable ${name}")
        return known[name]

    return re.sub(r"\$(?:\{(\w+)(?::\w+)?\}|([a-zA-Z_]\w*))", replace, expression)
