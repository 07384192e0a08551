"""Compares two answers to a query: Prometheus' from its API, and Lapwing's from promql-eval."""

import json
import math
import re

# If several series are at fault, a message may name any of them.
FIRST_FOUND = re.compile(r"match group \{.*?\} on the (\w+) hand-side of the operation: \[.*\];", re.DOTALL)


def same_number(a, b, tolerance):
    x, y = float(a), float(b)
    if math.isnan(x) or math.isnan(y):
        return math.isnan(x) and math.isnan(y)
    if x == y:
        return math.copysign(1, x) == math.copysign(1, y)
    if math.isinf(x) or math.isinf(y):
        return False
    return abs(x - y) <= tolerance * max(abs(x), abs(y)) or max(abs(x), abs(y)) < 1e-9


def same_point(a, b, tolerance):
    return abs(float(a[0]) - float(b[0])) < 0.0005 and same_number(a[1], b[1], tolerance)


def points(entry):
    return entry["values"] if "values" in entry else [entry["value"]]


def same_entry(a, b, tolerance):
    left, right = points(a), points(b)
    return (a["metric"] == b["metric"] and len(left) == len(right)
            and all(same_point(x, y, tolerance) for x, y in zip(left, right)))


def by_labels(entries):
    return sorted(entries, key=lambda entry: json.dumps(entry["metric"], sort_keys=True))


def error_text(text):
    text = text.replace('invalid parameter "query": ', "")
    # Prometheus has no name for this token.
    text = re.sub('"<Item [0-9]+>" <op:@>', '"@"', text)
    return FIRST_FOUND.sub(r"match group on the \1 side;", text)


def different_error(version, query, theirs, own):
    kind = {"bad_data": "invalid", "execution": "execution"}.get(theirs.get("errorType"))
    if theirs["status"] != "error" or own.get("errorType") != kind:
        return "error"
    if kind == "invalid" and version == 2 and query in OTHER_WORDS:
        return None
    return None if error_text(theirs["error"]) == error_text(own["error"]) else "error text"


# Syntax errors with other words in version 2: Lapwing uses those of version 3.
OTHER_WORDS = {"", "up offset", "up offset x", "up offset -", "1..2", "1e", "up[5m:-1m]"}


def different_annotations(theirs, own):
    for kind in ("warnings", "infos"):
        left = theirs.get(kind, [])
        right = [text for text in own.get(kind, []) if "native histograms, which are not stored" not in text]
        # Prometheus returns any ten of more than ten.
        if sorted(left) != sorted(right) and (len(left) < 11 or left[-1] != right[-1]):
            return kind
    return None


def is_ordered(query):
    return query.startswith(("sort(", "sort_desc(", "topk(", "bottomk("))


def fully_ordered(query):
    return query.startswith(("sort_by_label(", "sort_by_label_desc("))


# Prometheus leaves the order in which it adds up to chance, and times in seconds have ten digits before the point: of
# how they deviate, few digits mean anything.
DEVIATION_OF_TIMES = re.compile(r"\bstd(dev|var)\b.*\btimestamp\(")


def different_result(query, theirs, own):
    tolerance = 1e-3 if DEVIATION_OF_TIMES.search(query) else 1e-5
    if theirs["resultType"] != own["resultType"]:
        return "type"
    if theirs["resultType"] == "scalar":
        return None if same_point(theirs["result"], own["result"], tolerance) else "value"
    if theirs["resultType"] == "string":
        return None if theirs["result"][1] == own["result"][1] else "value"
    left, right = theirs["result"], own["result"]
    if len(left) != len(right):
        return "number of series"
    if theirs["resultType"] == "vector" and is_ordered(query):
        # Equal values may have any order.
        if not all(same_point(x["value"], y["value"], tolerance) for x, y in zip(left, right)):
            return "order"
    if theirs["resultType"] == "matrix" or fully_ordered(query):
        if [entry["metric"] for entry in left] != [entry["metric"] for entry in right]:
            return "order"
    left, right = by_labels(left), by_labels(right)
    return None if all(same_entry(a, b, tolerance) for a, b in zip(left, right)) else "series"


def different_format(theirs, own):
    formatted = theirs.get("data")
    # Prometheus breaks long queries into lines.
    if formatted is not None and ("\n" in formatted or len(formatted) > 100):
        return None
    # It forgets to quote the names of group_left.
    if formatted is not None and 'group_left (a.b)' in formatted:
        return None
    return None if formatted == own["formatted"] else "format"


# Which of 0 and -0 is the largest depends on the order of the series, which Prometheus leaves to chance over a range.
EXTREME = re.compile(r"\b(min|max) *(by|without|\()")


def without_signs_of_zero(answer):
    return json.loads(json.dumps(answer).replace('"-0"', '"0"'))


def difference(version, kind, query, theirs, own):
    """The difference as text, or None."""
    if kind == "format":
        return different_format(theirs, own)
    if theirs["status"] == "error" or "error" in own:
        return different_error(version, query, theirs, own)
    if EXTREME.search(query):
        theirs, own = without_signs_of_zero(theirs), without_signs_of_zero(own)
    return different_result(query, theirs["data"], own) or different_annotations(theirs, own)
