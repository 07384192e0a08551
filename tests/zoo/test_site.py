"""A site of some shape is watched: what Lapwing says is what its description says, and nothing else."""

import contextlib
import os

from claims import contradictions
from watched import is_named, names, run, silent_probes

LONG = os.environ.get("LAPWING_LONG") == "1"


def said_wrongly(site, before):
    return sorted(site.problems() - before)


def test_the_findings_that_stand(site, shape):
    site.missing |= site.until(lambda _, findings, __: shape.findings - findings, 100)
    assert not site.problems(), site.verdict()


def test_healthy_minutes(site, shape):
    """Nothing is told but the truth, and every probe delivers but those that the site silences."""
    before = site.problems()
    site.watch((3600 if shape.hour else 300) if LONG else 40)
    site.missing |= site.until(lambda alerts, findings, _: (shape.findings - findings) | {each for each in shape.alerts if not any(
        names(each, alert) for alert in alerts)}, 30)
    assert not said_wrongly(site, before), site.verdict()
    assert {each for each in silent_probes() if not is_named(each, shape.silent)} == set()


def test_findings_and_what_if_agree():
    """Twice, since the answers are read one after the other."""
    assert not contradictions() or not contradictions()


@contextlib.contextmanager
def injected(fault):
    try:
        run(fault.inject)
        yield
    finally:
        run(fault.clear)


def test_fault(site, shape, fault):
    """The fault is told with its cause and its subject, within its time, and nothing that is not true meanwhile. Then it ends."""
    before = site.problems()
    right = {"alerts": [*fault.alerts, *fault.also], "findings": fault.findings | fault.may_find, "causes": fault.causes}

    def untold(alerts, findings, causes):
        return ({each for each in fault.alerts if not any(names(each, alert) for alert in alerts)} | (fault.findings - findings)
                | {f"{replica}: {cause}" for replica, cause in fault.cause.items() if causes.get(replica) != cause})

    def still_told(alerts, findings, causes):
        return ({f"still {each}" for each in alerts if not is_named(each, shape.alerts)} | {f"still {each}" for each in findings - shape.findings}
                | {f"still {replica}: {cause}" for replica, cause in causes.items() if fault.cause.get(replica) == cause})

    with injected(fault):
        site.missing |= {f"{fault.name}: {each}" for each in site.until(untold, fault.within, **right)}
        assert not contradictions() or not contradictions()
    # The end of a fault is told as soon as its beginning, and probes that run each minute end later.
    site.missing |= {f"{fault.name}: {each}" for each in site.until(still_told, fault.within + 90, **right)}
    assert not said_wrongly(site, before), site.verdict()
