"""Runs a group of ctest tests that leave rows in build/GROUP/*.json, and writes their table to docs/reliability.md."""

import json
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
DOCUMENT = REPOSITORY / "docs/reliability.md"


def record(group, name, row):
    """Leaves a row. Called by a test, whose name is `name`; a later run of it replaces the row."""
    folder = REPOSITORY / "build" / group
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")


def test_name():
    """The name of the running test under pytest."""
    return os.environ["PYTEST_CURRENT_TEST"].split("::")[-1].split(" ")[0]


def run(group, long):
    for result in (REPOSITORY / "build" / group).glob("*.json"):
        result.unlink()
    command = ["ctest", "--preset", "long" if long else "dev", "-R", f"^{group}/"]
    return subprocess.run(command, cwd=REPOSITORY, stdout=sys.stderr).returncode


def table(group, columns, order):
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in (REPOSITORY / "build" / group).glob("*.json")]
    rows.sort(key=order)
    lines = ["| " + " | ".join(columns.values()) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(str(row[key]) for key in columns) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def main(usage, group, columns, order):
    """The command tests/GROUP/table. `columns`: {key of a row: heading}; `order`: the key by which rows are sorted."""
    option = sys.argv[1] if len(sys.argv) > 1 else ""
    if option not in ("", "--quick", "--print"):
        print(usage, file=sys.stderr)
        return 2
    if option != "--print" and run(group, long=option == "") != 0:
        print("a test failed: the table is not written", file=sys.stderr)
        return 1
    if option:
        print(table(group, columns, order), end="")
        return 0
    begin, end = f"<!-- {group}: written by tests/{group}/table -->\n", f"<!-- end of {group} -->\n"
    before, rest = DOCUMENT.read_text(encoding="utf-8").split(begin)
    DOCUMENT.write_text(before + begin + table(group, columns, order) + end + rest.split(end)[1], encoding="utf-8")
    return 0
