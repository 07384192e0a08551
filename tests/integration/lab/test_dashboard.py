"""Every query of the shipped Grafana dashboards finds data in the lab, and each dashboard uses only panels and the schema that
Grafana 8.3 to 12 know."""

import json
import re
import time
import urllib.parse
from pathlib import Path

import pytest
from lab import api

FILES = sorted((Path(__file__).resolve().parents[3] / "dashboards/grafana").glob("*.json"))
PANELS = {"timeseries", "stat", "table", "bargauge", "state-timeline", "text"}
# Grafana: the greater of four times the data source's timeInterval (10 s) and the panel's interval plus it.
RATE_INTERVAL = "40s"
RANGE_S = 300
STEP_S = 10
PATIENCE_S = 90
BEGAN = time.monotonic()


def data(path, **parameters):
    return api(path + "?" + urllib.parse.urlencode(parameters, doseq=True))["data"]


def variables(dashboard):
    """The value of each template variable if everything is selected."""
    out = {}
    for variable in dashboard["templating"]["list"]:
        if variable["type"] != "query":
            continue
        call = re.fullmatch(r"label_values\((?:(.+),\s*)?(\w+)\)", variable["definition"])
        if not call:
            raise RuntimeError(f"variable {variable['name']}: not understood: {variable['definition']}")
        parameters = {"match[]": call.group(1)} if call.group(1) else {}
        values = data(f"/api/v1/label/{call.group(2)}/values", **parameters)
        if not values:
            raise RuntimeError(f"variable {variable['name']} has no values")
        out[variable["name"]] = "|".join(re.escape(value).replace("\\", "\\\\") for value in values)
    return out


def substitute(expression, values):
    known = dict(values, __rate_interval=RATE_INTERVAL, __interval=f"{STEP_S}s", __range=f"{RANGE_S}s",
                 __range_s=str(RANGE_S), __interval_ms=str(STEP_S * 1000))

    def replace(match):
        name = match.group(1) or match.group(2)
        if name not in known:
            raise RuntimeError(f"unknown variable ${name}")
        return known[name]

    return re.sub(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))", replace, expression)


def run(target, values):
    """Whether the query has data; raises if it fails."""
    expression = substitute(target["expr"], values)
    now = time.time()
    if target.get("instant"):
        return bool(data("/api/v1/query", query=expression, time=f"{now:.3f}")["result"])
    result = data("/api/v1/query_range", query=expression, start=f"{now - RANGE_S:.3f}", end=f"{now:.3f}",
                  step=STEP_S)["result"]
    return any(series["values"] for series in result)


def form(dashboard):
    """The problems of the dashboard's form."""
    wrong = []
    panels = dashboard["panels"]
    if dashboard["schemaVersion"] != 36:
        wrong.append("schemaVersion is not 36")
    if "__inputs" in dashboard or "id" in dashboard or not dashboard.get("uid"):
        wrong.append("needs a uid, no id and no __inputs")
    if len(panels) > 20:
        wrong.append(f"{len(panels)} panels are more than 20")
    if dashboard.get("graphTooltip") != 1:
        wrong.append("no shared crosshair")
    if not any(v["type"] == "datasource" for v in dashboard["templating"]["list"]):
        wrong.append("no data source variable")
    taken = set()
    for panel in panels:
        name = panel.get("title") or str(panel.get("id"))
        if panel["type"] not in PANELS:
            wrong.append(f"{name}: panel type {panel['type']}")
        if not panel.get("title") or not panel.get("description"):
            wrong.append(f"{name}: no title or no description")
        if panel["type"] != "text" and not panel["fieldConfig"]["defaults"].get("unit"):
            wrong.append(f"{name}: no unit")
        if panel["datasource"].get("uid") != "${datasource}":
            wrong.append(f"{name}: not the data source variable")
        position = panel["gridPos"]
        cells = {(x, y) for x in range(position["x"], position["x"] + position["w"])
                 for y in range(position["y"], position["y"] + position["h"])}
        if cells & taken or position["x"] + position["w"] > 24:
            wrong.append(f"{name}: overlaps or is outside")
        taken |= cells
        for target in panel["targets"]:
            if re.search(r"\b(rate|increase|irate)\(", target["expr"]) and "$__rate_interval" not in target["expr"]:
                wrong.append(f"{name}: a rate without $__rate_interval")
    return wrong


def dashboards():
    return [pytest.param(json.loads(file.read_text()), id=file.stem) for file in FILES]


def queries(kind):
    """(dashboard, target) of each query, with the title of its panel in its id."""
    for file in FILES:
        dashboard = json.loads(file.read_text())
        if kind == "annotation":
            for annotation in dashboard["annotations"]["list"]:
                yield pytest.param(dashboard, annotation, id=f"{file.stem}: {annotation['name']}")
            continue
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                yield pytest.param(dashboard, target, id=f"{file.stem}: {panel['title']} {target['refId']}")


@pytest.mark.parametrize("dashboard", dashboards())
def test_form(dashboard):
    wrong = form(dashboard)
    assert not wrong, "; ".join(wrong)


@pytest.mark.parametrize("dashboard, target", queries("annotation"))
def test_annotation_is_answered(dashboard, target):
    """The lab may have nothing to mark, so an empty answer is right."""
    run(target, variables(dashboard))


@pytest.mark.parametrize("dashboard, target", queries("panel"))
def test_query_finds_data(dashboard, target):
    while True:
        problem = "no data"
        try:
            if run(target, variables(dashboard)):
                return
        except (AssertionError, RuntimeError) as error:
            problem = str(error)
        # All queries together may wait this long for the data of a lab that has just come up.
        assert time.monotonic() < BEGAN + PATIENCE_S, f"{problem}: {target['expr']}"
        time.sleep(3)
