"""Writes remote_write 1.0, valid and invalid, with the standard library only."""

import http.client
import os
import ssl
import struct
import tempfile

from lab import COLLECTOR, inside

HEADERS = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
           "X-Prometheus-Remote-Write-Version": "0.1.0"}


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def write_request(series):
    """series: a list of (labels, [(milliseconds, value)...]); labels: a list of pairs, sent in the order given."""
    out = b""
    for labels, points in series:
        body = b"".join(field(1, field(1, name.encode()) + field(2, text.encode())) for name, text in labels)
        for at, number in points:
            body += field(2, b"\x09" + struct.pack("<d", number) + b"\x10" + varint(at))
        out += field(1, body)
    return out


def snappy(raw, declared=None):
    """Snappy's block format, with literals only."""
    out = varint(len(raw) if declared is None else declared)
    for start in range(0, len(raw), 65536):
        part = raw[start:start + 65536]
        out += bytes([61 << 2]) + struct.pack("<H", len(part) - 1) + part
    return out


class Writer:
    """An enrolled client at the agents' listener."""

    def __init__(self, host):
        inside("monitor", "lapwing-collector", "enrol", host, "--bundle", "/tmp/writer.pem")
        bundle = inside("monitor", "cat", "/tmp/writer.pem")
        inside("monitor", "rm", "/tmp/writer.pem")
        self.context = context(bundle)
        self.connection = None

    def post(self, body, path="/api/v1/write", method="POST", headers=None):
        """Returns (status, text). A broken connection raises OSError, and the next call reconnects."""
        if self.connection is None:
            self.connection = http.client.HTTPSConnection(COLLECTOR, 9766, timeout=10, context=self.context)
        try:
            self.connection.request(method, path, body=body, headers=HEADERS if headers is None else headers)
            answer = self.connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            self.connection = None
            raise OSError(str(error)) from error

    def write(self, series):
        return self.post(snappy(write_request(series)))


def context(bundle=None):
    """The TLS context of an agent. Without a bundle: of a stranger."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    if bundle:
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            os.chmod(file.name, 0o600)
            file.write(bundle)
            file.flush()
            made.load_cert_chain(file.name)
            made.load_verify_locations(cadata=bundle[bundle.rindex("-----BEGIN CERTIFICATE"):])
        made.verify_mode = ssl.CERT_REQUIRED
    return made
