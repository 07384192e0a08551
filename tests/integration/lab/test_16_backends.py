"""Backends of a real HAProxy that have no active server and work: HAProxy's own status of a backend is the verdict. A backend that is
degraded is named, and no other on the same hosts."""

from lab import api, findings, haproxy_with, inside, query, until

BACKENDS = r"""listen stats2\n    bind :8405\n    stats enable\n    stats uri /
backend redirect\n    http-request redirect location https://example.test/
backend per_ip_rates\n    stick-table type ip size 1k expire 30s store http_req_rate(10s)
backend sorry\n    server main 10.77.0.11:81 check inter 1s fall 1\n    server page 10.77.0.12:80 check inter 1s backup""".replace("\n", "\\n")
USES = r"    use_backend sorry if { path_beg \/sorry }\n    use_backend redirect if { path \/r }\n    default_backend web"
SORRY = "lb-01/sorry"


def alerts(name):
    found = api("/api/v1/alerts")["data"]["alerts"]
    return [each for each in found if each["labels"]["alertname"] == name and each["state"] == "firing"]


def subjects(identity):
    return {each["subject"] for each in findings() if each["id"] == identity}


def status_of(path):
    return inside("monitor", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://10.77.0.10" + path)


def runtime(command):
    answer = inside("lb-01", "sh", "-c", f"echo '{command}' | socat stdio /run/haproxy/admin.sock").strip()
    assert not answer, answer


def test_backends_without_active_servers():
    with haproxy_with(f"s/^    default_backend web/{USES}/", "$a " + BACKENDS):
        until(lambda: subjects("R2") == subjects("R4") == {SORRY}, 90, "findings about the degraded backend")
        # The page is Nginx's own answer, and the redirect HAProxy's: both backends serve.
        assert (status_of("/sorry/"), status_of("/r")) == ("404", "302")
        for proxy in ("stats2", "redirect", "per_ip_rates", "sorry"):
            shown = query(f'haproxy_backend_active_servers{{proxy="{proxy}"}}')
            assert shown and all(float(each["value"][1]) == 0 for each in shown), (proxy, shown)
        until(lambda: any(each["labels"].get("subject") == SORRY for each in alerts("CriticalFinding")), 60, "the alert of the finding")
        assert alerts("BackendWithoutServers") == []
        [told] = [each for each in alerts("CriticalFinding") if each["labels"]["subject"] == SORRY]
        [finding] = [each for each in findings() if each["id"] == "R2"]
        assert finding["title"] in told["annotations"]["summary"], told
        assert finding["evidence"][0]["text"] in told["annotations"]["description"], told

        # Without the backup, HAProxy answers with an error of its own.
        runtime("set server sorry/page state maint")
        until(lambda: [each["labels"]["proxy"] for each in alerts("BackendWithoutServers")] == ["sorry"], 60, "the alert of the backend")
        assert status_of("/sorry/") == "503"
        assert "page is MAINT" in alerts("BackendWithoutServers")[0]["annotations"]["description"]
        assert subjects("R2") == subjects("R4") == {SORRY}
    until(lambda: not subjects("R2") | subjects("R4") and not alerts("BackendWithoutServers"), 120, "the end of the findings")
