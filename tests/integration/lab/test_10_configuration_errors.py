"""check-config reports all mistakes of a configuration at once, with their places."""

import re

from lab import inside

AGENT = """host: web-01
colector: { url: https://monitor:9766 }
peers:
  - { host: web-02, address: 10.77.0.999, control_port: 80 }
canary: perhaps
probes:
  app: [ { url: ftp://127.0.0.1/ } ]
"""
COLLECTOR = """data: /tmp/lapwing.db
http: { listen: 0.0.0.0:9765 }
retention: { time: soon }
promql: { compat: 7 }
sight: {}
rules_interval: -1s
"""


def problems(host, program, text):
    inside(host, "sh", "-c", "cat >/tmp/wrong.yaml", text=text)
    done = inside(host, program, "check-config", "--config", "/tmp/wrong.yaml", check=False)
    inside(host, "rm", "/tmp/wrong.yaml")
    said = done.stdout + done.stderr
    assert done.returncode == 2, f"exit code {done.returncode}: {said}"
    return said, {int(line) for line in re.findall(r"/tmp/wrong\.yaml:(\d+):\d+", said)}


def test_the_agents_mistakes_all_at_once():
    said, lines = problems("web-01", "lapwing-agent", AGENT)
    assert lines >= {2, 4, 5, 7}, f"lines {sorted(lines)} of 2, 4, 5, 7: {said}"
    assert re.search(r"did you mean.*collector", said), said


def test_the_collectors_mistakes_all_at_once():
    said, lines = problems("monitor", "lapwing-collector", COLLECTOR)
    assert lines >= {2, 3, 4, 5, 6}, f"lines {sorted(lines)} of 2 to 6: {said}"


def test_a_file_that_is_not_yaml():
    for host, program in (("web-01", "lapwing-agent"), ("monitor", "lapwing-collector")):
        said, lines = problems(host, program, "host: [web-01\nprobes: }\n")
        assert lines, said


def test_the_labs_own_configurations_are_right():
    for host in ("web-01", "web-02", "monitor"):
        inside(host, "lapwing-agent", "check-config")
    inside("monitor", "lapwing-collector", "check-config")
