"""promtool checks the form of the shipped rules, their results on made-up series, and the templates of the unit tests."""

import re
import subprocess
from pathlib import Path

from expressions import SHIPPED
from harness import PROGRAM

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]


def succeeds(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_the_shipped_rules():
    succeeds("promtool", "check", "rules", "--lint=none", *SHIPPED)


def test_the_shipped_rules_do_what_they_should():
    succeeds("promtool", "test", "rules", *sorted(HERE.glob("*.test.yml")))


def test_prometheus_expands_the_templates_in_the_same_way():
    succeeds("promtool", "test", "rules", REPOSITORY / "tests/fixtures/rules/templates.test.yml")


def test_the_collector_accepts_the_shipped_rules():
    succeeds(PROGRAM, "check-rules", *SHIPPED)


def test_every_alert_aggregates_over_agent_and_explains_itself():
    """Every alert has a severity, a summary, a description and a next step. Two agents never cause two alerts for one fault."""
    text = "".join(path.read_text() for path in SHIPPED)
    rules = re.split(r"\n      - (?=alert: |record: )", text)[1:]
    rules = [rule.removeprefix("alert: ") for rule in rules if rule.startswith("alert: ")]
    anchors = set(re.findall(r"annotations: &(\w+)", text))
    wrong = []
    for rule in rules:
        name = rule.splitlines()[0]
        expression = re.search(r"expr:(.*?)\n        (?:for|labels):", rule, re.S).group(1)
        if not re.search(r"\b(max|min) by \([^)]*\binstance\b", expression):
            wrong.append(f"{name}: does not aggregate by instance")
        if re.search(r"by \([^)]*\bagent\b", expression):
            wrong.append(f"{name}: keeps the label agent")
        if not re.search(r"severity: (critical|warning)", rule):
            wrong.append(f"{name}: no severity")
        borrowed = re.search(r"annotations: \*(\w+)", rule)
        if borrowed and borrowed.group(1) in anchors:
            continue
        wrong += [f"{name}: no {annotation}" for annotation in ("summary", "description", "next_step")
                  if f"          {annotation}:" not in rule]
    assert rules and not wrong, "\n".join(wrong)
