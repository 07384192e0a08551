"""`doctor` and `check-config` of both programs: each thing is broken in turn, the fix that is printed is executed as it stands, and
doctor is content afterwards. Programs of the system that a fix names (systemctl, editor) are stand-ins that note their call; those of
Lapwing are real."""

import json
import os
import pwd
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from harness import PROGRAM, Collector, free_port
from reference import eventually
from test_clocks import DAY, HOUR, Clock, faked

pytestmark = pytest.mark.root
BIN = os.path.dirname(PROGRAM)
AGENT = os.path.join(BIN, "lapwing-agent")
NOBODY = pwd.getpwnam("nobody").pw_uid
ALERT = """groups: [ { name: g, interval: 1s, rules: [ { alert: Always, expr: vector(1), labels: { severity: critical } } ] } ]\n"""


class Site:
    """A collector, an agent that may run as nobody, and stand-ins for the commands of the fixes."""

    def __init__(self, more=""):
        self.collector = Collector(more)
        os.chmod(self.collector.directory, 0o755)
        os.makedirs(self.path("rules"))
        os.makedirs(self.path("bin"))
        with open(self.path("rules/a.yml"), "w") as out:
            out.write(ALERT)
        self.shim("systemctl", "exit 0")
        self.shim("editor", "exit 0")
        for program in ("lapwing-agent", "lapwing-collector"):
            os.symlink(os.path.join(BIN, program), self.path("bin/" + program))
        self.agent = None

    def path(self, name):
        return self.collector.path(name)

    def shim(self, name, script):
        with open(self.path("bin/" + name), "w") as out:
            out.write(f'#!/bin/sh\necho "{name} $*" >> {self.path("calls")}\n{script}\n')
        os.chmod(self.path("bin/" + name), 0o755)

    def calls(self):
        with open(self.path("calls")) as text:
            return text.read().splitlines()

    def start_agent(self, probes, uid=0, environment=None, delivers=True):
        if not os.path.exists(self.path("agent.yaml")):
            self.collector.configure_agent("web-01", probes)
        os.chown(self.path("agent"), uid, -1)
        if uid:
            os.chown(self.path("web-01.pem"), uid, -1)
            os.chmod(self.collector.directory, 0o1777)  # for the status socket
        with open(self.path("agent.log"), "ab") as log:
            self.agent = subprocess.Popen([AGENT, "run", "--config", self.path("agent.yaml")], stdout=log, stderr=log,
                                          user=uid or None, group=pwd.getpwnam("nobody").pw_gid if uid else None,
                                          extra_groups=[] if uid else None, env={**os.environ, **(environment or {})})
        if delivers:
            eventually(self.delivers, 20)

    def delivers(self):
        """It has delivered, and each probe has run."""
        done = subprocess.run([AGENT, "--config", self.path("agent.yaml"), "status", "--json"], capture_output=True, text=True)
        status = json.loads(done.stdout) if done.stdout else {"collector": {"samples_sent": 0}, "probes": []}
        return status["collector"]["samples_sent"] and all(each["state"] != "waiting" for each in status["probes"])

    def stop_agent(self):
        if self.agent:
            self.agent.terminate()
            self.agent.wait(20)
            self.agent = None

    def command(self, program, *arguments):
        config = "agent.yaml" if program == "lapwing-agent" else "collector.yaml"
        return [os.path.join(BIN, program), "--config", self.path(config), *arguments]

    def doctor(self, program="lapwing-agent", *arguments, before=()):
        done = subprocess.run([*before, *self.command(program, "doctor", "--json", *arguments)], capture_output=True, text=True, timeout=60)
        told = json.loads(done.stdout)
        assert done.returncode == (1 if told["wrong"] else 0), (done.returncode, done.stdout, done.stderr)
        return [each for each in told["checks"] if each["result"] == "wrong"], told["checks"]

    def only_fault(self, program, area, *arguments, before=()):
        faults, _ = self.doctor(program, *arguments, before=before)
        [fault] = [each for each in faults if each["area"] == area]
        return fault

    def execute(self, fix):
        """As root pastes it."""
        done = subprocess.run(["/bin/bash", "-e", "-c", fix], capture_output=True, text=True, timeout=60,
                              env={**os.environ, "PATH": self.path("bin") + ":" + os.environ["PATH"]})
        assert done.returncode == 0, (fix, done.stdout, done.stderr)

    def close(self):
        self.stop_agent()
        self.collector.close()


@pytest.fixture
def site():
    made = Site()
    try:
        made.collector.start()
        yield made
    finally:
        made.close()


def of_area(faults, *areas):
    return [each for each in faults if each["area"] in areas]


def test_nothing_is_wrong_with_an_agent_that_works(site):
    site.start_agent({"node": "on"}, NOBODY)
    faults, checks = site.doctor()
    # This machine may have servers that nobody watches here.
    assert [each for each in faults if each["area"] != "probe"] == [], faults
    areas = {each["area"] for each in checks}
    assert {"config", "service", "clock", "permissions", "tls", "names", "collector", "disk", "probe"} <= areas, areas
    # As the running agent: of nobody, though root asks.
    assert all(each["tried"].endswith(" as nobody") for each in checks if each["area"] == "permissions"), checks
    # Another user is told what it cannot see, and nothing that is not so.
    os.chmod(site.path("agent.sock"), 0o600)
    done = subprocess.run(site.command("lapwing-agent", "doctor", "--json"), capture_output=True, text=True, user="daemon", group="daemon",
                          extra_groups=[])
    told = json.loads(done.stdout)
    assert (done.returncode, told["wrong"]) == (0, 0) and told["unknown"] >= 4, told
    assert any("run doctor as root" in each["found"] for each in told["checks"] if each["area"] == "service"), told
    text = subprocess.run(site.command("lapwing-agent", "doctor"), capture_output=True, text=True).stdout
    assert text.startswith("ok       config "), text


def test_a_certificate_that_the_agent_may_not_read(site):
    site.start_agent({"node": "on"}, NOBODY)
    os.chown(site.path("web-01.pem"), 0, 0)
    fault = site.only_fault("lapwing-agent", "permissions")
    assert "nobody may not read it" in fault["found"] and "root:root 0600" in fault["found"], fault
    checked = subprocess.run(site.command("lapwing-agent", "check-config"), capture_output=True, text=True)
    assert checked.returncode == 2 and ": collector.key: nobody may not read it" in checked.stderr, checked.stderr
    assert site.path("agent.yaml") + ":4:" in checked.stderr and fault["fix"] in checked.stderr, checked.stderr
    site.execute(fault["fix"])
    assert of_area(site.doctor()[0], "permissions") == []
    checked = subprocess.run(site.command("lapwing-agent", "check-config"), capture_output=True, text=True)
    assert (checked.returncode, checked.stdout) == (0, site.path("agent.yaml") + ": OK (as nobody)\n"), checked.stderr
    # Only the group changed: no door is open to others.
    assert os.stat(site.path("web-01.pem")).st_mode & 0o007 == 0


def test_data_that_the_agent_may_not_write(site):
    site.start_agent({"node": "on"}, NOBODY)
    os.chown(site.path("agent"), 0, 0)
    fault = site.only_fault("lapwing-agent", "permissions")
    assert "may not make files in it" in fault["found"], fault
    site.execute(fault["fix"])
    assert of_area(site.doctor()[0], "permissions") == []


def test_an_expired_certificate(site):
    clock = Clock(site.path("clock"))
    clock.set(-100 * DAY)
    site.collector.configure_agent("web-01", {"node": "on"})
    subprocess.run(site.command("lapwing-collector", "enrol", "web-01", "--bundle", site.path("web-01.pem")), check=True,
                   capture_output=True, env=faked(clock.path))
    fault = [each for each in site.doctor()[0] if each["area"] == "tls" and "it ended at" in each["found"]][0]
    checked = subprocess.run(site.command("lapwing-agent", "check-config"), capture_output=True, text=True)
    assert checked.returncode == 2 and ":4:" in checked.stderr and "the certificate ended at" in checked.stderr, checked.stderr
    assert "sudo lapwing-collector invite web-01 " in fault["fix"] and "sudo lapwing-agent join 'lapwing1.…'" in fault["fix"], fault
    text = site.collector.invite("web-01")
    joined = subprocess.run(site.command("lapwing-agent", "join", text, "--no-start"), capture_output=True, text=True)
    assert joined.returncode == 0, joined.stderr
    site.start_agent({"node": "on"})
    assert of_area(site.doctor()[0], "tls", "collector") == []


def test_a_stopped_nginx(site):
    port = free_port()
    with open(site.path("nginx.conf"), "w") as out:
        out.write(f"pid {site.path('nginx.pid')}; error_log {site.path('nginx.log')}; user root; events {{}}\n"
                  f"http {{ access_log off; server {{ listen 127.0.0.1:{port}; location = /s {{ stub_status; }} }} }}\n")
    site.shim("nginx", f'exec /usr/sbin/nginx -c {site.path("nginx.conf")} "$@"')
    site.shim("systemctl", f'[ "$*" != "start nginx" ] || {site.path("bin/nginx")}')
    site.start_agent({"node": "on", "nginx": f"[ {{ url: 'http://127.0.0.1:{port}/s' }} ]"})
    # The processes of this machine are not the site's.
    alone = ("unshare", "--pid", "--fork", "--mount-proc")
    try:
        [fault] = [each for each in site.doctor("lapwing-agent", "--user", "root", before=alone)[0] if each["tried"].startswith("nginx ")]
        assert "refused" in fault["found"] and "does not run" in fault["found"], fault
        site.execute(fault["fix"])
        assert "systemctl start nginx" in site.calls()

        def is_content():
            return not [each for each in site.doctor()[0] if each["tried"].startswith("nginx")]
        eventually(is_content, 25)
    finally:
        subprocess.run(["/usr/sbin/nginx", "-c", site.path("nginx.conf"), "-s", "stop"], capture_output=True)


def test_a_clock_that_the_collector_calls_wrong(site):
    clock = Clock(site.path("clock"))
    clock.set(2 * HOUR)
    site.start_agent({"node": "on"}, environment=faked(clock.path), delivers=False)
    eventually(lambda: of_area(site.doctor()[0], "clock"), 20)
    fault = site.only_fault("lapwing-agent", "clock")
    assert "1 h 59 min ahead" in fault["found"] or "2 h" in fault["found"], fault
    assert fault["fix"].split()[0] in ("timedatectl", "systemctl", "apt-get"), fault
    assert "sudo lapwing-agent doctor   # on web-01" in [each["fix"] for each in of_area(site.doctor("lapwing-collector")[0], "clock")]
    clock.set(0)  # what the time service does

    def is_content():
        return not of_area(site.doctor()[0], "clock")
    eventually(is_content, 30)


def test_a_full_disk(site):
    site.collector.configure_agent("web-01", {"node": "on"})
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", site.path("agent")], check=True)
    try:
        site.start_agent({"node": "on"})
        with open(site.path("agent/large"), "wb") as out:
            try:
                out.write(b"x" * (8 << 20))
            except OSError:
                pass
        fault = [each for each in site.doctor()[0] if each["area"] == "disk" and "are free" in each["found"]][0]
        assert site.path("agent") in fault["tried"], fault
        told = subprocess.run(["/bin/bash", "-c", fault["fix"].splitlines()[0]], capture_output=True, text=True)
        assert told.returncode == 0 and site.path("agent") in told.stdout, (told.stdout, told.stderr)
        os.unlink(site.path("agent/large"))

        def is_content():
            return not of_area(site.doctor()[0], "disk")
        eventually(is_content, 20)
    finally:
        site.stop_agent()
        subprocess.run(["umount", site.path("agent")], check=True)


def test_a_collector_that_is_away_and_an_agent_that_does_not_run(site):
    site.start_agent({"node": "on"})
    site.collector.stop()

    def is_seen():
        return of_area(site.doctor()[0], "collector")
    eventually(is_seen, 20)
    fault = site.only_fault("lapwing-agent", "collector")
    assert "refused" in fault["found"] and "systemctl start lapwing-collector" in fault["fix"], fault
    away = site.only_fault("lapwing-collector", "service")
    assert "does not run" in away["found"], away
    site.collector.start()

    def is_content():
        return not is_seen()
    eventually(is_content, 45)
    site.stop_agent()
    fault = site.only_fault("lapwing-agent", "service")
    assert "does not run" in fault["found"] and site.path("agent.sock") in fault["found"], fault
    assert fault["fix"] == f"lapwing-agent --config {site.path('agent.yaml')} run", fault


class Webhook(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200 if self.path == "/right" else 403)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_a_receiver_that_refuses():
    server = HTTPServer(("127.0.0.1", 0), Webhook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site = Site(f"notify:\n  group_wait: 0s\n  webhook: [ {{ url: 'http://127.0.0.1:{server.server_port}/wrong' }} ]\n")
    try:
        site.shim("editor", f"sed -i \"${{1#+}}s|/wrong|/right|\" $2")
        site.collector.start()

        def is_seen():
            return [each for each in of_area(site.doctor("lapwing-collector")[0], "receiver") if "403" in each["found"]]
        [fault] = eventually(is_seen, 30)
        assert fault["tried"] == f"webhook[0] at 127.0.0.1:{server.server_port}", fault
        site.execute(fault["fix"])  # editor at the line, check-config, restart, notify test
        with open(site.collector.config_file) as config:
            line = 1 + [at for at, text in enumerate(config) if "webhook:" in text][0]
        assert f"editor +{line} {site.collector.config_file}" in site.calls(), site.calls()
        assert "systemctl restart lapwing-collector" in site.calls()
        site.collector.stop()
        site.collector.start()

        def is_content():
            return not of_area(site.doctor("lapwing-collector")[0], "receiver")
        eventually(is_content, 30)
        [well] = [each for each in site.doctor("lapwing-collector")[1] if each["area"] == "receiver"]
        assert well["result"] == "ok", well
    finally:
        site.close()
        server.shutdown()
        server.server_close()


def test_a_collector_without_agents_and_receivers(site):
    faults, _ = site.doctor("lapwing-collector")
    assert {each["area"] for each in faults} == {"agent", "receiver"}, faults
    assert "told to nobody" in of_area(faults, "receiver")[0]["found"]
    [fault] = of_area(faults, "agent")
    site.execute(fault["fix"].replace("HOST", "web-01"))
    # An agent that has never reported is told here, and raises no alert.
    site.collector.enrol("web-02")
    eventually(lambda: "lapwing_collector_series" in site.collector.people("/metrics").body.decode(), 10)
    assert "lapwing_agent_last_seen_seconds" not in site.collector.people("/metrics").body.decode()
    [never] = of_area(site.doctor("lapwing-collector")[0], "agent")
    assert never["tried"] == "web-02" and "never reported" in never["found"], never
    os.unlink(site.path("rules/a.yml"))
    fault = site.only_fault("lapwing-collector", "config")
    assert "no file matches" in fault["found"], fault
    checked = site.collector.run("check-config")
    assert checked.returncode == 2 and "rules[0]: no file matches" in checked.stderr, checked.stderr
    assert f"{site.collector.config_file}:" in checked.stderr


def test_check_config_as_the_user_of_the_collector(site):
    with open(site.path("password"), "w") as out:
        out.write("secret\n")
    os.chmod(site.path("password"), 0o600)
    os.makedirs(site.path("collector.d"))
    with open(site.path("collector.d/20-mail.yaml"), "w") as out:
        out.write("notify:\n  email: [ { to: a@example.org, from: b@example.org, smtp: 'localhost:25', security: starttls, username: u,\n"
                  f"             password_file: {site.path('password')} }} ]\n")
    assert site.collector.run("check-config").returncode == 0
    as_nobody = site.collector.run("check-config", "--user", "nobody")
    assert as_nobody.returncode == 2, as_nobody.stdout
    assert as_nobody.stderr.startswith(f"{site.path('collector.d/20-mail.yaml')}:3:29: notify.email[0].password_file: nobody may not read it"), \
        as_nobody.stderr
    site.execute(as_nobody.stderr.split("; fix: ")[1])
    fixed = site.collector.run("check-config", "--user", "nobody")
    assert fixed.returncode == 0 and "fine (as nobody)" in fixed.stdout, (fixed.stdout, fixed.stderr)
    assert site.collector.run("check-config", "--user", "nobody-here").returncode == 2


def test_tabs_are_named(site):
    with open(site.path("agent.yaml"), "w") as out:
        out.write("host: a\nprobes:\n\tnode: on\n")
    checked = subprocess.run(site.command("lapwing-agent", "check-config"), capture_output=True, text=True)
    assert checked.stderr == site.path("agent.yaml") + ":3:1: tabs cannot indent YAML: use spaces\n"
    assert (checked.returncode, checked.stdout) == (2, "")
    fault = site.only_fault("lapwing-agent", "config")
    assert fault["fix"].startswith("editor +3 " + site.path("agent.yaml")), fault


def test_the_journal_is_silent_while_nothing_changes(tmp_path):
    """lapwing-snapshot runs four times a minute: it says once what it cannot read."""
    os.chmod(tmp_path, 0o755)
    place = str(tmp_path / "run")
    os.mkdir(place)
    os.chown(place, NOBODY, -1)
    for parent in (tmp_path.parent, tmp_path.parent.parent):
        os.chmod(parent, os.stat(parent).st_mode | 0o011)
    group = pwd.getpwnam("nobody").pw_gid

    def told():
        done = subprocess.run([os.path.join(BIN, "lapwing-snapshot"), "--output", place + "/snapshot.json", "--group", "nogroup"],
                              user=NOBODY, group=group, extra_groups=[], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        # The number of other users' processes does change.
        return [line for line in done.stderr.splitlines() if line.startswith("not read:") and "open files of" not in line]

    assert any("nft: denied" in line or "ip_tables_names" in line for line in told())
    assert told() == []
