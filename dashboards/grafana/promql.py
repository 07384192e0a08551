"""The selectors of a PromQL expression, and how long a value counts."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import List, Tuple

# Without this, a value counts for five minutes (the lookback) after its agent has fallen silent. Probes run every ten seconds.
COUNTS_FOR = "90s"

NOT_METRICS = set("by without on ignoring group_left group_right bool offset and or unless inf nan start end".split())
TOKEN = re.compile(
    r'(?P<text>"(?:\\.|[^"\\])*")'
    r"|(?P<grouping>\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\))"
    r"|(?P<range>\[[^\]]*\])"
    r"|(?P<name>[a-zA-Z_:][\w:]*)(?P<call>\s*\(|\s+(?=(?:by|without)\b))?"
    r"|(?P<variable>\$\w+)"
    r"|(?P<number>\d\w*)"
)
MATCHER = re.compile(r'\s*(\w+)\s*(=~|!~|!=|=)\s*("(?:\\.|[^"\\])*")\s*,?')


@dataclass(frozen=True)
class Selector:
    """`metric{matchers}` at [start, end) of an expression."""

    metric: str
    matchers: Tuple[Tuple[str, str, str], ...]  # (label, operator, value)
    start: int
    end: int


def selectors(expression: str) -> List[Selector]:
    """The selectors of an expression, in order. Ranges and offsets do not belong to them."""
    out: List[Selector] = []
    at = 0
    while True:
        token = TOKEN.search(expression, at)
        if token is None:
            return out
        at = token.end()
        name = token["name"]
        if not name or token["call"] or name in NOT_METRICS:
            if token["call"]:
                at = token.end("name")
            continue
        matchers: List[Tuple[str, str, str]] = []
        if expression[at : at + 1] == "{":
            at += 1
            while True:
                matcher = MATCHER.match(expression, at)
                if matcher is None:
                    break
                matchers.append((matcher[1], matcher[2], json.loads(matcher[3])))
                at = matcher.end()
            if expression[at : at + 1] != "}":
                raise ValueError(f"not a selector: {expression[token.start():]}")
            at += 1
        out.append(Selector(name, tuple(matchers), token.start(), at))


def fresh(expression: str) -> str:
    """The expression, in which a sample counts for COUNTS_FOR at most. A series that has ended is gone at once, as before."""
    out, at = "", 0
    for each in selectors(expression):
        text = expression[each.start : each.end]
        out += expression[at : each.start]
        has_window = re.match(r"\s*(\[|offset\b)", expression[each.end :]) is not None
        out += text if has_window else f"({text} and last_over_time({text}[{COUNTS_FOR}]))"
        at = each.end
    return out + expression[at:]
