"""What visitors feel is told, with the server that is the cause, while every service answers its probes."""

from test_11_services import expect


def test_each_third_page_of_a_server_fails(fault):
    expect(fault, {"pages-fail": {}}, [("ServerErrors", ["web-02"])], 100)


def test_each_page_of_a_server_is_two_seconds_slower(fault):
    expect(fault, {"pages-slow": {}}, [("ServerSlow", ["web-02"])], 420)


def test_the_primary_refuses_writes(fault):
    expect(fault, {"primary-read-only": {}}, [("PrimaryReadOnly", ["web-01"])], 100)
