"""Queries that do not parse."""

# Prometheus refuses these, with the same words.
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


# Prometheus refuses these with other words than version 3's or RE2's.
MALFORMED_OTHERWISE = ["up[", "up[]", "up[x]", "up[[5m]]", "up[-5m]", 'up{job=~"("}', "up[5m:x]", "up[5m:[1m]]"]
