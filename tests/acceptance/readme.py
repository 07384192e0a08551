"""The commands of README.md, word for word."""

import re
from pathlib import Path

from machines import REPOSITORY

SECTION = "## Install it for real"


def blocks(text):
    """The indented blocks of the section: a list of lines each, without their comments."""
    section = text.split(f"\n{SECTION}\n", 1)[1].split("\n## ", 1)[0]
    out = []
    for block in re.findall(r"(?:^ {4}.*\n)+", section, re.M):
        out.append([re.sub(r"\s+# .*", "", line).strip() for line in block.splitlines()])
    return out


class Commands:
    """On the collector's machine, and on each server. `join` ends with the string that `invite` has printed."""

    def __init__(self, path: Path = REPOSITORY / "README.md"):
        text = path.read_text()
        (self.install_collector, self.invite), (self.install_agent, self.join), *_ = blocks(text)
        assert re.fullmatch(r"sudo lapwing-collector invite web-01", self.invite), self.invite
        assert self.join == "sudo lapwing-agent join 'lapwing1.…'", self.join
        assert "Two commands a server." in text, "the README promises another number of commands"

    def invitation(self, host):
        return re.sub(r"\bweb-01$", host, self.invite)

    def joining(self, printed):
        """The line that `invite` printed: the README's, with the string in the place of its beginning."""
        form = re.escape(self.join).replace("…", r"[A-Za-z0-9_.=+/-]+")
        lines = [line for line in printed.splitlines() if line]
        assert len(lines) == 1 and re.fullmatch(form, lines[0]), printed
        return lines[0]
