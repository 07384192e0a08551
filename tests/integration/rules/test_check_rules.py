"""`check-rules` accepts what `promtool check rules` accepts, and refuses what it refuses, naming every place. promtool is
Debian 12's, and for the names that only Prometheus 3 accepts the newest, which tests/sid fetches."""

import os
import re
import subprocess
import tempfile

from harness import PROGRAM
from reference import from_sid


def rule(text):
    return "groups:\n  - name: g\n    rules:\n      - " + text.replace("\n", "\n        ") + "\n"


def annotation(template):
    return rule("alert: A\nexpr: up\nannotations:\n  a: '" + template + "'")


GOOD = {
    "nothing is no rule and no group": "groups: [ null, { name: g, rules: [ null ] } ]\n",
    "empty": "",
    "comment": "# nothing\n",
    "no groups": "groups:\n",
    "no rules": "groups: [ { name: g } ]\n",
    "recording": rule("record: job:up:sum\nexpr: sum by (job) (up)"),
    "recording labels are no templates": rule("record: x\nexpr: up\nlabels: { a: '{{ $none }}' }"),
    "alert": rule("alert: A b\nexpr: up == 0\nfor: 1m\nkeep_firing_for: 1h30m\nlabels: { severity: page }"),
    "numbers": rule("alert: 5\nexpr: 1\nfor: 0\nlabels: { a: 1, b: true, c: 1.5, d: null }"),
    "empty other name": rule("alert: A\nrecord: ''\nexpr: up"),
    "group keys": "groups: [ { name: g, interval: 5s, limit: 3, rules: [] } ]\n",
    "negative limit": "groups: [ { name: g, limit: -1, rules: [] } ]\n",
    "two groups": "groups: [ { name: a }, { name: b } ]\n",
    "duplicates": "groups: [ { name: g, rules: [ { record: x, expr: up }, { record: x, expr: up } ] } ]\n",
    "anchors": "groups: [ { name: g, rules: [ { alert: A, expr: up, labels: &l { a: b } }, { alert: B, expr: up, labels: *l } ] } ]\n",
    "merge keys": "groups: [ { name: g, rules: [ &a { alert: A, expr: up, labels: &l { a: b } }, { <<: *a, alert: B },"
                  " { alert: C, expr: up, labels: { <<: *l, c: d } }, { <<: [ *a, { for: 1m } ], labels: {} }, { <<: [], alert: D, expr: up } ] } ]\n",
    "multi-line": rule("record: x\nexpr: |\n  sum(\n    up\n  )"),
    "folded": rule("record: x\nexpr: >-\n  sum(up)\n  / 2"),
    "second document is not read": "groups: []\n---\nnonsense: 1\n",
    "windows": "groups:\r\n- name: g\r\n  rules:\r\n  - record: x\r\n    expr: up\r\n",
    "empty annotation": rule("alert: A\nexpr: up\nannotations: { a: '' }"),
    "metric with colons": rule('record: ":a:b"\nexpr: up'),
    "every function": annotation(
        '{{ query "up" | first | value | humanize }}{{ strvalue (query "up" | first) }}{{ label "a" (query "up" | first) }}'
        '{{ args 1 }}{{ reReplaceAll "a" "b" "c" }}{{ safeHtml "a" }}{{ match "a" "b" }}{{ title "a" }}{{ toUpper "a" }}'
        '{{ toLower "a" }}{{ graphLink "up" }}{{ tableLink "up" }}{{ query "up" | sortByLabel "a" }}{{ stripPort "a" }}'
        '{{ stripDomain "a" }}{{ humanize1024 1.0 }}{{ humanizeDuration 1.0 }}{{ humanizePercentage 1.0 }}'
        '{{ humanizeTimestamp 1.0 }}{{ toTime 1.0 }}{{ pathPrefix }}{{ externalURL }}{{ parseDuration "1m" }}'
        '{{ print 1 }}{{ printf "%d" 1 }}{{ println }}{{ len "a" }}{{ index $labels "a" }}{{ slice "a" 0 }}{{ html "a" }}'
        '{{ js "a" }}{{ urlquery "a" }}{{ and 1 2 }}{{ or 1 2 }}{{ not 1 }}{{ eq 1 1 }}{{ ne 1 1 }}{{ lt 1 1 }}{{ le 1 1 }}'
        '{{ gt 1 1 }}{{ ge 1 1 }}{{ $externalLabels.a }}{{ $externalURL }}{{ $value }}{{ .ExternalLabels.a }}'
    ),
    "define": annotation('{{ define "x" }}{{ . }}{{ end }}{{ template "x" . }}{{ block "y" 1 }}{{ . }}{{ end }}'),
    "template that is not there": annotation('{{ template "none" }}'),
    "wrong number of arguments": annotation("{{ humanize }}"),
    "control flow": annotation(
        '{{ range $i, $e := query "up" }}{{ if $i }}{{ break }}{{ else if eq $i 1 }}{{ continue }}{{ end }}'
        "{{ else }}none{{ end }}{{ with $value }}{{ . }}{{ end }}{{- /* trimmed */ -}}"
    ),
}

BAD = {
    "not a map": "- a\n",
    "broken yaml": "groups: [\n",
    "unknown key": "grups: []\n",
    "unknown key of a group": "groups: [ { name: g, foo: 1 } ]\n",
    "unknown key of a rule": rule("alert: A\nexpr: up\nfro: 1m"),
    "key twice": rule("alert: A\nexpr: up\nexpr: up"),
    "label twice": rule("alert: A\nexpr: up\nlabels: { a: b, a: c }"),
    "groups is a map": "groups: { name: g }\n",
    "rules is a map": "groups: [ { name: g, rules: { record: a, expr: b } } ]\n",
    "group without a name": "groups: [ { rules: [] } ]\n",
    "group repeated": "groups: [ { name: g }, { name: g } ]\n",
    "neither alert nor record": rule("expr: up"),
    "both": rule("alert: A\nrecord: b\nexpr: up"),
    "rule is text": "groups: [ { name: g, rules: [ up ] } ]\n",
    "no expression": rule("alert: A"),
    "empty expression": rule("alert: A\nexpr: ''"),
    "broken expression": rule("alert: A\nexpr: up =="),
    "type error": rule("alert: A\nexpr: rate(up)"),
    "string expression is no vector": rule("alert: A\nexpr: sum(1)"),
    "for in a recording rule": rule("record: a\nexpr: up\nfor: 1m"),
    "keep_firing_for in a recording rule": rule("record: a\nexpr: up\nkeep_firing_for: 1m"),
    "annotations in a recording rule": rule("record: a\nexpr: up\nannotations: { a: b }"),
    "bad duration": rule("alert: A\nexpr: up\nfor: 5 minutes"),
    "number as duration": rule("alert: A\nexpr: up\nfor: 5"),
    "empty duration": rule("alert: A\nexpr: up\nfor: ''"),
    "bad interval": "groups: [ { name: g, interval: 1x } ]\n",
    "bad limit": "groups: [ { name: g, limit: many } ]\n",
    "label without a name": rule("alert: A\nexpr: up\nlabels: { '': b }"),
    "braces in a recorded name": rule("record: 'up{a=\"b\"}'\nexpr: up"),
    "merge of a number": rule("alert: A\nexpr: up\nlabels: { <<: 5 }"),
    "merge of nothing": rule("alert: A\nexpr: up\n<<: null"),
    "two merges": "groups: [ { name: g, rules: [ &a { alert: A, expr: up }, { <<: *a, <<: *a } ] } ]\n",
    "quoted merge key": "groups: [ { name: g, rules: [ &a { alert: A, expr: up }, { '<<': *a, alert: B } ] } ]\n",
    "merged key that is unknown": "groups: [ { name: g, rules: [ &a { alert: A, exp: up }, { <<: *a, expr: up } ] } ]\n",
    "alias inside its anchor": "groups: [ &g { name: g, rules: [ { alert: A, expr: up, labels: *g } ] } ]\n",
    "billion laughs": "groups:\n" + "".join(
        f"- &a{i} {{ name: g{i}, rules: [{', '.join([f'*a{i - 1}' if i else 'x'] * 9)}] }}\n" for i in range(9)),
    "__name__": rule("alert: A\nexpr: up\nlabels: { __name__: b }"),
    "label is a list": rule("alert: A\nexpr: up\nlabels: { a: [ b ] }"),
    "annotation without a name": rule("alert: A\nexpr: up\nannotations: { '': c }"),
    "labels is a list": rule("alert: A\nexpr: up\nlabels: [ a ]"),
    "unknown function": annotation("{{ foo }}"),
    "console function": annotation("{{ tmpl 1 2 }}"),
    "undefined variable": annotation("{{ $label.x }}"),
    "unclosed action": annotation("{{ $value"),
    "unclosed block": annotation("{{ if true }}"),
    "end too many": annotation("{{ end }}"),
    "nested define": annotation('{{ if true }}{{ define "x" }}{{ end }}{{ end }}'),
    "variable inside define": annotation('{{ define "x" }}{{ $labels.a }}{{ end }}'),
    "empty action": annotation("{{ }}"),
    "break outside a loop": annotation("{{ break }}"),
    "label template": rule("alert: A\nexpr: up\nlabels: { a: '{{ foo }}' }"),
}


# Prometheus 3 accepts these. Prometheus 2 refuses most of them.
MODERN = {
    "recorded name": rule("record: größe.x y\nexpr: up"),
    "label names": rule("record: x\nexpr: up\nlabels: { 1a: b, a.b: c, ä: d }"),
    "annotation names": rule("alert: A\nexpr: up\nannotations: { a-b: c, __name__: d }"),
    "quoted selector": rule("""alert: A\nexpr: '{"my.metric", "a.b"="c"} > 1'"""),
    "group labels": "groups: [ { name: g, labels: { a.b: c }, rules: [ { alert: A, expr: up } ] } ]\n",
}


def check(content, promtool="promtool"):
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "rules.yml")
        with open(path, "w", newline="") as out:
            out.write(content)
        theirs = subprocess.run([promtool, "check", "rules", path], capture_output=True, text=True, timeout=60)
        ours = subprocess.run([PROGRAM, "check-rules", path], capture_output=True, text=True, timeout=60)
        return path, theirs, ours


def test_what_promtool_accepts_is_accepted():
    for name, content in GOOD.items():
        _, theirs, ours = check(content)
        assert theirs.returncode == 0, f"{name}: promtool refuses: {theirs.stderr}"
        assert ours.returncode == 0, f"{name}: refused: {ours.stderr}"


def test_what_only_the_newest_promtool_accepts_is_accepted():
    promtool = from_sid("prometheus", "promtool")
    for name, content in MODERN.items():
        _, theirs, ours = check(content, promtool)
        assert theirs.returncode == 0, f"{name}: promtool refuses: {theirs.stderr}"
        assert ours.returncode == 0, f"{name}: refused: {ours.stderr}"
    for name, content in BAD.items():
        _, theirs, _ = check(content, promtool)
        assert theirs.returncode != 0, f"{name}: the newest promtool accepts"


def test_a_value_in_a_label_is_a_warning():
    path, theirs, ours = check(rule("alert: A\nexpr: up\nlabels: { a: '{{ $value }}', b: '{{ if gt $value 1.0 }}x{{ end }}' }"))
    assert theirs.returncode == ours.returncode == 0, ours.stderr
    assert len(ours.stderr.splitlines()) == 1, ours.stderr
    assert ours.stderr.startswith(f'{path}:6:22: warning: the label "a" of alert "A" contains a value: '), ours.stderr


def test_what_promtool_refuses_is_refused_with_its_place():
    for name, content in BAD.items():
        path, theirs, ours = check(content)
        assert theirs.returncode != 0, f"{name}: promtool accepts"
        assert ours.returncode == 2, f"{name}: accepted: {ours.stdout}"
        places = re.findall(rf"^{re.escape(path)}:(\d+):(\d+): ", ours.stderr, re.M)
        assert len(places) == len(ours.stderr.splitlines()) > 0, f"{name}: no place: {ours.stderr}"


def test_duplicates_are_named_as_promtool_names_them():
    path, theirs, ours = check(
        "groups:\n  - name: g\n    rules:\n      - { record: x, expr: up, labels: { a: b } }\n"
        "      - { record: x, expr: up, labels: { a: b } }\n      - { record: x, expr: up }\n"
    )
    assert "1 duplicate rule(s) found" in theirs.stdout + theirs.stderr, theirs
    assert theirs.returncode == ours.returncode == 0
    assert ours.stderr == f'{path}:5:9: warning: duplicate rule: x{{a="b"}} is also at line 4; both write the same series\n', ours.stderr


def test_every_problem_is_named_at_once():
    _, _, ours = check(rule("alert: A\nexpr: up ==\nfor: x\nlabels: { '': b }\nannotations: { a: '{{ foo }}' }"))
    assert len(ours.stderr.splitlines()) == 4, ours.stderr
