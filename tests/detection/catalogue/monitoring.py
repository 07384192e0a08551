"""Faults of Lapwing itself."""

import lab
from fault import Fault, Told, edited, fails, holds, restored, run

RULES = "/etc/lapwing/rules"


def enrol_again():
    run("monitor: rm -f /tmp/web-02.pem; lapwing-collector enrol web-02 --bundle /tmp/web-02.pem >/dev/null")
    bundle = lab.inside("monitor", "cat", "/tmp/web-02.pem")
    lab.inside("web-02", "sh", "-c", "cat >/etc/lapwing/agent.pem; svc agent stop; svc agent start", text=bundle)

FAULTS = [
    Fault("agent-killed", "an agent is killed, and nothing starts it again", "web-02: svc agent kill", "web-02: svc agent start", fails("web-02", "svc agent status"),
          (Told("AgentSilent", "web-02"),), ("MysqlReplicationUnknown", "ObservationMissing")),
    Fault("agent-hung", "an agent hangs", "web-02: svc agent pause", "web-02: svc agent resume", holds("web-02", "grep -q '^State:.*T' /proc/$(svc agent pid)/status"),
          (Told("AgentSilent", "web-02"),), ("MysqlReplicationUnknown", "ObservationMissing")),
    Fault("certificate-revoked", "the certificate of an agent is revoked", "monitor: lapwing-collector revoke web-02", enrol_again,
          holds("monitor", "lapwing-collector agents | grep -E 'web-02' | grep -qi revoked"), (Told("AgentSilent", "web-02"),), ("MysqlReplicationUnknown", "ObservationMissing")),
    Fault("database-account-locked", "the agent's account of the database is locked", "web-02: mariadb -e \"SET sql_log_bin = 0; ALTER USER lapwing@localhost ACCOUNT LOCK\"; "
          "mariadb -N -e \"SELECT CONCAT('KILL ', id, ';') FROM information_schema.processlist WHERE user = 'lapwing'\" | mariadb",
          "web-02: mariadb -e \"SET sql_log_bin = 0; ALTER USER lapwing@localhost ACCOUNT UNLOCK\"", holds("web-02", "mariadb -N -e \"SHOW CREATE USER lapwing@localhost\" | grep -q 'ACCOUNT LOCK'"),
          (Told("MysqlRefusesAgent", "web-02"),), ("MysqlReplicationUnknown",)),
    Fault("status-page-refused", "Nginx refuses its status page to the agent",
          "web-02:\n" + edited("/etc/nginx/nginx.conf", "s/allow 127.0.0.1;//") + "\nkill -HUP $(svc nginx pid)",
          "web-02:\n" + restored("/etc/nginx/nginx.conf") + "\nkill -HUP $(svc nginx pid)",
          holds("web-02", "test $(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1/nginx_status) = 403"), (Told("ServerRefusesAgent", "web-02", "403"),), gradual=True),
    Fault("statistics-refused", "HAProxy asks for a password before it shows its statistics, and the socket is gone",
          "lb-01:\n" + edited("/etc/haproxy/haproxy.cfg", "s/stats uri .*/&\\n    stats auth a:b/", "/stats socket .*lapwing.sock/d", "/stats socket .*user.sock/d")
          + "\nrm -f /run/haproxy/lapwing.sock /run/haproxy/user.sock; svc haproxy stop; svc haproxy start",
          "lb-01:\n" + restored("/etc/haproxy/haproxy.cfg") + "\nsvc haproxy stop; svc haproxy start",
          holds("lb-01", "test $(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8404/) = 401"), (Told("ServerRefusesAgent", "lb-01", "401"), Told("HaproxyDown", "lb-01")),
          ("HaproxyDown", "ObservationMissing"), gradual=True),
    Fault("snapshots-end", "the helper that reads the rules no longer runs", "web-02: svc snapshot stop", "web-02: svc snapshot start", fails("web-02", "svc snapshot status"),
          (Told("ProbeFailing", "web-02", "firewall|snapshot"),), ("ObservationMissing",), gradual=True),
    Fault("log-unreadable", "after a rotation the agent may not read Nginx' new access log",
          "web-02: cd /var/log/nginx; mv access.log access.log.1; install -m 0600 -o www-data -g www-data /dev/null access.log; kill -USR1 $(svc nginx pid)",
          "web-02: chown www-data:adm /var/log/nginx/access.log; chmod 0640 /var/log/nginx/access.log",
          fails("web-02", "setpriv --reuid=lapwing --regid=lapwing --groups=adm cat /var/log/nginx/access.log"), (Told("LogUnreadable", "web-02", "access.log"), Told("ProbeFailing", "web-02", "logs")), gradual=True),
    Fault("rule-fails", "a rule of somebody's own fails", f"monitor:\nprintf 'groups:\\n- name: broken\\n  rules:\\n  - record: broken:rule\\n    expr: up * on (job) up\\n' >{RULES}/broken.yml\nkill -HUP $(svc collector pid)",
          f"monitor: rm -f {RULES}/broken.yml; kill -HUP $(svc collector pid)", holds("monitor", f"test -e {RULES}/broken.yml"), (Told("RuleFailing", "monitor|collector|broken"),), gradual=True),
]
