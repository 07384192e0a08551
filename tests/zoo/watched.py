"""What Lapwing tells about a site, held against the truth about it."""

import subprocess
import time
from pathlib import Path

import lab

LIBRARY = Path(__file__).resolve().parents[1] / "lab/lib/fault.sh"
# The hosts share the machine that runs the test, with its disk and its load.
OF_THE_MACHINE = {"DiskSpaceLow", "DiskWillFill", "CollectorDiskLow", "InodesLow", "HostCpuBusy", "HostMemoryLow", "HostSwaps",
                  "OutOfMemoryKill", "HostDiskBusy", "OpenFilesNearLimit", "PagesSlow", "ServerSlow"}
# Visitors feel many faults, and the minutes of a rate outlast them.
OF_VISITORS = {"SiteErrorBudget", "ServerErrors", "BackendErrors", "ServerRetries"}
POLL_SECONDS = 2


def told_alerts():
    """Alerts that fire, as texts: NAME INSTANCE, then the other labels that name a thing. CriticalFinding repeats findings."""
    texts = set()
    for alert in lab.api("/api/v1/alerts")["data"]["alerts"]:
        labels = alert["labels"]
        if alert["state"] != "firing" or labels["alertname"] in OF_THE_MACHINE | OF_VISITORS | {"CriticalFinding"}:
            continue
        more = [f"{key}={value}" for key, value in sorted(labels.items()) if key not in ("alertname", "instance", "severity")]
        texts.add(" ".join([labels["alertname"], labels.get("instance", "-"), *more]))
    return texts


def told_findings():
    """The findings that stand, by "ID SUBJECT"."""
    return {f'{each["id"]} {each["subject"]}': each for each in lab.findings()}


def verdicts():
    """The verdict on each replica and channel: "web-02", or "web-02/CHANNEL"."""
    return {each["replica"] + (f'/{each["channel"]}' if each["channel"] else ""): each
            for each in lab.api("/api/lapwing/v1/replication")["data"]}


def silent_probes():
    return {f'{each["metric"]["job"]} {each["metric"]["instance"]} by {each["metric"]["agent"]}' for each in lab.query('up{agent!=""} == 0')}


def names(pattern, text):
    """Whether a text is what a pattern names: all words of the pattern are among those of the text."""
    return set(pattern.split()) <= set(text.split())


def is_named(text, patterns):
    return any(names(pattern, text) for pattern in patterns)


def run(script):
    """Runs steps in bash, with the functions of the lab."""
    subprocess.run(["bash", "-euc", f". {LIBRARY}\n. {LIBRARY.parent}/site.sh\n{script}"], check=True, timeout=120)


class Watched:
    """Collects what was told and should not have been: false findings, false alerts, wrong causes, and what was missing."""

    def __init__(self, shape):
        self.shape = shape
        self.evidence = {}
        self.false_findings, self.false_alerts, self.wrong_causes, self.missing = set(), set(), set(), set()

    def look(self, alerts=(), findings=frozenset(), causes=None):
        """Reads everything once. Beyond the site's own truth these alerts, findings and causes are right as well."""
        replicas = verdicts()
        findings_now = told_findings()
        told = told_alerts(), set(findings_now), {replica: verdict["cause"] for replica, verdict in replicas.items()}
        self.false_alerts |= {each for each in told[0] if not is_named(each, [*self.shape.alerts, *alerts])}
        false = told[1] - self.shape.findings - set(findings)
        self.false_findings |= false
        self.evidence.update({each: findings_now[each]["evidence"] for each in false})
        for replica, cause in told[2].items():
            if cause not in {"healthy", "unknown", self.shape.causes.get(replica), *(causes or {}).get(replica, ())}:
                self.wrong_causes.add(f"{replica}: {cause}, {replicas[replica]['confidence']}: {replicas[replica]['summary']}")
        return told

    def watch(self, seconds, **right):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.look(**right)
            time.sleep(POLL_SECONDS)

    def until(self, is_told, seconds, **right):
        """Looks until `is_told(alerts, findings, causes)` returns nothing that is missing. Returns what is missing at the end."""
        end = time.monotonic() + seconds
        while True:
            missing = is_told(*self.look(**right))
            if not missing or time.monotonic() > end:
                return missing
            time.sleep(POLL_SECONDS)

    def problems(self):
        return self.false_findings | self.false_alerts | self.wrong_causes | self.missing

    def verdict(self):
        kinds = ("false_findings", "false_alerts", "wrong_causes", "missing")
        return {"site": self.shape.name, "title": self.shape.title, **{kind: sorted(getattr(self, kind)) for kind in kinds},
                "evidence": self.evidence}
