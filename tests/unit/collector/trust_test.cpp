#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>

#include "collector/trust/authority.h"
#include "collector/trust/certificate.h"
#include "collector/trust/identities.h"
#include "common/files.h"
#include "common/tls/context.h"
#include "common/tls/identity.h"
#include "tests/unit/catch.h"
#include "tests/unit/temporary_folder.h"

namespace {

using namespace lapwing;
using namespace lapwing::trust;

Certificate readCertificate(const std::string& path) {
    const auto pem = files::readFile(path);
    REQUIRE(pem);
    auto cert = certificateFromPem(*pem);
    REQUIRE(cert);
    return std::move(*cert);
}

/// OpenSSL's own verdict on `cert`, trusting `ca` alone, as a server (or client) of a TLS connection is
/// judged.
int verify(X509* cert, X509* ca, int purpose, const char* host = nullptr, std::time_t at = 0) {
    X509_STORE* store = X509_STORE_new();
    X509_STORE_add_cert(store, ca);
    X509_STORE_CTX* context = X509_STORE_CTX_new();
    X509_STORE_CTX_init(context, store, cert, nullptr);
    X509_STORE_CTX_set_purpose(context, purpose);
    X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context);
    if (host != nullptr) {
        X509_VERIFY_PARAM_set1_host(parameters, host, 0);
    }
    if (at != 0) {
        X509_VERIFY_PARAM_set_time(parameters, at);
    }
    X509_verify_cert(context);
    const int result = X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    return result;
}

unsigned mode(const std::string& path) {
    struct stat info {};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    return info.st_mode & 07777;
}

}  // namespace

TEST_CASE("Certificates serve their purpose and no other") {
    const test::TemporaryFolder dir;
    auto authority = Authority::open(dir.path("ca"));
    REQUIRE(authority);
    REQUIRE(authority->ensureServer({"mon.example.org", "10.77.0.20", "fd00::20"}));
    const auto bundle = authority->enrol("web-01");
    REQUIRE(bundle);
    const auto ca = readCertificate(authority->caFile());
    const auto server = readCertificate(authority->serverCertFile());
    const auto agent = readCertificate(dir.path("ca/agents/web-01.crt"));

    CHECK(verify(server.get(), ca.get(), X509_PURPOSE_SSL_SERVER, "lapwing-collector") == X509_V_OK);
    CHECK(verify(server.get(), ca.get(), X509_PURPOSE_SSL_SERVER, "mon.example.org") == X509_V_OK);
    CHECK(verify(server.get(), ca.get(), X509_PURPOSE_SSL_SERVER, "web-01") == X509_V_ERR_HOSTNAME_MISMATCH);
    CHECK(verify(server.get(), ca.get(), X509_PURPOSE_SSL_CLIENT) == X509_V_ERR_INVALID_PURPOSE);
    CHECK(verify(agent.get(), ca.get(), X509_PURPOSE_SSL_CLIENT) == X509_V_OK);
    CHECK(verify(agent.get(), ca.get(), X509_PURPOSE_SSL_SERVER) == X509_V_ERR_INVALID_PURPOSE);
    CHECK(tls::commonNameOf(agent.get()) == "web-01");
    CHECK(alternativeNames(agent.get()).empty());
    CHECK(alternativeNames(server.get()) == std::vector<std::string>{"DNS:lapwing-collector",
                                                                     "DNS:mon.example.org", "IP:10.77.0.20",
                                                                     "IP:fd00::20"});

    auto other = Authority::open(dir.path("other"));
    REQUIRE(other);
    const auto stranger = readCertificate(other->caFile());
    CHECK(verify(agent.get(), stranger.get(), X509_PURPOSE_SSL_CLIENT) != X509_V_OK);

    const auto now = std::time(nullptr);
    CHECK(verify(agent.get(), ca.get(), X509_PURPOSE_SSL_CLIENT, nullptr, now + 59LL * 86'400) == X509_V_OK);
    CHECK(verify(agent.get(), ca.get(), X509_PURPOSE_SSL_CLIENT, nullptr, now + 61LL * 86'400) ==
          X509_V_ERR_CERT_HAS_EXPIRED);
}

TEST_CASE("An agent cannot sign for others") {
    const test::TemporaryFolder dir;
    auto authority = Authority::open(dir.path("ca"));
    REQUIRE(authority);
    const auto bundle = authority->enrol("web-01");
    REQUIRE(bundle);
    const auto agent = certificateFromPem(*bundle);
    const auto agent_key = keyFromPem(*bundle);
    REQUIRE(agent);
    REQUIRE(agent_key);
    CertificateRequest request;
    request.common_name = "web-02";
    request.days = 10;
    const auto key = newKey();
    REQUIRE(key);
    const auto forged = issue(request, key->get(), agent->get(), agent_key->get());
    REQUIRE(forged);
    const auto ca = readCertificate(authority->caFile());
    X509_STORE* store = X509_STORE_new();
    X509_STORE_add_cert(store, ca.get());
    STACK_OF(X509)* chain = sk_X509_new_null();
    sk_X509_push(chain, agent->get());
    X509_STORE_CTX* context = X509_STORE_CTX_new();
    X509_STORE_CTX_init(context, store, forged->get(), chain);
    CHECK(X509_verify_cert(context) != 1);
    X509_STORE_CTX_free(context);
    sk_X509_free(chain);
    X509_STORE_free(store);
}

TEST_CASE("A bundle holds certificate, key and CA in this order, and only its owner may read the keys") {
    const test::TemporaryFolder dir;
    auto authority = Authority::open(dir.path("ca"));
    REQUIRE(authority);
    REQUIRE(authority->ensureServer({}));
    const auto bundle = authority->enrol("web-01");
    REQUIRE(bundle);
    const auto cert = bundle->find("BEGIN CERTIFICATE");
    const auto key = bundle->find("BEGIN PRIVATE KEY");
    const auto ca = bundle->rfind("BEGIN CERTIFICATE");
    CHECK(cert < key);
    CHECK(key < ca);
    const auto first = certificateFromPem(*bundle);
    const auto private_key = keyFromPem(*bundle);
    REQUIRE(first);
    REQUIRE(private_key);
    CHECK(belongs(first->get(), private_key->get()));
    CHECK(mode(dir.path("ca")) == 0700);
    CHECK(mode(dir.path("ca/agents")) == 0700);
    CHECK(mode(dir.path("ca/ca.key")) == 0600);
    CHECK(mode(dir.path("ca/server.key")) == 0600);
}

TEST_CASE("Host names cannot leave the directory or be ambiguous") {
    for (const char* good : {"web-01", "a", "db.example.org", "0"}) {
        CHECK(isValidHostName(good));
    }
    for (const char* bad :
         {"", ".", "..", "../x", "a/b", "Web", "web_01", "-a", "a-", "a..b", ".a", "a b", "a\n", "ä"}) {
        CHECK_FALSE(isValidHostName(bad));
    }
    CHECK(isValidHostName(std::string(63, 'a')));
    CHECK_FALSE(isValidHostName(std::string(64, 'a')));
    const test::TemporaryFolder dir;
    auto authority = Authority::open(dir.path("ca"));
    REQUIRE(authority);
    const auto refused = authority->enrol("../../etc/x");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::invalid);
    CHECK(authority->enrolled().empty());
}

TEST_CASE("The server's certificate is renewed only when necessary") {
    const test::TemporaryFolder dir;
    auto authority = Authority::open(dir.path("ca"));
    REQUIRE(authority);
    CHECK(authority->ensureServer({"10.0.0.1"}).value());
    CHECK_FALSE(authority->ensureServer({"10.0.0.1"}).value());
    CHECK_FALSE(authority->ensureServer({"10.0.0.1", "10.0.0.1"}).value());
    CHECK(authority->ensureServer({"10.0.0.2"}).value());
    std::ofstream(authority->serverCertFile()) << "damaged";
    CHECK(authority->ensureServer({"10.0.0.2"}).value());

    const auto ca = files::readFile(authority->caFile());
    const auto ca_key = files::readFile(dir.path("ca/ca.key"));
    const auto ca_cert = certificateFromPem(*ca);
    const auto signer = keyFromPem(*ca_key);
    CertificateRequest request;
    request.purpose = Purpose::server;
    request.common_name = "lapwing-collector";
    request.dns_names = {"lapwing-collector"};
    request.ip_addresses = {"10.0.0.2"};
    request.days = 399;
    const auto key = newKey();
    const auto short_lived = issue(request, key->get(), ca_cert->get(), signer->get());
    REQUIRE(short_lived);
    REQUIRE(files::writeFile(authority->serverCertFile(), toPem(short_lived->get()), 0644));
    REQUIRE(files::writeFile(authority->serverKeyFile(), *toPem(key->get()), 0600));
    CHECK(authority->ensureServer({"10.0.0.2"}).value());
}

TEST_CASE("A damaged authority is an error and is not replaced") {
    const test::TemporaryFolder dir;
    REQUIRE(Authority::open(dir.path("ca")));
    const auto before = files::readFile(dir.path("ca/ca.crt"));
    REQUIRE(Authority::open(dir.path("ca")));
    CHECK(files::readFile(dir.path("ca/ca.crt")).value() == before.value());

    SECTION("without its key") {
        std::filesystem::remove(dir.path("ca/ca.key"));
    }
    SECTION("with another key") {
        REQUIRE(files::writeFile(dir.path("ca/ca.key"), *toPem(newKey()->get()), 0600));
    }
    SECTION("with a damaged key") {
        std::ofstream(dir.path("ca/ca.key")) << "x";
    }
    const auto opened = Authority::open(dir.path("ca"));
    REQUIRE_FALSE(opened);
    CHECK(opened.error().message.find(dir.path("ca")) != std::string::npos);
    CHECK(files::readFile(dir.path("ca/ca.crt")).value() == before.value());
}

TEST_CASE("An interrupted creation of the authority is completed") {
    const test::TemporaryFolder dir;
    std::filesystem::create_directories(dir.path("ca/agents"));
    REQUIRE(files::writeFile(dir.path("ca/ca.key"), *toPem(newKey()->get()), 0600));
    CHECK(Authority::open(dir.path("ca")));
}

TEST_CASE("A lost ca.crt is made again from ca.key, and everything that was signed stays valid") {
    const test::TemporaryFolder dir;
    auto authority = Authority::open(dir.path("ca"));
    REQUIRE(authority);
    REQUIRE(authority->ensureServer({}));
    const auto bundle = authority->enrol("web-01");
    REQUIRE(bundle);
    const auto key = files::readFile(dir.path("ca/ca.key")).value();
    const auto trust = authority->trust();
    std::filesystem::remove(dir.path("ca/ca.crt"));

    SECTION("the key is there") {
        auto again = Authority::open(dir.path("ca"));
        REQUIRE(again);
        CHECK(files::readFile(dir.path("ca/ca.key")).value() == key);
        CHECK(again->isRemade());
        CHECK_FALSE(Authority::open(dir.path("ca"))->isRemade());
        CHECK(again->trust() == trust);
        CHECK_FALSE(again->ensureServer({}).value());
        const auto made = readCertificate(again->caFile());
        CHECK(verify(certificateFromPem(*bundle)->get(), made.get(), X509_PURPOSE_SSL_CLIENT) == X509_V_OK);
        const auto server = readCertificate(again->serverCertFile());
        const auto trusted = certificatesFromPem(*bundle);
        REQUIRE(trusted.size() == 2);
        CHECK(verify(server.get(), trusted[1].get(), X509_PURPOSE_SSL_SERVER) == X509_V_OK);
        const auto more = again->enrol("web-02");
        REQUIRE(more);
        CHECK(verify(certificateFromPem(*more)->get(), trusted[1].get(), X509_PURPOSE_SSL_CLIENT) ==
              X509_V_OK);
    }
    SECTION("the key is another one") {
        REQUIRE(files::writeFile(dir.path("ca/ca.key"), *toPem(newKey()->get()), 0600));
        const auto opened = Authority::open(dir.path("ca"));
        REQUIRE_FALSE(opened);
        CHECK(opened.error().message.find("did not sign server.crt") != std::string::npos);
        CHECK_FALSE(std::filesystem::exists(dir.path("ca/ca.crt")));
    }
    SECTION("the key is lost, too") {
        std::filesystem::remove(dir.path("ca/ca.key"));
        const auto opened = Authority::open(dir.path("ca"));
        REQUIRE_FALSE(opened);
        CHECK(opened.error().message.find("Restore both from a backup") != std::string::npos);
        CHECK_FALSE(std::filesystem::exists(dir.path("ca/ca.key")));
    }
}

TEST_CASE("A request for a certificate is signed for the name of its sender") {
    const test::TemporaryFolder dir;
    auto authority = Authority::open(dir.path("ca"));
    REQUIRE(authority);
    const auto made = tls::newSigningRequest("web-02");
    REQUIRE(made);
    const auto answer = authority->sign("web-01", made->request);
    REQUIRE(answer);
    const auto certificates = certificatesFromPem(*answer);
    REQUIRE(certificates.size() == 2);
    CHECK(tls::commonNameOf(certificates[0].get()) == "web-01");
    CHECK(tls::keyBelongs(*answer, made->key));
    CHECK(tls::trustOf(*answer) == authority->trust());
    CHECK(verify(certificates[0].get(), certificates[1].get(), X509_PURPOSE_SSL_CLIENT) == X509_V_OK);
    CHECK(verify(certificates[0].get(), certificates[1].get(), X509_PURPOSE_SSL_SERVER) ==
          X509_V_ERR_INVALID_PURPOSE);
    CHECK(authority->newestCertificate("web-01") == tls::fingerprint(certificates[0].get()));
    CHECK(authority->enrolled().size() == 1);

    for (const std::string& bad : {std::string(), std::string("x"), made->key, *answer,
                                   made->request.substr(0, 100) + "A" + made->request.substr(101)}) {
        const auto refused = authority->sign("web-01", bad);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().kind == ErrorKind::invalid);
    }
    CHECK_FALSE(authority->sign("../web-01", made->request));
}

TEST_CASE("A renewed certificate keeps the machine-id of its host") {
    const test::TemporaryFolder dir;
    auto authority = Authority::open(dir.path("ca"));
    REQUIRE(authority);
    REQUIRE(authority->enrol("web-01"));
    REQUIRE(authority->pinMachine("web-01", authority->newestCertificate("web-01"), "aaaa"));
    REQUIRE(authority->sign("web-01", tls::newSigningRequest("web-01")->request));
    CHECK(authority->pinnedMachine("web-01") == "aaaa");
    REQUIRE(authority->enrol("web-01"));
    CHECK(authority->pinnedMachine("web-01").empty());
}

TEST_CASE("A roll-over of the CA locks out no agent that follows, and tells those that do not") {
    using Stage = Authority::Rollover::Stage;
    const test::TemporaryFolder dir;
    auto authority = Authority::open(dir.path("ca"));
    REQUIRE(authority);
    REQUIRE(authority->ensureServer({}));
    const auto before = authority->enrol("web-01");
    REQUIRE(authority->enrol("web-02"));
    REQUIRE(authority->enrol("gone"));
    REQUIRE(authority->revoke("gone"));
    const auto trust = authority->trust();
    CHECK(authority->rollover()->stage == Stage::none);
    CHECK_FALSE(authority->switchRollover());
    CHECK_FALSE(authority->finishRollover());

    REQUIRE(authority->beginRollover());
    CHECK_FALSE(authority->beginRollover());
    CHECK(authority->rollover()->stage == Stage::begun);
    const auto both = authority->trust();
    CHECK(both != trust);
    CHECK_FALSE(authority->ensureServer({}).value());
    const auto renewed = authority->sign("web-01", tls::newSigningRequest("web-01")->request);
    REQUIRE(renewed);
    CHECK(certificatesFromPem(*renewed).size() == 3);
    CHECK(tls::authorityKeys(*renewed).find(tls::authorityKeys(*before)) != std::string::npos);

    REQUIRE(authority->switchRollover());
    CHECK(authority->rollover()->stage == Stage::switched);
    CHECK(authority->rollover()->waiting == std::vector<std::string>{"web-01", "web-02"});
    CHECK(authority->trust() != both);
    CHECK(authority->ensureServer({}).value());
    const auto second = authority->sign("web-01", tls::newSigningRequest("web-01")->request);
    REQUIRE(second);
    CHECK(authority->rollover()->waiting == std::vector<std::string>{"web-02"});
    // Another process reads the same.
    CHECK(Authority::open(dir.path("ca"))->rollover()->stage == Stage::switched);

    REQUIRE(authority->finishRollover());
    CHECK(authority->rollover()->stage == Stage::none);
    const auto ca = readCertificate(authority->caFile());
    CHECK(verify(certificateFromPem(*second)->get(), ca.get(), X509_PURPOSE_SSL_CLIENT) == X509_V_OK);
    CHECK(verify(certificateFromPem(*before)->get(), ca.get(), X509_PURPOSE_SSL_CLIENT) != X509_V_OK);
    const auto server = readCertificate(authority->serverCertFile());
    // An agent that has followed trusts it.
    CHECK(verify(server.get(), ca.get(), X509_PURPOSE_SSL_SERVER) == X509_V_OK);
}

TEST_CASE("Revocations are kept whichever of two copies is older") {
    auto one = Revocations::parse("web-01 100\nnonsense\nweb-02 200\n");
    const auto two = Revocations::parse("web-01 300\nweb-03 5\n");
    one.add(two);
    CHECK(one.at("web-01") == 300);
    CHECK(one.at("web-02") == 200);
    CHECK(one.at("web-03") == 5);
    CHECK(one.at("web-04") == 0);
    CHECK(Revocations::parse(one.toText()) == one);
}

TEST_CASE("The enrolled hosts are read from the directory") {
    const test::TemporaryFolder dir;
    auto authority = Authority::open(dir.path("ca"));
    REQUIRE(authority);
    REQUIRE(authority->enrol("web-02"));
    REQUIRE(authority->enrol("web-01"));
    std::ofstream(dir.path("ca/agents/broken.crt")) << "x";
    std::ofstream(dir.path("ca/agents/README")) << "x";
    const auto enrolled = authority->enrolled();
    REQUIRE(enrolled.size() == 2);
    CHECK(enrolled[0].host == "web-01");
    CHECK(enrolled[1].host == "web-02");
    CHECK(enrolled[0].not_after > std::time(nullptr) + 59LL * 86'400);
}

namespace {

using Kind = IdentityWarning::Kind;

/// A collector's authority and identities, on one clock.
class Gate {
  public:
    Gate() : authority_(*Authority::open(dir_.path("ca"))) { restart(); }

    void restart() { identities_ = std::make_unique<Identities>(authority_); }
    /// The fingerprint of the new certificate.
    std::string enrol(const std::string& host) {
        const auto bundle = authority_.enrol(host);
        REQUIRE(bundle);
        return tls::fingerprint(certificateFromPem(*bundle)->get());
    }
    Expected<void> check(const Claim& claim) { return identities_->check(claim, now); }
    bool mayRenew(const std::string& host) { return identities_->mayRenew(host, now); }
    std::vector<Kind> warnings(const std::string& host) const {
        std::vector<Kind> out;
        for (const auto& warning : identities_->warnings(host, now)) {
            CHECK_FALSE(warning.text.empty());
            out.push_back(warning.kind);
        }
        return out;
    }

    Identities::Clock::time_point now;

  private:
    test::TemporaryFolder dir_;
    Authority authority_;
    std::unique_ptr<Identities> identities_;
};

}  // namespace

TEST_CASE("The first machine with a host's newest certificate holds its name until it is enrolled anew") {
    Gate gate;
    const auto first = gate.enrol("web-01");
    CHECK(gate.check({"web-01", first, "aaaa", "s1", "10.0.0.1"}));
    const auto refused = gate.check({"web-01", first, "bbbb", "s2", "10.0.0.2"});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::denied);
    CHECK(refused.error().message.find("lapwing-collector invite web-01") != std::string::npos);
    CHECK(gate.warnings("web-01") == std::vector{Kind::second_machine});
    CHECK(gate.check({"web-01", first, "aaaa", "s1", "10.0.0.1"}));
    gate.now += std::chrono::minutes(11);
    CHECK(gate.warnings("web-01").empty());

    SECTION("across a restart of the collector") {
        gate.restart();
        CHECK_FALSE(gate.check({"web-01", first, "bbbb", "s2", "10.0.0.2"}));
        CHECK(gate.check({"web-01", first, "aaaa", "s1", "10.0.0.1"}));
    }
    SECTION("an agent of an older version sends no machine-id") {
        CHECK(gate.check({"web-01", first, "", "", "10.0.0.1"}));
        CHECK_FALSE(gate.check({"web-01", first, "bbbb", "", "10.0.0.2"}));
    }
    SECTION("reinstalled: the old machine, which still runs, does not take the new certificate's pin") {
        const auto second = gate.enrol("web-01");
        CHECK(gate.check({"web-01", first, "aaaa", "s1", "10.0.0.1"}));
        CHECK(gate.check({"web-01", second, "bbbb", "s2", "10.0.0.2"}));
        CHECK_FALSE(gate.check({"web-01", first, "aaaa", "s1", "10.0.0.1"}));
        CHECK(gate.check({"web-01", second, "bbbb", "s2", "10.0.0.2"}));
    }
}

TEST_CASE("Nothing is pinned without a machine-id, a certificate on record or a sound header") {
    Gate gate;
    const auto certificate = gate.enrol("web-01");
    CHECK(gate.check({"web-01", certificate, "", "", "10.0.0.1"}));
    CHECK(gate.check({"web-02", "other", "aaaa", "s", "10.0.0.2"}));  // its record is lost
    CHECK(gate.check({"web-02", "other", "bbbb", "s", "10.0.0.2"}));
    CHECK_FALSE(gate.check({"web-01", certificate, "a\nb", "", "10.0.0.1"}));
    CHECK_FALSE(gate.check({"web-01", certificate, std::string(200, 'a'), "", "10.0.0.1"}));
    CHECK(gate.check({"web-01", certificate, "bbbb", "", "10.0.0.1"}));
}

TEST_CASE("Copies of an image share a machine-id: they work, and it is said") {
    Gate gate;
    const auto one = gate.enrol("web-01");
    const auto two = gate.enrol("web-02");
    CHECK(gate.check({"web-01", one, "aaaa", "s1", "10.0.0.1"}));
    CHECK(gate.warnings("web-01").empty());
    CHECK(gate.check({"web-02", two, "aaaa", "s2", "10.0.0.2"}));
    CHECK(gate.warnings("web-01") == std::vector{Kind::shared_machine_id});
    CHECK(gate.warnings("web-02") == std::vector{Kind::shared_machine_id});
    gate.restart();
    CHECK(gate.warnings("web-02") == std::vector{Kind::shared_machine_id});
}

TEST_CASE("Two agents with one certificate show by their sessions, a restarted agent does not") {
    Gate gate;
    const auto certificate = gate.enrol("web-01");
    const auto write = [&](const char* session, const char* address = "10.0.0.1") {
        gate.now += std::chrono::seconds(1);
        REQUIRE(gate.check({"web-01", certificate, "aaaa", session, address}));
    };
    for (const auto* session : {"s1", "s1", "s2", "s3", "s4", "s4"}) {
        write(session);
    }
    CHECK(gate.warnings("web-01").empty());
    // A virtual machine went back to its snapshot.
    write("s2");
    CHECK(gate.warnings("web-01").empty());
    for (int i = 0; i < 3; ++i) {
        write("s5", "10.0.0.9");
        write("s2");
    }
    CHECK(gate.warnings("web-01") == std::vector{Kind::second_agent});
    gate.now += std::chrono::minutes(11);
    write("s2");
    CHECK(gate.warnings("web-01").empty());
}

TEST_CASE("A revoked certificate is refused at once and after a restart, a later one counts") {
    const test::TemporaryFolder dir;
    auto authority = Authority::open(dir.path("ca"));
    REQUIRE(authority);
    const auto claim_of = [](const std::string& bundle) {
        const auto certificate = certificateFromPem(bundle);
        const auto validity = tls::validityOf(certificate->get());
        return Claim{
            "web-01",     tls::fingerprint(certificate->get()), "aaaa", "s1", "10.0.0.1", validity.issued,
            validity.ends};
    };
    const auto first = claim_of(*authority->enrol("web-01"));
    Identities identities(*authority);
    const auto now = Identities::Clock::now();
    CHECK(identities.check(first, now));
    CHECK(identities.certificateEnds().at("web-01") == first.ends);

    // As `lapwing-collector revoke` beside the service.
    REQUIRE(Authority::open(dir.path("ca"))->revoke("web-01"));
    const auto refused = identities.check(first, now);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::denied);
    CHECK(refused.error().message.find("was revoked") != std::string::npos);
    CHECK_FALSE(Identities(*authority).check(first, now));
    CHECK(identities.warnings("web-01", now).at(0).kind == IdentityWarning::Kind::revoked);
    CHECK(authority->enrolled().at(0).revoked);

    const auto second = claim_of(*authority->enrol("web-01"));
    CHECK(second.issued > first.issued);
    CHECK(identities.check(second, now));
    CHECK_FALSE(identities.check(first, now));
    CHECK(identities.warnings("web-01", now).empty());
    CHECK_FALSE(authority->enrolled().at(0).revoked);

    REQUIRE(authority->forget("web-01"));
    CHECK(authority->enrolled().empty());
    CHECK_FALSE(identities.check(second, now));
    REQUIRE(authority->addRevocations(Revocations::parse("web-09 7\n")));
    CHECK(authority->revocations().at("web-09") == 7);
    CHECK(authority->revocations().at("web-01") >= second.issued);
}

TEST_CASE("A host gets one certificate a minute") {
    Gate gate;
    CHECK(gate.mayRenew("web-01"));
    CHECK_FALSE(gate.mayRenew("web-01"));
    CHECK(gate.mayRenew("web-02"));
    gate.now += std::chrono::seconds(60);
    CHECK(gate.mayRenew("web-01"));
}
