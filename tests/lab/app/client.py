"""Visitors: client.py URL --per-second N --hours N. Mostly reads, some static files, and a write in every tenth request."""

import argparse
import time
import urllib.error
import urllib.request

parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("--per-second", type=float, required=True)
parser.add_argument("--hours", type=float, required=True)
options = parser.parse_args()

PATHS = ["", "", "static/lapwing.txt", "", "", "static/lapwing.txt", "", "", "", "write"]
end = time.monotonic() + options.hours * 3600
due = time.monotonic()
failed = 0
for count in range(int(options.per_second * options.hours * 3600)):
    if time.monotonic() > end:
        break
    try:
        with urllib.request.urlopen(options.url + PATHS[count % len(PATHS)], timeout=3) as reply:
            reply.read()
    except (urllib.error.URLError, OSError) as error:
        failed += 1
        print(f"request {count}: {error} ({failed} failed so far)", flush=True)
    # A slow answer delays the following requests, so that no burst follows.
    due = max(due + 1 / options.per_second, time.monotonic())
    time.sleep(max(0.0, due - time.monotonic()))
