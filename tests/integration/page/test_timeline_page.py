"""The timeline in a real browser: what happened at three, links to alerts and findings, hostile names."""

import json
import struct
import time
from urllib.parse import urlencode

import pytest
from browser import Browser
from harness import WRITE_HEADERS, Collector, now_ms, write_request

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
EVIL = "<img src=x onerror=window.owned=1>"
MINUTE = 60_000
DAY = 1440 * MINUTE

collector = Collector("ingest: { local: true }\n")
browser = None
now = now_ms() // 1000 * 1000


@pytest.fixture(scope="module", autouse=True)
def running():
    global browser
    try:
        collector.start()
        alert = {"__name__": "ALERTS", "alertname": EVIL, "alertstate": "firing", "instance": "web-01"}
        finding = {"__name__": "lapwing_finding", "id": "F4", "subject": "web-02", "severity": "high", "confidence": "confirmed"}
        boot = {"__name__": "node_boot_time_seconds", "instance": "web-02"}
        every = [(alert, [(now - 50 * MINUTE, 1.0), (now - 40 * MINUTE, STALE)]),
                 (finding, [(now - 3 * DAY, 1.0), (now - 3 * DAY + 5 * MINUTE, STALE)]),
                 (boot, [(now - 31 * MINUTE, (now - DAY) / 1000), (now - 30 * MINUTE, (now - 30.5 * MINUTE) / 1000)])]
        assert collector.people("/api/v1/write", "POST", write_request(every), WRITE_HEADERS).status == 204
        browser = Browser("about:blank").watch()
        yield
    finally:
        if browser:
            browser.close()
        collector.close()


def visit(**parameters):
    browser.call("Page.navigate", url=f"http://127.0.0.1:{collector.people_port}/timeline?{urlencode(parameters)}")
    browser.until("document.readyState === 'complete' && document.querySelector('#said').textContent !== ''")


def rows():
    return browser.value("[...document.querySelectorAll('#events li')].map((n) => n.querySelector('.chip').textContent + ': ' + n.querySelector('.what').textContent)")


def test_the_last_day_newest_first():
    visit()
    # The collector tells its own findings, too.
    mine = [row for row in rows() if "web-0" in row]
    assert mine == ["restart: web-02 was booted", f"alert over: {EVIL} has ended instance=web-01", f"alert: {EVIL} fires instance=web-01"], rows()
    assert browser.value("document.querySelector('#ranges [aria-pressed=true]').textContent") == "24 h"


def test_markup_stays_text():
    assert browser.value("window.owned") is None and browser.value("document.images.length") == 1 and browser.complaints() == ""


def test_it_is_filtered_by_a_word():
    browser.value("(() => { const f = document.querySelector('#filter'); f.value = 'BOOTED'; f.dispatchEvent(new Event('input')); })()")
    assert rows() == ["restart: web-02 was booted"]


def test_what_happened_then():
    stamp = lambda ms: time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(ms / 1000))  # noqa: E731
    visit(**{"from": stamp(now - 3 * DAY - 10 * MINUTE), "to": stamp(now - 3 * DAY + 10 * MINUTE)})
    assert rows() == ["finding over: Finding F4 on web-02 is gone", "finding: Finding F4 on web-02 stands"], rows()
    assert browser.value("document.querySelector('#events a').getAttribute('href')") == "finding?id=F4&subject=web-02"


def test_a_link_leads_to_the_alert():
    visit()
    href = browser.until("document.querySelector('#events a[href^=\"alert\"]')?.getAttribute('href')")
    browser.call("Page.navigate", url=f"http://127.0.0.1:{collector.people_port}/{href}")
    browser.until(f"document.querySelector('#headline')?.textContent === {json.dumps(EVIL + ' is over')}")
    assert browser.complaints() == ""


def test_ranges_and_narrow_screens():
    visit(range="7d")
    assert any("Finding F4" in row for row in rows())
    browser.call("Emulation.setDeviceMetricsOverride", width=320, height=700, deviceScaleFactor=1, mobile=True)
    browser.until("document.documentElement.scrollWidth <= 320")
    browser.call("Emulation.clearDeviceMetricsOverride")
    browser.value("document.querySelector('#from').value = '2026-01-02T10:00:00'; document.querySelector('#to').value = '2026-01-20T10:00:00'; document.querySelector('#span button').click()")
    browser.until("document.querySelector('#problem').textContent.includes('7 days at most')")


def test_a_collector_that_is_away_is_said():
    collector.kill()
    browser.value("document.querySelector('#ranges button').click()")
    browser.until("document.querySelector('#problem').textContent === 'Cannot reach the collector.'")
