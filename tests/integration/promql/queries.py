"""The questions of the differential test: hand-picked ones, every function, and generated expressions."""

import random

import dataset

MINUTE = 60_000
START = dataset.BASE
INSTANTS = [START + 35 * MINUTE, START + 70 * MINUTE + 20_000, START + 123 * MINUTE + 4_321]
RANGES = [
    (START + 30 * MINUTE, START + 90 * MINUTE, 60_000),
    (START + 55 * MINUTE + 7_000, START + 85 * MINUTE, 47_000),
    (START - 10 * MINUTE, START + 160 * MINUTE, 5 * MINUTE),
]

VECTORS = [
    "http_requests_total", 'http_requests_total{job="api"}', 'http_requests_total{code=~"4..|5.."}',
    'http_requests_total{instance!~"a.*",code!="200"}', "up", "up == 0", "memory_bytes", "odd", "temperature",
    "constant", "ends", "late", "sparse", "edge", "once", "twice", "texts", "missing", 'missing{job="x",a=~"b"}',
    '{__name__=~"temp.*|late"}', "latency_bucket", "build_info", "cpu_seconds_total offset 3m", "edge offset -2m",
    "edge @ 1700003000", "memory_bytes @ start()", "temperature @ end() offset 90s", '{job="web",__name__!~"http.*|up"}',
]
COUNTERS = ["http_requests_total", 'http_requests_total{code="500"}', "cpu_seconds_total", "ends", "sparse", "edge",
            "twice", "once", "odd", "latency_bucket", "missing", "late", "constant"]
WINDOWS = ["[1m]", "[5m]", "[2m30s]", "[15s]", "[20m]", "[5m] offset 4m", "[5m] @ 1700004000", "[1h] @ end()",
           "[5m] offset -90s", "[6m:1m]", "[10m:33s]", "[5m:]", "[5m:1m] offset 2m", "[8m:30s] @ 1700005000",
           "[4m:7s] @ start() offset -3m"]

OVER_TIME = ["rate", "increase", "delta", "irate", "idelta", "deriv", "changes", "resets", "avg_over_time",
             "min_over_time", "max_over_time", "sum_over_time", "count_over_time", "stddev_over_time",
             "stdvar_over_time", "last_over_time", "present_over_time", "absent_over_time"]
ELEMENTS = ["abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "log10", "sgn", "acos", "acosh", "asin", "asinh",
            "atan", "atanh", "cos", "cosh", "sin", "sinh", "tan", "tanh", "deg", "rad", "timestamp", "absent",
            "histogram_count", "histogram_sum", "sort", "sort_desc", "round", "scalar"]
CALENDAR = ["minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year"]
AGGREGATIONS = ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"]
GROUPINGS = ["", "by (job)", "by (instance, code)", "without (instance)", "by ()", "without ()", "by (nothing)",
             "by (__name__)", "without (code, cpu, n)"]

OTHERS = [
    "1", "-1", "+1", "1 + 2 * 3 ^ 2 ^ 0.5", "-1 ^ 2", "(-1) ^ 2", "2 ^ 3 ^ 2", "7 % 3", "-7 % 3", "7 % -3", "1 / 0",
    "-1 / 0", "0 / 0", "0x1f", "010", "1e3", "1.5E-3", ".5", "5.", "Inf", "-Inf", "NaN", "+inf", "nAn", "1 atan2 -1",
    "1 == bool 1", "1 != bool NaN", "2 > bool 1", "2 <= bool 1", "NaN == bool NaN", "time()", "pi()", "pi() * 2",
    "time() - 1700000000", '"a string"', "'single'", "`raw\\n`", '"esc\\t\\x41\\u00e4\\101"', "vector(1)",
    "vector(time())", "scalar(vector(1))", "vector(scalar(up))", "scalar(once)", "-up", "- -up", "-(up + 1)",
    "--1", "+up", "1 - -1", "up + 0 # a comment", "sum(up) # trailing", "(((up)))",
    # scalar and vector
    "up + 1", "1 + up", "up / 0", "odd % 2", "odd ^ 2", "2 ^ odd", "odd atan2 1", "up == 1", "1 == up", "up != bool 1",
    "1 > bool up", "odd > 0", "0 < odd", "odd >= bool 0", "odd == odd", "odd != odd", "0 * odd", "-odd", "odd - odd",
    # matching
    "http_requests_total / on (job, instance, code) http_requests_total",
    "http_requests_total / ignoring (code) http_requests_total",
    "up * on (job, instance) build_info", "up * ignoring (version) build_info", "up + build_info",
    "http_requests_total * on (job, instance) group_left up",
    "http_requests_total * on (job, instance) group_left (version) build_info",
    "http_requests_total * on (job, instance) group_left (version, zone) build_info",
    "build_info * on (job, instance) group_right (version) http_requests_total",
    "http_requests_total * ignoring (code) group_left () up",
    "up * on (job) group_left build_info", "up * on (job) build_info", "up == on (job, instance) up",
    "http_requests_total > ignoring (code) group_left () (up * 1000)",
    "http_requests_total > bool ignoring (code) group_left () (up * 1000)",
    "http_requests_total * on (job, instance) group_left (code) build_info",
    "up - on (instance, job) group_left (version) build_info", "sum(up) / count(up)", "sum(up) + on () group_left count(up)",
    'up{job="api"} + on (instance) up{job="web"}', "up == up", "up != up", "up > up offset 1m",
    "memory_bytes > on (job, instance) (memory_bytes offset 5m)", "memory_bytes < bool memory_bytes offset 5m",
    "up and up", "up and on (instance) memory_bytes", "up and ignoring (zone) memory_bytes", "up unless up == 0",
    "up == 0 or up", "up or memory_bytes", "up or on (job) memory_bytes", "up unless on (job) late",
    "late or up and on (job) late", "(up == 0) or (up == 1)", "ends or temperature", "up and missing", "up or missing",
    "missing or up", "missing and up", "missing unless up", "up unless missing", "vector(0) or up", "up or vector(0)",
    "temperature or on () vector(3)", "up and on () vector(1)", "late unless on () vector(1)", "up + missing",
    "up * on (job, instance) group_left (nope) build_info", "sum by (job) (up) > 2 and sum by (job) (up) < 3",
    "temperature + on (room, floor) temperature", "odd and odd > 0", "ends == on (how) ends",
    "http_requests_total + on (instance, code) group_left () http_requests_total{job=\"web\"}",
    'http_requests_total{job="web"} + on (instance, code) group_right () http_requests_total',
    "{__name__=~\"up|late\"} * 1", "-{__name__=~\"up|build_info\",job=\"api\"}", "abs({__name__=~\"ends|late\"})",
    "{__name__=~\"sparse|late\"} + 1", "rate({__name__=~\"sparse|late|edge\"}[10m])",
    "last_over_time({__name__=~\"sparse|late|edge\"}[10m])", "max_over_time({__name__=~\"up|build_info\"}[3m])",
    "{__name__=~\"late|sparse\"} unless on (__name__) sparse",
    # aggregations with parameters
    "topk(2, http_requests_total)", "topk by (job) (1, http_requests_total)", "bottomk(3, memory_bytes)",
    "bottomk without (code) (1, http_requests_total)", "topk(0, up)", "topk(-1, up)", "topk(100, temperature)",
    "topk(1.9, temperature)", "topk(NaN, up)", "topk(scalar(count(late)) + 1, memory_bytes)", "topk(1e30, up)",
    "quantile(0.5, memory_bytes)", "quantile by (job) (0.9, http_requests_total)", "quantile(-1, up)",
    "quantile(2, up)", "quantile(NaN, up)", "quantile(0.3, odd)", "quantile without (n) (0, odd)",
    'count_values("v", up)', 'count_values by (job) ("v", up)', 'count_values without (instance) ("v", up)',
    'count_values("v", odd)', 'count_values("0", up)', 'count_values("job", up)', 'count_values by (job) ("job", up)',
    'count_values without (job) ("job", up)', 'count_values("big", constant)', "sum(odd)", "avg(odd)", "min(odd)",
    "max(odd)", "stddev(odd)", "avg(constant)", "avg by (kind) (constant * 1e8)", "sum(constant * 1e8)",
    "sum(sum by (job) (up))", "count(count by (job) (up))", "sum by (job) (rate(http_requests_total[5m]))",
    "avg without (cpu) (rate(cpu_seconds_total{mode!=\"idle\"}[2m]))", "max by (text) (texts)",
    "sum(http_requests_total) by (job)", "sum(http_requests_total) without (job)", "SUM BY (job) (up)",
    "sum by (job,) (up)", "group by (job) (up)",
    # functions with more than one argument
    "clamp(odd, -1, 1)", "clamp(odd, 1, -1)", "clamp(odd, NaN, 1)", "clamp_max(odd, 0)", "clamp_min(odd, 0)",
    "clamp_min(odd, NaN)", "clamp_max(temperature, scalar(once))", "round(temperature, 0.1)", "round(temperature, 5)",
    "round(odd, 0)", "round(-temperature)", "round(temperature, -1)", "histogram_fraction(0, 1, up)",
    "predict_linear(temperature[10m], 600)", "predict_linear(odd[10m], 600)", "predict_linear(once[10m], 1)",
    "predict_linear(memory_bytes[5m] offset 3m, -60)", "predict_linear(constant[10m], 60)",
    "predict_linear(temperature[10m] @ end(), time() % 7)[1m:1m]", "predict_linear(temperature[10m:1m], time() % 100)",
    "holt_winters(temperature[10m], 0.5, 0.3)", "holt_winters(twice[10m], 0.1, 0.9)",
    "holt_winters(temperature[10m], 0, 0.3)", "holt_winters(temperature[10m], 0.5, 1)", "holt_winters(once[5m], 2, 2)",
    "quantile_over_time(0.5, odd[5m])", "quantile_over_time(0.95, memory_bytes[5m])", "quantile_over_time(2, up[1m])",
    "quantile_over_time(-1, up[1m])", "quantile_over_time(NaN, up[1m])", "quantile_over_time(scalar(up{job=\"api\",instance=\"a:9100\"}), temperature[10m])",
    "histogram_quantile(0.9, latency_bucket)", "histogram_quantile(0.5, rate(latency_bucket[5m]))",
    "histogram_quantile(0.99, sum by (le) (rate(latency_bucket[5m])))", "histogram_quantile(0, latency_bucket)",
    "histogram_quantile(1, latency_bucket)", "histogram_quantile(-1, latency_bucket)",
    "histogram_quantile(1.1, latency_bucket)", "histogram_quantile(NaN, latency_bucket)",
    "histogram_quantile(0.2, crooked_bucket)", "histogram_quantile(0.7, crooked_bucket)", "histogram_quantile(0.5, up)",
    "histogram_quantile(0.05, crooked_bucket)", "histogram_quantile(scalar(sum(up)) / 10, latency_bucket)",
    'label_replace(up, "host", "$1", "instance", "(.*):.*")', 'label_replace(up, "host", "${1}x$$y$2", "instance", "(.*):.*")',
    'label_replace(up, "host", "$1x", "instance", "(.*):.*")', 'label_replace(up, "job", "", "job", ".*")',
    'label_replace(up, "instance", "same", "instance", ".*")', 'label_replace(up, "a-b", "x", "job", ".*")',
    'label_replace(up, "x", "$1", "job", "(")', 'label_replace(up, "x", "none", "nothing", "")',
    'label_replace(up, "x", "$name", "instance", "(?P<name>.).*")', 'label_replace(up, "x", "y", "job", "ap")',
    'label_replace(up, "__name__", "renamed", "job", "api")', 'label_replace(texts, "x", "$2", "text", "x-([0-9]+)-(.)")',
    'label_replace(texts, "t", "<$1>", "text", "(.*)")', 'label_replace(missing, "x", "$1", "job", "(.*)")',
    'label_replace(up, "x", "$1-$0", "job", "(a)?.*")', 'label_replace(vector(1), "a", "b", "", "")',
    'label_join(up, "all", "-", "job", "instance", "nothing")', 'label_join(up, "all", "", "job")',
    'label_join(up, "job", ",")', 'label_join(up, "a b", ",", "job")', 'label_join(up, "x", ",", "a b")',
    'label_join(up, "instance", "", "job")',
    # time
    "timestamp(up)", "timestamp(up + 0)", "timestamp((up))", "timestamp(up offset 2m)", "timestamp(timestamp(up))",
    "timestamp(edge @ 1700003000)", "timestamp(vector(1))", "hour()", "minute()", "day_of_week()", "month()", "year()",
    "days_in_month()", "day_of_year()", "day_of_month(vector(1709164800))", "days_in_month(vector(1707000000))",
    "day_of_year(vector(1735603200))", "year(vector(-1))", "hour(vector(-3601))", "month(vector(0))",
    "day_of_week(vector(-86401))", "minute(vector(12345.9))", "year(vector(253402300800))",
    # sorting: the order is compared
    "sort(http_requests_total)", "sort_desc(http_requests_total)", "sort_desc(memory_bytes)", "sort(temperature)",
    "sort(up offset 1m) + 1", "topk(5, memory_bytes)", "bottomk(5, memory_bytes)",
    # subqueries, @ and offset
    "max_over_time(rate(http_requests_total[2m])[20m:1m])", "avg_over_time(sum(up)[10m:30s])",
    "sum_over_time(up[5m:30s] offset 1m)", "min_over_time((up + 1)[5m:])", "rate(sum(http_requests_total)[5m:15s])",
    "max_over_time(max_over_time(temperature[2m])[4m:1m])", "max_over_time(avg_over_time(temperature[3m:30s])[5m:1m])",
    "sum_over_time(temperature[10m:1m] @ 1700003333)", "max_over_time((temperature @ 1700003000)[5m:1m])",
    "count_over_time(time()[5m:1m])", "count_over_time(vector(time())[5m:1m])", "sum_over_time(vector(1)[5m:7s])",
    "avg_over_time(vector(time())[3m:20s] @ end())", "max_over_time(time()[1m:1s] @ 1700000000)",
    "temperature @ 1700002000.5", "temperature @ -5", "temperature @ 1e15", "temperature @ NaN", "rate(edge[5m] @ end())",
    "last_over_time(edge[5m])", "count_over_time(edge[5m])", "count_over_time(edge[1m])", "count_over_time(edge[59999ms])",
    "edge offset 5m", "edge offset 1ms", "edge offset -1ms", "edge{every=\"5m\"} offset 4m59s999ms",
    "absent(missing)", 'absent(missing{job="x"})', 'absent(missing{job="x",job="y"})', 'absent(missing{job=~"x",a="b"})',
    "absent(up)", "absent(sum(missing))", "absent(rate(missing[5m]))", "absent((missing))", "absent(once)", "absent(late)",
    'absent_over_time(missing{job="x"}[5m])', "absent_over_time(late[5m])", "absent_over_time(ends{how=\"gap\"}[2m])",
    "absent_over_time(sum(late)[5m:1m])", 'absent_over_time({__name__="missing",a="b"}[1m])', "absent(-missing)",
    'absent({job="x",job=~"y.*"})', "absent(missing offset 5m)", "absent(missing{x=\"\"})",
    # results of other types
    "up[1m]", "edge[5m]", "ends{how=\"marker\"}[45m]", "up[2m:30s]", "(up[1m])", "up[1m] offset 1m", "missing[5m]",
    "edge[5m] @ 1700003000", "rate(http_requests_total[1m])[5m:1m]",
    # names that are words of the language
    "by", "offset", "sum", "count + 1", "start", "end", "up{by=\"x\"}", "sum by (by, sum, on, bool) (up)",
    "inf_total", "up{on=\"\"}", "{__name__=\"up\",}", "group", "avg{}", "bottomk", "unless", "and", "or",
    # selectors
    '{job="api",__name__="up"}', 'up{instance=~"a:9100|b:.*"}', 'up{instance=~""}', 'up{instance!=""}', 'up{nope=""}',
    'up{nope!="x"}', 'up{nope=~".*"}', 'up{nope=~".+"}', 'up{job=~"ap"}', 'up{job=~"(?i)API"}', "texts{text='quote\"d'}",
    "texts{text=`back\\slash`}", 'texts{text="uml\\u00e4ut"}', 'texts{text=~"uml.ut"}', "up{}", 'up{job="api",job!="web"}',
    'up{job="api",job="web"}', 'up {job = "api" , }', "up\n{job=\"api\"}", "http_requests_total:rate", ":up",
]

# What Prometheus refuses, with the words it uses.
MALFORMED = [
    "", " ", "# only a comment", "(", ")", "(up", "up)", "up +", "+", "1 +", "up up", "1 1", "up{", "up{job", "up{job=",
    'up{job="api"', 'up{job="api" instance="x"}', 'up{job="api",,}', "up{,}", "up{job=api}", "up{1}",
    'up{job:x="a"}', "up{job!}", "up{{", "up}", "{}", '{job=""}', '{job=~".*"}', 'up{__name__="x"}', 
    "up[5m", "up[5m:", "up[5m:1m", "up[5m:1m:1m]", "up[5m]]", "up[0s]", "up[5m:0s]",
    "1[5m]", "(up)[5m]", "up[5m][5m]", "up[5m][5m:1m]", "up offset", "up offset x", "up offset 5m offset 5m",
    "1 offset 5m", "sum(up) offset 5m", "up offset 5m[5m]", "up @", "up @ x", "up @ 1 @ 2", "1 @ 5", "up @ 5 [5m]",
    "up @ start", "up @ start(", "up @ now()", "rate", "rate(", "rate()", "rate(up)", "rate(up[5m],)", "rate(up[5m], 1)",
    "rate(1)", "rate(up[5m]", "abs(up[5m])", "abs(1)", "abs(up, up)", "abs()", "nope(up)", "nope()", "clamp(up)",
    "clamp(up, 1)", "round(up, 1, 2)", "label_replace(up)", "label_replace(up, 1, 2, 3, 4)", "label_join(up, \"x\")",
    "time(1)", "scalar(1)", "vector(up)", "sum", "sum(", "sum()", "sum(1)", "sum(up, up)", "sum(up[5m])", "sum by (up)",
    "sum by job (up)", "sum by (job (up)", "sum by (1) (up)", "sum by (job) up", "sum(up) by (job) by (job)",
    "sum by (job) (up) by (job)", "topk(up)", "topk(up, 1)", "topk(\"x\", up)", "topk()", "count_values(1, up)",
    "quantile(up)", "sum(up) up", "1 == 1", "1 > 2", "1 and 1", "up and 1", "1 or up", "up unless 1", "up + bool up",
    "up bool up", "up + on up", "up + on (job", "up + on (job) 1", "1 + on (job) up", "up and on (job) group_left up",
    "up + group_left up", "up + on (job) group_left (job) up", "up + ignoring (job) group_left (x) 1", "up[5m] + 1",
    "1 + up[5m]", "-up[5m]", "\"a\" + 1", "-\"a\"", "\"a", "'a", "`a", "\"a\nb\"", "\"\\q\"", "\"\\x4\"", "\"\\400\"", "\"\\ud800\"",
    "1y2", "5mm", "1..2", "1e", "0x", "0xg", "1x", "up $", "up ? 1", "up & up", "up | up", "up ! up", "up !~ up",
    "up =~ 1", "up = 1", "up == ", "up =", "*up", "up * / up", "up atan2", "atan2", "bool", "on", "ignoring", 
    "sum without", "sum by", "up[5m] @ 5 @ 6", "max_over_time(up)", "max_over_time(up[5m:])[5m:]", "1[5m:1m]", "(1)[5m:1m]",
    "time()[5m:1m]", "\"a\"[5m:1m]", "up[1y", "up[1h5m1s1ms:1s", "rate(up[5m])) + 1", "sum(rate(up[5m])", "abs(abs(up)",
    "up or", "or up", "and", "up by (job)", "sum(up) without", "up{a=\"b\"} {c=\"d\"}", "up.foo", "\u00e4", "up{\u00e4=\"x\"}",
    "foo:bar{x:y=\"z\"}", "sum(by (x))", "sum(sum(up) by", "a b c", "absent(1)", "histogram_quantile(up, up)",
    "predict_linear(up[5m])", "(up + (up)", "((((", "up[5m] offset 1m offset 2m", "min_over_time(up[5m]) offset 5m",
    "up offset 1m5", "up offset -", "up @ -", "up @ \"x\"", "up[5m:-1m]",
]


# Refused too, but in other words: those of version 3, or of RE2.
MALFORMED_OTHERWISE = ["up[", "up[]", "up[x]", "up[[5m]]", "up[-5m]", 'up{job=~"("}', "up[5m:x]", "up[5m:[1m]]"]


def is_ordered(query):
    return query.startswith(("sort(", "sort_desc(", "topk(", "bottomk("))


def hand_picked():
    out = list(OTHERS)
    out += VECTORS
    for function in OVER_TIME:
        out += ["%s(%s%s)" % (function, vector, window)
                for i, vector in enumerate(COUNTERS)
                for k, window in enumerate(WINDOWS) if (i + k) % 4 == 0]
    for function in ELEMENTS:
        out += ["%s(%s)" % (function, vector) for vector in ("odd", "memory_bytes / 1e9", "temperature", "once", "missing")]
    for function in CALENDAR:
        out += ["%s(%s)" % (function, vector) for vector in ("timestamp(up)", "memory_bytes", "vector(time() * 3)")]
    for function in AGGREGATIONS:
        out += ["%s %s (%s)" % (function, grouping, vector)
                for i, grouping in enumerate(GROUPINGS)
                for k, vector in enumerate(("http_requests_total", "up", "memory_bytes", "cpu_seconds_total", "missing"))
                if (i + k) % 2 == 0]
    return out


class Generator:
    """Random expressions that are well-typed, and mostly make sense."""

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def scalar(self, depth):
        rng = self.rng
        if depth <= 0 or rng.random() < 0.6:
            return rng.choice(["1", "2", "0.5", "-3", "time()", "1e9", "0", "NaN", "Inf"])
        if rng.random() < 0.3:
            return "scalar(%s)" % self.vector(depth - 1)
        return "(%s %s %s)" % (self.scalar(depth - 1), rng.choice(["+", "-", "*", "/", "%", "^", "> bool"]),
                               self.scalar(depth - 1))

    def window(self, depth):
        rng = self.rng
        if depth > 1 and rng.random() < 0.25:
            return "(%s)%s" % (self.vector(depth - 1), rng.choice([w for w in WINDOWS if ":" in w]))
        return rng.choice(COUNTERS + ["memory_bytes", "temperature", "up"]) + rng.choice(WINDOWS)

    def binary(self, depth):
        rng = self.rng
        operator = rng.choice(["+", "-", "*", "/", "==", "!=", ">", "<", ">= bool", "and", "or", "unless", "^", "%"])
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
            return rng.choice(VECTORS)
        kind = rng.randrange(9)
        if kind == 0:
            return rng.choice(VECTORS)
        if kind <= 2:
            return "%s(%s)" % (rng.choice(OVER_TIME), self.window(depth))
        if kind <= 4:
            return "%s %s (%s)" % (rng.choice(AGGREGATIONS), rng.choice(GROUPINGS), self.vector(depth - 1))
        if kind == 5:
            return "%s(%s)" % (rng.choice(["abs", "ceil", "floor", "sgn", "-", "timestamp", "absent"]), self.vector(depth - 1))
        if kind == 6:
            return "(%s) %s %s" % (self.vector(depth - 1), rng.choice(["+", "*", "/", ">", "<= bool", "!="]), self.scalar(depth - 1))
        return self.binary(depth)


def all_questions(seed, generated):
    """(kind, times in milliseconds, query)"""
    out = []
    for i, query in enumerate(hand_picked()):
        query = query.replace("\n", " ")
        out.append(("instant", (INSTANTS[i % len(INSTANTS)],), query))
        out.append(("range", RANGES[i % len(RANGES)], query))
    for query in MALFORMED + MALFORMED_OTHERWISE:
        if "\n" not in query:
            out.append(("instant", (INSTANTS[0],), query))
    generator = Generator(seed)
    for i in range(generated):
        query = generator.vector(1 + i % 3)
        if i % 3 == 0:
            out.append(("instant", (INSTANTS[(i // 3) % len(INSTANTS)],), query))
        else:
            out.append(("range", RANGES[i % len(RANGES)], query))
    return out
