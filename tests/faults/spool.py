"""Reads the samples in an agent's spool."""

import os
import shutil
import sqlite3
import struct


def uvarint(data, at):
    shift = value = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def unsnappy(data):
    """Snappy's block format."""
    size, at = uvarint(data, 0)
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        kind, length = tag & 3, tag >> 2
        if kind == 0:
            if length >= 60:
                extra = length - 59
                length = int.from_bytes(data[at:at + extra], "little")
                at += extra
            out += data[at:at + length + 1]
            at += length + 1
            continue
        if kind == 1:
            length, offset = (length & 7) + 4, (tag >> 5) << 8 | data[at]
            at += 1
        else:
            wide = 2 if kind == 2 else 4
            length, offset = length + 1, int.from_bytes(data[at:at + wide], "little")
            at += wide
        for _ in range(length):
            out.append(out[-offset])
    assert len(out) == size
    return bytes(out)


def fields(data):
    """(number, value) of a message of protobuf; length-delimited values as bytes, numbers of 64 bits as float."""
    at = 0
    while at < len(data):
        tag, at = uvarint(data, at)
        if tag & 7 == 0:
            value, at = uvarint(data, at)
        elif tag & 7 == 1:
            value, at = struct.unpack_from("<d", data, at)[0], at + 8
        else:
            size, at = uvarint(data, at)
            value, at = data[at:at + size], at + size
        yield tag >> 3, value


def samples(body):
    """{(labels, milliseconds): value} of a remote_write request. Labels are a tuple of pairs."""
    out = {}
    for _, series in fields(unsnappy(body)):
        labels, points = [], []
        for number, value in fields(series):
            if number == 1:
                pair = dict(fields(value))
                labels.append((pair[1].decode(), pair[2].decode()))
            else:
                sample = dict(fields(value))
                points.append((sample[2], sample.get(1, 0.0)))
        for at, value in points:
            out[tuple(labels), at] = value
    return out


def read(folder, copy):
    """All samples in the spool of an agent that does not run. Reads a copy, so that the spool stays as it was left."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    path = os.path.join(copy, "spool.db")
    if not os.path.exists(path):
        return {}
    out = {}
    with sqlite3.connect(path) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'batch'").fetchall():
            return {}  # killed before the tables were there
        for (body,) in database.execute("SELECT body FROM batch ORDER BY id"):
            out.update(samples(body))
    return out
