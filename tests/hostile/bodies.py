"""Bodies of few bytes that unpack to many."""

import struct

from harness import message, now_ms, varint


def packed(head, unit, times, tail=b""):
    """Snappy's block format of head + unit * times + tail: the unit once, then copies of it of at most 60 bytes each."""

    def literal(data):
        out = b""
        for at in range(0, len(data), 60):
            part = data[at : at + 60]
            out += bytes([(len(part) - 1) << 2]) + part
        return out

    out = varint(len(head) + len(unit) * times + len(tail)) + literal(head) + literal(unit)
    left = len(unit) * (times - 1)
    copies = []
    while left:
        length = min(left, 60)
        copies.append(bytes([(length - 1) << 2 | 2]) + struct.pack("<H", len(unit)))
        left -= length
    return out + b"".join(copies) + literal(tail)


def sample():
    return message(2, b"\x09" + struct.pack("<d", 1) + b"\x10" + varint(now_ms()))


def label(name, value):
    return message(1, message(1, name) + message(2, value))
