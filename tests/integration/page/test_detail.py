"""The pages of one alert and of one finding in a real browser: the links of notifications, who was told, commands that work as they stand."""

import json
import os
import subprocess
import time

import pytest
from browser import Browser
from harness import PROGRAM, WRITE_HEADERS, Collector, now_ms, write_request
from sink import Sink, eventually

EVIL = "<img src=x onerror=window.owned=1>"
RULES = """groups:
- name: detail
  rules:
  - alert: LampDark
    expr: lamp_brightness < 5
    labels: { severity: critical }
    annotations: { summary: "The lamp in {{ $labels.room }} is dark", description: "It shines with {{ $value }}.", next_step: "Change the bulb." }
"""
ROOM = "hall 'A\u00e4' \"B\" " + EVIL

sink = Sink()
refusing = Sink()
refusing.status = 400
collector = Collector(
    f"rules_interval: 1s\ningest: {{ local: true }}\nnotify: {{ group_wait: 0s, webhook: [ {{ url: {sink.url()} }}, {{ url: {refusing.url()} }} ] }}\n")
browser = None


@pytest.fixture(scope="module", autouse=True)
def running():
    global browser
    try:
        os.makedirs(collector.path("rules"))
        with open(collector.path("rules/detail.yml"), "w") as out:
            out.write(RULES)
        collector.start()
        shine(1.0)
        browser = Browser("about:blank").watch()
        yield
    finally:
        if browser:
            browser.close()
        collector.close()
        sink.close()
        refusing.close()


@pytest.fixture(autouse=True)
def nothing_refused():
    yield
    assert browser.complaints() == "" and browser.value("window.owned") is None and browser.value("document.images.length") == 1


def shine(value):
    series = [({"__name__": "lamp_brightness", "room": ROOM, "instance": "web-01"}, [(now_ms(), value)]),
              ({"__name__": "lamp_brightness", "room": "cellar", "instance": "web-02"}, [(now_ms(), value)])]
    assert collector.people("/api/v1/write", "POST", write_request(series), WRITE_HEADERS).status == 204


def visit(path):
    browser.call("Page.navigate", url=f"http://127.0.0.1:{collector.people_port}{path}")
    browser.until(f"location.pathname + location.search === {json.dumps(path)} && document.readyState === 'complete' && !document.querySelector('#headline').textContent.startsWith('Asking')")


def until_text(*words):
    # The page asks again when it becomes visible.
    browser.until(f"document.dispatchEvent(new Event('visibilitychange')), {json.dumps(words)}.every((word) => document.body.innerText.includes(word))")


def told():
    """The alert about ROOM as the webhook got it last."""
    every = [alert for _, _, body in list(sink.requests) for alert in json.loads(body)["alerts"] if alert["labels"].get("room") == ROOM]
    return every[-1] if every else None


def page():
    return f"/alert?name=LampDark&fingerprint={told()['fingerprint']}"


def test_the_link_of_a_notification_leads_to_the_alert():
    eventually(told, "the notification")
    visit(page())
    until_text("The lamp in " + ROOM + " is dark", "It shines with 1.", "Change the bulb.", "Firing for", "webhook[0]", "was told that it fires")
    assert browser.value("document.querySelector('#state').className") == "state is-bad"


def test_a_receiver_that_refuses_is_named():
    until_text("webhook[1]")
    eventually(lambda: len(refusing.requests) > 0, "an attempt")
    until_text("refused the message, and the collector gave up", "HTTP 400")


def test_the_course_shows_this_alert_alone():
    browser.until("document.dispatchEvent(new Event('visibilitychange')), document.querySelector('#chart canvas') !== null", 40)
    names = browser.value("[...document.querySelectorAll('.legend .name')].map((n) => n.textContent)")
    assert len(names) == 1 and ROOM in names[0], names
    assert "graph?g0.expr=lamp_brightness" in browser.value("document.querySelector('#chart a').getAttribute('href')")


def test_the_front_page_links_to_it():
    visit("/")
    browser.until("document.querySelectorAll('#alerts details').length === 2")
    links = browser.value("[...document.querySelectorAll('#alerts a')].map((a) => a.getAttribute('href'))")
    assert page()[1:] in links, (page(), links)


def test_the_command_silences_this_alert_alone():
    visit(page())
    until_text("Silence it")
    command = browser.value("[...document.querySelectorAll('.remedy')].map((n) => n.textContent).find((t) => t.includes('silence 1h'))")
    assert command.startswith("sudo lapwing-collector silence 1h --matcher ")
    script = f'sudo() {{ shift; {PROGRAM} --config {collector.config_file} "$@"; }}\n{command}'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    until_text("Silenced: no notification is sent.")
    alerts = collector.people("/api/v1/alerts").json()["data"]["alerts"]
    assert {alert["labels"]["room"]: "silencedBy" in alert for alert in alerts} == {ROOM: True, "cellar": False}


def test_an_alert_that_is_over_is_told_as_over():
    shine(100.0)
    visit(page())
    until_text("LampDark is over", "It fired last at", ROOM)
    assert browser.value("document.querySelector('#state').className") == "state is-good"


def test_an_alert_that_never_was():
    visit("/alert?name=%3Cimg%20src%3Dx%3E&fingerprint=0123456789abcdef")
    until_text("<img src=x>: not known")
    visit("/alert")
    until_text("This address names no alert")


def finding():
    found = collector.people("/api/lapwing/v1/findings").json()["data"]
    return next((each for each in found if each["id"] == "R11"), None)


def test_a_finding_has_a_page():
    eventually(finding, "a finding")
    subject = finding()["subject"]
    visit("/")
    browser.until("document.querySelector('#findings a[href^=\"finding\"]') !== null")
    href = browser.value("document.querySelector('#findings a[href^=\"finding\"]').getAttribute('href')")
    visit("/" + href)
    until_text(finding()["title"], subject, finding()["remedy"].split("\n")[0], finding()["evidence"][0]["text"], "medium")
    visit("/finding?id=R99&subject=web-01")
    until_text("R99 on web-01: not known")


def test_the_command_accepts_this_finding():
    subject = finding()["subject"]
    visit(f"/finding?id=R11&subject={subject}")
    until_text("Let it stand")
    command = browser.value("[...document.querySelectorAll('.remedy')].map((n) => n.textContent).find((t) => t.includes(' accept '))")
    assert command.startswith("sudo lapwing-collector accept R11 "), command
    script = f'sudo() {{ shift; {PROGRAM} --config {collector.config_file} "$@"; }}\n{command}'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    eventually(lambda: finding()["acceptance"] and finding()["acceptance"]["reason"] == "WHY", "the acceptance")
    until_text("It is told to nobody")
    assert "Let it stand" not in browser.text()


def test_it_fits_narrow_screens():
    visit(page())
    until_text("is over")
    browser.call("Emulation.setDeviceMetricsOverride", width=320, height=700, deviceScaleFactor=1, mobile=True)
    browser.until("document.documentElement.scrollWidth <= 320")
    browser.call("Emulation.clearDeviceMetricsOverride")


def test_a_collector_that_is_away_is_said():
    collector.kill()
    time.sleep(0.1)
    browser.value("document.dispatchEvent(new Event('visibilitychange'))")
    until_text("Cannot reach the collector")
