"""The picture of the site on the page of a running collector is whole, legible, live and safe. It needs Chromium."""

import json
import time

import pytest
from browser import Browser
from harness import Collector, now_ms

collector = Collector(
    "site:\n"
    "  entry: [ http://10.77.0.10/ ]\n"
    "  replication: [ { primary: web-01, replica: web-02 } ]\n"
    "  groups: [ { name: rack-1, hosts: [ web-02, web-09 ] } ]\n")
bundles = {}
browser = None
ADDRESSES = {"web-01": "10.77.0.11", "web-02": "10.77.0.12"}
EVIL = "<img src=x onerror=window.owned=1>"

states = {"web-01": "UP", "web-02": "UP"}  # of HAProxy's servers


def samples(host):
    yield "lapwing_agent_info", {"job": "agent", "machine_id": host}, 1
    yield "lapwing_agent_address_info", {"job": "agent", "address": ADDRESSES[host], "family": "ipv4", "interface": "eth0"}, 1
    yield "nginx_up", {"job": "nginx"}, states[host] == "UP"
    yield "probe_success", {"job": "app", "url": "http://127.0.0.1:8000/"}, 1
    yield "mysql_up", {"job": "mysql"}, 1
    if host == "web-01":
        yield "up", {"job": "haproxy", "instance": "lb-01", "via": "http"}, 1
        for number, (server, state) in enumerate(states.items()):
            here = {"job": "haproxy", "instance": "lb-01", "via": "http", "proxy": "web", "server": server}
            address = ADDRESSES.get(server, f"10.77.0.{100 + number}") + ":80"
            yield "lapwing_haproxy_server_info", {**here, "address": address, "role": "active", "check": "L7"}, 1
            for each in ("UP", "DOWN"):
                yield "haproxy_server_status", {**here, "state": each}, each == state


def write():
    for host, bundle in bundles.items():
        series = [({"__name__": name, "instance": host, **labels}, [(now_ms(), float(value))])
                  for name, labels, value in samples(host)]
        answer = collector.agent(bundle).write(series)
        assert answer.status == 204, (answer.status, answer.body)


def until(question, what, seconds=60):
    """Waits for a state of the page while the site goes on reporting."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"{what}; the section says: {browser.text('#site')}"
        write()
        time.sleep(0.5)


def topology():
    return collector.people("/api/lapwing/v1/topology").json()["data"]


def component(id):
    """{classes, label, text, ring, box} of what is drawn of a component, or None."""
    return browser.value(f"""(() => {{
        const node = [...document.querySelectorAll('#map .component')].find((each) => each.dataset.id === {json.dumps(id)});
        const box = node?.querySelector('.body').getBoundingClientRect();
        return node ? {{ classes: [...node.classList], label: node.getAttribute('aria-label'), tab: node.tabIndex,
            text: [...node.querySelectorAll('text')].map((each) => each.textContent).join(' '),
            ring: [...(node.querySelector('.ring')?.classList ?? [])].join(' '), box: [box.left, box.top, box.right, box.bottom] }} : null;
    }})()""")


def line(start, end):
    """The classes of the line between two components, or None."""
    return browser.value(f"""(() => {{
        const line = [...document.querySelectorAll('#map .line')].find(
            (each) => each.dataset.from === {json.dumps(start)} && each.dataset.to === {json.dumps(end)});
        return line ? [...line.classList] : null;
    }})()""")


def drawn():
    return browser.value("[...document.querySelectorAll('#map .component')].map((each) => each.dataset.id)")


def press(key, code):
    for kind in ("rawKeyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)


def inside(inner, outer):
    return outer[0] <= inner[0] and outer[1] <= inner[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


def overlap(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def check_geometry():
    """Programs are within their hosts, nothing else overlaps, and each text is within its box."""
    data = topology()
    homes = {e["from"]: e["to"] for e in data["edges"] if e["kind"] == "runs_on"}
    boxes = {id: component(id)["box"] for id in drawn()}
    for program, host in homes.items():
        assert inside(boxes[program], boxes[host]), (program, host, boxes[program], boxes[host])
    ids = sorted(boxes)
    for i, a in enumerate(ids):
        for b in ids[i + 1:]:
            assert homes.get(a) == b or homes.get(b) == a or not overlap(boxes[a], boxes[b]), (a, b)
    outside = browser.value("""[...document.querySelectorAll('#map .component')].flatMap((node) => {
        const box = node.querySelector('.body').getBoundingClientRect();
        return [...node.querySelectorAll('text')].filter((each) => {
            const text = each.getBoundingClientRect();
            return text.left < box.left || text.right > box.right || text.top < box.top - 1 || text.bottom > box.bottom + 1;
        }).map((each) => each.textContent);
    })""")
    assert outside == [], outside


@pytest.fixture(scope="module", autouse=True)
def running():
    global browser
    try:
        bundles.update((host, collector.enrol(host)) for host in ADDRESSES)
        collector.start()
        browser = Browser(f"http://127.0.0.1:{collector.people_port}/", 1100, 1000)
        browser.call("Emulation.setFocusEmulationEnabled", enabled=True)
        yield
    finally:
        if browser:
            browser.close()
        collector.close()


def test_an_empty_site_says_what_is_missing():
    deadline = time.monotonic() + 60
    while "No server of the site is known yet" not in browser.text("#missing"):
        assert time.monotonic() < deadline, browser.text("#site")
        time.sleep(0.3)
    assert "invite HOST" in browser.text("#missing")


def test_every_component_and_every_edge_is_drawn():
    until(lambda: component("mysql@web-02") and component("haproxy@lb-01"), "the picture is never there")
    assert browser.text("#missing") == ""
    data = topology()
    assert sorted(drawn()) == sorted(c["id"] for c in data["components"]), drawn()
    for edge in data["edges"]:
        assert (line(edge["from"], edge["to"]) is None) == (edge["kind"] in ("runs_on", "shares")), edge
    assert {"web@web-01", "app@web-01", "mysql@web-01", "web-01", "group@rack-1", "address@10.77.0.10"} < set(drawn())
    check_geometry()
    for id in drawn():
        found = component(id)
        assert found["tab"] == 0 and ": " in found["label"], found
    tops = [component(id)["box"][1] for id in ("address@10.77.0.10", "haproxy@lb-01", "web@web-01", "app@web-01", "mysql@web-01", "collector@monitor")]
    assert tops == sorted(tops), tops
    assert "unknown" in line("mysql@web-02", "mysql@web-01"), "nobody tells whether the replica follows"
    assert "primary" in component("mysql@web-01")["text"] and "replica" in component("mysql@web-02")["text"]
    assert "in rack-1" in component("web-02")["text"] and "holds web-02" in component("group@rack-1")["text"]


def test_single_points_of_failure_stand_out():
    for id in ("haproxy@lb-01", "lb-01"):
        found = until(lambda: component(id)["ring"] and component(id), id + " is no single point")
        assert found["ring"] == "ring design" and "single point: reading, writing" in found["text"], found
        assert "single point: reading, writing" in found["label"], found
    assert "single point: writing" in component("mysql@web-01")["text"]
    assert component("web@web-02")["ring"] == "" and "single" not in component("web@web-02")["text"]
    row = browser.value("[...document.querySelectorAll('#delivered tbody tr')].find((each) => each.textContent.includes('reading over HTTP')).innerText")
    assert "works" in row and "haproxy@lb-01" in row and "lb-01" in row and "pairs" in row and "DNS" in row, row


def test_the_keyboard_reaches_the_evidence():
    browser.value("document.querySelector('#updated').tabIndex = 0; document.querySelector('#updated').focus()")
    seen = []
    for _ in drawn():
        press("Tab", 9)
        seen.append(browser.value("document.activeElement.dataset.id ?? ''"))
    assert sorted(seen) == sorted(drawn()), seen
    browser.value("document.querySelector('#updated').removeAttribute('tabindex')")
    browser.value("[...document.querySelectorAll('#map .component')].find((each) => each.dataset.id === 'haproxy@lb-01').focus()")
    text = browser.text("#component")
    for words in ("HAProxy on lb-01", "Single point: reading, writing", "haproxy statistics of lb-01", "read by web-01",
                  "spreads requests over Web server on web-02", "web/web-02 is 10.77.0.12:80, UP",
                  "reading over HTTP stops if this alone fails"):
        assert words in text, (words, text)
    browser.value("[...document.querySelectorAll('#component a')].find((each) => each.textContent.startsWith('R1: ')).click()")
    card = browser.value("document.activeElement.closest('details')?.innerText ?? ''")
    assert "R1, haproxy@lb-01" in card and "Remedy" in card, card


def test_a_click_chooses_too():
    left, top, right, bottom = component("mysql@web-02")["box"]
    browser.value("window.scrollTo(0, 0)")
    left, top, right, bottom = component("mysql@web-02")["box"]
    for kind in ("mousePressed", "mouseReleased"):
        browser.call("Input.dispatchMouseEvent", type=kind, x=(left + right) / 2, y=(top + bottom) / 2, button="left", clickCount=1)
    assert "MySQL on web-02" in browser.text("#component") and "is a copy of MySQL on web-01" in browser.text("#component")


def test_the_picture_stays_while_nothing_changes():
    browser.value("window.kept = document.querySelector('#map svg')")
    before = browser.value("performance.getEntriesByType('resource').filter((each) => each.name.endsWith('/topology')).length")
    until(lambda: browser.value("performance.getEntriesByType('resource').filter((each) => each.name.endsWith('/topology')).length") > before + 1,
          "the page asks no more")
    assert browser.value("window.kept === document.querySelector('#map svg')")
    assert browser.value("document.activeElement.dataset.id") == "mysql@web-02"


def test_a_failure_is_red_and_the_focus_stays():
    assert "good" in component("web@web-02")["classes"] and "bad" not in line("haproxy@lb-01", "web@web-02")
    states["web-02"] = "DOWN"
    found = until(lambda: "bad" in component("web@web-02")["classes"] and component("web@web-02"), "web-02 never turns red")
    assert "does not work" in found["text"] and "does not work" in found["label"], found
    assert "bad" in line("haproxy@lb-01", "web@web-02") and "bad" not in line("haproxy@lb-01", "web@web-01")
    # A cross on the line, for people who do not see colours.
    assert browser.value("document.querySelectorAll('#map .line .cut').length") >= 1
    found = until(lambda: component("web@web-01")["ring"] and component("web@web-01"), "web-01 never becomes a single point")
    assert found["ring"] == "ring now" and "single point now: reading" in found["text"], found
    assert browser.value("window.kept !== document.querySelector('#map svg')")
    assert browser.value("document.activeElement.dataset.id") == "mysql@web-02", "the focus is lost"
    check_geometry()
    states["web-02"] = "UP"
    until(lambda: "good" in component("web@web-02")["classes"] and not component("web@web-01")["ring"], "it stays red")


def test_what_does_not_agree_is_listed():
    text = browser.text("#conflicts")
    assert "group@rack-1" in text and "site.groups names web-09, which nobody has seen" in text, text


def test_names_are_text():
    states[EVIL] = "DOWN"
    found = until(lambda: component("web@" + EVIL), "the name is never there")
    assert EVIL in found["label"], found
    browser.value(f"[...document.querySelectorAll('#map .component')].find((each) => each.dataset.id === {json.dumps('web@' + EVIL)}).focus()")
    assert EVIL in browser.text("#component")
    assert browser.value("window.owned") is None and browser.value("document.images.length") == 1
    check_geometry()


def test_twenty_hosts_stay_legible():
    states.update({f"web-{number:02}": "UP" for number in range(3, 20)})
    until(lambda: component("web@web-19"), "the pool never grows")
    assert len([id for id in drawn() if id.startswith("web@")]) == 20
    check_geometry()
    assert browser.value("document.querySelector('#map').scrollWidth <= document.querySelector('#map').clientWidth")
    assert all(f"web-{number:02}" in component(f"web-{number:02}")["text"] for number in range(1, 20)), "a name is cut"
    assert browser.value("document.querySelector('#map svg').getBoundingClientRect().height") < 1200


def test_a_phone_shows_it_whole():
    browser.call("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=2, mobile=True)
    until(lambda: browser.value("document.querySelector('#map svg').getBoundingClientRect().width") < 360, "it is not drawn again")
    assert browser.value("document.documentElement.scrollWidth") <= 360
    assert browser.value("document.querySelector('#map').scrollWidth <= document.querySelector('#map').clientWidth")
    check_geometry()
    browser.call("Emulation.clearDeviceMetricsOverride")
