"""Asks a Prometheus and Lapwing's engine the same questions about the same series, and compares: Debian 12's 2.42 with
`compat: 2`, and 3.5 of Debian sid (which tests/sid fetches once) with `compat: 3`.

Options of pytest: --seed N, --random N (how many generated queries), --verbose (whole answers). In long mode it asks more
questions, with another seed each time, which it prints."""

import json
import os
import random
import subprocess

import compare
import dataset
import pytest
import questions
import server
from harness import LONG
from reference import PROMETHEUS_2, from_sid

TOOL = os.path.join(os.environ.get("LAPWING_BIN", "build/dev/bin"), "promql-eval")
SLICE = 30 * 60 * 1000  # Prometheus accepts samples that are at most an hour older than its newest sample
MOST_SHOWN = 50


def reference(version):
    """(program, options)."""
    if version == 2:
        return PROMETHEUS_2, []
    return from_sid("prometheus"), ["--enable-feature=promql-experimental-functions"]


def load(prometheus, folder, series):
    start = dataset.BASE
    while start <= dataset.BASE + dataset.DURATION + SLICE:
        text, body = os.path.join(folder, "slice.txt"), os.path.join(folder, "slice.body")
        dataset.write(text, series, start, start + SLICE)
        if os.path.getsize(text) > 0:
            subprocess.run([TOOL, "encode", text, body], check=True)
            with open(body, "rb") as encoded:
                prometheus.write(encoded.read())
        start += SLICE


def ours(folder, version, data, asked):
    path = os.path.join(folder, "questions.txt")
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as out:
        for kind, times, query in asked:
            out.write("\t".join([kind, *map(str, times), query.replace("\n", "\v")]) + "\n")
    done = subprocess.run([TOOL, "eval", str(version), data, path], check=True, stdout=subprocess.PIPE)
    answers = [json.loads(line) for line in done.stdout.decode(errors="replace").split("\n")[:-1]]
    if len(answers) != len(asked):
        raise RuntimeError("%d answers to %d questions" % (len(answers), len(asked)))
    return answers


@pytest.mark.parametrize("version", [2, 3])
def test_every_answer_is_the_same(version, tmp_path, pytestconfig):
    program, flags = reference(version)
    seed = pytestconfig.getoption("seed")
    if seed is None:
        seed = random.randrange(1 << 31) if LONG else 1
    count = pytestconfig.getoption("random") or (6000 if LONG else 600)
    limit = None if pytestconfig.getoption("verbose") > 0 else 700
    print(f"seed {seed}")
    series = dataset.make(version)
    asked = questions.all_questions(version, seed, count)
    folder = str(tmp_path)
    data = os.path.join(folder, "data.txt")
    dataset.write(data, series)
    different = []
    prometheus = server.Prometheus(folder, program, *flags)
    try:
        prometheus.wait()
        load(prometheus, folder, series)
        for question, own in zip(asked, ours(folder, version, data, asked)):
            kind, times, query = question
            theirs = prometheus.query(kind, query, times)
            what = compare.difference(version, kind, query, theirs, own)
            if what is not None:
                different.append(f"{what}: {kind} {' '.join(map(str, times))}  {query}\n"
                                 f"    prometheus: {json.dumps(theirs)[:limit]}\n    lapwing:    {json.dumps(own)[:limit]}")
    finally:
        prometheus.stop()
    print(f"{len(asked) - len(different)} of {len(asked)} answers are the same")
    assert not different, f"{len(different)} of {len(asked)} answers differ:\n" + "\n".join(different[:MOST_SHOWN])
