"""Nginx's logs by a real agent: what the collector gets is what was sent, though logs are rotated and the agent is killed."""

import http.client
import os
import shutil
import signal
import subprocess
import threading
import time

import pytest
from harness import Collector, free_port
from reference import eventually

FORMAT = ('$remote_addr [$time_local] $server_name "$request" $status $bytes_sent $request_length $request_time '
          '"$http_user_agent" $upstream_addr $upstream_status $upstream_response_time')

collector = Collector()


class Nginx:
    """Serves /ok and /missing by itself, /app by an upstream group of a live and a dead server."""

    def __init__(self):
        self.port, self.dead = free_port(), free_port()
        self.directory = collector.path("nginx")
        os.mkdir(self.directory)
        places = " ".join(f"{name}_temp_path {self.directory}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(f"{self.directory}/nginx.conf", "w") as out:
            out.write(f"""daemon off; user root; worker_processes 2; pid {self.directory}/pid; error_log {self.log('error')};
events {{ worker_connections 64; }}
http {{ {places} log_format timed '{FORMAT}'; access_log {self.log('access')} timed;
upstream app {{ server 127.0.0.1:{self.dead} max_fails=0; server 127.0.0.1:{self.port} max_fails=0; }}
server {{ listen 127.0.0.1:{self.port}; server_name shop.example;
location = /ok {{ return 200 fine; }}
location = /inner {{ access_log off; return 200 inner; }}
location = /app {{ proxy_pass http://app/inner; }} }} }}
""")
        self.process = subprocess.Popen(["/usr/sbin/nginx", "-p", self.directory, "-c", f"{self.directory}/nginx.conf"], stderr=subprocess.DEVNULL)

        def answers():
            try:
                return self.get("/inner") == 200
            except OSError:
                return False
        eventually(answers)

    def log(self, name):
        return f"{self.directory}/{name}.log"

    def get(self, path, method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path)
            return connection.getresponse().status
        finally:
            connection.close()

    def rotate(self, number):
        os.rename(self.log("access"), f"{self.log('access')}-{number}")
        self.process.send_signal(signal.SIGUSR1)
        while not os.path.exists(self.log("access")):
            time.sleep(0.01)

    def close(self):
        self.process.terminate()
        self.process.wait(20)


nginx = agent = None


@pytest.fixture(scope="module", autouse=True)
def running():
    global nginx, agent
    if not os.path.exists("/usr/sbin/nginx"):
        pytest.skip("there is no Nginx")
    try:
        collector.start()
        nginx = Nginx()
        collector.configure_agent("web-01", {"logs": f"[ {{ access: {nginx.log('access')}, format: '{FORMAT}' }}, {{ error: {nginx.log('error')} }}]"})
        agent = collector.launch_agent()
        eventually(lambda: len(asked("lapwing_log_up == 1")) == 2)
        yield
    finally:
        for process in (agent, nginx and nginx.process):
            if process and process.poll() is None:
                process.terminate()
                process.wait(20)
        collector.close()


def asked(query):
    return collector.query(query)


def value(query):
    result = asked(query)
    return float(result[0]["value"][1]) if result else None


def restart_agent(how):
    """Its first run comes at once."""
    global agent
    agent.send_signal(how)
    agent.wait(20)
    agent = collector.launch_agent()


def requests():
    return {(each["metric"].get("method"), each["metric"].get("status")): float(each["value"][1])
            for each in asked("sum by (method, status) (nginx_http_response_count_total{job='logs',instance='web-01',server_name='shop.example'})")}


def test_nothing_is_lost_or_doubled():
    sent = {"ok": 0, "missing": 0, "app": 0}
    stop = threading.Event()

    def send():
        while not stop.is_set():
            assert nginx.get("/ok") == 200
            sent["ok"] += 1
            assert nginx.get("/missing?secret=1", "POST") == 404
            sent["missing"] += 1
            assert nginx.get("/app") == 200
            sent["app"] += 1
            time.sleep(0.01)

    client = threading.Thread(target=send)
    client.start()
    try:
        for number, how in enumerate((signal.SIGKILL, signal.SIGTERM, signal.SIGKILL), 1):
            time.sleep(0.5)
            nginx.rotate(number)
            time.sleep(0.5)
            restart_agent(how)
            if number == 2:
                nginx.rotate("20")
    finally:
        stop.set()
        client.join()
    time.sleep(0.5)
    expected = {("GET", "200"): sent["ok"] + sent["app"], ("POST", "404"): sent["missing"]}
    restart_agent(signal.SIGKILL)
    eventually(lambda: requests() == expected, 15)
    restart_agent(signal.SIGTERM)
    time.sleep(2)
    assert requests() == expected

    assert value("nginx_http_response_time_seconds_hist_count") == sum(sent.values())
    assert value("sum(nginx_http_response_time_seconds_hist_bucket{le='10'})") == sum(sent.values())
    dead = value(f"lapwing_nginx_upstream_responses_total{{upstream='127.0.0.1:{nginx.dead}',status='502'}}")
    assert dead and value(f"lapwing_nginx_upstream_responses_total{{upstream='127.0.0.1:{nginx.port}',status='200'}}") == sent["app"]
    # Nginx reports each dead server, and each missing file.
    assert value("lapwing_nginx_error_log_messages_total{level='error'}") == dead + sent["missing"]
    assert value("sum(lapwing_log_lines_total{result='unparsed'})") == 0
    assert value("sum(lapwing_log_gaps_total)") == 0


def test_no_label_shows_what_clients_send():
    for each in asked("{job='logs'}"):
        text = " ".join(value for name, value in each["metric"].items() if name != "log")
        assert "secret" not in text and "127.0.0.1 " not in text and "missing" not in text, each


def test_a_log_that_cannot_be_read_says_why():
    path = nginx.log("access")
    os.rename(path, path + ".kept")
    os.mkfifo(path)
    try:
        restart_agent(signal.SIGTERM)
        eventually(lambda: value(f"lapwing_log_up{{log='{path}'}}") == 0, 15)
        assert value("up{job='logs'}") == 0
        # What was counted is still known.
        assert value(f"sum(nginx_http_response_count_total{{log='{path}'}})") > 0
        status = subprocess.run([os.path.join(os.environ.get("LAPWING_BIN", "build/dev/bin"), "lapwing-agent"), "--config", collector.path("agent.yaml"),
                                 "status"], capture_output=True, text=True)
        assert "is no regular file but a FIFO" in status.stdout, status.stdout
    finally:
        os.remove(path)
        shutil.move(path + ".kept", path)
