"""Random expressions from the grammar."""

import random

from queries import AGGREGATIONS, COUNTERS, GROUPINGS, OVER_TIME, VECTORS, WINDOWS


SCALARS = ["1", "2", "0.5", "-3", "time()", "1e9", "0", "NaN", "Inf", "-Inf", "pi()", "0x10", "-0"]
MODERN_SCALARS = ["5m", "1_000", "1h30m", "-1m", "time() % 1m"]
MODERN_VECTORS = ['{"my.metric"}', '{"my.metric","a.b"!="c"}', "typed", "long", "natural", "broken"]
MODERN_WINDOWS = ["[300]", "[5m] offset 90", "[120:30s] @ end()"]
EXPERIMENTAL_OVER_TIME = ["mad_over_time", "ts_of_max_over_time", "ts_of_min_over_time", "ts_of_last_over_time"]


class Generator:
    """Random expressions that are well-typed, and mostly make sense."""

    def __init__(self, version, seed):
        self.rng = random.Random(seed)
        modern = version == 3
        self.smoothing = "double_exponential_smoothing" if modern else "holt_winters"
        self.scalars = SCALARS + (MODERN_SCALARS if modern else [])
        self.vectors = VECTORS + (MODERN_VECTORS if modern else [])
        self.windows = WINDOWS + (MODERN_WINDOWS if modern else [])
        self.over_time = OVER_TIME + (EXPERIMENTAL_OVER_TIME if modern else [])
        self.choosers = ["topk", "bottomk", "quantile"] + (["limitk", "limit_ratio"] if modern else [])

    def scalar(self, depth):
        rng = self.rng
        if depth <= 0 or rng.random() < 0.6:
            return rng.choice(self.scalars)
        if rng.random() < 0.3:
            return "scalar(%s)" % self.vector(depth - 1)
        return "(%s %s %s)" % (self.scalar(depth - 1), rng.choice(["+", "-", "*", "/", "%", "^", "> bool"]),
                               self.scalar(depth - 1))

    def window(self, depth):
        rng = self.rng
        if depth > 1 and rng.random() < 0.25:
            return "(%s)%s" % (self.vector(depth - 1), rng.choice([w for w in self.windows if ":" in w]))
        return rng.choice(COUNTERS + ["memory_bytes", "temperature", "up"]) + rng.choice(self.windows)

    def binary(self, depth):
        rng = self.rng
        operator = rng.choice(["+", "-", "*", "/", "==", "!=", ">", "<", ">= bool", "and", "or", "unless", "^", "%",
                               "atan2", "!= bool"])
        matching = rng.choice(["", "", "on (instance)", "on (job, instance)", "ignoring (code)", "ignoring (code, job)",
                               "on (job)", "on ()"])
        if matching and operator not in ("and", "or", "unless") and rng.random() < 0.5:
            matching += " " + rng.choice(["group_left", "group_right", "group_left (version)", "group_right (zone, mode)"])
        return "%s %s %s %s" % (self.operand(depth), operator, matching, self.operand(depth))

    def operand(self, depth):
        text = self.vector(depth - 1)
        return "(%s)" % text if " " in text else text

    def vector(self, depth):
        rng = self.rng
        if depth <= 0:
            return rng.choice(self.vectors)
        kind = rng.randrange(12)
        if kind == 0:
            return rng.choice(self.vectors)
        if kind <= 2:
            return "%s(%s)" % (rng.choice(self.over_time), self.window(depth))
        if kind <= 4:
            return "%s %s (%s)" % (rng.choice(AGGREGATIONS), rng.choice(GROUPINGS), self.vector(depth - 1))
        if kind == 5:
            return "%s(%s)" % (rng.choice(["abs", "ceil", "floor", "sgn", "-", "timestamp", "absent"]), self.vector(depth - 1))
        if kind == 6:
            return "(%s) %s %s" % (self.vector(depth - 1), rng.choice(["+", "*", "/", ">", "<= bool", "!="]), self.scalar(depth - 1))
        if kind == 7:
            return self.choice(depth)
        if kind == 8:
            return self.call(depth)
        return self.binary(depth)

    def choice(self, depth):
        rng = self.rng
        op = rng.choice(self.choosers)
        # Which of equals are chosen depends on the order of the series, which Prometheus knows only of those it reads.
        operand = self.vector(depth - 1) if op in ("quantile", "limit_ratio") else rng.choice(COUNTERS)
        # Prometheus lets what `@` fixes in a parameter slide over the steps.
        parameter = rng.choice(self.scalars + ["scalar(once)", "scalar(missing)", "time() / 60 % 4", "scalar(sum(up)) / 5"])
        return "%s %s (%s, %s)" % (op, rng.choice(GROUPINGS), parameter, operand)

    def call(self, depth):
        rng = self.rng
        return rng.choice([
            lambda: "clamp(%s, %s, %s)" % (self.vector(depth - 1), self.scalar(1), self.scalar(1)),
            lambda: "round(%s, %s)" % (self.vector(depth - 1), self.scalar(0)),
            # Version 2 lets a window that `@` fixes slide where the parameter varies.
            lambda: "quantile_over_time(%s, %s[%s])" % (self.scalar(1), rng.choice(COUNTERS), rng.choice(["5m", "8m:30s"])),
            lambda: "predict_linear(%s[%s], %s)" % (rng.choice(COUNTERS), rng.choice(["5m", "2m30s", "8m:30s"]),
                                                    self.scalar(0)),
            lambda: "%s(%s, 0.3, 0.7)" % (self.smoothing, self.window(depth)),
            lambda: "histogram_quantile(%s, %s)" % (self.scalar(0), rng.choice(["latency_bucket", self.vector(depth - 1)])),
            lambda: 'label_replace(%s, "%s", "x$1", "%s", "%s")' % (
                self.vector(depth - 1), rng.choice(["job", "instance", "new", "__name__"]),
                rng.choice(["job", "code", "nothing"]), rng.choice(["(.*)", "a(.)i", "[0-9]+", ""])),
            lambda: 'label_join(%s, "%s", "-", "job", "code")' % (self.vector(depth - 1), rng.choice(["job", "new"])),
            # Of computed values the last digit is anybody's.
            lambda: 'count_values("%s", %s)' % (rng.choice(["v", "job"]), rng.choice(COUNTERS)),
            lambda: "vector(%s)" % self.scalar(depth),
            lambda: "%s(timestamp(%s))" % (rng.choice(["hour", "day_of_week", "minute"]), self.vector(depth - 1)),
            lambda: "absent_over_time(%s)" % self.window(depth),
        ])()
