"""The command line for people: completion, the version, silences that match nothing, what alerts show of silences, chosen findings."""

import os
import pty
import shutil
import subprocess
import time

import pytest
from harness import PROGRAM, Collector

AGENT = os.path.join(os.path.dirname(PROGRAM), "lapwing-agent")
RULES = """groups:
  - name: g
    interval: 1s
    rules:
      - { alert: Down, expr: x == 0, labels: { severity: critical } }
      - { alert: Slow, expr: x == 0, labels: { severity: warning } }
"""


@pytest.fixture(scope="module")
def collector():
    collector = Collector(
        "rules_interval: 1s\ningest: { local: on }\nnotify:\n  inhibit: [ { source: [ alertname=Down ], target: [ alertname=Slow ], equal: [ instance ] } ]\n"
        "  webhook: [ { url: 'http://127.0.0.1:9/' } ]\n"
    )
    os.makedirs(collector.path("rules"))
    with open(collector.path("rules/a.yml"), "w") as out:
        out.write(RULES)
    collector.start()
    yield collector
    collector.close()


def moments(seconds=60):
    """Moments at which to look again: an evaluation takes a second, a round of the analysis ten."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.3)


@pytest.mark.parametrize("program", (PROGRAM, AGENT))
def test_both_programs_tell_their_version(program):
    name = os.path.basename(program)
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    assert told == subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout
    assert told.startswith(name + " ") and told.count("\n") == 1


def script(program, shell):
    return subprocess.run([program, "completion", shell], capture_output=True, text=True, check=True).stdout


def completed(program, tmp_path, *words):
    """What bash offers for the last word."""
    name = os.path.basename(program)
    file = tmp_path / "completion.bash"
    file.write_text(script(program, "bash"))
    line = f'source {file}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _{name.replace("-", "_")}; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-euc", line, "bash", name, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_bash_completes_verbs_and_options(tmp_path):
    assert completed(PROGRAM, tmp_path, "acc") == ["accept"]
    assert set(completed(PROGRAM, tmp_path, "accept", "--")) == {"--help", "--until", "--reason", "--list", "--end", "--json", "--config"}
    assert {"list", "expire", "--matcher"} <= set(completed(PROGRAM, tmp_path, "silence", ""))
    assert completed(PROGRAM, tmp_path, "--config", "/a/file", "silence", "list", "--j") == ["--json"]
    assert completed(PROGRAM, tmp_path, "ca", "sw") == ["switch"]
    assert completed(AGENT, tmp_path, "list") == ["list-probes"]
    assert completed(AGENT, tmp_path, "reach", "--ex") == ["--explain"]


def test_every_verb_of_the_help_is_offered(tmp_path):
    for program in (PROGRAM, AGENT):
        help_text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
        verbs = {line.split()[0] for line in help_text.split("Subcommands:")[1].splitlines() if line.startswith("  ") and line[2] != " "}
        assert verbs and verbs <= set(completed(program, tmp_path, ""))


@pytest.mark.skipif(not shutil.which("man"), reason="man is not installed")
@pytest.mark.parametrize("program, key", ((PROGRAM, "notify.webhook[].url_file"), (AGENT, "probes.app[].expect_status")))
def test_the_manual_of_the_configuration_is_a_page_without_warnings(program, key, tmp_path):
    page = tmp_path / "page.5"
    page.write_text(subprocess.run([program, "manual"], capture_output=True, text=True, check=True).stdout)
    done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", page], capture_output=True, text=True, env={**os.environ, "MANWIDTH": "120"})
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert key in done.stdout and "SEE ALSO" in done.stdout


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
@pytest.mark.parametrize("program", (PROGRAM, AGENT))
def test_zsh_completes_verbs_with_their_descriptions(program, tmp_path):
    name = os.path.basename(program)
    file = tmp_path / "completion.zsh"
    # In place of zsh's own function, which needs a terminal.
    file.write_text("_describe() { print -l -- ${(P)3} }\nwords=(%s --config /a/file ''); CURRENT=4\n%s" % (name, script(program, "zsh")))
    done = subprocess.run(["zsh", "-f", file], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert "version:Print the version" in done.stdout.splitlines()


def test_a_silence_that_matches_nothing_known_says_so(collector):
    collector.put([({"__name__": "y", "instance": "web-02"}, 1)])
    done = collector.run("silence", "web-O2", "1m")
    assert done.returncode == 0 and "Nothing that the collector knows has instance=" in done.stderr, done
    assert "Did you mean web-02?" in done.stderr
    for arguments in (("web-02", "1m"), ("1m", "--matcher", "alertname=Down"), ("1m", "--matcher", "severity=~crit.*")):
        done = collector.run("silence", *arguments)
        assert done.returncode == 0 and done.stderr == "", (arguments, done)
    done = collector.run("silence", "web-02", "1m", "--matcher", "alertname=Donw")
    assert "has alertname=" in done.stderr and "Did you mean Down?" in done.stderr and "instance" not in done.stderr, done


def test_alerts_show_what_mutes_them_and_who_did_it(collector):
    collector.put([({"__name__": "x", "instance": "db-01"}, 0)])
    done = collector.run("silence", "db-01", "2h", "--matcher", "alertname=Down", "--comment", "new disk")
    name = done.stdout.split(":")[0]

    def shown():
        text = collector.run("alerts").stdout
        return {block.split()[1]: block for block in text.replace("\nfiring", "\n\0firing").split("\0") if block.startswith("firing")}

    for _ in moments():
        found = shown()
        if len(found) == 2 and "Silenced" in found["Down"] and "Inhibited" in found["Slow"]:
            break
    assert f": new disk (silence {name})" in found["Down"] and "Silenced until" in found["Down"] and "(in " in found["Down"], found
    assert "Inhibited by Down of db-01" in found["Slow"], found
    assert "(nobody is told)" in found["Down"]


def server(name, proxy):
    place = {"job": "haproxy", "instance": "lb-01", "agent": "web-01", "via": "http"}
    labels = {**place, "proxy": proxy, "server": name}
    return [
        ({**place, "__name__": "up"}, 1), ({**labels, "__name__": "haproxy_server_weight"}, 1),
        ({**labels, "__name__": "haproxy_server_status", "state": "UP"}, 1),
        ({**labels, "__name__": "lapwing_haproxy_server_info", "address": "10.77.0.11:80", "role": "active", "check": "L7"}, 1),
    ]


def heads(text):
    """(id, subject) of the printed findings."""
    return {tuple(line.split()[:2]) for line in text.splitlines() if "  since " in line}


def test_findings_are_chosen_by_id_subject_and_severity(collector):
    for _ in moments():
        collector.put(server("web-01", "web") + server("web-01", "api"))
        everything = heads(collector.run("findings").stdout)
        if ("R2", "lb-01/api") in everything:
            break
    assert {("R2", "lb-01/web"), ("R2", "lb-01/api")} <= everything, everything
    assert heads(collector.run("findings", "r2").stdout) == {each for each in everything if each[0] == "R2"}
    assert heads(collector.run("findings", "R2", "web").stdout) == {("R2", "lb-01/web")}
    assert heads(collector.run("findings", "R2", "lb-01").stdout) == {each for each in everything if each[0] == "R2"}
    grave = heads(collector.run("findings", "--severity", "critical").stdout)
    assert ("R2", "lb-01/web") in grave and grave < everything
    done = collector.run("findings", "F5", "web-77")
    assert (done.returncode, done.stdout) == (0, "no such findings\n")
    assert collector.run("findings", "--severity", "severe").returncode == 2


def on_a_terminal(collector, **environment):
    """The output of `findings` on a terminal."""
    leader, follower = pty.openpty()
    process = subprocess.Popen([PROGRAM, "--config", collector.config_file, "findings", "R2", "web"], stdout=follower, stdin=subprocess.DEVNULL,
                               env={**os.environ, "TERM": "xterm", **environment})
    os.close(follower)
    out = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:
            break
        if not piece:
            break
        out += piece
    process.wait(30)
    os.close(leader)
    return out.decode()


def test_colours_are_for_terminals_that_have_them(collector):
    assert "\033[31mcritical\033[0m" in on_a_terminal(collector, NO_COLOR="")
    for environment in ({"NO_COLOR": "1"}, {"NO_COLOR": "", "TERM": "dumb"}):
        assert "\033" not in on_a_terminal(collector, **environment)
    assert "\033" not in collector.run("findings", "R2", "web").stdout


def test_a_remedy_is_printed_line_by_line_from_the_first_column(collector):
    findings = collector.people("/api/lapwing/v1/findings").json()["data"]
    [finding] = [each for each in findings if (each["id"], each["subject"]) == ("R2", "lb-01/web")]
    printed = collector.run("findings", "R2", "web").stdout
    assert "  Remedy:\n\n" + finding["remedy"].rstrip("\n") + "\n" in printed
