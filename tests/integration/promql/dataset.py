"""Series for the differential test: counters with resets, gauges with every odd value, histograms, gaps, staleness
markers, series that begin late or end early. The same on every run."""

import random

BASE = 1_700_000_100_000  # milliseconds; on no round number of minutes
DURATION = 150 * 60 * 1000


def ticks(rng, start, end, interval, jitter=0, holes=0.0):
    at = start
    while at <= end:
        if rng.random() >= holes:
            yield at + (rng.randrange(jitter) if jitter else 0)
        at += interval


def counter(rng, times, rate, reset=0.0):
    value = float(rng.randrange(1000))
    for at in times:
        value = 0.0 if rng.random() < reset else value + rng.randrange(int(rate * 2) + 1)
        yield at, value


def walk(rng, times, scale=10.0):
    value = rng.uniform(-scale, scale)
    for at in times:
        value += rng.uniform(-scale, scale) / 4
        yield at, value


def with_odd_values(rng, samples, odd, share):
    for at, value in samples:
        yield at, rng.choice(odd) if rng.random() < share else value


def ended(samples, gap_start, gap_end):
    """A staleness marker at the first sample of the gap, then nothing until its end."""
    marked = False
    for at, value in samples:
        if not gap_start <= at < gap_end:
            yield at, value
        elif not marked:
            marked = True
            yield at, "stale"


def make(version=2):
    rng = random.Random(42)
    start, end = BASE, BASE + DURATION
    minute = 60_000
    out = []

    def add(name, labels, samples):
        out.append((dict(labels, __name__=name), list(samples)))

    for job in ("api", "web"):
        for instance in ("a:9100", "b:9100", "c:9100"):
            for code in ("200", "404", "500"):
                times = ticks(rng, start, end, 15_000, jitter=300, holes=0.02)
                labels = {"job": job, "instance": instance, "code": code}
                add("http_requests_total", labels, counter(rng, times, 20, reset=0.01))
            add("up", {"job": job, "instance": instance},
                ((at, float(rng.random() > 0.1)) for at in ticks(rng, start, end, 15_000)))
            add("memory_bytes", {"job": job, "instance": instance, "zone": "z" + instance[0]},
                walk(rng, ticks(rng, start, end, 10_000, jitter=2_000), 1e9))
            add("build_info", {"job": job, "instance": instance, "version": "1." + instance[0]},
                ((at, 1.0) for at in ticks(rng, start, end, 30_000)))
    for cpu in range(4):
        for mode in ("idle", "user", "system"):
            add("cpu_seconds_total", {"cpu": str(cpu), "mode": mode, "instance": "a:9100"},
                ((at, value / 7) for at, value in counter(rng, ticks(rng, start, end, 10_000), 3)))

    odd = [float("nan"), float("inf"), float("-inf"), -0.0, 0.0]
    for n in range(5):
        add("odd", {"n": str(n)}, with_odd_values(rng, walk(rng, ticks(rng, start, end, 20_000)), odd, 0.2))
    for n in range(3):
        add("temperature", {"room": "r%d" % n, "floor": str(n % 2)},
            walk(rng, ticks(rng, start, end, 30_000, holes=0.1)))
    add("temperature", {"room": "attic"}, walk(rng, ticks(rng, start, end, 30_000)))
    add("constant", {"kind": "five"}, ((at, 5.0) for at in ticks(rng, start, end, 30_000)))
    add("constant", {"kind": "huge"}, ((at, 1.5e300) for at in ticks(rng, start, end, 30_000)))
    add("ends", {"how": "marker"}, ended(walk(rng, ticks(rng, start, end, 15_000)), start + 40 * minute, end + 1))
    add("ends", {"how": "silently"}, walk(rng, ticks(rng, start, start + 40 * minute, 15_000)))
    add("ends", {"how": "gap"},
        ended(counter(rng, ticks(rng, start, end, 15_000), 5), start + 60 * minute, start + 80 * minute))
    add("late", {"job": "api"}, walk(rng, ticks(rng, start + 100 * minute, end, 15_000)))
    add("sparse", {"job": "api"}, walk(rng, ticks(rng, start, end, 6 * minute + 7_000)))
    add("sparse", {"job": "web"}, counter(rng, ticks(rng, start, end, 5 * minute), 100))
    # Exactly on the edges of windows and of the lookback delta.
    add("edge", {"every": "5m"}, ((at, float(at % 97)) for at in ticks(rng, start, end, 5 * minute)))
    add("edge", {"every": "1m"}, ((at, float(at % 89)) for at in ticks(rng, start, end, minute)))
    add("once", {}, [(start + 70 * minute, 7.0)])
    add("twice", {}, [(start + 70 * minute, 7.0), (start + 70 * minute + 15_000, 9.0)])

    for instance in ("a:9100", "b:9100"):
        buckets = ("0.05", "0.1", "0.5", "1", "5", "+Inf")
        counts = [0.0] * len(buckets)
        rows = {bucket: [] for bucket in buckets}
        total = []
        for at in ticks(rng, start, end, 15_000):
            for i in range(len(buckets)):
                counts[i] += rng.randrange(5)
            running = 0.0
            for i, bucket in enumerate(buckets):
                running += counts[i]
                rows[bucket].append((at, running))
            total.append((at, running))
        for bucket in buckets:
            add("latency_bucket", {"le": bucket, "instance": instance}, rows[bucket])
        add("latency_count", {"instance": instance}, total)
        add("latency_sum", {"instance": instance}, [(at, value * 0.3) for at, value in total])
    # Not monotonic, a bound that is not a number, a lone +Inf, no +Inf at all.
    for le, value in (("1", 10.0), ("2", 8.0), ("3", 20.0), ("+Inf", 20.0), ("many", 3.0)):
        add("crooked_bucket", {"le": le, "h": "1"}, ((at, value) for at in ticks(rng, start, end, 30_000)))
    add("crooked_bucket", {"le": "+Inf", "h": "2"}, ((at, 4.0) for at in ticks(rng, start, end, 30_000)))
    add("crooked_bucket", {"le": "1", "h": "3"}, ((at, 4.0) for at in ticks(rng, start, end, 30_000)))
    for le, value in (("-2", 1.0), ("-1", 3.0), ("0", 5.0), ("+Inf", 9.0)):
        add("crooked_bucket", {"le": le, "h": "4"}, ((at, value) for at in ticks(rng, start, end, 30_000)))

    for n, text in enumerate(('quote"d', "back\\slash", "uml\u00e4ut", "a b", "x-1-y", "x-20-z")):
        add("texts", {"text": text, "n": str(n)}, ((at, float(n)) for at in ticks(rng, start, end, 60_000)))
    if version == 3:
        add_modern(rng, add)
    # Prometheus keeps series in the order of arrival. Here it is the order of their labels.
    return sorted(out, key=lambda series: sorted(series[0].items()))


def add_modern(rng, add):
    """UTF-8 names, the labels of metadata, and series for the newer functions."""
    def every_minute():
        return ticks(rng, BASE, BASE + DURATION, 60_000)

    for a in ("c", "d", "\u00e9"):
        add("my.metric", {"a.b": a, "job": "api"}, walk(rng, every_minute()))
    add("m\u00e9trique", {"job": "api"}, walk(rng, every_minute()))
    for kind in ("counter", "gauge"):
        add("typed", {"__type__": kind, "__unit__": "bytes", "unit": kind, "job": kind}, walk(rng, every_minute()))
    for length in (1, 100, 126, 127, 128, 129, 200, 254, 255, 256, 257, 1000):
        add("long", {"text": "x" * length}, walk(rng, every_minute()))
    for n in ("1", "2", "10", "a1", "a10", "a2", "a", "b-1.5", "b-1.10", "1e3", "20b", "\u00e9"):
        add("natural", {"n": n, "other": n[::-1]}, walk(rng, every_minute()))
    add("broken", {"text": "a\nb"}, walk(rng, every_minute()))
    add("broken", {"text": "axb"}, walk(rng, every_minute()))
    # Counts that are not monotonic, by less and by more than the rounding of sums of floating point numbers.
    for le, value in (("1", 1.0), ("2", 1.0 - 1e-14), ("4", 3.0), ("8", 3.0 - 1e-9), ("+Inf", 3.0)):
        add("rounding_bucket", {"le": le, "h": "1"}, ((at, value) for at in every_minute()))
        add("rounding_bucket", {"le": le, "h": "2"}, ((at, value / 3) for at in every_minute()))
    for n in range(15):
        add("many_bucket", {"le": "none%d" % n}, walk(rng, every_minute()))


def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def number(value):
    if value == "stale" or value != value:
        return "stale" if value == "stale" else "NaN"
    return {float("inf"): "+Inf", float("-inf"): "-Inf"}.get(value, repr(value))


def write(path, series, start=None, end=None):
    """Writes the samples in promql-eval's format, optionally only those in [start, end)."""
    with open(path, "w", encoding="utf-8") as out:
        for labels, samples in series:
            chosen = [s for s in samples if (start is None or s[0] >= start) and (end is None or s[0] < end)]
            if not chosen:
                continue
            inside = ",".join("%s=%s" % (quote(name), quote(value)) for name, value in sorted(labels.items()))
            out.write("series {%s}\n" % inside)
            out.writelines("%d %s\n" % (at, number(value)) for at, value in chosen)
