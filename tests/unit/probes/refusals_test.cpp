// A server that answers and refuses the agent is up, and the reason is told in words.
#include <functional>

#include "agent/probes/app/app.h"
#include "agent/probes/haproxy/haproxy.h"
#include "agent/probes/nginx/nginx.h"
#include "tests/unit/catch.h"
#include "tests/unit/common/certificates.h"
#include "tests/unit/common/script_server.h"
#include "tests/unit/probes/samples.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using namespace lapwing::agent;
using lapwing::test::Peer;
using lapwing::test::Samples;
using lapwing::test::ScriptServer;
using std::chrono::milliseconds;

namespace {

struct Seen {
    std::optional<double> up;
    std::string kind;
    std::string message;
    std::string detail;  ///< of lapwing_probe_refused_info
};

Seen seenBy(Probe& probe, const char* up) {
    const auto result = probe.collect(Deadline(milliseconds(3000)));
    REQUIRE(result);
    const Samples samples(result->families);
    Seen out;
    out.up = samples.value(up);
    if (result->failure) {
        out.kind = errorKindName(result->failure->kind);
        out.message = result->failure->message;
    }
    out.detail = samples.count("lapwing_probe_refused_info") == 0
                     ? ""
                     : samples.label("lapwing_probe_refused_info", "detail");
    return out;
}

Seen nginxAt(const HttpTarget& target) {
    nginx::NginxProbe probe({target});
    return seenBy(probe, "nginx_up");
}

Seen haproxyAt(const HttpTarget& target) {
    haproxy::PageProbe probe(target);
    return seenBy(probe, "haproxy_up");
}

ScriptServer::Script answering(const std::string& answer) {
    return [answer](Peer& peer) {
        peer.readRequest();
        peer.write(answer);
    };
}

}  // namespace

TEST_CASE("statuses by which Nginx and HAProxy refuse") {
    struct Case {
        const char* answer;
        const char* kind;
        const char* words;
        double nginx;
        double haproxy;
    };
    const Case cases[] = {
        {"401 Unauthorized\r\n", "denied", "HTTP 401", 1, 1},
        {"403 Forbidden\r\n", "denied", "HTTP 403", 1, 1},
        {"403 Forbidden\r\nServer: nginx\r\n", "denied", "HTTP 403", 1, 1},
        {"404 Not Found\r\nServer: nginx\r\n", "not_found", "HTTP 404", 1, 1},
        // A proxy whose Nginx is down answers this; HAProxy itself answers it, too.
        {"502 Bad Gateway\r\n", "protocol", "HTTP 502", 0, 1},
        {"503 Service Unavailable\r\n", "protocol", "HTTP 503", 0, 1},
    };
    for (const auto& expected : cases) {
        INFO(expected.answer);
        ScriptServer server(
            answering(std::string("HTTP/1.1 ") + expected.answer + "Content-Length: 0\r\n\r\n"));
        const auto target = *parseTarget(server.url() + "/status");
        for (const auto& [seen, up] :
             {std::pair(nginxAt(target), expected.nginx), std::pair(haproxyAt(target), expected.haproxy)}) {
            CHECK(seen.up == up);
            CHECK(seen.kind == expected.kind);
            CHECK(seen.message.starts_with(server.url() + "/status: " + expected.words));
            CHECK(seen.detail == (up == 1 ? seen.message : ""));
        }
    }
}

TEST_CASE("plain HTTP at a port of TLS, and the reverse") {
    ScriptServer nginx_port(
        answering("HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Length: 62\r\n\r\n<center>The plain "
                  "HTTP request was sent to HTTPS port</center>"));
    const auto refused = nginxAt(*parseTarget(nginx_port.url() + "/s"));
    CHECK(refused.up == 1);
    CHECK(refused.message ==
          nginx_port.url() +
              "/s: HTTP 400 instead of the stub_status page: the port speaks TLS: the URL needs https://");
    ScriptServer alert(answering("\x15\x03\x01"));
    CHECK(nginxAt(*parseTarget(alert.url() + "/s")).message ==
          alert.url() + ": the port speaks TLS and no plain HTTP: the URL needs https://");
    ScriptServer plain([](Peer& peer) { peer.write("HTTP/1.1 400 Bad Request\r\n\r\n"); });
    const auto reverse = nginxAt(*parseTarget("https" + plain.url().substr(4) + "/s"));
    CHECK(reverse.kind == "tls");
    CHECK(reverse.up == 1);
    CHECK(reverse.message.find("the port speaks no TLS") != std::string::npos);
}

TEST_CASE("TLS: a certificate for another name, and a server that demands a client's") {
    const test::TemporaryFolder dir;
    const test::TestCa ca(dir, "ca");
    const std::string page =
        "HTTP/1.1 200 OK\r\nContent-Length: 110\r\n\r\nActive connections: 1 \nserver accepts handled "
        "requests\n 7 7 6 \nReading: 0 Writing: 1 Waiting: 0 \n                    ";
    const ScriptServer::Tls other{ca.issue({"shop", "DNS:shop.example"}, "shop.pem"), ""};
    std::string request;
    ScriptServer server(
        [&](Peer& peer) {
            request = peer.readRequest();
            peer.write(page);
        },
        &other);
    auto target = *parseTarget(server.url() + "/s");
    target.ca_file = ca.certificate();
    const auto refused = nginxAt(target);
    CHECK(refused.up == 1);
    CHECK(refused.kind == "tls");
    CHECK(refused.message.find("certificate is not accepted: IP address mismatch") != std::string::npos);
    CHECK(haproxyAt(target).up == 1);
    target.server_name = "shop.example";
    const auto good = nginxAt(target);
    CHECK(good.up == 1);
    CHECK(good.message.empty());
    CHECK(request.find("\r\nHost: shop.example:" + std::to_string(server.port()) + "\r\n") !=
          std::string::npos);

    const ScriptServer::Tls demanding{ca.issue({"local", "IP:127.0.0.1"}, "local.pem"), ca.certificate()};
    ScriptServer strict(answering(page), &demanding);
    auto strict_target = *parseTarget(strict.url() + "/s");
    strict_target.ca_file = ca.certificate();
    const auto unwanted = haproxyAt(strict_target);
    CHECK(unwanted.up == 1);
    CHECK(unwanted.detail.find("the server requires a client certificate") != std::string::npos);
}

TEST_CASE("no answer and no question are no refusal") {
    int closed_port = 0;
    {
        closed_port = ScriptServer([](Peer&) {}).port();
    }
    const auto closed = *parseTarget("http://127.0.0.1:" + std::to_string(closed_port) + "/s");
    CHECK(nginxAt(closed).up == 0);
    CHECK(haproxyAt(closed).up == 0);
    CHECK(nginxAt(closed).detail.empty());
    auto without_password = closed;
    without_password.user = "me";
    without_password.password_file = "/nonexistent";
    CHECK_FALSE(nginxAt(without_password).up);
}

TEST_CASE("an application that refuses") {
    const auto detail_of = [](const std::string& url) {
        app::Check check;
        check.url = url;
        app::AppProbe probe(check);
        const auto result = probe.collect(Deadline(milliseconds(3000)));
        REQUIRE(result);
        CHECK(result->check_failed);
        const Samples samples(result->families);
        return samples.count("lapwing_probe_refused_info") == 0
                   ? ""
                   : samples.label("lapwing_probe_refused_info", "detail");
    };
    ScriptServer denying(answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"));
    CHECK(detail_of(denying.url() + "/a") == denying.url() + "/a: HTTP 403");
    ScriptServer broken(answering("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"));
    CHECK(detail_of(broken.url() + "/a").empty());
}
