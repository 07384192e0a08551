"""Compares what the findings claim with what `whatif` answers: one model must answer both."""

import re
import urllib.parse

import lab

NOT_PARTS = {"name", "address", "collector", "watchdog", "group"}


def reading_after(component):
    answer = lab.api("/api/lapwing/v1/whatif?component=" + urllib.parse.quote(component))["data"]["services"]
    return next((each["after"] for each in answer if each["name"] == "read"), "unknown")


def claimed(finding):
    """The parts that stop the site alone, as the finding says."""
    parts = {finding["subject"]} if finding["id"] == "R1" else set()
    for line in finding["evidence"]:
        supposed = re.fullmatch("what if (.+) fails", line["source"])
        if supposed:
            parts.update(re.split(", | or ", supposed[1]))
    return parts


def contradictions():
    """Claims that `whatif` contradicts, and parts that stop the site by `whatif` though no finding says so."""
    components = {each["id"]: each for each in lab.api("/api/lapwing/v1/topology")["data"]["components"]}
    services = {each["name"]: each for each in lab.api("/api/lapwing/v1/topology")["data"]["services"]}
    if services.get("read", {}).get("works") != "yes":
        return []
    after = {each: reading_after(each) for each in components}
    wrong, told = [], set()
    for finding in lab.findings():
        for part in claimed(finding):
            told.add(part)
            if after.get(part) == "yes":
                wrong.append(f'{finding["id"]} {finding["subject"]} names {part}, without which reading still works')
    for each, component in components.items():
        named = {each, component["host"]} | {part for part in told if components.get(part, {}).get("host") == each}
        if component["kind"] not in NOT_PARTS and after[each] == "no" and not named & told:
            wrong.append(f"{each} stops reading, and no finding says so")
    return wrong
