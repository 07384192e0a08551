"""Reads the description of a site (sites/NAME.yaml; README.md says what it holds) and writes the overlay with which the lab brings it up."""

import re
from pathlib import Path

import yaml

SITES = Path(__file__).resolve().parent / "sites"
KEYS = {"title", "why", "like", "quick", "hour", "unasked", "packages", "roots", "hosts", "lab", "files", "append", "configure", "started", "functions",
        "silent", "findings", "alerts", "causes", "faults"}
FAULT_KEYS = {"name", "inject", "clear", "alerts", "also", "findings", "may_find", "cause", "may_cause", "within"}
HOST = re.compile(r"[a-z0-9-]+:/.+")


class Shape:
    """A site, and the truth about it."""

    def __init__(self, name):
        own = yaml.safe_load((SITES / f"{name}.yaml").read_text(encoding="utf-8"))
        unknown = set(own) - KEYS
        assert not unknown, f"{name}: unknown keys {sorted(unknown)}"
        base = Shape(own["like"]) if "like" in own else None
        self.name = name
        self.title = own["title"]
        self.quick = own.get("quick", False)
        self.hour = own.get("hour", False)
        self.unasked = set(own.get("unasked", []))
        self.own = own
        self.findings = named_findings(own.get("findings", []), base)
        self.silent = set(own.get("silent", []))
        self.alerts = set(own.get("alerts", []))
        self.causes = dict(own.get("causes", {}))
        inherited = {fault.name: fault for fault in base.faults} if base else {}
        self.faults = [inherited[each] if isinstance(each, str) else Fault(each) for each in own.get("faults", inherited)]

    def write_overlay(self, directory):
        directory.mkdir(parents=True)
        own = self.own
        for key in ("files", "append"):
            for place, text in own.get(key, {}).items():
                assert HOST.fullmatch(place), f"{self.name}: {place} is not HOST:/PATH"
                host, path = place.split(":", 1)
                file = directory / key / host / path.lstrip("/")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
        (directory / "hosts.sh").write_text("# shellcheck shell=bash\n" + own.get("hosts", ""), encoding="utf-8")
        (directory / "packages").write_text("".join(f"{each}\n" for each in own.get("packages", [])), encoding="utf-8")
        steps = [own.get("functions", "")]
        steps += [f"overlay_{key}() {{\n{own[key]}\n}}\n" for key in ("configure", "started") if key in own]
        (directory / "site.sh").write_text("# shellcheck shell=bash\n" + "".join(steps), encoding="utf-8")


class Fault:
    """A fault, and what must be told about it."""

    def __init__(self, text):
        unknown = set(text) - FAULT_KEYS
        assert not unknown, f"fault {text.get('name')}: unknown keys {sorted(unknown)}"
        self.name = text["name"]
        self.inject = text["inject"]
        self.clear = text["clear"]
        self.alerts = list(text.get("alerts", []))
        self.also = list(text.get("also", []))
        self.findings = set(text.get("findings", []))
        self.may_find = set(text.get("may_find", []))
        self.cause = dict(text.get("cause", {}))
        self.causes = {replica: {cause} for replica, cause in self.cause.items()}
        for replica, more in text.get("may_cause", {}).items():
            self.causes.setdefault(replica, set()).update([more] if isinstance(more, str) else more)
        self.within = text.get("within", 90)
        assert self.alerts or self.findings or self.cause, f"fault {self.name}: it states nothing that must be told"


def named_findings(stated, base):
    """The findings that stand: those of the base with a change for each "+ID SUBJECT" and "-ID SUBJECT", or the list itself."""
    changes = [each for each in stated if each[0] in "+-"]
    if base is None or (stated and not changes):
        return set(stated)
    assert len(changes) == len(stated), "either a list of findings, or changes of the list of `like`"
    found = set(base.findings)
    for each in changes:
        if each[0] == "-":
            assert each[1:] in found, f"{each}: {each[1:]} is not there to take away"
            found.remove(each[1:])
        else:
            found.add(each[1:])
    return found


def names():
    return sorted(path.stem for path in SITES.glob("*.yaml"))
