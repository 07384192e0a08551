"""Webhooks with a body of their own: the examples of docs/alerts.md, headers from files, and mistakes that check-config finds."""

import json
import os
import re

import pytest
from sink import secret

KEY = "A0123456789abcde"
DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../docs/alerts.md")


def example(name):
    """The receiver NAME of the example in the documents, as YAML."""
    with open(DOCS, encoding="utf-8") as text:
        found = re.search(rf"^    - name: {name}\n(?:      .*\n)+", text.read(), re.MULTILINE)
    assert found, name
    return found.group(0)


def sent(collector, sink):
    done = collector.run("notify", "test")
    assert done.returncode == 0, (done.stdout, done.stderr)
    return [(path, headers, json.loads(body)) for path, headers, body in sink.requests]


def test_mattermost(collector, sink):
    receiver = example("mattermost").replace("/etc/lapwing/mattermost.url", secret(collector, "url", sink.url("/hooks/" + KEY)))
    collector.write_config("notify:\n  webhook:\n" + receiver)
    (path, headers, firing), (_, _, resolved) = sent(collector, sink)
    assert path == "/hooks/" + KEY and headers["Content-Type"] == "application/json"
    assert set(firing) == {"username", "text"} and firing["username"] == "Lapwing"
    assert "nothing is wrong" in firing["text"] and "/alert?name=LapwingTest&fingerprint=" in firing["text"]
    assert firing["text"].startswith("#### [FIRING:1] LapwingTest") and resolved["text"].startswith("#### [RESOLVED] LapwingTest")


def test_gotify(collector, sink):
    receiver = example("gotify").replace("/etc/lapwing/gotify.token", secret(collector, "token", KEY))
    receiver = receiver.replace("https://push.example.org", sink.url())
    collector.write_config("notify:\n  webhook:\n" + receiver)
    (path, headers, firing), (_, _, resolved) = sent(collector, sink)
    assert path == "/message" and headers["X-Gotify-Key"] == KEY
    assert (firing["priority"], resolved["priority"]) == (5, 2) and "nothing is wrong" in firing["message"]
    assert firing["extras"]["client::notification"]["click"]["url"].startswith("http")


def test_method_type_and_headers_are_the_configured_ones(collector, sink):
    sink.status = 418
    file = secret(collector, "token", KEY)
    collector.write_config(f"""notify:
  webhook:
    - {{ url: "{sink.url('/')}", format: template, method: PUT, header_files: {{ X-Key: {file} }}, headers: {{ Content-Type: text/plain }}, body: '{{{{ .Subject }}}}' }}
""")  # fmt: skip
    done = collector.run("notify", "test")
    assert done.returncode == 3 and "answered HTTP 418" in done.stderr and KEY not in done.stdout + done.stderr, done
    [(_, headers, body)] = sink.requests
    assert headers["Content-Type"] == "text/plain" and headers["X-Key"] == KEY and body == b"[FIRING:1] LapwingTest"


def test_no_message_repeats_a_header_that_the_receiver_repeats(collector, sink):
    sink.status = 403
    sink.answer = f"no access for Token {KEY}, {KEY}, production and production-{KEY}; send text/plain".encode()
    collector.write_config(f"""notify:
  webhook:
    - {{ url: "{sink.url('/')}", format: template, headers: {{ Content-Type: text/plain, A: production, X-Key: Token {KEY}, Z: production-{KEY} }}, body: '{{{{ .Subject }}}}' }}
""")  # fmt: skip
    done = collector.run("notify", "test")
    assert done.returncode == 3 and "answered HTTP 403: no access for ***, ***, *** and ***; send text/plain" in done.stderr, done


@pytest.mark.parametrize(
    "more, problem",
    (
        ("format: template", "needs either body, a template, or body_file"),
        ("format: template, body: '{\"a\": \"{{ .Subject }}\"}'", "webhook[0].body: the body is no JSON at line 1"),
        ("format: template, body: '{{ .Subject'", "webhook[0].body: template: line 1: unclosed action"),
        ("format: template, body: '{{ nonsense }}'", "nonsense"),
        ("format: template, body: '{}', body_file: /nowhere", "needs either body, a template, or body_file"),
        ("format: template, body_file: /nowhere", "webhook[0].body_file: "),
        ("format: template, body: '{}', header_files: { X-Key: /nowhere }", "header_files.X-Key: reading"),
        ("format: template, body: '{}', headers: { Authorization: x }", "is set by the collector itself"),
        ("format: template, body: '{}', headers: { 'X Y': x }", "is not a header that HTTP allows"),
        ("format: template, body: '{}', method: GET", "method must be POST, PUT or PATCH"),
        ("body: '{}'", "body belongs to format: template"),
    ),
)
def test_check_config_names_the_mistake(collector, more, problem):
    collector.write_config(f"notify: {{ webhook: [ {{ url: 'https://hooks.example.org/', {more} }} ] }}\n")
    done = collector.run("check-config")
    assert done.returncode == 2 and problem in done.stderr, done


def test_a_secret_is_not_sent_in_clear(collector):
    file = secret(collector, "token", KEY)
    collector.write_config(f"notify: {{ webhook: [ {{ url: 'http://hooks.example.org/', format: template, body: '{{}}', header_files: {{ X-Key: {file} }} }} ] }}\n")
    done = collector.run("check-config")
    assert done.returncode == 2 and "would send the secret in clear" in done.stderr and KEY not in done.stderr, done
