"""Whole classes of queries: each operator, aggregation and function, with each kind of operand."""

ARITHMETIC = ["+", "-", "*", "/", "%", "^", "atan2"]
COMPARISON = ["==", "!=", "<", ">", "<=", ">="]
BINARY = ARITHMETIC + COMPARISON
AGGREGATIONS = ["sum", "avg", "max", "min", "count", "stddev", "stdvar", "group"]
GROUPINGS = ["", "by ()", "by (instance)", "by (instance, mode)", "by (nonexistent)", "without ()", "without (instance)",
             "without (instance, mode)", "without (nonexistent)"]
RANGES = ["1s", "15s", "1m", "5m", "15m", "1h"]
OFFSETS = ["1m", "5m", "10m"]
QUANTILES = ["-0.5", "0.1", "0.5", "0.75", "0.95", "0.90", "0.99", "1", "1.5"]
OVER_TIME = ["sum", "avg", "max", "min", "count", "stddev", "stdvar", "absent", "last", "present"]
MATHEMATICAL = ["abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "log10", "round", "sgn", "deg", "rad", "acos", "asin",
                "atan", "cos", "sin", "tan", "acosh", "asinh", "atanh", "cosh", "sinh", "tanh"]
CALENDAR = ["day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute", "month", "year"]

GAUGE = "memory_bytes"
COUNTER = "cpu_seconds_total"


def every():
    out = []
    for op in BINARY:
        flag = " bool" if op in COMPARISON else ""
        out += ["%s %s 1.2345" % (GAUGE, op), "0.12345 %s %s" % (op, GAUGE),
                "(1 * 2 + 4 / 6 - (10 %% 7) ^ 2) %s %s" % (op, GAUGE), "%s %s (1 * 2 + 4 / 6 - 10)" % (GAUGE, op),
                "%s %s on (instance, job, zone) %s" % (GAUGE, op, GAUGE), "time() %s %s" % (op, GAUGE), "%s %s time()" % (GAUGE, op),
                "sum by (instance, mode) (%s) %s on (instance, mode) group_left (cpu) %s{cpu=\"1\"}" % (COUNTER, op, COUNTER),
                "1 %s%s time()" % (op, flag), "time() %s%s 1" % (op, flag), "time() %s%s time()" % (op, flag)]
    for op in COMPARISON:
        out += ["up + (1 %s bool 2)" % op, "%s %s bool 1.2345" % (GAUGE, op), "1.2345 %s bool %s" % (op, GAUGE),
                "%s %s bool on (instance, job, zone) %s" % (GAUGE, op, GAUGE)]
    for aggregation in AGGREGATIONS:
        out.append("%s(nonexistent)" % aggregation)
        out += ["%s %s (%s)" % (aggregation, grouping, COUNTER) for grouping in GROUPINGS]
    for aggregation in ("topk", "bottomk"):
        out += ["%s %s (2, %s)" % (aggregation, grouping, GAUGE) for grouping in GROUPINGS]
    for q in QUANTILES:
        out += ["quantile(%s, %s)" % (q, GAUGE), "histogram_quantile(%s, rate(latency_bucket[1m]))" % q]
        out += ["quantile_over_time(%s, %s[%s])" % (q, GAUGE, r) for r in RANGES]
    for r in RANGES:
        out += ["%s_over_time(%s[%s])" % (function, GAUGE, r) for function in OVER_TIME]
        out += ["%s(%s[%s])" % (function, COUNTER, r)
                for function in ("rate", "increase", "delta", "irate", "idelta", "resets", "changes")]
        out += ["deriv(%s[%s])" % (GAUGE, r), "predict_linear(%s[%s], 600)" % (GAUGE, r)]
    for function in MATHEMATICAL:
        out += ["%s(temperature)" % function, "%s(-temperature)" % function, "%s(temperature / 100)" % function]
    for function in CALENDAR:
        out.append(function + "()")
        out += ["%s(timestamp(up offset %s) * 7)" % (function, o) for o in OFFSETS]
    for o in OFFSETS:
        out += ["%s offset %s" % (GAUGE, o), "%s offset -%s" % (GAUGE, o)]
    out += ["sum(%s(nonexistent[5m]))" % function for function in ("rate", "increase", "delta", "irate", "idelta")]
    out += [
        "1 * 2 + 4 / 6 - 10 % 2 ^ 2", "-1 ^ 2", "up * Inf", "up * -Inf", "up * NaN", "up + -(1)", "timestamp(up * 1)",
        "timestamp(-up)", "{__name__=~\".*\"}", "avg(max by (zone) (memory_bytes))",
        "memory_bytes / on (instance, job, zone, __name__) memory_bytes",
        "sum without (job) (memory_bytes) / on (instance, zone) memory_bytes",
        "sum without (job) (memory_bytes) / on (instance, zone) group_left memory_bytes",
        "sum without (zone) (memory_bytes) / on (instance, job) group_left (zone) memory_bytes",
        "memory_bytes / on (instance, job) group_left up", "memory_bytes / on (instance, zone, job, nonexistent) memory_bytes",
        'label_replace(up, "job", "destination-value-$1", "instance", "a:(.*)")',
        'label_replace(up, "job", "$1-$2", "instance", "(.*):(.*)")',
        'label_replace(up, "job", "value-$1", "nonexistent", "source-value-(.*)")',
        'label_replace(up, "job", "value-$1", "nonexistent", "(.*)")', 'label_replace(up, "job", "", "dst", ".*")',
        'label_replace(up, "job", "value-$1", "src", "(.*")', 'label_replace(up, "\\xff", "", "src", "(.*)")',
        'label_replace(up, "instance", "", "", "")', 'label_join(up, "new", "-", "instance", "job")',
        'label_join(up, "job", "-", "instance", "job")', 'label_join(up, "\\xff", "-", "instance")',
        "clamp(memory_bytes, 0, 1000000000000)", "clamp(memory_bytes, 1000000000000, 0)",
        "clamp(memory_bytes, 1000000000000, 1000000000000)", "clamp_min(memory_bytes, 2)", "clamp_max(memory_bytes, 2)",
        "histogram_quantile(0.9, nonexistent)", "histogram_quantile(0.9, memory_bytes)",
        'histogram_quantile(0.9, {__name__=~"latency_.+"})', 'count_values("value", latency_bucket)',
        "max_over_time((time() - max(timestamp(up)) < 1000)[5m:10s] offset 5m)",
        "avg_over_time(rate(cpu_seconds_total[1m])[2m:10s])",
    ]
    return out
