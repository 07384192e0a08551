"""The expression page in a real browser: Prometheus' addresses, completion, errors at their place, table and chart, gaps, bounds."""

import json
import re
import time
import urllib.parse
from pathlib import Path

import pytest
from browser import Browser
from harness import WRITE_HEADERS, Collector, now_ms, write_request

EVIL = "<img src=x onerror=window.owned=1>"
SOURCES = Path(__file__).resolve().parents[3] / "collector"

collector = Collector("ingest: { local: true }\n")
browser = None
end = 0  # of the samples: when they are written


def series():
    minutes = range(60)
    yield {"__name__": "lamp_brightness", "room": "hall", "instance": "web-01"}, [(end - m * 60_000, 60.0 - m) for m in minutes]
    # No sample between the minutes 20 and 40.
    yield {"__name__": "lamp_brightness", "room": "attic", "instance": "web-02"}, [(end - m * 60_000, 5.0) for m in minutes if not 20 < m < 40]
    yield {"__name__": "lamp_hostile", "room": EVIL}, [(end - m * 60_000, 1.0) for m in minutes]
    for number in range(600):
        yield {"__name__": "lamp_many", "number": str(number)}, [(end, 1.0)]


@pytest.fixture(scope="module", autouse=True)
def running():
    global browser, end
    try:
        collector.start()
        end = now_ms() // 60_000 * 60_000
        every = [(labels, sorted(samples)) for labels, samples in series()]
        assert collector.people("/api/v1/write", "POST", write_request(every), WRITE_HEADERS).status == 204
        browser = Browser("about:blank").watch()
        yield
    finally:
        if browser:
            browser.close()
        collector.close()


@pytest.fixture(autouse=True)
def nothing_refused():
    yield
    assert browser.complaints() == ""


def visit(query):
    browser.call("Page.navigate", url=f"http://127.0.0.1:{collector.people_port}/graph{query}")
    until("document.readyState === 'complete' && document.querySelectorAll('.panel').length > 0")


def until(script):
    return browser.until(script)


def until_text(*words, selector="#panels"):
    wanted = json.dumps(words)
    until(f"{wanted}.every((word) => document.querySelector({json.dumps(selector)})?.innerText.includes(word))")


def press(key):
    browser.press(key)


def write(text):
    browser.value("document.querySelector('textarea').focus(); document.querySelector('textarea').select()")
    browser.call("Input.insertText", text=text)


def address(**values):
    return "?" + urllib.parse.urlencode({f"g0.{name}": value for name, value in values.items()})


def at(milliseconds):
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(milliseconds / 1000))


def choices():
    return browser.value("[...document.querySelectorAll('[role=option] .name')].map((n) => n.textContent)")


def test_a_link_of_an_alert_shows_its_table():
    visit(address(expr='lamp_brightness{room="hall"} > 1', tab=1, end_input=at(end)))
    until_text('lamp_brightness{instance="web-01", room="hall"}', "60", "1 series")
    assert browser.value("document.querySelector('[aria-selected=true][role=tab]').textContent") == "Table"
    assert browser.value("document.querySelector('textarea').value") == 'lamp_brightness{room="hall"} > 1'


def test_the_library_of_the_charts_is_loaded_when_one_is_drawn():
    assert not browser.value("typeof Chart !== 'undefined'")
    browser.value("document.querySelectorAll('[role=tab]')[1].click()")
    until("typeof Chart !== 'undefined' && document.querySelector('canvas') !== null")


def points():
    """The values of each line that Chart.js draws, by name."""
    until("document.querySelector('.legend') !== null")
    return browser.value("""(() => { const chart = Chart.getChart(document.querySelector('canvas'));
        return Object.fromEntries(chart.data.datasets.map((d) => [d.label, d.data.map((p) => p.y)])); })()""")


def test_a_gap_is_a_gap():
    visit(address(expr="lamp_brightness", tab=0, range_input="1h", end_input=at(end), step_input="60"))
    until("document.querySelector('canvas') !== null && document.querySelectorAll('.legend li').length === 2")
    lines = points()
    hall, attic = lines['lamp_brightness{instance="web-01", room="hall"}'], lines['lamp_brightness{instance="web-02", room="attic"}']
    assert len(hall) == len(attic) == 61 and hall[-1] == 60 and hall[0] is None, hall
    # The lookback of five minutes carries a value on, then nothing is invented.
    assert attic[-21:] == [5] * 21 and attic[-36:-21] == [None] * 15 and attic[-41:-36] == [5] * 5, attic
    assert browser.value("Chart.getChart(document.querySelector('canvas')).options.spanGaps") is False
    label = browser.value("document.querySelector('canvas').getAttribute('aria-label')")
    assert "lamp_brightness" in label and "2 lines" in label, label


def test_a_line_can_be_hidden():
    browser.value("document.querySelector('.legend button').click()")
    assert browser.value("document.querySelector('.legend button').getAttribute('aria-pressed')") == "false"
    assert browser.value("Chart.getChart(document.querySelector('canvas')).isDatasetVisible(0)") is False


def test_several_panels():
    query = urllib.parse.urlencode({"g0.expr": "1 + 1", "g0.tab": 1, "g1.expr": "lamp_brightness", "g1.tab": 0, "g1.range_input": "30m"})
    visit("?" + query)
    until("document.querySelectorAll('.panel').length === 2 && document.querySelectorAll('.panel')[1].querySelector('canvas') !== null")
    assert browser.text(".panel .big") == "2"
    browser.value("document.querySelector('[aria-label=\"Remove this panel\"]').click()")
    assert "g1." not in browser.value("location.search") and "lamp_brightness" in browser.value("location.search")


def test_the_address_follows_the_reader():
    visit("")
    write("lamp_brightness")
    press("Escape")
    press("Enter")
    until_text("2 series")
    browser.value("document.querySelectorAll('[role=tab]')[1].click()")
    until("document.querySelector('canvas') !== null")
    browser.value("document.querySelector('[aria-label=\"Longer range\"]').click()")
    found = urllib.parse.parse_qs(until("location.search.includes('3h') && location.search")[1:])
    assert found == {"g0.expr": ["lamp_brightness"], "g0.tab": ["0"], "g0.range_input": ["3h"]}, found
    assert browser.value("document.title") == "lamp_brightness \u00b7 Lapwing"
    browser.value("window.before = true")
    browser.call("Page.reload")
    until("!window.before && document.querySelector('canvas') !== null")
    assert browser.value("document.querySelector('textarea').value") == "lamp_brightness"


def test_an_error_is_shown_at_its_place():
    visit("")
    write('up{room="\u00e4\u00f6"} +')
    press("Enter")
    until_text("parse error: unexpected end of input")
    line, caret = browser.value("document.querySelector('.where').textContent").split("\n")
    assert line == 'up{room="\u00e4\u00f6"} +' and caret.index("^") == len(line), (line, caret)
    assert browser.value("document.querySelector('textarea').getAttribute('aria-invalid')") == "true"
    write("rate(up)")
    press("Enter")
    until_text("expected type range vector")
    line, caret = browser.value("document.querySelector('.where').textContent").split("\n")
    assert (line, caret) == ("rate(up)", "     ^")
    write("1")
    press("Enter")
    until("document.querySelector('.where').hidden && document.querySelector('.problem').textContent === ''")


def test_wrong_fields_are_named():
    visit(address(expr="1", tab=0))
    until("document.querySelector('canvas') !== null")
    browser.value("""(() => { const range = document.querySelector('input.short'); range.value = 'soon'; range.dispatchEvent(new Event('change')); })()""")
    until_text("The range must be a duration")
    assert browser.value("document.querySelector('input.short').getAttribute('aria-invalid')") == "true"


def test_names_are_completed_by_keyboard():
    visit("")
    write("lamp_b")
    until("document.querySelector('[role=option]') !== null")
    assert choices() == ["lamp_brightness"]
    press("Tab")
    assert browser.value("document.querySelector('textarea').value") == "lamp_brightness"
    assert browser.value("document.querySelector('.choices').hidden") and browser.value("document.activeElement.tagName") == "TEXTAREA"
    browser.call("Input.insertText", text="{ro")
    until("document.querySelector('[role=option]') !== null")
    assert choices() == ["room"]
    press("ArrowDown")
    area = "document.querySelector('textarea')"
    assert browser.value(f"{area}.getAttribute('aria-expanded')") == "true"
    assert browser.value(f"document.getElementById({area}.getAttribute('aria-activedescendant')).innerText").startswith("room")
    press("Enter")
    browser.call("Input.insertText", text='="')
    until("document.querySelectorAll('[role=option]').length === 2")
    assert choices() == ["attic", "hall"]
    press("ArrowDown")
    press("ArrowDown")
    press("Enter")
    assert browser.value(f"{area}.value") == 'lamp_brightness{room="hall'


def test_functions_and_lists_of_labels_are_completed():
    visit("")
    write("histogram_q")
    until("document.querySelector('[role=option]') !== null")
    press("Tab")
    assert browser.value("document.querySelector('textarea').value") == "histogram_quantile()"
    write("sum by (inst")
    until("document.querySelector('[role=option]') !== null")
    assert choices() == ["instance"]
    write("a")
    until("document.querySelectorAll('[role=option]').length === 20")
    assert "The first 20 of" in browser.text("#panels")
    press("Escape")
    assert browser.value("document.querySelector('.choices').hidden")


def test_the_completed_functions_are_those_of_the_engine():
    source = (SOURCES / "promql/signatures.cpp").read_text(encoding="utf-8")
    table = source[source.index("table()"):source.index("findFunction")]
    engine = set(re.findall(r'"([a-z_0-9]+)"', table))
    shown = browser.value("import('/expression/language.js').then((m) => { window.known = m.FUNCTIONS; }) && 1") and until("window.known")
    assert set(shown) == engine and len(shown) == len(engine)


def test_many_series_are_cut_and_told():
    visit(address(expr="lamp_many", tab=1, end_input=at(end)))
    until_text("More than 500 series: only the first 500 are listed", "Too many series")
    assert browser.value("document.querySelectorAll('tbody tr').length") == 500
    browser.value("document.querySelectorAll('[role=tab]')[1].click()")
    until_text("More than 50 series: only the first 50 are drawn")
    assert len(points()) == 50


def test_markup_stays_text():
    visit("?" + urllib.parse.urlencode({"g0.expr": "lamp_hostile", "g0.tab": 1, "g1.expr": "lamp_hostile", "g1.tab": 0, "g2.expr": EVIL, "g2.tab": 1}))
    until_text(EVIL, "parse error")
    until("document.querySelector('canvas') !== null && document.querySelector('.legend') !== null")
    write('lamp_hostile{room="<')
    until("document.querySelector('[role=option]') !== null")
    assert choices() == [EVIL]
    assert browser.value("window.owned") is None and browser.value("document.images.length") == 1


def test_it_fits_narrow_and_wide_screens():
    visit("?" + urllib.parse.urlencode({"g0.expr": "lamp_brightness", "g0.tab": 0, "g1.expr": "lamp_hostile", "g1.tab": 1}))
    until("document.querySelector('.legend') !== null && document.querySelector('.values') !== null")
    for width in (320, 3840):
        browser.call("Emulation.setDeviceMetricsOverride", width=width, height=700, deviceScaleFactor=1, mobile=width < 500)
        until(f"document.documentElement.scrollWidth <= {width}")
    browser.call("Emulation.clearDeviceMetricsOverride")


def test_every_field_has_a_name():
    nameless = browser.value("""[...document.querySelectorAll('button, input, textarea, [role=tab]')].filter((n) =>
        !n.getAttribute('aria-label') && !n.textContent.trim() && !(n.labels && n.labels.length)).map((n) => n.outerHTML).join()""")
    assert nameless == ""


def test_lines_follow_the_colour_scheme():
    colours = "JSON.stringify([Chart.getChart(document.querySelector('canvas')).data.datasets[0].borderColor, getComputedStyle(document.body).backgroundColor])"
    shades = []
    for scheme in ("light", "dark"):
        browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        time.sleep(0.2)
        shades.append(browser.value(colours))
    assert shades[0] != shades[1] and "#" in shades[0], shades


def test_a_collector_that_is_away_is_said():
    visit(address(expr="1", tab=1))
    until_text("1 series")
    collector.kill()
    browser.value("document.querySelector('button.main').click()")
    until_text("Cannot reach the collector.")
