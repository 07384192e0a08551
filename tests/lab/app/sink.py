"""Receives webhooks: sink.py ADDRESS PORT FILE. Appends each request as a JSON line with time, path and body."""

import http.server
import json
import os
import sys
import time

LARGEST_BODY = 1 << 20


class Sink(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length > LARGEST_BODY:
            self.send_error(413)
            return
        raw = self.rfile.read(length)
        try:
            body = json.loads(raw)
        except ValueError:
            body = raw.decode(errors="replace")
        with open(sys.argv[3], "a", encoding="utf-8") as file:
            file.write(json.dumps({"at": time.time(), "path": self.path, "body": body}) + "\n")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


os.makedirs(os.path.dirname(sys.argv[3]), exist_ok=True)
http.server.HTTPServer((sys.argv[1], int(sys.argv[2])), Sink).serve_forever()
