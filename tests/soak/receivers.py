"""Receivers of notifications: one accepts, the others fail, each in its own way."""

import http.server
import json
import threading
import time

HANGS = 2  # seconds


class Receivers:
    """Webhooks at /accepts, /refuses (400), /fails (500) and /hangs (no answer)."""

    def __init__(self):
        self.messages = dict.fromkeys(("/accepts", "/refuses", "/fails", "/hangs"), 0)
        self.alerts = []  # (status, name) of the alerts at /accepts
        receivers = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receivers.messages[self.path] += 1
                if self.path == "/hangs":
                    time.sleep(HANGS)
                    self.close_connection = True
                    return
                if self.path == "/accepts":
                    receivers.alerts += [(alert["status"], alert["labels"]["alertname"]) for alert in json.loads(body)["alerts"]]
                self.send_response({"/accepts": 200, "/refuses": 400, "/fails": 500}[self.path])
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def config(self):
        url = f"http://127.0.0.1:{self.server.server_address[1]}"
        hooks = "".join(f"    - {{ url: {url}{path} }}\n" for path in self.messages)
        return "notify:\n  webhook:\n" + hooks

    def close(self):
        self.server.shutdown()
        self.server.server_close()
