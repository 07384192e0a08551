"""The findings of an unsecured site, each with evidence from both ends, and their end behind a firewall."""

from lab import findings, note, query, until, value


def well_founded(finding):
    sources = {line["source"] for line in finding["evidence"]}
    assert len(sources) >= 2, f"{finding['id']} {finding['subject']}: evidence from {sorted(sources)} alone"
    assert finding["remedy"].strip(), f"{finding['id']} {finding['subject']} has no remedy"
    return finding


def standing(id, part):
    """The finding of that id whose subject names `part`, once its evidence comes from two sources."""
    for finding in findings(id=id):
        if part in finding["subject"]:
            return well_founded(finding)
    return None


def test_the_load_balancer_is_a_single_point_of_failure():
    finding = until(lambda: standing("R1", "lb-01"), 60, "R1 for lb-01")
    assert finding["severity"] == "critical" and finding["confidence"] == "confirmed", finding
    assert "haproxy" in finding["subject"], finding


def test_both_web_servers_lack_a_firewall():
    for host in ("web-01", "web-02"):
        finding = until(lambda: standing("F1", host), 90, f"F1 for {host}")
        assert finding["severity"] == "high", finding


def test_both_databases_are_open():
    for host in ("web-01", "web-02"):
        finding = until(lambda: standing("F2", host), 150, f"F2 for the database on {host}")
        assert finding["severity"] == "critical", finding


def test_the_statistics_page_is_open():
    finding = until(lambda: standing("F3", "lb-01"), 150, "F3 for lb-01")
    assert finding["severity"] == "high" and finding["confidence"] == "confirmed", finding


def test_nobody_would_be_told_that_the_collector_stopped():
    finding = until(lambda: standing("R11", "monitor"), 60, "R11 for the collector")
    assert finding["severity"] == "medium", finding


def test_what_cannot_be_proven_is_said():
    finding = until(lambda: next((f for f in findings(id="F14") if "lb-01" in f["subject"]), None), 60, "F14 for lb-01")
    assert finding["confidence"] == "unknown", finding
    assert finding["evidence"], "F14 shows nothing of what was tried"


def test_findings_are_samples_too():
    series = {(s["metric"]["id"], s["metric"]["subject"]) for s in query("lapwing_finding")}
    listed = {(f["id"], f["subject"]) for f in findings()}
    assert listed and listed <= series, listed - series


def test_a_firewall_ends_f1_and_f2_and_its_absence_brings_them_back(fault):
    def gone():
        left = [f"{f['id']} {f['subject']}" for f in findings() if f["id"] in ("F1", "F2") and "web-0" in f["subject"]]
        assert not left, "still there: " + ", ".join(left)
        return True

    with fault("firewall"):
        until(gone, 180, "F1 and F2 gone behind a firewall")
        note("gone; R1 is untouched: " + str(bool(findings(id="R1"))))
        assert findings(id="R1")
        assert value('up{job="mysql",instance="web-02"}') == 1
    for host in ("web-01", "web-02"):
        until(lambda: standing("F1", host), 180, f"F1 for {host} again")
        until(lambda: standing("F2", host), 180, f"F2 for {host} again")
