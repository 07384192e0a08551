"""The questions of the differential test."""

import classes
import dataset
import generator
import malformed
import modern
import queries

MINUTE = 60_000
START = dataset.BASE
INSTANTS = [START + 35 * MINUTE, START + 70 * MINUTE + 20_000, START + 123 * MINUTE + 4_321]
RANGES = [
    (START + 30 * MINUTE, START + 90 * MINUTE, 60_000),
    (START + 55 * MINUTE + 7_000, START + 85 * MINUTE, 47_000),
    (START - 10 * MINUTE, START + 160 * MINUTE, 5 * MINUTE),
]


def hand_picked(version):
    out = queries.hand_picked() + classes.every()
    if version == 2:
        return out
    renamed = [query.replace("holt_winters", "double_exponential_smoothing") for query in out]
    return renamed + modern.MODERN


def all_questions(version, seed, generated):
    """(kind, times in milliseconds, query)"""
    out = []
    for i, query in enumerate(hand_picked(version)):
        out.append(("instant", (INSTANTS[i % len(INSTANTS)],), query))
        out.append(("range", RANGES[i % len(RANGES)], query))
    for query in malformed.MALFORMED + (modern.REFUSED if version == 3 else []):
        out.append(("instant", (INSTANTS[0],), query))
    if version == 3:
        out += [("format", (), query) for query in hand_picked(version)]
    random = generator.Generator(version, seed)
    for i in range(generated):
        query = random.vector(1 + i % 3)
        if i % 3 == 0:
            out.append(("instant", (INSTANTS[(i // 3) % len(INSTANTS)],), query))
        else:
            out.append(("range", RANGES[i % len(RANGES)], query))
    return out
