"""lapwing-configtest beside the real Nginx and HAProxy, in namespaces of its own, with the capabilities of its unit."""

import json
import os
import re
import shutil
import subprocess

import pytest
from harness import PROGRAM
from reference import eventually

pytestmark = pytest.mark.root
BIN = os.path.dirname(PROGRAM)
CAPABILITIES = "-all,+dac_override,+chown,+net_bind_service,+sys_ptrace"
PLACE = "/var/lib/lapwing-configtest-site"  # root's, as /etc is: whoever may change the files is looked at
MOUNTS = f"""set -e
mkdir -p {PLACE}
mount -t tmpfs -o mode=0755 none {PLACE}
mount -t tmpfs -o mode=0755 none /run
mount -t tmpfs -o mode=0755 none /var/log
mkdir {PLACE}/etc {PLACE}/etc/included /var/log/nginx
ip link set lo up
touch {PLACE}/ready
exec sleep infinity"""

NGINX = """events {}
http {
    access_log /var/log/nginx/site.log;
    error_log /var/log/nginx/error.log;
    server { listen 127.0.0.1:80; server_name a; return 200; }
    include %(place)s/etc/included/*.conf;
}
""" % {"place": PLACE}
TLS = f"""server {{ listen 127.0.0.1:443 ssl; server_name a a; return 200;
    ssl_certificate {PLACE}/etc/site.pem; ssl_certificate_key {PLACE}/etc/site.key; }}
"""
HAPROXY = """global
    master-worker
defaults
    mode http
    timeout connect 1s
    timeout client 1s
    timeout server 1s
frontend site
    bind ${ADDRESS}:8082
    default_backend web
backend web
    server web-01 127.0.0.1:80
"""


class Host:
    """Nginx and HAProxy in mount, process and network namespaces."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "--net", "--mount-proc", "--kill-child", "sh", "-c", MOUNTS],
                                       stderr=subprocess.PIPE, text=True)
        self.leader = None
        eventually(lambda: self.find_leader() and self.run("test", "-e", f"{PLACE}/ready", check=False).returncode == 0)

    def find_leader(self):
        if self.holder.poll() is not None:
            pytest.skip("this machine does not allow namespaces: " + self.holder.stderr.read())
        children = subprocess.run(["pgrep", "-P", str(self.holder.pid)], capture_output=True, text=True).stdout.split()
        self.leader = children[0] if children else None
        return self.leader

    def run(self, *argv, check=True, **more):
        return subprocess.run([*self.enter(), *argv], check=check, capture_output=True, text=True, timeout=60, **more)

    def enter(self):
        return ["nsenter", "--target", self.leader, "--mount", "--pid", "--net", "--"]

    def daemon(self, *argv, **environment):
        """A daemon keeps the files of its output open."""
        subprocess.run([*self.enter(), *argv], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60,
                       env={**os.environ, **environment})

    def write(self, name, text):
        self.run("tee", f"{PLACE}/etc/{name}", input=text)

    def start(self):
        self.write("nginx.conf", NGINX)
        self.write("included/tls.conf", TLS)
        self.write("haproxy.cfg", HAPROXY)
        self.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=a", "-days", "2",
                 "-keyout", f"{PLACE}/etc/site.key", "-out", f"{PLACE}/etc/site.pem")
        self.run("chmod", "0600", f"{PLACE}/etc/site.key")
        self.daemon("nginx", "-c", f"{PLACE}/etc/nginx.conf", "-g", "daemon on; worker_processes 1;")
        self.daemon("haproxy", "-Ws", "-D", "-f", f"{PLACE}/etc/haproxy.cfg", "-p", "/run/haproxy.pid", ADDRESS="127.0.0.1")

    def test(self):
        """{program: its result}"""
        self.run("setpriv", "--inh-caps=-all", f"--bounding-set={CAPABILITIES}", "--", f"{BIN}/lapwing-configtest",
                 "--output", "/run/configtest.json", "--group", "nogroup")
        tests = json.loads(self.run("cat", "/run/configtest.json").stdout)["tests"]
        return {each["program"]: each for each in tests}

    def end(self):
        self.holder.kill()
        self.holder.wait()
        os.path.isdir(PLACE) and os.rmdir(PLACE)


@pytest.fixture(scope="module")
def host():
    for program in ("nginx", "haproxy", "unshare", "nsenter"):
        if not shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin"):
            pytest.skip(program + " is not installed")
    site = Host()
    try:
        site.start()
        yield site
    finally:
        site.end()


def both(host):
    results = host.test()
    return {program: (each["result"], each["words"], each["place"].replace(PLACE, "")) for program, each in results.items()}


GOOD = {"nginx": ("good", "", ""), "haproxy": ("good", "", "")}


def test_configurations_that_load_are_good(host):
    """With warnings (a name twice), a key that root alone may read, ports in use, and a variable of HAProxy's environment."""
    results = host.test()
    assert both(host) == GOOD, results
    assert results["nginx"]["configuration"] == f"{PLACE}/etc/nginx.conf"
    assert results["haproxy"]["configuration"] == f"{PLACE}/etc/haproxy.cfg"


def test_an_error_is_told_in_the_words_of_the_program(host):
    host.write("included/tls.conf", "evnets {}\n" + TLS)
    host.write("haproxy.cfg", HAPROXY + "    balanse roundrobin\n")
    log = host.run("cat", "/var/log/nginx/error.log").stdout
    told = both(host)
    assert told["nginx"] == ("broken", 'unknown directive "evnets"', "/etc/included/tls.conf:1")
    assert told["haproxy"][0] == "broken" and "balanse" in told["haproxy"][1] and told["haproxy"][2] == "/etc/haproxy.cfg:13"
    assert host.run("cat", "/var/log/nginx/error.log").stdout == log  # the site's log has nothing of the test
    host.write("included/tls.conf", TLS)
    host.write("haproxy.cfg", HAPROXY)
    assert both(host) == GOOD


def test_a_certificate_that_is_broken_would_stop_both(host):
    host.run("cp", f"{PLACE}/etc/site.pem", f"{PLACE}/etc/kept.pem")
    host.write("site.pem", "-----BEGIN CERTIFICATE-----\n")
    host.write("haproxy.cfg", HAPROXY.replace(":8082", f":8082 ssl crt {PLACE}/etc/site.pem"))
    told = both(host)
    assert told["nginx"][0] == "broken" and "cannot load certificate" in told["nginx"][1]
    assert told["haproxy"][0] == "broken" and "site.pem" in told["haproxy"][1]
    host.run("mv", f"{PLACE}/etc/kept.pem", f"{PLACE}/etc/site.pem")
    host.write("haproxy.cfg", HAPROXY)
    assert both(host) == GOOD


def test_a_name_that_does_not_resolve_is_unknown_at_first(host):
    host.write("included/tls.conf", "server { listen 127.0.0.1:80; location / { proxy_pass http://no.such.invalid; } }\n")
    host.write("haproxy.cfg", HAPROXY.replace("127.0.0.1:80\n", "no.such.invalid:80\n"))
    for result, words, _ in both(host).values():
        assert result == "unknown" and "does not resolve" in words and "no.such.invalid" in words
    host.write("included/tls.conf", TLS)
    host.write("haproxy.cfg", HAPROXY)
    assert both(host) == GOOD


def test_a_secret_is_not_told(host):
    host.write("haproxy.cfg", HAPROXY + "userlist u\n    user admin insecure-pasword S3cret\n    user b insecure-password S3cret S3cret\n")
    host.write("included/tls.conf", 'server { auth_basic "x" S3cret; }\n')
    for result, words, _ in both(host).values():
        assert result == "broken" and "S3cret" not in words
    host.write("included/tls.conf", f"include {PLACE}/secret;\n")
    host.run("sh", "-c", f"echo 'root:S3cret:1;' >{PLACE}/secret")
    host.write("haproxy.cfg", HAPROXY)
    told = both(host)
    assert told["nginx"][0] == "broken" and "S3cret" not in told["nginx"][1] and told["nginx"][2] == "/secret:1"
    host.write("included/tls.conf", TLS)
    assert both(host) == GOOD


def test_a_log_that_the_test_may_not_write_is_unknown(host):
    host.run("sh", "-c", f"mkdir -p {PLACE}/logs && mount -t tmpfs -o ro none {PLACE}/logs")
    host.write("included/tls.conf", f"access_log {PLACE}/logs/a.log;\n")
    result, words, _ = both(host)["nginx"]
    assert result == "unknown" and "Read-only file system" in words
    host.write("included/tls.conf", TLS)
    assert both(host) == GOOD


def test_a_reload_of_haproxy_changes_nothing(host):
    """Its master executes itself again, with the old processes on its command line, and then without them."""
    host.run("sh", "-c", "kill -USR2 $(cat /run/haproxy.pid)")
    eventually(lambda: "-sf" in host.run("ps", "-eo", "args").stdout)
    assert both(host) == GOOD
    host.write("haproxy.cfg", HAPROXY + "    balanse roundrobin\n")
    assert both(host)["haproxy"][0] == "broken"
    host.write("haproxy.cfg", HAPROXY)
    assert both(host) == GOOD


def test_who_may_change_a_file_would_choose_what_root_tests(host):
    host.run("chown", "nobody", f"{PLACE}/etc/included/tls.conf")
    result, words, _ = both(host)["nginx"]
    assert result == "unknown" and "others than root may change" in words
    host.run("chown", "root", f"{PLACE}/etc/included/tls.conf")
    assert both(host) == GOOD


class Certificates:
    """Of the running Nginx and HAProxy: `write` puts new ones on the disk, `stale` is what the agent says of them."""

    def __init__(self, host):
        self.host = host
        host.run("mkdir", "-p", "/run/lapwing", "/run/agent")
        host.write("agent.yaml", "host: web-01\ndata: /run/agent\nprobes: { inventory: on }\n")
        self.write()
        host.write("haproxy.cfg", HAPROXY.replace("bind ${", f"bind 127.0.0.1:8443 ssl crt {PLACE}/etc/pair.pem\n    bind ${{"))
        self.reload()

    def write(self):
        new = f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=a -addext subjectAltName=DNS:a.example -days 3 -keyout {PLACE}/etc/site.key"
        self.host.run("sh", "-c", f"{new} -out {PLACE}/etc/site.pem && cd {PLACE}/etc && cat site.key site.pem >pair.pem")
        return True

    def reload(self):
        before = self.workers()
        self.host.run("sh", "-c", "kill -HUP $(cat /run/nginx.pid); kill -USR2 $(cat /run/haproxy.pid)")
        eventually(lambda: len(self.workers() - before) >= 2)

    def workers(self):
        return set(self.host.run("sh", "-c", "pgrep -P $(cat /run/nginx.pid); pgrep -P $(cat /run/haproxy.pid)", check=False).stdout.split())

    def stale(self):
        """{(program, address, name, file): end}"""
        self.host.run("setpriv", "--inh-caps=-all", f"--bounding-set={CAPABILITIES}", "--", f"{BIN}/lapwing-configtest",
                      "--output", "/run/lapwing/configtest.json", "--group", "nogroup")
        text = self.host.run("cat", "/run/lapwing/configtest.json").stdout
        assert "PRIVATE" not in text
        told = self.host.run(f"{BIN}/lapwing-agent", "probe", "inventory", "--config", f"{PLACE}/etc/agent.yaml").stdout
        lines = [line for line in told.splitlines() if line.startswith("lapwing_stale_certificate_end_timestamp_seconds{")]
        return {tuple(re.search(f'{label}="([^"]*)"', line)[1] for label in ("program", "address", "name", "file")): float(line.split("} ")[1].split()[0])
                for line in lines}


def test_a_certificate_that_was_not_loaded_again(host):
    certificates = Certificates(host)
    eventually(lambda: certificates.stale() == {})
    ends = int(host.run("sh", "-c", f"date +%s -d \"$(openssl x509 -noout -enddate -in {PLACE}/etc/site.pem | cut -d= -f2)\"").stdout)
    expected = {("nginx", "127.0.0.1:443", "a", f"{PLACE}/etc/site.pem"): ends, ("haproxy", "127.0.0.1:8443", "a.example", f"{PLACE}/etc/pair.pem"): ends}
    # A change within two seconds after the start is not told, so it is made again.
    eventually(lambda: certificates.write() and certificates.stale() == expected)
    certificates.reload()
    eventually(lambda: certificates.stale() == {})
    # The same certificate, written again, is loaded already.
    host.run("touch", f"{PLACE}/etc/site.pem", f"{PLACE}/etc/pair.pem")
    assert certificates.stale() == {}
    host.write("haproxy.cfg", HAPROXY)


def test_the_file_is_for_the_group_alone(host):
    host.test()
    assert host.run("stat", "-c", "%U:%G:%a", "/run/configtest.json").stdout == "root:nogroup:640\n"


def test_a_program_that_ended_is_tested_no_more(host):
    host.run("sh", "-c", "kill -QUIT $(cat /run/nginx.pid)")
    eventually(lambda: "nginx" not in host.test())
    assert list(host.test()) == ["haproxy"]
