"""Captures real exporters and Lapwing's own agent: starts their servers on loopback, with a little load, and scrapes them
repeatedly. bench-replay extends these captures in time (tests/bench/replay/capture.h)."""

import contextlib
import http.client
import json
import math
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# Hosts take these in turn: two with exporters, two with Lapwing's agent.
MIX = ["node_exporter+mysqld_exporter", "node_exporter+haproxy_exporter",
       "agent_node+agent_nginx+agent_mysql+agent_sockets", "agent_node+agent_haproxy"]
JOBS = {"node_exporter": "node", "mysqld_exporter": "mysql", "haproxy_exporter": "haproxy"}
AGENT = ["node", "nginx", "mysql", "haproxy", "sockets"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
LINE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")


def parse(text):
    """Of Prometheus' text format: {labels as a sorted tuple: value as it was printed}, and the types by metric."""
    samples, types = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ", 3)
            types[name] = kind
        elif line and not line.startswith("#"):
            name, inside, value = LINE.match(line).groups()
            labels = {k: v.replace(r"\"", '"').replace(r"\n", "\n").replace("\\\\", "\\")
                      for k, v in LABEL.findall(inside or "") if v}
            samples[tuple(sorted({**labels, "__name__": name}.items()))] = value
    return samples, types


def is_counter(name, types):
    if name in types:
        # mysqld_exporter calls the server's status untyped; bench-replay takes as counters those that never fall.
        return types[name] in ("counter", "untyped", "unknown")
    family = re.sub(r"_(bucket|sum|count)$", "", name)
    return family != name and types.get(family) in ("histogram", "summary")


class Servers:
    """MariaDB, Nginx and HAProxy with their exporters, in one temporary directory, until close()."""

    def __init__(self, agent):
        self.agent = agent
        self.dir = Path(tempfile.mkdtemp(prefix="lapwing-captures."))
        self.processes = []
        self.ports = {name: free_port() for name in ("mariadb", "nginx", "haproxy", "statistics", *JOBS)}
        self.stop_load = threading.Event()

    def start(self, *command, env=None):
        with open(self.dir / (Path(command[0]).name + ".log"), "ab") as log:
            self.processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env))

    def write(self, name, text):
        (self.dir / name).write_text(text)
        return str(self.dir / name)

    def sql(self, text):
        return subprocess.run(["mariadb", "--no-defaults", f"--socket={self.dir}/s.sock"], input=text, text=True,
                              capture_output=True, check=False)

    def start_mariadb(self):
        data = [f"--datadir={self.dir}/mysql", f"--tmpdir={self.dir}"]
        subprocess.run(["mariadb-install-db", "--no-defaults", "--user=root", *data, "--skip-test-db",
                        "--auth-root-authentication-method=socket"], check=True, capture_output=True)
        self.start("/usr/sbin/mariadbd", "--no-defaults", "--user=root", *data, f"--socket={self.dir}/s.sock",
                   f"--pid-file={self.dir}/pid", "--bind-address=127.0.0.1", f"--port={self.ports['mariadb']}",
                   "--server-id=1", f"--log-bin={self.dir}/mysql/binlog")
        for _ in range(300):
            if self.sql("SELECT 1").returncode == 0:
                break
            time.sleep(0.1)
        done = self.sql("CREATE USER bench@'127.0.0.1' IDENTIFIED BY 'bench';"
                        "GRANT PROCESS, SLAVE MONITOR, BINLOG MONITOR, SELECT ON *.* TO bench@'127.0.0.1';"
                        "CREATE DATABASE shop; CREATE TABLE shop.orders (id INT AUTO_INCREMENT PRIMARY KEY, total INT)")
        if done.returncode != 0:
            raise SystemExit("MariaDB: " + done.stderr)

    def start_web(self):
        nginx = self.write("nginx.conf", f"""
daemon off; pid {self.dir}/nginx.pid; error_log {self.dir}/nginx-error.log; user root;
events {{ }}
http {{
  access_log off; client_body_temp_path {self.dir}/body; proxy_temp_path {self.dir}/proxy;
  fastcgi_temp_path {self.dir}/fastcgi; uwsgi_temp_path {self.dir}/uwsgi; scgi_temp_path {self.dir}/scgi;
  server {{ listen 127.0.0.1:{self.ports['nginx']};
    location / {{ return 200 "hello"; }} location = /nginx_status {{ stub_status; }} }}
}}
""")
        self.start("/usr/sbin/nginx", "-c", nginx, "-e", f"{self.dir}/nginx-error.log")
        servers = "\n".join(f"  server web-{i:02} 127.0.0.1:{self.ports['nginx']} check" for i in range(1, 5))
        haproxy = self.write("haproxy.cfg", f"""
global
  stats socket {self.dir}/haproxy.sock mode 600 level user
defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 5s
frontend shop
  bind 127.0.0.1:{self.ports['haproxy']}
  default_backend web
frontend statistics
  bind 127.0.0.1:{self.ports['statistics']}
  stats enable
  stats uri /
backend web
{servers}
""")
        self.start("/usr/sbin/haproxy", "-f", haproxy)

    def start_exporters(self):
        listen = {name: f"--web.listen-address=127.0.0.1:{self.ports[name]}" for name in JOBS}
        self.start("/usr/bin/prometheus-node-exporter", listen["node_exporter"])
        self.start("/usr/bin/prometheus-mysqld-exporter", listen["mysqld_exporter"],
                   env={"DATA_SOURCE_NAME": f"bench:bench@(127.0.0.1:{self.ports['mariadb']})/"})
        self.start("/usr/bin/prometheus-haproxy-exporter", listen["haproxy_exporter"],
                   f"--haproxy.scrape-uri=http://127.0.0.1:{self.ports['statistics']}/;csv")
        self.agent_config = self.write("agent.yaml", f"""
host: bench
data: {self.dir}/agent
snapshot: {self.dir}/snapshot.json
probes:
  nginx: [ {{ url: "http://127.0.0.1:{self.ports['nginx']}/nginx_status" }} ]
  haproxy: [ {{ instance: bench, socket: "{self.dir}/haproxy.sock" }} ]
  mysql: [ {{ socket: "{self.dir}/s.sock" }} ]
""")

    def load(self):
        """Requests and statements, so that counters move."""
        orders = subprocess.Popen(["mariadb", "--no-defaults", f"--socket={self.dir}/s.sock"], stdin=subprocess.PIPE,
                                  stdout=subprocess.DEVNULL, text=True)
        with contextlib.suppress(OSError):
            while not self.stop_load.wait(0.05):
                orders.stdin.write("INSERT INTO shop.orders (total) VALUES (7); SELECT SUM(total) FROM shop.orders;\n")
                orders.stdin.flush()
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"http://127.0.0.1:{self.ports['haproxy']}/", timeout=2).read()
        orders.stdin.close()
        orders.wait()

    def scrape(self, name):
        if name.startswith("agent_"):
            return subprocess.run([self.agent, "probe", name[len("agent_"):], "--config", self.agent_config],
                                  capture_output=True, text=True, timeout=10).stdout
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[name], timeout=10)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def close(self):
        self.stop_load.set()
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


def finite(value):
    return math.isfinite(float(value))


def write_capture(path, name, scrapes):
    """`scrapes`: (milliseconds late, seconds it took, samples, types) of each. Keeps the series that were in all."""
    common = set(scrapes[0][2]).intersection(*(set(samples) for _, _, samples, _ in scrapes))
    types = scrapes[0][3]
    job = name.removeprefix("agent_") if name.startswith("agent_") else JOBS[name]
    series = []
    for key in sorted(common):
        values = [samples[key] for _, _, samples, _ in scrapes]
        # VictoriaMetrics stores no NaN; leave out what not all would count.
        if all(map(finite, values)):
            series.append({"labels": {**dict(key), "job": job}, "counter": is_counter(dict(key)["__name__"], types),
                           "values": values})
    for meta, values in (("up", ["1"] * len(scrapes)), ("scrape_duration_seconds", [f"{s[1]:.9f}" for s in scrapes]),
                         ("scrape_samples_scraped", [str(len(s[2])) for s in scrapes])):
        series.append({"labels": {"__name__": meta, "job": job}, "counter": False, "values": values})
    path.write_text(json.dumps({"jitter_ms": [s[0] for s in scrapes], "series": series}))
    constant = sum(len(set(one["values"])) == 1 for one in series)
    print(f"captured {name}: {len(series)} series, {100 * constant / len(series):.0f} % constant", file=sys.stderr)


def capture(directory, agent, count=40, interval=1.0):
    """Makes every capture of MIX anew, `count` scrapes each, in `directory`."""
    names = sorted({name for kind in MIX for name in kind.split("+")})
    servers = Servers(agent)
    loader = threading.Thread(target=servers.load)
    try:
        servers.start_mariadb()
        servers.start_web()
        servers.start_exporters()
        loader.start()
        time.sleep(3)

        def one(name):
            scrapes = []
            began = time.time() + 0.1 * names.index(name)
            for i in range(count):
                time.sleep(max(0, began + i * interval - time.time()))
                late = time.time() - began - i * interval
                text = servers.scrape(name)
                scrapes.append((round(1000 * late), time.time() - began - i * interval - late, *parse(text)))
                if not scrapes[-1][2]:
                    raise SystemExit(f"{name} says nothing: {text[:200]}")
            return scrapes

        with ThreadPoolExecutor(len(names)) as pool:
            results = dict(zip(names, pool.map(one, names)))
    finally:
        servers.stop_load.set()
        if loader.ident:
            loader.join()
        servers.close()
    directory.mkdir(parents=True, exist_ok=True)
    for name, scrapes in results.items():
        write_capture(directory / f"{name}.json", name, scrapes)


def ensure(directory, agent, again=False):
    names = {name for kind in MIX for name in kind.split("+")}
    if again or any(not (directory / f"{name}.json").exists() for name in names):
        capture(directory, agent)
