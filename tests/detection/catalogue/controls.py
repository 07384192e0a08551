"""What happens on healthy servers every day: nobody must be told."""

from fault import Control, ended, in_background

DEPLOY = "echo \"# {}\" >>/srv/app/site_app.py; kill -HUP $(svc app pid)"

CONTROLS = [
    Control("nginx-reload", "Nginx is reloaded", "web-02: kill -HUP $(svc nginx pid)"),
    Control("nginx-restart", "Nginx is restarted", "web-02: svc nginx stop; svc nginx start"),
    Control("haproxy-reload", "HAProxy is reloaded", "lb-01: kill -USR2 $(svc haproxy pid)"),
    Control("haproxy-restart", "HAProxy is restarted", "lb-01: svc haproxy stop; svc haproxy start"),
    Control("application-reload", "the application's workers are replaced", "web-02: kill -HUP $(svc app pid)"),
    Control("application-restart", "the application is restarted", "web-02: svc app stop; svc app start"),
    Control("deployment", "a new version of the application is deployed, a server at a time",
            "web-01: " + DEPLOY.format("a deployment") + "; sleep 5\nweb-02: " + DEPLOY.format("a deployment")),
    Control("logrotate", "Nginx' logs are rotated", "web-02: mv /var/log/nginx/access.log /var/log/nginx/access.log.1; kill -USR1 $(svc nginx pid)"),
    Control("backup", "mariadb-dump with --single-transaction on the replica", "web-02: mariadb-dump --single-transaction --all-databases >/tmp/dump.sql", "web-02: rm -f /tmp/dump.sql"),
    Control("binary-logs-flushed", "the primary begins a new binary log", "web-01: mariadb -e 'FLUSH BINARY LOGS'"),
    Control("replica-restart", "the replica's threads are restarted", "web-02: mariadb -e 'STOP SLAVE; DO SLEEP(3); START SLAVE'"),
    Control("long-transaction", "a transaction of some seconds", "web-01: mariadb -e 'BEGIN; INSERT INTO site.visits (at, host) VALUES (NOW(6), \"long\"); DO SLEEP(4); COMMIT'"),
    Control("column-added", "ALTER TABLE on the primary", "web-01: mariadb -e 'ALTER TABLE site.visits ADD COLUMN note VARCHAR(10)'", "web-01: mariadb -e 'ALTER TABLE site.visits DROP COLUMN note'"),
    Control("agent-restart", "an agent is restarted", "web-02: svc agent stop; svc agent start"),
    Control("collector-restart", "the collector is restarted", "monitor: svc collector stop; svc collector start", seconds=100),
    Control("rules-reloaded", "the collector reads its rules again", "monitor: kill -HUP $(svc collector pid)"),
    Control("load-spike", "four times as many visitors for half a minute",
            "client:\n" + in_background("spike", "/bin/bash -c 'for i in 1 2 3; do (while :; do curl -s -o /dev/null http://10.77.0.10/; sleep 0.2; done) & done; wait'") + "\nsleep 30\n" + ended("spike")),
    Control("server-taken-out", "a server is drained, restarted and taken back",
            "lb-01: echo 'set server web/web-02 state drain' | socat stdio /run/haproxy/admin.sock; sleep 3\nweb-02: svc app stop; svc app start; svc nginx stop; svc nginx start\n"
            "lb-01: sleep 3; echo 'set server web/web-02 state ready' | socat stdio /run/haproxy/admin.sock"),
    Control("short-burst-of-work", "a job takes every processor for 20 seconds",
            "web-02:\n" + in_background("burn", "/bin/bash -c 'for i in $(seq $(nproc)); do (while :; do :; done) & done; wait'") + "\nsleep 20\n" + ended("burn")),
    Control("link-blip", "a cable is out for two seconds", "lb-01: nft 'add table inet blip; add chain inet blip o { type filter hook output priority -20; }; "
            "add rule inet blip o ip daddr 10.77.0.12 drop'; sleep 2; nft 'delete table inet blip'"),
    Control("file-comes-and-goes", "a large temporary file takes half of a disk", "web-02: dd if=/dev/zero of=/srv/disk/temporary bs=64k count=110 status=none; sleep 15; rm /srv/disk/temporary"),
    Control("pages-not-found", "visitors ask for pages that are not there", "client: for i in $(seq 40); do curl -s -o /dev/null http://10.77.0.10/nothing-$i; sleep 0.2; done"),
]
