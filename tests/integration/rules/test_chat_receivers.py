"""Discord, ntfy, Telegram and PagerDuty get what their documented APIs take, at once by `notify test`."""

import json

import pytest
from sink import secret

KEY = "0123456789abcdef0123456789abcdef"


def sent(collector, sink, receiver):
    """[(path, body)] that `notify test` sends: an alert, firing and then resolved."""
    collector.write_config(f"notify: {{ webhook: [ {receiver} ] }}\n")
    done = collector.run("notify", "test")
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert len(sink.requests) == 2
    return [(path, json.loads(body)) for path, _, body in sink.requests]


def test_discord_gets_an_embed_that_mentions_nobody(collector, sink):
    file = secret(collector, "discord.url", sink.url("/api/webhooks/1/" + KEY))
    (path, firing), (_, resolved) = sent(collector, sink, f"{{ url_file: {file}, format: discord }}")
    assert path == "/api/webhooks/1/" + KEY and firing["allowed_mentions"] == {"parse": []}
    [embed] = firing["embeds"]
    assert "LapwingTest" in embed["title"] and "FIRING: A test of the notifications: nothing is wrong" in embed["description"].replace("\\", "")
    assert embed["color"] != resolved["embeds"][0]["color"] and "RESOLVED" in resolved["embeds"][0]["description"]


def test_ntfy_gets_its_topic_at_the_root(collector, sink):
    (path, firing), (_, resolved) = sent(collector, sink, f"{{ url: '{sink.url('/lapwing-site')}', format: ntfy }}")
    assert path == "/" and firing["topic"] == "lapwing-site"
    assert (firing["priority"], resolved["priority"]) == (4, 3)
    assert "nothing is wrong" in firing["message"] and firing["tags"] == ["rotating_light"]
    assert firing["click"].startswith("http")


def test_telegram_gets_plain_text_for_its_chat(collector, sink):
    file = secret(collector, "telegram.url", sink.url(f"/bot1:{KEY}/sendMessage"))
    (path, firing), (_, resolved) = sent(collector, sink, f"{{ url_file: {file}, format: telegram, chat: '-100123' }}")
    assert path == f"/bot1:{KEY}/sendMessage" and firing["chat_id"] == "-100123" and "parse_mode" not in firing
    assert "nothing is wrong" in firing["text"] and "RESOLVED" in resolved["text"]


def test_pagerduty_gets_an_incident_and_its_end(collector, sink):
    file = secret(collector, "pagerduty.key", KEY)
    (path, firing), (_, resolved) = sent(collector, sink, f"{{ url: '{sink.url('/v2/enqueue')}', format: pagerduty, routing_key_file: {file} }}")
    assert path == "/v2/enqueue" and firing["routing_key"] == KEY
    assert (firing["event_action"], resolved["event_action"]) == ("trigger", "resolve")
    assert firing["dedup_key"] == resolved["dedup_key"]
    payload = firing["payload"]
    assert payload["severity"] == "warning" and payload["source"] and "LapwingTest" in payload["summary"]
    assert "nothing is wrong" in payload["custom_details"]["alerts"]


@pytest.mark.parametrize(
    "receiver, problem",
    (
        ("{ url: 'https://api.telegram.org/bot1/sendMessage', format: telegram }", "needs `chat`"),
        ("{ url: 'https://hooks.example.org/', chat: '1' }", "`chat` belongs to format: telegram"),
        ("{ format: pagerduty }", "needs routing_key_file"),
        ("{ url: 'https://hooks.example.org/', routing_key_file: KEYFILE }", "routing_key_file belongs to format: pagerduty"),
        ("{ url: 'http://events.example.org/', format: pagerduty, routing_key_file: KEYFILE }", "in clear"),
        ("{ format: pagerduty, routing_key_file: /nowhere/key }", "routing_key_file: reading"),
    ),
)
def test_a_receiver_that_lacks_something_is_a_problem_of_the_configuration(collector, receiver, problem):
    receiver = receiver.replace("KEYFILE", secret(collector, "key", KEY))
    collector.write_config(f"notify: {{ webhook: [ {receiver} ] }}\n")
    done = collector.run("check-config")
    assert done.returncode == 2 and problem in done.stderr + done.stdout and KEY not in done.stderr + done.stdout, done
