"""Drives a headless Chromium through its debugging protocol, with the standard library only."""

import base64
import http.client
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time

from harness import free_port

KEYS = {"Enter": 13, "Tab": 9, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38, "ArrowRight": 39}
# Collects what the policy of a page refuses, and errors of its scripts.
WATCH = """window.violations = []; window.failures = [];
    document.addEventListener('securitypolicyviolation', (e) => violations.push(e.violatedDirective + ' ' + e.blockedURI));
    addEventListener('error', (e) => failures.push(e.message));
    addEventListener('unhandledrejection', (e) => failures.push(String(e.reason)));"""
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]


class Browser:
    def __init__(self, url, width=1100, height=900):
        self.profile = tempfile.mkdtemp(prefix="lapwing-page-")
        port = free_port()
        self.process = subprocess.Popen(
            ["chromium", *FLAGS, f"--user-data-dir={self.profile}", f"--window-size={width},{height}",
             f"--remote-debugging-port={port}", url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", "/json/list")
                [page] = [t for t in json.loads(connection.getresponse().read()) if t["type"] == "page"]
                break
            except (OSError, ValueError):
                assert time.monotonic() < deadline, "Chromium does not start"
                time.sleep(0.2)
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        key = base64.b64encode(os.urandom(16)).decode()
        path = page["webSocketDebuggerUrl"].split(str(port), 1)[1]
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        self.stream = self.socket.makefile("rb")
        while self.stream.readline().strip():
            pass
        self.number = 0

    def call(self, method, **parameters):
        self.number += 1
        data = json.dumps({"id": self.number, "method": method, "params": parameters}).encode()
        mask = os.urandom(4)
        size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
        self.socket.sendall(b"\x81" + size + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))
        while True:
            answer = json.loads(self.frame())
            if answer.get("id") == self.number:
                assert "result" in answer, answer
                return answer["result"]

    def frame(self):
        out = b""
        while True:
            first, size = self.stream.read(2)
            if size == 126:
                [size] = struct.unpack(">H", self.stream.read(2))
            elif size == 127:
                [size] = struct.unpack(">Q", self.stream.read(8))
            out += self.stream.read(size)
            if first & 0x80:
                return out

    def value(self, script):
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def text(self, selector="body"):
        return self.value(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def watch(self):
        """complaints() answers from the next page on."""
        self.call("Page.enable")
        self.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        return self

    def complaints(self):
        return self.value("[...violations, ...failures].join('; ')")

    def until(self, script, seconds=20):
        """The value of the script as soon as it is true, also on the page that is being loaded."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                value = self.value(script)
            except AssertionError as error:
                if "navigated" not in str(error):
                    raise
                value = None
            if value:
                return value
            assert time.monotonic() < deadline, f"{script} is {value!r}: {self.text()}"
            time.sleep(0.1)

    def press(self, key):
        text = {"text": "\r"} if key == "Enter" else {}
        for kind, more in (("keyDown", text), ("keyUp", {})):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=KEYS[key], **more)

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)
