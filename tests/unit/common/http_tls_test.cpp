#include <chrono>

#include "common/http/client.h"
#include "tests/unit/catch.h"
#include "tests/unit/common/certificates.h"
#include "tests/unit/common/script_server.h"
#include "tests/unit/temporary_folder.h"

using namespace std::chrono_literals;
using lapwing::ErrorKind;
using lapwing::http::Client;
using lapwing::http::ClientTls;
using lapwing::test::Leaf;
using lapwing::test::Peer;
using lapwing::test::ScriptServer;

namespace {

struct Site {
    lapwing::test::TemporaryFolder dir;
    lapwing::test::TestCa ca{dir, "ca"};
    std::string client = ca.issue({"web-01", "", false}, "web-01.pem");
    std::string server = ca.issue({"mon", "DNS:lapwing-collector,IP:127.0.0.1"}, "server.pem");

    ScriptServer::Tls demanding(const std::string& certificate) const {
        return {certificate, ca.certificate()};
    }
    ClientTls complete() const { return {ca.certificate(), client, client, "lapwing-collector"}; }
};

void answer(Peer& peer) {
    while (!peer.readRequest().empty()) {
        peer.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
}

lapwing::Expected<lapwing::http::Response> ask(const ScriptServer& server, const ClientTls& tls,
                                               std::chrono::milliseconds deadline = 5s) {
    auto client = Client::create(server.url(), tls);
    REQUIRE(client);
    return client->request({}, deadline);
}

}  // namespace

TEST_CASE("mutual TLS, one connection for several requests") {
    const Site site;
    const auto tls = site.demanding(site.server);
    ScriptServer server(answer, &tls);
    auto client = Client::create(server.url(), site.complete());
    REQUIRE(client);
    for (int i = 0; i < 3; ++i) {
        const auto response = client->request({}, 5s);
        REQUIRE(response);
        CHECK(response->body == "ok");
    }
    lapwing::http::Request large;
    large.method = "POST";
    large.body.assign(3'000'000, 'x');
    CHECK(client->request(large, 5s)->body == "ok");
    CHECK(server.connections() == 1);
}

TEST_CASE("the server must prove the name that was asked for") {
    const Site site;
    const auto tls = site.demanding(site.server);
    ScriptServer server(answer, &tls);
    ClientTls files = site.complete();
    files.server_name = "";  // then the URL's host: an address, which the certificate carries
    CHECK(ask(server, files)->status == 200);
    files.server_name = "other-collector";
    const auto refused = ask(server, files);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::tls);
    CHECK(refused.error().message ==
          server.url() + ": TLS handshake: the server's certificate is not accepted: hostname mismatch");
}

TEST_CASE("a certificate that is expired, of another authority, or a client's is not accepted") {
    const Site site;
    const lapwing::test::TestCa other(site.dir, "other");
    const Leaf name{"mon", "DNS:lapwing-collector"};
    Leaf expired = name;
    expired.from_days = -10;
    expired.to_days = -1;
    Leaf client = name;
    client.server = false;
    for (const auto& certificate : {site.ca.issue(expired, "expired.pem"), other.issue(name, "foreign.pem"),
                                    site.ca.issue(client, "client.pem")}) {
        INFO(certificate);
        const auto tls = site.demanding(certificate);
        ScriptServer server(answer, &tls);
        const auto refused = ask(server, site.complete());
        REQUIRE_FALSE(refused);
        CHECK(refused.error().kind == ErrorKind::tls);
    }
}

TEST_CASE("a client without a certificate gets an error that says so") {
    const Site site;
    const auto tls = site.demanding(site.server);
    ScriptServer server(answer, &tls);
    const auto refused = ask(server, {site.ca.certificate(), "", "", "lapwing-collector"});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::tls);
    CHECK(refused.error().message.find("certificate required") != std::string::npos);
}

TEST_CASE("a server without TLS fails the handshake, a silent server ends at the deadline") {
    const Site site;
    ScriptServer plain([](Peer& peer) { peer.write("HTTP/1.1 400 Bad Request\r\n\r\n"); });
    auto client = Client::create("https://127.0.0.1:" + std::to_string(plain.port()), site.complete());
    REQUIRE(client);
    CHECK(client->request({}, 5s).error().kind == ErrorKind::tls);

    ScriptServer gone([](Peer& peer) { peer.reset(); });
    auto cut = Client::create("https://127.0.0.1:" + std::to_string(gone.port()), site.complete());
    REQUIRE(cut);
    CHECK(cut->request({}, 5s).error().kind == ErrorKind::protocol);

    ScriptServer silent([](Peer& peer) { peer.hang(); });
    auto waiting = Client::create("https://127.0.0.1:" + std::to_string(silent.port()), site.complete());
    REQUIRE(waiting);
    const auto start = std::chrono::steady_clock::now();
    CHECK(waiting->request({}, 300ms).error().kind == ErrorKind::timeout);
    CHECK(std::chrono::steady_clock::now() - start < 2s);
}

TEST_CASE("a TLS record that trickles byte by byte does not extend the deadline") {
    const Site site;
    // Begins a record of 16 KiB and then sends it a byte at a time.
    ScriptServer server([](Peer& peer) {
        peer.write(std::string("\x16\x03\x03\x40\x00", 5));
        while (!peer.stopping() && peer.write("\x02")) {
            std::this_thread::sleep_for(20ms);
        }
    });
    auto client = Client::create("https://127.0.0.1:" + std::to_string(server.port()), site.complete());
    REQUIRE(client);
    const auto start = std::chrono::steady_clock::now();
    CHECK(client->request({}, 300ms).error().kind == ErrorKind::timeout);
    CHECK(std::chrono::steady_clock::now() - start < 2s);
}
