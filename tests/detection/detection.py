"""Causes a fault in the lab, and measures who is told what, and when."""

import functools
import json
import os
import random
import time
from pathlib import Path

import fault as means
import lab

RESULTS = Path(__file__).resolve().parents[2] / "build/detection"
TOLD_SECONDS = 180
TOLD_SECONDS_GRADUAL = 300
PROVEN_SECONDS = 90
CLEAR_SECONDS = 400
AFTERMATH_SECONDS = 20  # how long after the right alert others are counted
PHASE_SECONDS = 10      # the longest interval of the probes that watch services
# The hosts of the lab share the processors, the memory and the root disk of the machine, on which other things run.
OF_THE_MACHINE = {"DiskSpaceLow", "DiskWillFill", "CollectorDiskLow", "InodesLow", "HostCpuBusy", "HostMemoryLow", "HostSwaps",
                  "OutOfMemoryKill", "HostDiskBusy", "OpenFilesNearLimit"}


# Its windows are minutes and hours, so it outlasts what causes it.
OUTLASTS = {"SiteErrorBudget"}


def text_of(alert):
    return " ".join([*alert["labels"].values(), *alert["annotations"].values()])


def named(alert):
    return alert["labels"]["alertname"]


def subject_of(alert):
    return " ".join(value for key, value in alert["labels"].items() if key not in ("alertname", "severity")) + " " + alert["annotations"].get("summary", "")


def firing():
    """The alerts that fire, by their labels."""
    return {json.dumps(each["labels"], sort_keys=True): each for each in lab.api("/api/v1/alerts")["data"]["alerts"] if each["state"] == "firing"}


def findings():
    return {(each["id"], each["subject"]): each for each in lab.findings()}


class Watch:
    """What is told from its start on, beside what was told already."""

    def __init__(self):
        self.known = set(firing())
        self.findings = set(findings())
        self.since = time.time()

    def alerts(self):
        """Notifications of alerts that did not fire before, oldest first."""
        return [each for each in lab.notifications(self.since)
                if each["status"] == "firing" and json.dumps(each["labels"], sort_keys=True) not in self.known]

    def answers_to(self, told):
        """(time, fits the cause) of everything new that tells it, about the right subject."""
        found = []
        for each in self.alerts():
            if named(each) == told.what and told.fits_subject(subject_of(each)):
                found.append((each["at"], told.fits_cause(text_of(each))))
        if told.what[0] in "FR" and told.what[1:].isdigit():
            for key, each in findings().items():
                text = json.dumps(each)
                if key[0] == told.what and key not in self.findings and told.fits_subject(each["subject"] + " " + each.get("title", "")):
                    found.append((time.time(), told.fits_cause(text)))
        return found

    def still_fires(self):
        """Names of alerts that fire and did not before."""
        return sorted({json.loads(labels)["alertname"] for labels in firing() if labels not in self.known})


def first_answer(watch, expected):
    """(time, what, fits the cause) of the first right answer, or None."""
    answers = [(at, told.what, fits) for told in expected for at, fits in watch.answers_to(told)]
    if not answers:
        return None
    at, what, _ = min(answers)
    return at, what, any(fits for _, _, fits in answers)


def calm(seconds=5, standing=frozenset()):
    """Waits until `standing` fires, and the alerts that fire have been the same for so long. Returns them."""
    last = None
    quiet_since = time.monotonic()
    end = time.monotonic() + 300
    while (time.monotonic() - quiet_since < seconds or not standing <= last) and time.monotonic() < end:
        now = set(firing())
        if now != last:
            last, quiet_since = now, time.monotonic()
        time.sleep(1)
    return frozenset(last)


@functools.cache
def standing_alerts():
    """What is told of the healthy site, such as its single load balancer. A fault may end it for a while."""
    return calm(30)


def measure(fault):
    """Causes the fault once, heals it, and returns the row of the report."""
    calm(standing=standing_alerts())
    means.run(fault.before)
    row = {"fault": fault.name, "gradual": fault.gradual}
    try:
        if fault.before:
            calm(45)  # rules that are loaded stall connections that the kernel did not track, such as that of replication
        time.sleep(random.uniform(0, PHASE_SECONDS))
        watch = Watch()
        try:
            means.run(fault.inject)
            injected = time.time()
            row["proven_s"] = _wait(fault.proof, PROVEN_SECONDS)
            answer = None
            if row["proven_s"] is not None:
                limit = TOLD_SECONDS_GRADUAL if fault.gradual else TOLD_SECONDS
                _wait(lambda: first_answer(watch, fault.told), limit)
                time.sleep(AFTERMATH_SECONDS)
                answer = first_answer(watch, fault.told)
        finally:
            means.run(fault.heal)
        healed = time.time()
        row["told_s"] = round(answer[0] - injected, 1) if answer else None
        row["told"] = answer[1] if answer else None
        row["cause"] = bool(answer and answer[2])
        alerts = watch.alerts()
        ours = {told.what for told in fault.told} | set(fault.effects) | {"CriticalFinding"} | OUTLASTS
        names = [named(each) for each in alerts if named(each) not in OF_THE_MACHINE or named(each) in ours]
        row["notifications"] = len({json.dumps(each["labels"], sort_keys=True) for each in alerts if each["at"] < healed and named(each) in names})
        row["alerts"] = sorted(set(names))
        row["false"] = sorted(set(names) - ours)
        cleared = _wait(lambda: not [name for name in watch.still_fires() if name in names and name not in OUTLASTS], CLEAR_SECONDS)
        row["clear_s"] = round(time.time() - healed, 1) if cleared is not None else None
        row["stuck"] = [] if cleared is not None else watch.still_fires()
    finally:
        means.run(fault.after)
    _record(row)
    return row


def listen(control):
    """Lets the control happen, and returns the alerts that were told."""
    calm(standing=standing_alerts())
    time.sleep(random.uniform(0, PHASE_SECONDS))
    watch = Watch()
    try:
        means.run(control.happen)
        time.sleep(control.seconds)
        told = [each for each in watch.alerts() if named(each) not in OF_THE_MACHINE]
    finally:
        means.run(control.heal)
    texts = [f'{named(each)}: {each["annotations"].get("summary", "")}' for each in told]
    _record({"control": control.name, "alerts": texts, "seconds": round(time.time() - watch.since)})
    return texts


def _wait(question, seconds):
    """The seconds until the answer was true, or None."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        try:
            if question():
                return round(time.monotonic() - began, 1)
        except AssertionError:
            pass  # the collector does not answer just now
        time.sleep(1)
    return None


def _record(row):
    RESULTS.mkdir(parents=True, exist_ok=True)
    name = row.get("fault") or row.get("control")
    row["group"] = os.environ.get("LAPWING_DETECTION_GROUP", "")
    (RESULTS / f"{row['group']}-{name}-{int(time.time())}.json").write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")
