"""Setting up without typing YAML: `site --write`, `notify add` and `remove`, `http enable` and `disable`, on a running collector."""

import hashlib
import http.server
import json
import os
import ssl
import stat
import subprocess
import threading
import http.client

import pytest
from harness import PROGRAM, Answer, Collector, basic, free_port, now_ms
from sink import eventually

collector = Collector("http:\n")
ADDRESSES = {"web-01": "10.77.0.11", "web-02": "10.77.0.12"}
bundles = {}


def own(name):
    return collector.path("collector.d/" + name)


def read(path):
    with open(path) as text:
        return text.read()


def run(*arguments, given=""):
    return subprocess.run([PROGRAM, "--config", collector.config_file, *arguments], input=given, capture_output=True, text=True, timeout=60)


def samples(host):
    yield "lapwing_agent_info", {"job": "agent", "machine_id": host}
    yield "lapwing_agent_address_info", {"job": "agent", "address": ADDRESSES[host], "family": "ipv4", "interface": "eth0"}
    for job, up in (("nginx", "nginx_up"), ("mysql", "mysql_up")):
        yield "up", {"job": job}
        yield up, {"job": job}
    if host == "web-02":
        for thread in ("io", "sql"):
            yield f"mysql_slave_status_slave_{thread}_running", {"job": "mysql", "master_host": "10.77.0.11", "channel_name": ""}
        return
    yield "up", {"job": "haproxy", "instance": "lb-01", "via": "http"}
    for server in ADDRESSES:
        here = {"job": "haproxy", "instance": "lb-01", "via": "http", "proxy": "web", "server": server}
        yield "lapwing_haproxy_server_info", {**here, "address": ADDRESSES[server] + ":80", "role": "active", "check": "L7"}
        yield "haproxy_server_status", {**here, "state": "UP"}
    tried = {"job": "firewall", "instance": "lb-01", "peer": "lb-01", "address": "10.77.0.10", "port": "80", "protocol": "tcp",
             "service": "x", "source": "10.77.0.11", "source_kind": "main"}
    yield "lapwing_attempt_timestamp_seconds", {**tried, "value": now_ms() / 1000}
    yield "lapwing_attempt_result", {**tried, "result": "open"}


def write():
    for host, bundle in bundles.items():
        series = []
        for name, labels in samples(host):
            value = labels.pop("value", 1)
            series.append(({"__name__": name, "instance": host, **labels}, [(now_ms(), float(value))]))
        answer = collector.agent(bundle).write(series)
        assert answer.status == 204, (answer.status, answer.body)


@pytest.fixture(scope="module", autouse=True)
def running():
    # The port of the page comes from a file of its own, which `http enable` must respect.
    os.makedirs(collector.path("collector.d"))
    os.makedirs(collector.path("rules"))
    with open(collector.path("rules/none.yml"), "w") as rules:
        rules.write("groups: []\n")
    collector.base = collector.path("collector.d/05-port.yaml")
    with open(collector.base, "w") as base:
        base.write(f"http: {{ listen: 127.0.0.1:{collector.people_port} }}\n")
    bundles.update((host, collector.enrol(host)) for host in ADDRESSES)
    collector.start()
    write()
    eventually(lambda: "haproxy@lb-01" in run("site").stdout and "web-01 -> web-02" in run("site").stdout, "the site", 60)
    yield
    collector.close()


def test_what_is_assumed_has_its_evidence_and_age():
    done = run("site")
    assert done.returncode == 1, done
    assert "No entry is configured" in done.stdout and "lb-01 has no agent" in done.stdout and "invite lb-01" in done.stdout
    [balancer] = [line for line in done.stdout.splitlines() if line.startswith("  haproxy@lb-01")]
    assert balancer.endswith("s ago]") and "[seen " in balancer and "web@web-01 and web@web-02" in balancer, balancer
    assert "haproxy statistics of lb-01: read by web-01" in done.stdout
    assert "To write it: sudo lapwing-collector site --write" in done.stdout and not os.path.exists(own("10-site.yaml"))
    told = json.loads(run("site", "--json").stdout)
    [database] = [each for each in told["assumptions"] if each["subject"] == "mysql@web-01"]
    assert database["text"] == "primary" and database["basis"] == "seen" and 0 <= database["age_seconds"] < 300, database
    assert '- "http://10.77.0.10/"' in told["proposal"] and told["not_in_force"] == []


def test_the_proposal_is_written_once_and_counts_as_configured():
    done = run("site", "--write")
    assert done.returncode == 0 and own("10-site.yaml") + " is written" in done.stdout, done
    text = read(own("10-site.yaml"))
    assert 'entry:\n    - "http://10.77.0.10/"\n' in text and '{ primary: "web-01", replica: "web-02" }' in text
    assert text.split("sha256:")[1].split("\n")[0] == hashlib.sha256(text.split("\n", 1)[1].encode()).hexdigest()
    assert stat.S_IMODE(os.stat(own("10-site.yaml")).st_mode) == 0o644
    assert run("check-config").returncode == 0
    again = run("site", "--write")
    assert again.returncode == 0 and "is up to date" in again.stdout and read(own("10-site.yaml")) == text
    waiting = run("site")
    assert "Not in force yet" in waiting.stdout and f"http://10.77.0.10/ ({own('10-site.yaml')}:4)" in waiting.stdout, waiting
    collector.stop()
    collector.start()
    write()
    place = f"http://10.77.0.10/  [configured, {own('10-site.yaml')}:4]"
    eventually(lambda: place in run("site").stdout, "the configured entry", 60)
    assert "Not in force yet" not in run("site").stdout


def test_a_file_that_a_person_edited_stays():
    text = read(own("10-site.yaml"))
    edited = text.replace("10.77.0.10", "10.77.0.77")
    with open(own("10-site.yaml"), "w") as out:
        out.write(edited)
    done = run("site", "--write")
    assert done.returncode == 2 and "was edited" in done.stderr and read(own("10-site.yaml")) == edited, done
    with open(own("10-site.yaml"), "w") as out:
        out.write(text)


def test_what_another_file_declares_is_not_proposed():
    with open(own("20-mine.yaml"), "w") as out:
        out.write("site:\n  entry: [ http://10.77.0.10/ ]\n")
    told = json.loads(run("site", "--json").stdout)
    assert "entry" not in told["proposal"] and "replication" in told["proposal"], told["proposal"]
    os.unlink(own("20-mine.yaml"))


def test_nobody_is_told_until_a_receiver_is_added():
    finding = eventually(lambda: [each for each in collector.people("/api/lapwing/v1/findings").json()["data"] if each["id"] == "R19"], "R19", 60)[0]
    assert finding["severity"] == "low" and "notify add mail" in finding["remedy"]
    assert "nobody is told" in run("status").stdout


class Hook(http.server.BaseHTTPRequestHandler):
    received = []

    def do_POST(self):
        self.received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def hook():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/SECRET-PATH"
    server.shutdown()
    server.server_close()


def test_a_receiver_is_added_with_its_secret_in_a_file_of_the_service(hook):
    done = run("notify", "add", "slack", given=hook + "\n")
    assert done.returncode == 0 and "The test message was accepted" in done.stdout and "'webhook[0]'" in done.stdout, done
    assert Hook.received and Hook.received[0][0] == "/SECRET-PATH"
    secret = collector.path("notify-slack-1.url")
    assert read(secret) == hook + "\n" and stat.S_IMODE(os.stat(secret).st_mode) == 0o600
    assert "SECRET" not in done.stdout + done.stderr + read(own("10-notify.yaml"))
    assert run("check-config").returncode == 0
    done = run("notify", "add", "mail", "--to", "ops@example.org", "--from", "lapwing@example.org", "--smtp", "127.0.0.1:9", "--no-test")
    assert done.returncode == 0 and "'email[0]'" in done.stdout, done
    done = run("notify", "add", "telegram", "--chat", "-1001", "--no-test", given=hook + "2\n")
    assert done.returncode == 0 and "'webhook[1]'" in done.stdout, done
    collector.stop()
    collector.start()
    eventually(lambda: not [each for each in collector.people("/api/lapwing/v1/findings").json()["data"] if each["id"] == "R19"], "the end of R19", 60)


# This attacks "a secret that `notify add` reads".
@pytest.mark.parametrize("arguments, given, said", [
    (("slack",), "not a url\n", "The URL"),
    (("slack",), "", "has 1 to 4096 bytes"),
    (("webhook",), "x" * 5000 + "\n", "has 1 to 4096 bytes"),
    (("telegram",), "http://127.0.0.1:9/\n", "needs `chat`"),
    (("mail", "--to", "nobody", "--from", "a@b.c", "--smtp", "x:25"), "", "must hold addresses"),
    (("mail", "--to", "a@b.c\n- evil", "--from", "a@b.c", "--smtp", "x:25"), "", "must hold addresses"),
    (("carrier-pigeon",), "", "KIND"),
    (("slack", "--to", "a@b.c"), "http://127.0.0.1:9/\n", "belong to mail"),
], ids=range(8))
def test_a_wrong_receiver_changes_nothing(arguments, given, said):
    before = read(own("10-notify.yaml")), sorted(os.listdir(collector.directory))
    done = run("notify", "add", *arguments, "--no-test", given=given)
    assert done.returncode == 2 and said in done.stderr, done
    assert before == (read(own("10-notify.yaml")), sorted(os.listdir(collector.directory)))


def test_a_list_in_another_file_is_never_replaced():
    with open(own("20-mine.yaml"), "w") as out:
        out.write("notify:\n  webhook: [ { url: 'http://127.0.0.1:9/' } ]\n")
    done = run("notify", "add", "slack", "--no-test", given="http://127.0.0.1:9/x\n")
    assert done.returncode == 2 and f"{own('20-mine.yaml')}:2" in done.stderr and "format: slack" in done.stderr, done
    os.unlink(own("20-mine.yaml"))


def test_a_receiver_is_removed_with_its_secret():
    wrong = run("notify", "remove", "webhook[7]")
    assert wrong.returncode == 2 and "webhook[0], webhook[1] and email[0]" in wrong.stderr, wrong
    before = read(own("10-notify.yaml"))
    for field in ("to: [ 'email[0]', 'webhook[1]' ]", "to: 'email[0]', alternative: 'webhook[1]'"):
        with open(own("20-mine.yaml"), "w") as out:
            out.write(f"notify:\n  routes:\n    - {{ {field} }}\n")
        for name, why in (("webhook[0]", "would become webhook[0]"), ("webhook[1]", "is to be removed")):
            refused = run("notify", "remove", name)
            assert refused.returncode == 2 and f"{own('20-mine.yaml')}:3" in refused.stderr and why in refused.stderr, refused
        assert read(own("10-notify.yaml")) == before and os.path.exists(collector.path("notify-slack-1.url"))
    # Without a refusal the route would lead to the second one, and no name would be missing.
    with open(own("20-mine.yaml"), "w") as out:
        out.write("notify:\n  routes: [ { to: 'webhook[0]' } ]\n")
    refused = run("notify", "remove", "webhook[0]")
    assert refused.returncode == 2 and "is to be removed" in refused.stderr and read(own("10-notify.yaml")) == before, refused
    os.unlink(own("20-mine.yaml"))
    done = run("notify", "remove", "webhook[0]")
    assert done.returncode == 0 and "format: slack" in done.stdout, done
    assert not os.path.exists(collector.path("notify-slack-1.url")) and os.path.exists(collector.path("notify-telegram-1.url"))
    for name in ("webhook[0]", "email[0]"):
        assert run("notify", "remove", name).returncode == 0
    assert not os.path.exists(own("10-notify.yaml")) and run("check-config").returncode == 0


def test_the_page_goes_off_the_loopback_and_back():
    refused = run("http", "enable", "--listen", "127.0.0.2:1", "--user", "ann", given="secret\n")
    assert refused.returncode == 2 and "05-port.yaml:1" in refused.stderr, refused
    os.unlink(collector.base)
    assert run("http", "enable", "--listen", "10.77.0.20").returncode == 2  # no user
    assert run("http", "enable", "--listen", "0.0.0.0:9765", "--user", "ann", given="secret\n").returncode == 2
    for name in ("https://mon", "mon:9765", "mon example", "mon/x", "", ".mon", "a..b", "a" * 254, "[::1]", "a,DNS:b"):
        refused = run("http", "enable", "--listen", "10.77.0.20", "--name", name, "--user", "ann", given="secret\n")
        assert refused.returncode == 2 and "without scheme, port and path" in refused.stderr, refused
    assert not os.path.exists(own("10-http.yaml"))
    # All files together have just the size that is read: there is no room for one more.
    names = [collector.config_file, *(own(each) for each in os.listdir(os.path.dirname(own("x"))))]
    with open(own("50-large.yaml"), "w") as out:
        out.write("#" * ((4 << 20) - sum(os.path.getsize(each) for each in names) - 10) + "\n")
    refused = run("http", "enable", "--listen", "10.77.0.20", "--user", "ann", given="correct horse\n")
    assert refused.returncode == 2 and "50-large.yaml" in refused.stderr and "Nothing was changed" in refused.stderr, refused
    assert not os.path.exists(own("10-http.yaml")) and not os.path.exists(collector.path("users"))
    os.unlink(own("50-large.yaml"))
    done = run("http", "enable", "--listen", "10.77.0.20", "--name", "mon.example.org", "--name", "2001:db8::1", "--user", "ann",
               given="correct horse\n")
    assert done.returncode == 0 and "https://mon.example.org:9765" in done.stdout and "ca/ca.crt" in done.stdout, done
    text = read(own("10-http.yaml"))
    assert 'listen: [ "127.0.0.1:9765", "10.77.0.20:9765" ]' in text and "tls: auto" in text
    assert "correct horse" not in done.stdout + done.stderr + text + read(collector.path("users"))
    assert read(collector.path("users")).startswith("ann:$y$") and run("check-config").returncode == 0
    done = run("http", "disable")
    assert done.returncode == 0 and not os.path.exists(own("10-http.yaml")) and os.path.exists(collector.path("users")), done
    assert "nothing to take back" in run("http", "disable").stdout


def test_the_enabled_page_answers_with_tls_and_asks_for_the_user():
    address = next((each for each in run_ip() if not each.startswith("127.")), None)
    if address is None:
        pytest.skip("this machine has no address but its loopback")
    port = free_port()
    assert run("http", "enable", "--listen", f"{address}:{port}", "--user", "ann", given="correct horse\n").returncode == 0
    # Another collector may have the default port of the loopback.
    with open(own("10-http.yaml")) as text:
        mine = text.read().replace("127.0.0.1:9765", f"127.0.0.1:{collector.people_port}")
    with open(own("10-http.yaml"), "w") as out:
        out.write(mine)
    collector.stop()
    collector.start()
    context = ssl.create_default_context(cafile=collector.path("data/ca/ca.crt"))

    def ask(headers):
        connection = http.client.HTTPSConnection(address, port, context=context, timeout=30)
        connection.request("GET", "/api/lapwing/v1/site", headers=headers)
        return Answer(connection.getresponse()).status

    assert ask({}) == 401 and ask(basic("ann", "correct horse")) in (200, 503)
    assert run("http", "disable").returncode == 2  # edited above


def run_ip():
    listed = subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.split()
    return [each for each in listed if ":" not in each]
