"""A host's name belongs to its certificate and to one machine: agents and the collector check it."""

import json
import os
import shutil
import subprocess

import pytest
from harness import NAME, PROBES, PROGRAM, Collector, now_ms
from reference import eventually

AGENT = os.path.join(os.path.dirname(PROGRAM), "lapwing-agent")
collector = Collector()


@pytest.fixture(scope="module", autouse=True)
def running():
    try:
        collector.start()
        yield
    finally:
        collector.close()


def sender(bundle, machine="", session=""):
    """A function that writes one sample, as an agent on that machine would."""
    headers = {"X-Lapwing-Machine-Id": machine, "X-Lapwing-Session": session}
    headers = {name: value for name, value in headers.items() if value}

    def write(name="written"):
        connection = collector.agent(bundle)
        try:
            return connection.write([({"__name__": name}, [(now_ms(), 1.0)])], **headers)
        finally:
            connection.close()

    return write


def agents():
    shown = collector.run("agents", "--json")
    return shown.returncode, {agent["host"]: [warning["kind"] for warning in agent["warnings"]]
                              for agent in json.loads(shown.stdout)["data"]}


def conflicts():
    text = collector.people("/metrics").body.decode()
    return {line for line in text.splitlines() if line.startswith("lapwing_agent_identity_conflict{")}


def agent_config(name, host, bundle, machine=None):
    """The file of a real agent without probes."""
    data = collector.path(name)
    os.makedirs(data)
    with open(os.path.join(data, "machine-id"), "w") as out:
        out.write((machine or name) + "\n")
    path = os.path.join(data, "agent.yaml")
    with open(path, "w") as out:
        out.write(f"host: {host}\nmachine_id: {data}/machine-id\ndata: {data}\nstatus_socket: {data}/agent.sock\n"
                  f"collector: {{ url: 'https://127.0.0.1:{collector.agents_port}', ca: {bundle}, cert: {bundle}, key: {bundle},"
                  f" server_name: {NAME} }}\nattempts: off\ncanary: off\n"
                  f"probes: {{ {', '.join(f'{probe}: off' for probe in PROBES)} }}\n")
    return path


def agent(*arguments):
    return subprocess.run([AGENT, *arguments], capture_output=True, text=True, timeout=60)


def test_a_second_machine_is_refused_until_the_host_is_enrolled_anew():
    bundle = shutil.copy(collector.enrol("pinned"), collector.path("pinned-before.pem"))
    first, second, old = sender(bundle, "a" * 32), sender(bundle, "b" * 32), sender(bundle)
    assert old().status == 204  # an agent of an older version
    assert first().status == 204
    refused = second("refused")
    assert refused.status == 403
    assert b"lapwing-collector invite pinned" in refused.body, refused.body
    assert collector.query("refused") == []
    assert first().status == 204 and old().status == 204

    connection = collector.agent(bundle)
    headers = {"X-Lapwing-Machine-Id": "b" * 32}
    assert connection.post("/api/lapwing/v1/documents?kind=ruleset", b"x", headers).status == 403
    connection.close()

    code, warnings = agents()
    assert code == 1 and warnings["pinned"] == ["second_machine"], warnings
    assert "and is refused" in collector.run("agents").stdout
    assert conflicts() == {'lapwing_agent_identity_conflict{host="pinned",kind="second_machine"} 1'}
    assert "is refused" in collector.log_text()

    collector.stop()
    collector.start()
    assert second().status == 403 and first().status == 204

    # It was installed anew. The old machine still runs, and does not get in the way.
    anew = sender(collector.enrol("pinned"), "b" * 32)
    assert first().status == 204
    assert anew().status == 204
    assert first().status == 403 and anew().status == 204


def test_copies_of_an_image_share_a_machine_id_and_work():
    for host in ("copy-1", "copy-2"):
        assert sender(collector.enrol(host), "c" * 32)().status == 204
    _, warnings = agents()
    assert warnings["copy-1"] == warnings["copy-2"] == ["shared_machine_id"], warnings


def test_two_agents_with_one_bundle_are_told():
    bundle = collector.enrol("twin")
    one, two = sender(bundle, "d" * 32, "1" * 16), sender(bundle, "d" * 32, "2" * 16)
    for _ in range(3):
        assert one().status == 204 and two().status == 204
    _, warnings = agents()
    assert warnings["twin"] == ["second_agent"], warnings
    assert 'lapwing_agent_identity_conflict{host="twin",kind="second_agent"} 1' in conflicts()


def test_an_agent_of_an_older_version_makes_no_second_host():
    connection = collector.agent(collector.enrol("older"))
    answer = connection.write([({"__name__": "lapwing_agent_info", "job": "agent", "instance": "olden"}, [(now_ms(), 1.0)]),
                               ({"__name__": "probe_success", "job": "app", "instance": "site"}, [(now_ms(), 1.0)])])
    connection.close()
    assert answer.status == 400 and b'calls its host "olden"' in answer.body, answer.body
    assert collector.query('lapwing_agent_info{instance="olden"}') == [] and len(collector.query("probe_success")) == 1


def test_an_agent_does_not_start_under_another_name():
    path = agent_config("misspelt", "web-O1", collector.enrol("web-01"))
    for verb in (["check-config"], ["run"]):
        done = agent(*verb, "--config", path)
        assert done.returncode == 2, (verb, done)
        assert 'host is "web-O1"' in done.stderr and 'belongs to "web-01"' in done.stderr, done.stderr
        assert "host: web-01" in done.stderr, done.stderr


def test_an_agent_says_that_its_machine_is_refused():
    bundle = collector.enrol("moved")
    running = []

    def start(name):
        path = agent_config(name, "moved", bundle)
        with open(path + ".log", "wb") as log:
            running.append(subprocess.Popen([AGENT, "run", "--config", path], stdout=log, stderr=log))
        return path

    def status(path):
        return agent("status", "--config", path).stdout

    try:
        here = start("here")
        eventually(lambda: "  connected" in status(here))
        there = start("there")
        eventually(lambda: "NOT CONNECTED" in status(there) and "belongs to the machine" in status(there))
        assert "join under this host's own name" in status(there)
        with open(there + ".log") as log:
            assert "403" in log.read()
    finally:
        for each in running:
            each.terminate()
            each.wait(20)
