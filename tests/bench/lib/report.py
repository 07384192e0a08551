"""The table: one row for each figure, one column for each engine, with Lapwing's figure as a fraction of each peer's."""

import statistics

# (key, what it says, digits, what Lapwing aims at for 2, 20 and 200 hosts; None: no aim)
ROWS = [
    ("rss", "resident memory, live, MB", 1, (22, 34, 84)),
    ("peak", "resident memory, peak, MB", 1, (30, 54, 144)),
    ("anonymous", "anonymous memory, live, MB", 1, (6, 16, 64)),
    ("ingest", "ingest CPU, us a sample", 2, (0.5, 0.5, 0.5)),
    ("live_cpu", "live CPU, % of a core", 2, (None, None, 1.0)),
    ("disk_all", "disk as it stands, with logs, bytes a sample", 2, None),
    ("disk", "disk after compaction, bytes a sample", 2, (None, 0.5, None)),
    ("panel_p50", "one-host panel, median, ms", 2, (None, None, 1)),
    ("panel_p99", "one-host panel, p99, ms", 2, (None, None, 3)),
    ("cpu_p50", "CPU by instance over 1 h, median, ms", 1, (None, None, 10)),
    ("cpu_p99", "CPU by instance over 1 h, p99, ms", 1, (None, None, 30)),
    ("fleet_p50", "fleet sum over 2.5 h, median, ms", 1, (None, None, 15)),
    ("fleet_p99", "fleet sum over 2.5 h, p99, ms", 1, (None, None, 25)),
    ("topk_p50", "topk over 1 h, median, ms", 1, (None, None, 5)),
    ("topk_p99", "topk over 1 h, p99, ms", 1, (None, None, 10)),
    ("cold", "cold start to first answer, ms", 0, (20, 20, 20)),
    ("restart", "kill -9 to first answer, ms", 0, (50, 50, 50)),
    ("lost", "acknowledged samples lost by kill -9", 0, (0, 0, 0)),
]
SIZES = (2, 20, 200)


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(part * len(ordered)))]


def table(results, hosts):
    """`results`: {engine's name: [figures of each repetition]}, Lapwing first if it is there. Medians of the repetitions."""
    names = list(results)
    lines = ["| figure | aim | " + " | ".join(names) + " |", "| --- | --- |" + " --- |" * len(names)]
    for key, says, digits, aims in ROWS:
        medians = [statistics.median(one[key] for one in results[name]) for name in names]
        aim = aims[SIZES.index(hosts)] if aims and hosts in SIZES else None
        cells = []
        for name, value in zip(names, medians):
            cell = f"{value:.{digits}f}"
            if name == "Lapwing" and aim is not None and round(value, digits) > aim:
                cell = f"**{cell}**"
            elif name != "Lapwing" and names[0] == "Lapwing" and value > 0:
                cell += f" ({medians[0] / value:.2f})"
            cells.append(cell)
        lines.append(f"| {says} | {'' if aim is None else aim} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
