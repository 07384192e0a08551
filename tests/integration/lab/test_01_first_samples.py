"""Every probe of every agent delivers, on time and with a truthful clock."""

import time

from lab import inside, interval_of, query, samples, until, value

PROBES = ([(agent, job, agent) for agent in ("web-01", "web-02")
           for job in ("node", "nginx", "app", "mysql", "sockets", "firewall", "keepalived", "inventory", "logs")]
          + [("monitor", job, "monitor") for job in ("node", "sockets", "firewall", "keepalived", "inventory", "logs")]
          + [("monitor", "app", "site"), ("monitor", "haproxy", "lb-01")])


def test_every_probe_is_up():
    # The inventory runs once a minute.
    until(lambda: len(query('up{job="inventory"}')) >= 3, 70, "the inventories")
    up = {(s["metric"]["agent"], s["metric"]["job"], s["metric"]["instance"]): s["value"][1] for s in query("up")
          if "agent" in s["metric"]}
    for probe in PROBES:
        assert up.get(probe) == "1", f"up of {probe} is {up.get(probe)}"


def test_what_the_probes_found_is_true():
    assert value('mysql_global_variables_read_only{instance="web-01"}') == 0
    assert value('mysql_global_variables_read_only{instance="web-02"}') == 1
    assert value('lapwing_mysql_replica_configured{instance="web-01"}') == 0
    assert value('lapwing_mysql_replica_configured{instance="web-02"}') == 1
    assert value('mysql_slave_status_slave_sql_running{instance="web-02"}') == 1
    until(lambda: value('lapwing_mysql_replica_lag_seconds{instance="web-02"}') == 0, 15, "a lag of 0 on web-02")
    assert value('nginx_up{instance="web-01"}') == 1
    assert value('probe_http_status_code{instance="site"}') == 200
    assert value('haproxy_server_status{server="web-02",state="UP"}') == 1
    # A canary's listener has no process: it comes and goes between two snapshots.
    listeners = {(s["metric"]["instance"], s["metric"]["port"], s["metric"].get("process", ""))
                 for s in query('lapwing_listener_info{protocol="tcp",family="ipv4"}')}
    for expected in [("web-01", "3306", "mariadbd"), ("web-02", "80", "nginx"), ("web-01", "8000", "gunicorn")]:
        assert expected in listeners, f"{expected} is not among {sorted(listeners)}"


def test_hosts_are_told_apart():
    ids = {s["metric"]["instance"]: s["metric"]["machine_id"] for s in query("lapwing_agent_info")}
    assert set(ids) >= {"web-01", "web-02", "monitor"}, ids
    assert len(set(ids.values())) == len(ids), ids
    for host, machine_id in ids.items():
        assert inside(host, "cat", "/etc/machine-id").strip() == machine_id


def test_clocks_agree_on_one_machine():
    for series in until(lambda: query("lapwing_clock_offset_seconds"), 30, "a clock offset"):
        assert abs(float(series["value"][1])) < 0.1, series


def test_samples_come_at_their_interval():
    time.sleep(31)
    now = time.time()
    # Samples of the last second may not have arrived.
    seen = samples('up{agent!=""}', now - 30, now - 1.5)
    for labels, points in seen:
        interval = interval_of(labels["job"])
        gaps = [later[0] - earlier[0] for earlier, later in zip(points, points[1:])]
        assert all(abs(gap - interval) < 0.5 for gap in gaps), f"{labels}: gaps of {gaps}"
    assert {(s["agent"], s["job"], s["instance"]) for s, _ in seen} >= {each for each in PROBES if each[1] != "inventory"}
