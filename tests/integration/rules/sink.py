"""A server that keeps the requests it receives, for tests of notifications."""

import http.server
import json
import os
import threading
import time


class Sink:
    """Answers every request with `status`, or with status(body); None hangs up. `requests` holds (path, headers, body) in order."""

    def __init__(self, port=0):
        self.status = 200
        self.answer = b"{}"
        self.requests = []
        self.times = []
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                sink.times.append(time.time())
                sink.requests.append((self.path, dict(self.headers), body))
                status = sink.status(body) if callable(sink.status) else sink.status
                if status is None:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(sink.answer)))
                self.end_headers()
                self.wfile.write(sink.answer)

            do_GET = do_PUT = do_POST

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path=""):
        return f"http://127.0.0.1:{self.port}{path}"

    def alerts(self):
        """(status, labels) of every alert in the webhook payloads that were accepted, in order."""
        return [
            (alert["status"], alert["labels"])
            for _, _, body in list(self.requests)
            for alert in json.loads(body)["alerts"]
        ]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def secret(collector, name, text):
    """The path of a new file that only its owner may read."""
    with open(collector.path(name), "w") as out:
        out.write(text + "\n")
    os.chmod(collector.path(name), 0o600)
    return collector.path(name)


def eventually(condition, what, seconds=30):
    """The first true value of `condition`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "this did not come: " + what
        time.sleep(0.05)
    return value
