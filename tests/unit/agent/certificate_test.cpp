#include <filesystem>
#include <fstream>
#include <string>

#include "agent/certificate/agent_certificate.h"
#include "collector/trust/authority.h"
#include "common/files.h"
#include "common/tls/identity.h"
#include "tests/unit/catch.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using lapwing::agent::AgentCertificate;
using lapwing::trust::Authority;

namespace {

constexpr std::time_t kDay = 86'400;

/// An authority, and an agent with a bundle of `enrol`.
class Site {
  public:
    Site() : authority_(*Authority::open(dir_.path("ca"))) { enrol(); }

    void enrol() { REQUIRE(files::writeFile(bundle(), *authority_.enrol("web-01"), 0600)); }
    AgentCertificate certificate() { return AgentCertificate("web-01", configured(), file()); }
    Expected<void> renew(AgentCertificate& certificate, const std::string& host = "web-01") {
        const auto request = certificate.request();
        REQUIRE(request);
        const auto answer = authority_.sign(host, *request);
        REQUIRE(answer);
        return certificate.accept(*answer);
    }
    http::ClientTls configured() const {
        http::ClientTls out;
        out.ca_file = out.cert_file = out.key_file = bundle();
        out.server_name = "lapwing-collector";
        return out;
    }
    std::string bundle() const { return dir_.path("agent.pem"); }
    std::string file() const { return dir_.path("certificate.pem"); }
    Authority& authority() { return authority_; }
    std::string path(const std::string& name) const { return dir_.path(name); }

  private:
    test::TemporaryFolder dir_;
    Authority authority_;
};

}  // namespace

TEST_CASE("a certificate is due at half of its validity, or when the collector trusts other CAs") {
    Site site;
    auto certificate = site.certificate();
    const auto issued = certificate.ends() - 60 * kDay;
    const auto trust = site.authority().trust();
    CHECK_FALSE(certificate.isDue(issued, trust));
    CHECK_FALSE(certificate.isDue(issued + 30 * kDay - 1, trust));
    CHECK(certificate.isDue(issued + 30 * kDay, trust));
    CHECK(certificate.isDue(issued + 30 * kDay, ""));
    CHECK_FALSE(certificate.isDue(issued, ""));  // a collector of an older version
    CHECK(certificate.isDue(issued, "other"));
    AgentCertificate fixed("web-01", site.configured(), "");
    CHECK_FALSE(fixed.isDue(issued + 59 * kDay, "other"));
}

TEST_CASE("a renewed certificate takes the place of the bundle, until a later enrolment") {
    Site site;
    auto certificate = site.certificate();
    CHECK(certificate.tls().cert_file == site.bundle());
    const auto bundle = files::readFile(site.bundle()).value();
    REQUIRE(site.renew(certificate));
    CHECK(certificate.generation() == 1);
    const auto tls = certificate.tls();
    CHECK(tls.cert_file == site.file());
    CHECK(tls.key_file == site.file());
    CHECK(tls.ca_file == site.file());
    CHECK(tls.server_name == "lapwing-collector");
    CHECK(http::Client::create("https://127.0.0.1:1", tls));
    CHECK(files::readFile(site.bundle()).value() == bundle);
    CHECK((std::filesystem::status(site.file()).permissions() & std::filesystem::perms::all) ==
          (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
    CHECK(site.certificate().tls().cert_file == site.file());

    SECTION("the bundle of a later enrolment") {
        REQUIRE(site.authority().revoke("web-01"));
        site.enrol();
        CHECK(site.certificate().tls().cert_file == site.bundle());
    }
    SECTION("a damaged file") {
        std::ofstream(site.file()) << "x";
        CHECK(site.certificate().tls().cert_file == site.bundle());
    }
    SECTION("the file of another host") {
        REQUIRE(files::writeFile(site.file(), *site.authority().enrol("web-02"), 0600));
        CHECK(site.certificate().tls().cert_file == site.bundle());
    }
    SECTION("a bundle that cannot be read") {
        std::filesystem::remove(site.bundle());
        CHECK(site.certificate().tls().cert_file == site.file());
    }
}

TEST_CASE("an answer that would lock the agent out changes nothing") {
    Site site;
    auto certificate = site.certificate();
    SECTION("a certificate for another key") {
        REQUIRE(certificate.request());
        const auto other = tls::newSigningRequest("web-01");
        CHECK_FALSE(certificate.accept(*site.authority().sign("web-01", other->request)));
    }
    SECTION("nonsense") {
        REQUIRE(certificate.request());
        CHECK_FALSE(certificate.accept("x"));
        CHECK_FALSE(certificate.accept(""));
    }
    SECTION("another authority") {
        auto other = Authority::open(site.path("other"));
        const auto answer = other->sign("web-01", *certificate.request());
        const auto accepted = certificate.accept(*answer);
        REQUIRE_FALSE(accepted);
        CHECK(accepted.error().message.find("names other CAs") != std::string::npos);
    }
    SECTION("another name") {
        CHECK_FALSE(site.renew(certificate, "web-02"));
    }
    CHECK(certificate.generation() == 0);
    CHECK(certificate.tls().cert_file == site.bundle());
}

TEST_CASE("an agent that follows a roll-over of the CA trusts both, then the new one") {
    Site site;
    auto certificate = site.certificate();
    const auto keys = [&] { return tls::authorityKeys(files::readFile(certificate.tls().ca_file).value()); };
    const auto first = keys();
    for (const auto step :
         {&Authority::beginRollover, &Authority::switchRollover, &Authority::finishRollover}) {
        REQUIRE((site.authority().*step)());
        const auto trust = site.authority().trust();
        CHECK(certificate.isDue(certificate.ends() - 60 * kDay, trust));
        REQUIRE(site.renew(certificate));
        CHECK_FALSE(certificate.isDue(certificate.ends() - 60 * kDay, trust));
    }
    CHECK(keys().find(first) == std::string::npos);
    CHECK(keys().size() == first.size());
}
