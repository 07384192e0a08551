"""The agent has no reachable socket, no capability, and no password."""

import time

from lab import inside, process_status, sql


def agent_listeners(host):
    pid, _ = process_status(host, "agent")
    return {line.split()[4] for line in inside(host, "ss", "-Hlntup").splitlines() if f"pid={pid}," in line}


def test_no_listening_socket():
    # The canary listens for two seconds, rarely. A socket that is seen twice, four seconds apart, is not the canary.
    for host in ("web-01", "web-02", "monitor"):
        before = agent_listeners(host)
        time.sleep(4)
        lasting = before & agent_listeners(host)
        assert not lasting, f"the agent on {host} listens on {lasting}"
        # Checks that ss names processes at all.
        pid, _ = process_status(host, "agent")
        assert f"pid={pid}," in inside(host, "ss", "-Hntp"), f"ss does not show the agent's connection on {host}"


def test_user_and_capabilities():
    for host in ("web-01", "web-02", "monitor"):
        _, status = process_status(host, "agent")
        uid = inside(host, "id", "-u", "lapwing").strip()
        assert uid != "0"
        assert status["Uid"].split() == [uid] * 4, status["Uid"]
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(status[kind], 16) == 0, f"{kind} of the agent on {host} is {status[kind]}"
        assert status["NoNewPrivs"] == "1"


def test_the_collector_is_unprivileged_too():
    _, status = process_status("monitor", "collector")
    assert status["Uid"].split()[0] == inside("monitor", "id", "-u", "lapwing-collector").strip() != "0"
    assert int(status["CapEff"], 16) == 0


def test_mariadb_knows_it_by_its_unix_socket():
    for host in ("web-01", "web-02"):
        account = sql(host, "SHOW CREATE USER lapwing@localhost")
        assert "unix_socket" in account and "PASSWORD" not in account.upper().replace("PASSWORD EXPIRE", ""), account
        connected = sql(host, "SELECT host FROM information_schema.processlist WHERE user = 'lapwing'").split()
        assert connected and set(connected) == {"localhost"}, connected
        assert "password" not in inside(host, "cat", "/etc/lapwing/agent.yaml").lower()


def test_another_user_is_not_let_in_under_its_name():
    done = inside("web-01", "setpriv", "--reuid=www-data", "--regid=www-data", "--clear-groups", "mariadb", "-u", "lapwing",
                  "-e", "SELECT 1", check=False)
    assert done.returncode != 0 and "denied" in done.stderr.lower(), done.stderr


def test_keys_are_readable_by_their_owner_alone():
    for host in ("web-01", "web-02", "monitor"):
        mode = inside(host, "stat", "-c", "%U:%G:%a", "/etc/lapwing/agent.pem").strip()
        assert mode == "root:lapwing:640", mode
    private = inside("monitor", "find", "/var/lib/lapwing-collector", "-name", "*.key", "-perm", "/077")
    assert private == "", f"others may read {private}"
