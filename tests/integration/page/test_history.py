"""The history on the page in a real browser: small charts, gaps, ranges, a large chart, one cheap request."""

import json
import math
import re
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from browser import Browser
from harness import WRITE_HEADERS, Collector, now_ms, write_request

EVIL = "<img src=x onerror=window.owned=1>"
RULES = Path(__file__).resolve().parents[3] / "dashboards/alerts/history.rules.yml"
DAY = 86_400_000

collector = Collector("ingest: { local: true }\n")
browser = None
end = 0  # of the samples: when they are written


def observed():
    hour = range(end - 3_600_000, end + 1, 10_000)
    for host in ("web-01", "web-02"):
        labels = {"instance": host, "agent": host, "job": "node"}
        # web-02 was silent from 40 to 20 minutes ago.
        times = [t for t in hour if host == "web-01" or not end - 2_400_000 < t < end - 1_200_000]
        yield {"__name__": "node_cpu_seconds_total", "cpu": "0", "mode": "idle", **labels}, [(t, 1e6 + (t - end) / 1000 * 0.75) for t in times]
        yield {"__name__": "node_cpu_seconds_total", "cpu": "0", "mode": "user", **labels}, [(t, 1e6 + (t - end) / 1000 * 0.25) for t in times]
        yield {"__name__": "node_memory_MemAvailable_bytes", **labels}, [(t, 2e9) for t in times]
        yield {"__name__": "node_memory_MemTotal_bytes", **labels}, [(t, 8e9) for t in times]
    yield {"__name__": "lapwing_replication_lag_seconds", "replica": "web-02", "primary": "web-01", "channel": "", "instance": "monitor"}, [(t, 3.0) for t in hour]
    yield {"__name__": "node_memory_MemAvailable_bytes", "instance": EVIL, "agent": EVIL}, [(t, 1.0) for t in hour]
    yield {"__name__": "node_memory_MemTotal_bytes", "instance": EVIL, "agent": EVIL}, [(t, 4.0) for t in hour]


def recorded():
    last = end // 300_000 * 300_000
    # A peak of five minutes, three days ago.
    yield ({"__name__": "instance_measure:history:avg5m", "instance": "web-01", "measure": "cpu"},
           [(t, 0.9 if t == last - 3 * DAY else 0.1) for t in range(last - 8 * DAY, last + 1, 300_000)])
    last = end // 3_600_000 * 3_600_000
    yield ({"__name__": "instance_measure:history:max1h", "instance": "web-01", "measure": "cpu"},
           [(t, 0.8 if t == last - 60 * DAY else 0.2) for t in range(last - 89 * DAY, last + 1, 3_600_000)])


def visit(query=""):
    browser.call("Page.navigate", url=f"http://127.0.0.1:{collector.people_port}/{query}")
    browser.until("document.readyState === 'complete' && document.querySelectorAll('#history .small-chart').length > 0")


@pytest.fixture(scope="module", autouse=True)
def running():
    global browser, end
    try:
        collector.start()
        end = now_ms() // 10_000 * 10_000
        every = [(labels, samples) for source in (observed(), recorded()) for labels, samples in source]
        assert collector.people("/api/v1/write", "POST", write_request(every), WRITE_HEADERS).status == 204
        browser = Browser("about:blank").watch()
        visit()
        yield
    finally:
        if browser:
            browser.close()
        collector.close()


def names():
    return browser.value("[...document.querySelectorAll('#history .small-chart')].map((b) => b.getAttribute('aria-label'))")


def requests():
    """The parameters of each request for a range, in their order."""
    urls = browser.value("performance.getEntriesByType('resource').map((e) => e.name).filter((n) => n.includes('/query_range'))")
    return [{name: value for name, [value] in parse_qs(urlsplit(url).query).items()} for url in urls]


def choose(text):
    browser.value(f"[...document.querySelectorAll('#ranges button')].find((b) => b.textContent === {json.dumps(text)}).click()")


def path_of(label):
    return browser.value(f"[...document.querySelectorAll('#history .small-chart')].find((b) => b.getAttribute('aria-label').startsWith({json.dumps(label)})).querySelector('.values').getAttribute('d')")


def test_each_host_has_its_charts():
    assert [name.split(":")[0] for name in names()] == [
        f"Memory of {EVIL}", "CPU of web-01", "Memory of web-01", "Replication lag of web-02", "CPU of web-02", "Memory of web-02"], names()
    assert "CPU of web-01: 25 %, at most 25 %. Enlarge" in names() and "Replication lag of web-02: 3 s, at most 3 s. Enlarge" in names()
    assert "Memory of web-02: 75 %, at most 75 %. Enlarge" in names()


def test_one_request_reads_everything():
    [asked] = requests()
    points = (int(asked["end"]) - int(asked["start"])) / int(asked["step"]) + 1
    assert points <= 300 and math.isclose(int(asked["end"]) - int(asked["start"]), 3600, abs_tol=15), asked


def test_a_gap_is_a_gap():
    assert path_of("CPU of web-01").count("M") == 1
    assert path_of("CPU of web-02").count("M") == 2


def test_a_chart_is_enlarged():
    assert not browser.value("typeof Chart !== 'undefined'")
    browser.value("[...document.querySelectorAll('.small-chart')].find((b) => b.getAttribute('aria-label').startsWith('CPU of web-02')).focus()")
    browser.press("Enter")
    browser.until("document.querySelector('dialog canvas') !== null")
    assert browser.value("document.querySelector('dialog').open && document.querySelector('dialog h2').textContent") == "CPU of web-02"
    line = browser.value("Chart.getChart(document.querySelector('dialog canvas')).data.datasets[0].data.map((p) => p.y)")
    shown = [round(y, 3) for y in line if y is not None]
    assert set(shown) == {0.25} and 60 < line.count(None) < 110, line
    link = browser.value("document.querySelector('dialog a').getAttribute('href')")
    assert link.startswith("graph?g0.expr=1+-+sum+by") and "g0.tab=0" in link, link
    browser.press("Escape")
    browser.until("!document.querySelector('dialog').open")
    assert browser.value("document.activeElement.getAttribute('aria-label')").startswith("CPU of web-02")


def test_a_week_keeps_its_peaks():
    choose("7 days")
    browser.until("location.search === '?range=1w' && document.querySelector('#history .small-chart').getAttribute('aria-label').includes('90 %')")
    assert names() == ["CPU of web-01: 10 %, at most 90 %. Enlarge"]
    asked = requests()[-1]
    assert len(requests()) == 2 and (int(asked["end"]) - int(asked["start"])) / int(asked["step"]) < 300, asked
    assert "highest value within" in browser.text("#history-said")
    assert browser.value("document.querySelector('#ranges [aria-pressed=true]').textContent") == "7 days"


def test_ninety_days():
    choose("90 days")
    browser.until("document.querySelector('#history .small-chart').getAttribute('aria-label').includes('80 %')")
    asked = requests()[-1]
    assert "max1h" in asked["query"] and (int(asked["end"]) - int(asked["start"])) / int(asked["step"]) < 300, asked


def test_the_range_is_in_the_address():
    visit("?range=1d")
    assert browser.value("document.querySelector('#ranges [aria-pressed=true]').textContent") == "24 h"
    stamp = lambda ms: time.strftime("%Y-%m-%d+%H:%M:%S", time.gmtime(ms / 1000))  # noqa: E731
    visit(f"?from={stamp(end - 3 * DAY - DAY // 2)}&to={stamp(end - 3 * DAY + DAY // 2)}")
    asked = requests()[-1]
    assert abs(int(asked["end"]) - (end - 3 * DAY + DAY // 2) / 1000) < 300, asked
    assert "at most 90 %" in names()[0]


def test_any_range_can_be_entered():
    visit("?range=1d")
    browser.value("document.querySelector('#from').value = '2026-01-02T10:00:00'; document.querySelector('#to').value = '2026-01-02T09:00:00'; document.querySelector('#span button').click()")
    browser.until("document.querySelector('#history-problem').textContent.includes('after the begin')")
    browser.value("document.querySelector('#to').value = '2026-01-05T10:00:00'; document.querySelector('#span button').click()")
    browser.until("document.querySelector('#history').innerText.includes('Nothing is recorded in this range')")
    assert "from=2026-01-0" in browser.value("location.search") and browser.value("document.querySelector('#ranges [aria-pressed=true]') === null")


def test_the_expressions_are_those_of_the_rules():
    browser.value("import('/history/measures.js').then((m) => { window.known = m.MEASURES.map((e) => [e.name, e.expression('5m')]); }) && 1")
    shown = dict(browser.until("window.known"))
    rules = {rule["labels"]["measure"]: rule["expr"] for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]}
    flat = lambda text: re.sub(r"\s+", " ", text).strip()  # noqa: E731
    assert {name: flat(text) for name, text in shown.items()} == {name: flat(text) for name, text in rules.items()}


def test_it_fits_narrow_and_wide_screens():
    visit("?range=7d")
    browser.value("document.querySelector('.small-chart').click()")
    browser.until("document.querySelector('dialog canvas') !== null")
    for width in (320, 3840):
        browser.call("Emulation.setDeviceMetricsOverride", width=width, height=700, deviceScaleFactor=1, mobile=width < 500)
        browser.until(f"document.documentElement.scrollWidth <= {width} && document.querySelector('dialog').getBoundingClientRect().width <= {width}")
    browser.call("Emulation.clearDeviceMetricsOverride")
    browser.press("Escape")


def test_markup_stays_text_and_nothing_was_refused():
    visit()
    assert EVIL in browser.text("#history")
    assert browser.value("window.owned") is None and browser.value("document.images.length") == 1
    assert browser.complaints() == ""


def test_a_collector_that_is_away_is_said():
    collector.kill()
    choose("6 h")
    browser.until("document.querySelector('#history-said').textContent.includes('the collector does not answer')")
    assert browser.value("document.querySelector('#history').classList.contains('stale')")
