"""Hand-picked queries that both versions know."""

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
    "topk(1.9, temperature)", "topk(NaN, up)", "topk(scalar(count(late)) + 1, memory_bytes)", "topk(1e30, up)", "topk(0x10 ^ 0x10, up)", "topk(-1e30, up)", "topk(scalar(late), late)",
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
    'histogram_quantile(0.5, {__name__=~"(crooked|rounding)_bucket"})', 'histogram_quantile(0.5, {__name__=~"crooked_bucket|up"})',
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
