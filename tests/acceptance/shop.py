"""The site as it is before Lapwing: two web servers with an application and MariaDB, primary and replica, behind HAProxy."""

import json

from machines import GATEWAY, NETWORK, REPOSITORY, Machine, until

SECRET = "site-7f3a"
REPLICATION_SECRET = "copy-19bd"
SHOP = """[Unit]
Description=The shop
After=network-online.target mariadb.service
[Service]
User=www-data
WorkingDirectory=/srv/app
ExecStart=/usr/bin/gunicorn --workers 2 --bind 127.0.0.1:8000 --timeout 20 site_app:application
Restart=always
[Install]
WantedBy=multi-user.target
"""
NGINX = """server {
    listen 80 default_server;
    location / {
        proxy_pass http://127.0.0.1:8000;
        proxy_set_header Host $host;
        proxy_connect_timeout 2s;
    }
}
"""
HAPROXY = """
frontend site
    bind :80
    default_backend web

backend web
    balance roundrobin
    option httpchk GET /healthz
    default-server check inter 1s fall 3 rise 2
    server web-01 {web_01}:80
    server web-02 {web_02}:80
"""
ACCOUNTS = f"""CREATE DATABASE site;
CREATE TABLE site.visits (id BIGINT AUTO_INCREMENT PRIMARY KEY, at DATETIME(6) NOT NULL, host VARCHAR(64) NOT NULL);
CREATE USER site@'{NETWORK}.%' IDENTIFIED BY '{SECRET}';
GRANT SELECT, INSERT ON site.* TO site@'{NETWORK}.%';
CREATE USER replication@'{NETWORK}.%' IDENTIFIED BY '{REPLICATION_SECRET}';
GRANT REPLICATION SLAVE ON *.* TO replication@'{NETWORK}.%';"""


def mycnf(number):
    read_only = "read_only = on\n" if number == 2 else ""
    return (f"[mariadbd]\nbind_address = 0.0.0.0\nserver_id = {number}\nlog_bin = binlog\nlog_slave_updates = on\n"
            f"binlog_format = ROW\ngtid_strict_mode = on\nrelay_log = relay\nskip_name_resolve = on\n"
            f"{read_only}innodb_buffer_pool_size = 16M\n")


class Site:
    def __init__(self, folder):
        self.web_01 = Machine(folder, "web-01", 11, "web", "bookworm")
        self.web_02 = Machine(folder, "web-02", 12, "web", "trixie")
        self.balancer = Machine(folder, "lb-01", 10, "balancer", "trixie")
        self.mon = Machine(folder, "mon", 20, "monitor", "bookworm")
        self.mon_new = Machine(folder, "mon-new", 21, "monitor", "bookworm")

    @property
    def machines(self):
        return [self.web_01, self.web_02, self.balancer, self.mon, self.mon_new]

    @property
    def servers(self):
        return [self.web_01, self.web_02, self.balancer]

    def names(self, mon):
        """/etc/hosts: what a name server would say."""
        hosts = "".join(f"{each.address} {each.name}\n" for each in self.machines if each is not self.mon)
        return f"127.0.0.1 localhost\n{hosts}{mon.address} mon\n"

    def configure(self):
        primary = self.web_01.address
        for number, web in enumerate((self.web_01, self.web_02), 1):
            web.write("/etc/site/app.json", json.dumps({"user": "site", "password": SECRET, "read": [web.address, primary],
                                                        "write": primary}))
            web.write("/srv/app/site_app.py", (REPOSITORY / "tests/lab/app/site_app.py").read_text())
            web.write("/etc/systemd/system/shop.service", SHOP)
            (web.root / "etc/systemd/system/multi-user.target.wants/shop.service").symlink_to("/etc/systemd/system/shop.service")
            (web.root / "etc/nginx/sites-enabled/default").unlink(missing_ok=True)
            web.write("/etc/nginx/sites-enabled/shop", NGINX)
            web.write("/etc/mysql/mariadb.conf.d/70-site.cnf", mycnf(number))
        config = self.balancer.root / "etc/haproxy/haproxy.cfg"
        config.write_text(config.read_text() + HAPROXY.format(web_01=self.web_01.address, web_02=self.web_02.address))
        for each in self.machines:
            each.write("/etc/hosts", self.names(self.mon))

    def begin(self):
        """What happens once, on the running hosts."""
        until(lambda: self.web_01.sql("SELECT 1"), 60, "the primary answers")
        until(lambda: self.web_02.sql("SELECT 1"), 60, "the replica answers")
        self.web_01.sql(ACCOUNTS)
        self.web_02.sql(f"CHANGE MASTER TO MASTER_HOST='{self.web_01.address}', MASTER_USER='replication', "
                        f"MASTER_PASSWORD='{REPLICATION_SECRET}', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=2, "
                        "MASTER_SSL=0, MASTER_SSL_VERIFY_SERVER_CERT=0;\nSTART SLAVE;")
        until(self.works, 60, "the site works")

    def works(self):
        """Replication runs, and visitors get their pages."""
        visits = f"for i in 1 2 3 4; do curl -fsS -m 5 -o /dev/null http://{self.balancer.address}/ || exit 1; done"
        return "\tYes\tYes\t" in self.web_02.sql("SHOW SLAVE STATUS") and self.mon.run(visits, check=False).returncode == 0


RECEIVER = f"http://{GATEWAY}:9000/lapwing"
