"""The webhook hears of each service that goes down, by name, and of its return."""

import contextlib
import time

import pytest
from lab import inside, notifications, note, until


def expect(fault, faults, expected, seconds):
    """Injects the faults; each (alertname, words) must fire within the seconds, and resolve after they are cleared."""
    began = time.time()

    def arrived(since, status, name, words):
        return [alert for alert in notifications(since) if alert["status"] == status and alert["labels"]["alertname"] == name
                and all(word in alert["annotations"]["summary"] for word in words)]

    with contextlib.ExitStack() as stack:
        for name, variables in faults.items():
            stack.enter_context(fault(name, **variables))
        injected = time.time()
        for name, words in expected:
            alert = until(lambda: arrived(began, "firing", name, words), max(1, injected + seconds - time.time()),
                          f"{name} about {words}")[0]
            note(f"{name} after {alert['at'] - injected:.0f} s: {alert['annotations']['summary']}")
    cleared = time.time()
    for name, words in expected:
        until(lambda: arrived(cleared, "resolved", name, words), max(1, cleared + seconds - time.time()),
              f"{name} about {words} resolved")


def test_the_site_the_load_balancer_and_an_application(fault):
    expect(fault, {"site-down": {}, "app-down": {}},
           [("SiteEntryDown", ["http://10.77.0.10/"]), ("HaproxyDown", ["lb-01"]), ("AppDown", ["web-02"])], 75)


def test_a_backend_server_a_silent_agent_and_a_full_disk(fault):
    faults = {"backend-down": {}, "agent-down": {"LAPWING_HOST": "web-01"}}
    expected = [("BackendServerDown", ["web-02"]), ("AgentSilent", ["web-01"])]
    small_disk = inside("web-02", "stat", "-f", "-c", "%T", "/srv/disk").strip() != "tmpfs"
    if small_disk:
        faults["disk-full"] = {}
        expected.append(("DiskSpaceLow", ["web-02", "/srv/disk"]))
    expect(fault, faults, expected, 110)
    if not small_disk:
        pytest.skip("the full disk: this machine has no loop device for a small one")


def test_nginx_and_mariadb_that_hang(fault):
    expect(fault, {"nginx-stopped": {}, "mariadb-stopped": {}}, [("NginxDown", ["web-02"]), ("MysqlDown", ["web-02"])], 75)
