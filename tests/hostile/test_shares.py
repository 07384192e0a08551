"""One agent sends more than its share: samples, requests, documents. The others lose nothing."""

import os
import time

import pytest
from attacks import MB, AttackedSite
from harness import LONG, now_ms

HONEST_P99 = 2.0  # seconds; the machine of the test may be busy


def metric(collector, text):
    lines = [line for line in collector.people("/metrics").body.decode().splitlines() if line.startswith(text)]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def test_samples_beyond_the_rate():
    with AttackedSite("ingest: { agent: { max_samples_per_second: 1000 } }\n") as site:
        with site.attack("samples far beyond the rate", limit="samples a second of one agent, on average; 64 bytes of a document count as a sample", p99=HONEST_P99) as attack:
            connection = site.attacker()
            refused = None
            now = now_ms()
            for batch in range(40):
                series = [({"__name__": "fast", "i": str(i)}, [(now - 100_000 + batch * 50 + j, 1.0) for j in range(10)]) for i in range(100)]
                answer = connection.write(series)
                if answer.status == 429:
                    refused = answer
                    break
                assert answer.status == 204, (answer.status, answer.body)
            assert refused is not None and int(refused.headers["Retry-After"]) >= 1 and b"web-01" in refused.body
            attack.told = "429"
        assert metric(site.collector, "lapwing_collector_ingest_limited_total{") > 0

        def told():
            site.attacker().write(series)
            return "web-01 sends more than its budget" in site.collector.run("status").stdout

        site.until(told)


@pytest.mark.skipif(not LONG, reason="the short version is test_samples_beyond_the_rate")
def test_samples_beyond_the_default_rate(site):
    with site.attack("100,000 samples a request, again and again", limit="samples a second of one agent, on average; 64 bytes of a document count as a sample", memory=128 * MB) as attack:
        connection = site.attacker()
        until = time.monotonic() + 60
        refused = 0
        while time.monotonic() < until:
            now = now_ms()
            answer = connection.write([({"__name__": "fast", "i": str(i)}, [(now + j, 1.0) for j in range(50)]) for i in range(1000)])
            assert answer.status in (204, 400, 429), answer.status
            refused += answer.status == 429
            if answer.status == 429:
                time.sleep(int(answer.headers["Retry-After"]))
        attack.told = f"{refused} times 429"


def test_documents_leave_others_samples_alone():
    """Ninety documents of one agent made retention.size delete half of everybody's samples."""
    with AttackedSite("retention: { size: 64MB }\ningest: { agent: { max_samples_per_second: 1000000 } }\n") as site:
        now = now_ms()
        old = [({"__name__": "old", "i": str(i)}, [(now - 3_000_000 + j * 1000, float(j * i % 7919)) for j in range(2000)]) for i in range(20)]
        assert site.attacker().write(old).status == 204
        with site.attack("90 documents of 1 MB that do not compress", limit="bytes of the documents of one agent, as stored", p99=HONEST_P99) as attack:
            connection = site.attacker()
            for number in range(90):
                answer = connection.post("/api/lapwing/v1/documents?kind=ruleset", os.urandom(MB), {})
                assert answer.status in (200, 429), (number, answer.status, answer.body)
                if answer.status == 429:
                    time.sleep(int(answer.headers["Retry-After"]))
                    connection = site.attacker()
            attack.told = "its oldest ones are deleted"
        kept = metric(site.collector, 'lapwing_collector_document_bytes{sender="web-01"}')
        assert kept <= 64 * MB / 4, kept
        assert metric(site.collector, "lapwing_collector_retention_size_dropped_total") == 0
        assert int(site.collector.query('sum(count_over_time(old[2h]))')[0]["value"][1]) == 40_000
        assert metric(site.collector, 'lapwing_collector_documents_dropped_total{sender="web-01"}') > 0
        site.until(lambda: "its documents have" in site.collector.log_text())


def test_documents_that_series_name_are_refused_at_last():
    with AttackedSite("ingest: { agent: { max_document_bytes: 1MB } }\n") as site:
        with site.attack("documents that series name", limit="bytes of the documents of one agent, as stored", p99=HONEST_P99) as attack:
            connection = site.attacker()
            for number in range(10):
                answer = connection.post("/api/lapwing/v1/documents?kind=ruleset", os.urandom(200_000), {})
                if answer.status != 200:
                    break
                digest = answer.body.decode().strip()
                assert connection.write([({"__name__": "lapwing_firewall_ruleset_info", "instance": "web-01", "digest": digest}, [(now_ms(), 1.0)])]).status == 204
            assert answer.status == 429 and int(answer.headers["Retry-After"]) >= 60 and b"web-01" in answer.body, (answer.status, answer.body)
            attack.told = "429"
