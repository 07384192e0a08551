"""Dashboards and panels as types, and their form in Grafana's JSON (schema 36: Grafana 8.3 to 12 read it)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from .promql import fresh

Json = Dict[str, Any]

SCHEMA_VERSION = 36
DATA_SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
HOST_UID = "lapwing-host"

GREEN, ORANGE, RED, BLUE, GREY = "green", "orange", "red", "blue", "#808080"


@dataclass(frozen=True)
class Query:
    """One PromQL expression. `legend` names each series: `{{label}}` stands for the value of a label."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Steps:
    """Colours by value: `base` below the first bound, then the colour of the greatest bound that the value reaches."""

    base: str
    bounds: Tuple[Tuple[float, str], ...] = ()

    def json(self) -> List[Json]:
        return [{"color": self.base, "value": None}, *({"color": color, "value": bound} for bound, color in self.bounds)]


def bad_from(warning: float, critical: float) -> Steps:
    return Steps(GREEN, ((warning, ORANGE), (critical, RED)))


def bad_below(critical: float, warning: float) -> Steps:
    return Steps(RED, ((critical, ORANGE), (warning, GREEN)))


@dataclass(frozen=True)
class Words:
    """Texts and colours that replace values: {1: ("up", GREEN)}. Keys are numbers, or texts in a table."""

    texts: Mapping[Union[int, str], Tuple[str, Optional[str]]]

    def json(self) -> List[Json]:
        options: Json = {}
        for index, (value, (text, color)) in enumerate(self.texts.items()):
            options[str(value)] = {"text": text, "index": index, **({"color": color} if color else {})}
        return [{"type": "value", "options": options}]

    def coloured(self) -> bool:
        return any(color for _, color in self.texts.values())


UP_DOWN = Words({0: ("down", RED), 1: ("up", GREEN)})
NO_STEPS = Steps(GREEN)


@dataclass(frozen=True)
class Panel:
    """What every panel has. `description` says what is good and what is bad. `none` is the text in place of missing data."""

    title: str
    description: str
    queries: Tuple[Query, ...]
    unit: str = "none"
    width: int = 12
    height: int = 8
    none: Optional[str] = None
    colors: Mapping[str, str] = field(default_factory=dict)  # {pattern of a series' name: colour}

    def kind(self) -> str:
        raise NotImplementedError

    def instant(self) -> bool:
        return False

    def defaults(self) -> Json:
        raise NotImplementedError

    def options(self) -> Json:
        raise NotImplementedError

    def overrides(self) -> List[Json]:
        return [
            {
                "matcher": {"id": "byRegexp", "options": f"/{pattern}/"},
                "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
            }
            for pattern, color in self.colors.items()
        ]

    def targets(self) -> List[Json]:
        return [
            {
                "refId": chr(ord("A") + at),
                "datasource": DATA_SOURCE,
                "expr": fresh(query.expr),
                "legendFormat": query.legend,
                "instant": self.instant(),
                "range": not self.instant(),
            }
            for at, query in enumerate(self.queries)
        ]

    def transformations(self) -> List[Json]:
        return []

    def json(self, number: int, x: int, y: int) -> Json:
        defaults = {"unit": self.unit, **({"noValue": self.none} if self.none else {}), **self.defaults()}
        out: Json = {
            "id": number,
            "type": self.kind(),
            "title": self.title,
            "description": self.description,
            "datasource": DATA_SOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "fieldConfig": {"defaults": defaults, "overrides": self.overrides()},
            "options": self.options(),
            "targets": self.targets(),
        }
        if self.transformations():
            out["transformations"] = self.transformations()
        return out


def thresholds(steps: Steps) -> Json:
    return {"mode": "absolute", "steps": steps.json()}


def host_link(label: str) -> List[Json]:
    """A link from a series to the dashboard of its host, at the same time."""
    url = f"/d/{HOST_UID}?${{__url_time_range}}&${{datasource:queryparam}}&var-instance=${{__field.labels.{label}}}"
    return [{"title": f"The host ${{__field.labels.{label}}}", "targetBlank": False, "url": url}]


@dataclass(frozen=True)
class Stat(Panel):
    """The present values, in colour. `names_only` shows the names of the series in place of values. `mild` is a pattern of names to
    which `mild_steps` apply."""

    width: int = 4
    height: int = 4
    none: Optional[str] = "no data"
    steps: Steps = NO_STEPS
    words: Optional[Words] = None
    names_only: bool = False
    decimals: Optional[int] = None
    mild: Optional[str] = None
    mild_steps: Steps = Steps(GREEN, ((1, ORANGE),))

    def kind(self) -> str:
        return "stat"

    def instant(self) -> bool:
        return True

    def defaults(self) -> Json:
        return {
            "color": {"mode": "thresholds"},
            "thresholds": thresholds(self.steps),
            **({"mappings": self.words.json()} if self.words else {}),
            **({"decimals": self.decimals} if self.decimals is not None else {}),
        }

    def overrides(self) -> List[Json]:
        out = super().overrides()
        if self.mild:
            properties = [{"id": "thresholds", "value": thresholds(self.mild_steps)}]
            out.append({"matcher": {"id": "byRegexp", "options": f"/{self.mild}/"}, "properties": properties})
        return out

    def options(self) -> Json:
        return {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "background",
            "graphMode": "none",
            "textMode": "name" if self.names_only else "value_and_name",
            "orientation": "auto",
            "justifyMode": "auto",
        }


@dataclass(frozen=True)
class Series(Panel):
    """Lines over time. `line` draws the thresholds; `top` bounds the axis; `stacked` adds the areas up; `host` links a label to its host."""

    line: Optional[Steps] = None
    top: Optional[float] = None
    negative: bool = False
    stacked: bool = False
    host: Optional[str] = None

    def kind(self) -> str:
        return "timeseries"

    def defaults(self) -> Json:
        custom: Json = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 25 if self.stacked else 8,
            "showPoints": "auto",
            "spanNulls": False,
        }
        if self.line:
            custom["thresholdsStyle"] = {"mode": "line"}
        if self.stacked:
            custom["stacking"] = {"mode": "normal", "group": "A"}
        return {
            "color": {"mode": "palette-classic"},
            "thresholds": thresholds(self.line or NO_STEPS),
            "custom": custom,
            **({} if self.negative else {"min": 0}),
            **({} if self.top is None else {"max": self.top}),
            **({"links": host_link(self.host)} if self.host else {}),
        }

    def options(self) -> Json:
        return {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }


@dataclass(frozen=True)
class Timeline(Panel):
    """States over time, a row for each series."""

    words: Optional[Words] = None
    steps: Steps = NO_STEPS
    host: Optional[str] = None

    def kind(self) -> str:
        return "state-timeline"

    def defaults(self) -> Json:
        return {
            "color": {"mode": "thresholds"},
            "thresholds": thresholds(self.steps),
            "custom": {"lineWidth": 0, "fillOpacity": 80},
            **({"mappings": self.words.json()} if self.words else {}),
            **({"links": host_link(self.host)} if self.host else {}),
        }

    def options(self) -> Json:
        return {
            "mergeValues": True,
            "showValue": "never",
            "alignValue": "left",
            "rowHeight": 0.9,
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": bool(self.words), "calcs": []},
            "tooltip": {"mode": "single", "sort": "none"},
        }


@dataclass(frozen=True)
class Table(Panel):
    """The labels of the present series, a row for each. `columns` names the labels in order; `value` heads the column of the value."""

    columns: Mapping[str, str] = field(default_factory=dict)  # {label: heading}
    value: Optional[str] = None
    value_unit: Optional[str] = None
    words: Mapping[str, Words] = field(default_factory=dict)  # {label: texts}
    widths: Mapping[str, int] = field(default_factory=dict)  # {label: pixels}
    sort: Optional[str] = None  # a label
    host: Optional[str] = None  # the label that is a host

    def kind(self) -> str:
        return "table"

    def instant(self) -> bool:
        return True

    def headings(self) -> Dict[str, str]:
        return {**self.columns, **({"Value": self.value} if self.value else {})}

    def defaults(self) -> Json:
        return {"color": {"mode": "palette-classic"}, "thresholds": thresholds(NO_STEPS), "custom": {"align": "left", "filterable": True}}

    def overrides(self) -> List[Json]:
        out = super().overrides()
        for label, heading in self.headings().items():
            properties: List[Json] = []
            if label in self.words:
                properties.append({"id": "mappings", "value": self.words[label].json()})
                if self.words[label].coloured():
                    # The first name is that of Grafana 8 and 9.
                    properties.append({"id": "custom.displayMode", "value": "color-text"})
                    properties.append({"id": "custom.cellOptions", "value": {"type": "color-text"}})
            if label in self.widths:
                properties.append({"id": "custom.width", "value": self.widths[label]})
            if label == "Value" and self.value_unit:
                properties.append({"id": "unit", "value": self.value_unit})
            if label == self.host:
                url = f"/d/{HOST_UID}?${{__url_time_range}}&${{datasource:queryparam}}&var-instance=${{__value.text}}"
                properties.append({"id": "links", "value": [{"title": "The host", "targetBlank": False, "url": url}]})
            if properties:
                out.append({"matcher": {"id": "byName", "options": heading}, "properties": properties})
        return out

    def options(self) -> Json:
        return {"showHeader": True, "sortBy": [{"displayName": self.headings()[self.sort], "desc": False}] if self.sort else []}

    def targets(self) -> List[Json]:
        return [{**target, "format": "table"} for target in super().targets()]

    def transformations(self) -> List[Json]:
        hidden = {"Time": True, **({} if self.value else {"Value": True})}
        return [
            {
                "id": "organize",
                "options": {
                    "excludeByName": hidden,
                    "indexByName": {label: at for at, label in enumerate(self.headings())},
                    "renameByName": self.headings(),
                },
            }
        ]


@dataclass(frozen=True)
class Bars(Panel):
    """The present values as bars from 0 to `top`."""

    steps: Steps = NO_STEPS
    top: float = 1

    def kind(self) -> str:
        return "bargauge"

    def instant(self) -> bool:
        return True

    def defaults(self) -> Json:
        return {"color": {"mode": "thresholds"}, "thresholds": thresholds(self.steps), "min": 0, "max": self.top}

    def options(self) -> Json:
        return {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "displayMode": "basic",
            "orientation": "horizontal",
            "showUnfilled": True,
        }


@dataclass(frozen=True)
class Mark:
    """An annotation: a mark in every panel over time where the expression has a value."""

    name: str
    color: str
    expr: str
    title: str
    text: str

    def json(self) -> Json:
        return {
            "name": self.name,
            "datasource": DATA_SOURCE,
            "enable": True,
            "hide": False,
            "iconColor": self.color,
            "expr": self.expr,
            "titleFormat": self.title,
            "textFormat": self.text,
            "step": "10s",
        }


@dataclass(frozen=True)
class Dashboard:
    """One dashboard. The panels of a row stand side by side; rows follow one another. `hosts` shows the choice of hosts."""

    uid: str
    title: str
    question: str
    rows: Tuple[Tuple[Panel, ...], ...]
    hosts: bool = False
    marks: Sequence[Mark] = ()

    def panels(self) -> List[Panel]:
        return [panel for row in self.rows for panel in row]

    def variables(self) -> List[Json]:
        # A dashboard that shows the whole site keeps the chosen hosts for the links to the others.
        return [
            {
                "name": "datasource",
                "label": "Data source",
                "type": "datasource",
                "query": "prometheus",
                "regex": "",
                "refresh": 1,
                "hide": 0,
                "includeAll": False,
                "multi": False,
                "options": [],
            },
            {
                "name": "instance",
                "label": "Host",
                "type": "query",
                "datasource": DATA_SOURCE,
                "definition": "label_values(up, instance)",
                "query": {"query": "label_values(up, instance)", "refId": "instance"},
                "regex": "",
                "refresh": 2,
                "sort": 1,
                "hide": 0 if self.hosts else 2,
                "includeAll": True,
                "allValue": ".*",
                "multi": True,
                "options": [],
                "current": {"text": ["All"], "value": ["$__all"]},
            },
        ]

    def json(self) -> Json:
        panels: List[Json] = []
        y = 0
        for row in self.rows:
            x = 0
            for panel in row:
                panels.append(panel.json(len(panels) + 1, x, y))
                x += panel.width
            y += max(panel.height for panel in row)
        link = {
            "title": "Lapwing",
            "type": "dashboards",
            "tags": ["lapwing"],
            "asDropdown": False,
            "includeVars": True,
            "keepTime": True,
            "targetBlank": False,
            "icon": "external link",
            "tooltip": "With the same host and time",
            "url": "",
        }
        return {
            "uid": self.uid,
            "title": f"Lapwing: {self.title}",
            "description": self.question,
            "tags": ["lapwing"],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": False,
            "graphTooltip": 1,
            "timezone": "",
            "refresh": "10s",
            "time": {"from": "now-30m", "to": "now"},
            "links": [link],
            "annotations": {"list": [mark.json() for mark in self.marks]},
            "templating": {"list": self.variables()},
            "panels": panels,
        }
