#include <chrono>

#include "common/http/client.h"
#include "common/memory_budget.h"
#include "tests/unit/catch.h"
#include "tests/unit/common/certificates.h"
#include "tests/unit/common/script_server.h"
#include "tests/unit/temporary_folder.h"

using namespace std::chrono_literals;
using lapwing::ErrorKind;
using lapwing::http::Client;
using lapwing::http::Request;
using lapwing::test::Peer;
using lapwing::test::ScriptServer;
using lapwing::test::TemporaryFolder;

namespace {

Client clientOf(const ScriptServer& server) {
    auto client = Client::create(server.url());
    REQUIRE(client);
    return std::move(*client);
}

Request get(const std::string& path) {
    Request request;
    request.path = path;
    return request;
}

struct Failure {
    ErrorKind kind;
    std::string message;
    std::chrono::milliseconds took;
};

Failure failureOf(const ScriptServer& server, std::chrono::milliseconds deadline,
                  const Request& request = get("/")) {
    Client client = clientOf(server);
    const auto start = std::chrono::steady_clock::now();
    const auto response = client.request(request, deadline);
    const auto took = std::chrono::steady_clock::now() - start;
    REQUIRE_FALSE(response);
    return {response.error().kind, response.error().message,
            std::chrono::duration_cast<std::chrono::milliseconds>(took)};
}

void trickle(Peer& peer, std::string_view bytes) {
    for (const char& byte : bytes) {
        if (peer.stopping() || !peer.write({&byte, 1})) {
            return;
        }
        std::this_thread::sleep_for(20ms);
    }
}

}  // namespace

TEST_CASE("a request and its answer") {
    std::string seen;
    ScriptServer server([&](Peer& peer) {
        seen = peer.readRequest();
        peer.write("HTTP/1.1 201 Created\r\nX-Thing: a b\r\nContent-Length: 5\r\n\r\nhello");
    });
    Client client = clientOf(server);
    Request request;
    request.method = "POST";
    request.path = "/api?x=1";
    request.headers = {{"X-Own", "1"}};
    request.body = std::string("\0binary", 7);
    const auto response = client.request(request, 5s);
    REQUIRE(response);
    CHECK(response->status == 201);
    CHECK(response->body == "hello");
    CHECK(response->header("x-thing") == "a b");
    CHECK(response->header("absent").empty());
    CHECK(seen.substr(0, 23) == "POST /api?x=1 HTTP/1.1\r");
    CHECK(seen.find("\r\nHost: 127.0.0.1:" + std::to_string(server.port()) + "\r\n") != std::string::npos);
    CHECK(seen.find("\r\nX-Own: 1\r\n") != std::string::npos);
    CHECK(seen.substr(seen.size() - 11) == std::string("\r\n\r\n\0binary", 11));
}

TEST_CASE("chunked answers, answers that end with the connection, and answers without a body") {
    ScriptServer server([](Peer& peer) {
        peer.readRequest();
        peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n2\r\nef\r\n0\r\n\r\n");
        peer.readRequest();
        peer.write("HTTP/1.1 204 No Content\r\n\r\n");
        peer.readRequest();
        peer.write("HTTP/1.1 200 OK\r\n\r\nuntil the end");
    });
    Client client = clientOf(server);
    CHECK(client.request(get("/"), 5s)->body == "abcdef");
    CHECK(client.request(get("/"), 5s)->status == 204);
    CHECK(client.request(get("/"), 5s)->body == "until the end");
    CHECK(server.connections() == 1);
}

TEST_CASE("after an answer for which memory ran out, the next one is read from its beginning") {
    ScriptServer server([](Peer& peer) {
        while (!peer.readRequest().empty()) {
            const std::string body(12U << 20, 'x');
            peer.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
                       body);
        }
    });
    Client client = clientOf(server);
    const auto within_a_megabyte = [&] {
        const lapwing::MemoryBudget budget(1U << 20);
        static_cast<void>(client.request(get("/"), 20s));
    };
    CHECK_THROWS_AS(within_a_megabyte(), lapwing::MemoryBudget::Exhausted);
    const auto next = client.request(get("/"), 20s);
    REQUIRE(next);
    CHECK(next->body.size() == 12U << 20);
}

TEST_CASE("a kept connection that the server has closed is opened again once") {
    ScriptServer server([](Peer& peer) {
        peer.readRequest();
        peer.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    Client client = clientOf(server);
    Request request;
    request.method = "POST";
    request.body = "data";
    for (int i = 1; i <= 3; ++i) {
        const auto response = client.request(request, 5s);
        REQUIRE(response);
        CHECK(response->body == "ok");
        std::this_thread::sleep_for(50ms);  // the server's end arrives
        CHECK(server.connections() == i);
    }
}

TEST_CASE("a connection that closes without an answer is not opened again for ever") {
    ScriptServer server([](Peer& peer) { peer.readRequest(); });
    const auto failure = failureOf(server, 5s);
    CHECK(failure.kind == ErrorKind::protocol);
    CHECK(failure.message == server.url() + ": the connection was closed without an answer");
    CHECK(server.connections() == 1);
}

TEST_CASE("nothing extends the deadline") {
    SECTION("a server that accepts and says nothing") {
        ScriptServer server([](Peer& peer) { peer.hang(); });
        const auto failure = failureOf(server, 300ms);
        CHECK(failure.kind == ErrorKind::timeout);
        CHECK(failure.message == server.url() + ": no answer within the deadline");
        CHECK(failure.took >= 290ms);
        CHECK(failure.took < 2s);
    }
    SECTION("a head that trickles") {
        ScriptServer server([](Peer& peer) {
            peer.readRequest();
            trickle(peer, "HTTP/1.1 200 OK\r\n" + std::string(10'000, 'x'));
        });
        const auto failure = failureOf(server, 300ms);
        CHECK(failure.kind == ErrorKind::timeout);
        CHECK(failure.took < 2s);
    }
    SECTION("a body that trickles") {
        ScriptServer server([](Peer& peer) {
            peer.readRequest();
            peer.write("HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n");
            trickle(peer, std::string(10'000, 'x'));
        });
        const auto failure = failureOf(server, 300ms);
        CHECK(failure.kind == ErrorKind::timeout);
        CHECK(failure.took < 2s);
    }
    SECTION("a server that does not read a large request") {
        ScriptServer server([](Peer& peer) {
            while (!peer.stopping()) {
                std::this_thread::sleep_for(20ms);
            }
        });
        Request request;
        request.method = "POST";
        request.body.assign(64U << 20, 'x');
        const auto failure = failureOf(server, 500ms, request);
        CHECK(failure.kind == ErrorKind::timeout);
        CHECK(failure.took < 3s);
    }
}

TEST_CASE("a reset is a protocol error, a closed port is refused, an absent socket is not found") {
    ScriptServer server([](Peer& peer) {
        peer.readRequest();
        peer.reset();
    });
    CHECK(failureOf(server, 5s).kind == ErrorKind::protocol);

    int closed_port = 0;
    {
        closed_port = ScriptServer([](Peer&) {}).port();
    }
    auto closed = Client::create("http://127.0.0.1:" + std::to_string(closed_port));
    REQUIRE(closed);
    CHECK(closed->request(get("/"), 5s).error().kind == ErrorKind::refused);

    const TemporaryFolder dir;
    auto absent = Client::create("unix:" + dir.path("absent.sock"));
    REQUIRE(absent);
    CHECK(absent->request(get("/"), 5s).error().kind == ErrorKind::not_found);

    auto unknown = Client::create("http://no-such-host.invalid:1");
    REQUIRE(unknown);
    const auto kind = unknown->request(get("/"), 2s).error().kind;
    CHECK((kind == ErrorKind::unreachable || kind == ErrorKind::timeout));
}

TEST_CASE("an answer that exceeds the limit is refused while it is read") {
    ScriptServer server([](Peer& peer) {
        peer.readRequest();
        peer.write("HTTP/1.1 200 OK\r\n\r\n");
        const std::string block(65536, 'x');
        while (!peer.stopping() && peer.write(block)) {
        }
    });
    Request request = get("/");
    request.max_response_bytes = 100'000;
    const auto failure = failureOf(server, 5s, request);
    CHECK(failure.kind == ErrorKind::exhausted);
    CHECK(failure.took < 4s);
}

TEST_CASE("a head without end is refused") {
    ScriptServer server([](Peer& peer) {
        peer.readRequest();
        peer.write("HTTP/1.1 200 OK\r\n");
        while (!peer.stopping() && peer.write("X-More: and more\r\n")) {
        }
    });
    CHECK(failureOf(server, 5s).kind == ErrorKind::protocol);
}

TEST_CASE("malformed and truncated HTTP answers are failures") {
    for (const char* answer : {
             "220 mail.example ESMTP\r\n\r\n",
             "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nabcd",
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n",
         }) {
        INFO(answer);
        ScriptServer server([&](Peer& peer) {
            peer.readRequest();
            peer.write(answer);
        });
        CHECK(failureOf(server, 5s).kind == ErrorKind::protocol);
    }
}

TEST_CASE("the answer of a server that refuses before it has read everything is read") {
    ScriptServer server([](Peer& peer) {
        std::this_thread::sleep_for(50ms);
        peer.write("HTTP/1.1 413 Payload Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
        peer.hang();
    });
    Client client = clientOf(server);
    Request request;
    request.method = "POST";
    request.body.assign(8U << 20, 'x');
    const auto response = client.request(request, 5s);
    REQUIRE(response);
    CHECK(response->status == 413);
    CHECK(response->body == "big");
}

TEST_CASE("redirects are not followed") {
    ScriptServer server([](Peer& peer) {
        peer.readRequest();
        peer.write("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
    });
    const auto response = lapwing::http::fetch(server.url() + "/from?x", {}, 5s);
    REQUIRE(response);
    CHECK(response->status == 302);
    CHECK(response->header("Location") == "http://127.0.0.1:1/");
}

TEST_CASE("a unix socket") {
    const TemporaryFolder dir;
    std::string seen;
    ScriptServer server(
        [&](Peer& peer) {
            seen = peer.readRequest();
            peer.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        },
        nullptr, dir.path("server.sock"));
    Client client = clientOf(server);
    CHECK(client.request(get("/status"), 5s)->body == "ok");
    CHECK(seen.substr(0, 21) == "GET /status HTTP/1.1\r");
}

TEST_CASE("URLs and files that cannot be used are refused at once") {
    const TemporaryFolder dir;
    for (const char* url :
         {"", "ftp://host", "http://", "unix:relative", "127.0.0.1:80", "http://user:secret@host:1/"}) {
        INFO(url);
        const auto client = Client::create(url);
        REQUIRE_FALSE(client);
        CHECK(client.error().kind == ErrorKind::invalid);
        CHECK(client.error().message.find("secret") == std::string::npos);
    }
    CHECK(Client::create("https://h:1", {dir.path("no-such.pem"), "", "", ""}).error().kind ==
          ErrorKind::not_found);
    const lapwing::test::TestCa ca(dir, "ca");
    const auto one = ca.issue({"one", "", false}, "one.pem");
    const auto two = ca.issue({"two", "", false}, "two.pem");
    const auto mixed = Client::create("https://h:1", {ca.certificate(), one, two, ""});
    REQUIRE_FALSE(mixed);
    CHECK(mixed.error().kind == ErrorKind::invalid);
}
