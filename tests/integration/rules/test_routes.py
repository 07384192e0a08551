"""Routes: who is told of what, the alternative while a receiver fails, the end where the beginning was, and what the commands say."""

import json
import os

import pytest
from harness import Collector
from sink import Sink, eventually

phone, sms, chat = Sink(), Sink(), Sink()

RULES = """groups:
  - name: g
    interval: 1s
    rules:
      - { alert: Down, expr: x == 0, labels: { severity: critical } }
      - { alert: Slow, expr: x == 2, labels: { severity: warning } }
"""
RECEIVERS = f"""rules_interval: 1s
ingest: {{ local: on }}
notify:
  group_by: [ "..." ]
  group_wait: 0s
  group_interval: 0s
  webhook:
    - {{ name: phone, url: "{phone.url('/')}" }}
    - {{ name: sms, url: "{sms.url('/')}" }}
    - {{ name: chat, url: "{chat.url('/')}" }}
"""
ROUTES = RECEIVERS + """  routes:
    - { match: [ severity=critical ], to: phone, alternative: sms, alternative_after: AFTER }
    - { to: chat }
"""
collector = Collector(ROUTES.replace("AFTER", "1s"))


def put(instance, value):
    collector.put([({"__name__": "x", "instance": instance}, value)])


def told(sink, instance):
    return [status for status, labels in sink.alerts() if labels["instance"] == instance]


def fingerprint(instance):
    """The alert's fingerprint, from a message."""
    return next(
        alert["fingerprint"] for sink in (phone, sms, chat) for _, _, body in list(sink.requests)
        for alert in json.loads(body)["alerts"] if alert["labels"]["instance"] == instance
    )  # fmt: skip


def known(instance):
    answer = collector.people("/api/lapwing/v1/notifications?fingerprint=" + fingerprint(instance)).json()
    return {each["receiver"]: each for each in answer["data"]}


@pytest.fixture(scope="module", autouse=True)
def running():
    os.makedirs(collector.path("rules"))
    with open(collector.path("rules/a.yml"), "w") as out:
        out.write(RULES)
    collector.start()
    yield
    collector.close()
    for sink in (phone, sms, chat):
        sink.close()


def test_each_alert_goes_its_way():
    put("a", 0)
    put("b", 2)
    eventually(lambda: told(phone, "a") == ["firing"] and told(chat, "b") == ["firing"], "both alerts")
    assert told(sms, "a") == told(sms, "b") == told(chat, "a") == told(phone, "b") == []
    roles = {name: (each["role"], each["told"]) for name, each in known("a").items()}
    assert roles == {"phone": ("addressed", "firing"), "sms": ("alternative", "nothing"), "chat": ("none", "nothing")}
    done = collector.run("alerts")
    assert "phone: told " in done.stdout and "chat: told " in done.stdout and "sms" not in done.stdout, done.stdout


def test_the_alternative_is_told_while_the_receiver_fails_and_across_a_kill():
    phone.status = 500
    put("c", 0)
    eventually(lambda: told(phone, "c"), "an attempt at the phone")
    collector.kill()
    collector.start()
    put("c", 0)
    eventually(lambda: told(sms, "c") == ["firing"], "the alternative")
    eventually(lambda: (put("c", 0), known("c")["sms"]["told"] == "firing")[1], "the alternative's answer")
    assert known("c")["phone"]["waiting"] and "500" in known("c")["phone"]["trouble"]["reason"]
    listed = collector.run("alerts").stdout
    assert "sms (alternative): told " in listed and "phone: not told yet; it fails: answered HTTP 500" in listed, listed
    assert told(chat, "c") == []


def test_the_receiver_is_told_when_it_is_back_and_the_end_goes_to_both():
    # An alert that ended meanwhile would be another case: the sample stays fresh.
    put("c", 0)
    phone.requests.clear()
    phone.status = 200
    eventually(lambda: (put("c", 0), "firing" in told(phone, "c"))[1], "the phone", 90)
    put("d", 0)
    eventually(lambda: told(phone, "d") == ["firing"], "another alert")
    assert told(sms, "d") == []
    put("c", 1)
    eventually(lambda: told(phone, "c")[-1:] == ["resolved"] and told(sms, "c") == ["firing", "resolved"], "the end, at both")
    assert told(chat, "c") == []


def test_a_refusal_for_good_is_told_to_the_alternative():
    phone.status = lambda body: 400 if b'"e"' in body else 200
    put("e", 0)
    eventually(lambda: (put("e", 0), told(sms, "e") == ["firing"])[1], "the alternative")
    eventually(lambda: known("e")["phone"]["given_up"], "the phone to be given up")
    phone.status = 200
    put("e", 1)
    eventually(lambda: told(sms, "e") == ["firing", "resolved"], "the end")
    assert told(phone, "e").count("resolved") == 0  # it was told of no beginning


def test_the_end_goes_where_the_beginning_went_though_the_route_has_changed():
    put("b", 2)
    collector.stop()
    for sink in (phone, chat):
        sink.requests.clear()
    collector.write_config(RECEIVERS + "  routes: [ { to: phone } ]\n")
    collector.start()
    put("b", 2)
    eventually(lambda: told(phone, "b") == ["firing"], "the new route")
    assert told(chat, "b") == []
    put("b", 1)
    eventually(lambda: told(chat, "b") == told(phone, "b")[1:] == ["resolved"], "the end at both")


def test_a_receiver_that_nobody_can_reach_has_an_alternative_at_once():
    gone = Sink()
    gone.close()
    collector.stop()
    collector.write_config(ROUTES.replace("AFTER", "1s").replace(str(phone.port), str(gone.port)))
    collector.start()
    put("f", 0)
    eventually(lambda: (put("f", 0), told(sms, "f") == ["firing"])[1], "the alternative")
    # The failure has lasted already: nothing waits anew.
    put("g", 0)
    eventually(lambda: told(sms, "g") == ["firing"], "the alternative", 10)
    line = "sms is told instead after 1s: severity=\"critical\""
    eventually(lambda: line in collector.run("status").stdout, "the alternative in status")


def test_without_routes_everybody_is_told_of_everything():
    collector.stop()
    collector.write_config(RECEIVERS)
    collector.start()
    put("h", 0)
    eventually(lambda: all(told(sink, "h") == ["firing"] for sink in (phone, sms, chat)), "all three")


def test_route_shows_where_an_alert_would_go():
    collector.write_config(ROUTES.replace("AFTER", "5m"))
    done = collector.run("notify", "route", "Down", "instance=web-01")
    assert done.returncode == 0 and done.stdout == (
        '{alertname="Down", instance="web-01", severity="critical"}\n'
        '  notify.routes[0] (severity="critical"): phone; if one of them fails for 5m: sms\n'
    ), done
    done = collector.run("notify", "route", "Mine", "severity=info")
    assert done.returncode == 0 and "notify.routes[1] (every alert): chat" in done.stdout and "no rule has" in done.stderr, done
    assert collector.run("notify", "route", "Down", "web-01").returncode == 2
    collector.write_config(RECEIVERS)
    assert "without routes: every receiver: phone, sms, chat" in collector.run("notify", "route", "Down").stdout


@pytest.mark.parametrize(
    "routes, problem",
    (
        ("[ { match: [ alertname=Dwon ], to: phone } ]", "routes[0] is never taken: no rule has an alert that matches"),
        ("[ { to: [ phone, sms ] } ]", "no route leads to chat"),
        ("[ { to: pager } ]", 'there is no receiver "pager"; there is phone, sms, chat'),
        ("[ { to: chat }, { match: [ severity=critical ], to: phone, alternative: sms } ]", "notify.routes[0] takes all of its alerts"),
    ),
)
def test_check_config_finds_the_mistakes_of_routes(routes, problem):
    collector.write_config(RECEIVERS + f"  routes: {routes}\n")
    done = collector.run("check-config")
    assert done.returncode == 2 and problem in done.stderr, done
