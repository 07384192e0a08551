#include "collector/trust/invitations.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sys/stat.h>

#include <atomic>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "collector/trust/authority.h"
#include "collector/trust/certificate.h"
#include "common/files.h"
#include "common/tls/identity.h"
#include "tests/unit/catch.h"
#include "tests/unit/temporary_folder.h"

namespace {

using namespace lapwing;
using namespace lapwing::trust;

constexpr std::time_t kNow = 1'800'000'000;

std::string newRequest(const std::string& name = "web-01") {
    const auto made = tls::newSigningRequest(name);
    REQUIRE(made);
    return made->request;
}

/// A request with another kind of key, or signed with another key than its own.
std::string requestOf(EVP_PKEY* key, EVP_PKEY* signer) {
    X509_REQ* request = X509_REQ_new();
    X509_REQ_set_pubkey(request, key);
    X509_REQ_sign(request, signer, EVP_sha256());
    BIO* out = BIO_new(BIO_s_mem());
    PEM_write_bio_X509_REQ(out, request);
    char* data = nullptr;
    const long size = BIO_get_mem_data(out, &data);
    std::string text(data, static_cast<std::size_t>(size));
    BIO_free_all(out);
    X509_REQ_free(request);
    return text;
}

class Site {
  public:
    std::string invite(const std::string& host, std::time_t now = kNow,
                       std::time_t valid = Invitations::kValid) {
        const auto made = invitations_.invite(host, valid, now);
        REQUIRE(made);
        CHECK(made->ends == now + valid);
        return made->secret;
    }
    Expected<std::string> join(const std::string& host, const std::string& secret,
                               const std::string& request = newRequest(), std::time_t now = kNow) {
        return invitations_.join(host, secret, request, now);
    }
    /// The reason of a refusal.
    std::string refusal(const std::string& host, const std::string& secret,
                        const std::string& request = newRequest(), std::time_t now = kNow) {
        const auto answer = join(host, secret, request, now);
        REQUIRE_FALSE(answer);
        CHECK(answer.error().message.find('\n') == std::string::npos);
        return answer.error().message;
    }
    void restart() { invitations_restarted_ = std::make_unique<Invitations>(authority_); }
    Invitations& afterRestart() { return *invitations_restarted_; }
    std::string path(const std::string& name) const { return dir_.path("ca/" + name); }
    Authority& authority() { return authority_; }
    Invitations& invitations() { return invitations_; }
    std::size_t certificates() { return authority_.enrolled().size(); }

  private:
    test::TemporaryFolder dir_;
    Authority authority_ = std::move(*Authority::open(dir_.path("ca")));
    Invitations invitations_{authority_};
    std::unique_ptr<Invitations> invitations_restarted_;
};

}  // namespace

TEST_CASE("an invited host gets a certificate for the key of its request, and only its name") {
    Site site;
    const auto secret = site.invite("web-01");
    const auto made = tls::newSigningRequest("somebody-else");
    REQUIRE(made);
    const auto bundle = site.join("web-01", secret, made->request);
    REQUIRE(bundle);
    CHECK(tls::commonNameOf(*bundle) == "web-01");
    CHECK(tls::keyBelongs(*bundle, made->key));
    CHECK_FALSE(tls::authorityKeys(*bundle).empty());
    CHECK(bundle->find("PRIVATE KEY") == std::string::npos);
    REQUIRE(site.authority().enrolled().size() == 1);
    CHECK(site.authority().enrolled()[0].host == "web-01");
}

TEST_CASE("the secret is stored as a hash, for the owner alone, and survives a restart") {
    Site site;
    const auto secret = site.invite("web-01");
    const auto content = files::readFile(site.path("invitations"));
    REQUIRE(content);
    CHECK(content->find(secret) == std::string::npos);
    CHECK(content->find("web-01") != std::string::npos);
    struct stat info {};
    REQUIRE(::stat(site.path("invitations").c_str(), &info) == 0);
    CHECK((info.st_mode & 07777) == 0600);
    site.restart();
    CHECK(site.afterRestart().join("web-01", secret, newRequest(), kNow));
    // So does its use.
    CHECK_FALSE(site.join("web-01", secret));
}

TEST_CASE("a secret admits one key, and that key again while it lasts") {
    Site site;
    const auto secret = site.invite("web-01");
    const auto request = newRequest();
    REQUIRE(site.join("web-01", secret, request));
    CHECK(site.join("web-01", secret, request));
    CHECK(site.refusal("web-01", secret).find("was used already: run `lapwing-collector invite web-01`") !=
          std::string::npos);
    CHECK(site.refusal("web-01", secret, request, kNow + Invitations::kValid).find("has expired") !=
          std::string::npos);
}

TEST_CASE("of many keys that come at once with one secret, one gets in") {
    Site site;
    const auto secret = site.invite("web-01");
    std::atomic<int> admitted{0};
    std::vector<std::string> requests;
    for (int i = 0; i < 8; ++i) {
        requests.push_back(newRequest());
    }
    std::vector<std::thread> threads;
    for (const auto& request : requests) {
        threads.emplace_back([&, request] {
            if (site.invitations().join("web-01", secret, request, kNow)) {
                ++admitted;
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    CHECK(admitted == 1);
}

TEST_CASE("unknown, expired, replaced, ended and foreign secrets are refused, and nothing is stored") {
    Site site;
    const auto secret = site.invite("web-01");
    CHECK(site.refusal("web-01", "").find("knows no such invitation") != std::string::npos);
    CHECK(site.refusal("web-01", std::string(32, '0')).find("knows no such invitation") != std::string::npos);
    CHECK(site.refusal("web-01", secret + "0").find("knows no such invitation") != std::string::npos);
    CHECK(site.refusal("web-02", secret).find("is for web-01, not for web-02") != std::string::npos);
    CHECK(site.refusal("../x", secret).find("cannot be a host's") != std::string::npos);
    CHECK(site.refusal("web-01", secret, newRequest(), kNow + Invitations::kValid).find("has expired") !=
          std::string::npos);
    // A clock that was set back makes no invitation live longer.
    CHECK(site.refusal("web-01", secret, newRequest(), kNow - 3600).find("has expired") != std::string::npos);
    const auto newer = site.invite("web-01");
    CHECK(site.refusal("web-01", secret).find("knows no such invitation") != std::string::npos);
    REQUIRE(site.invitations().revoke("web-01", kNow));
    CHECK(site.refusal("web-01", newer).find("knows no such invitation") != std::string::npos);
    CHECK(site.invitations().revoke("web-01", kNow).error().kind == ErrorKind::not_found);
    CHECK(site.certificates() == 0);
}

TEST_CASE("requests without proof of the key, and keys of other kinds, are refused and use nothing up") {
    Site site;
    const auto secret = site.invite("web-01");
    const Key p256(EVP_EC_gen("P-256"));
    const Key other(EVP_EC_gen("P-256"));
    const Key p521(EVP_EC_gen("P-521"));
    const Key rsa(EVP_RSA_gen(1024));
    for (const auto& request :
         {std::string(), std::string("garbage"), std::string(16'000, 'A'),
          std::string("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"),
          requestOf(p256.get(), other.get()), requestOf(p521.get(), p521.get()),
          requestOf(rsa.get(), rsa.get())}) {
        const auto answer = site.join("web-01", secret, request);
        REQUIRE_FALSE(answer);
        CHECK(answer.error().kind == ErrorKind::invalid);
    }
    CHECK(site.certificates() == 0);
    CHECK(site.join("web-01", secret, requestOf(p256.get(), p256.get())));
}

TEST_CASE("an invitation for many admits each host without a certificate once") {
    Site site;
    REQUIRE(site.authority().enrol("taken"));
    REQUIRE(site.authority().enrol("revoked"));
    REQUIRE(site.authority().revoke("revoked"));
    const auto now = std::time(nullptr) + 2;  // after the revocation
    const auto secret = site.invite("", now, 600);
    const auto first = newRequest();
    CHECK(site.join("web-01", secret, first, now));
    CHECK(site.join("web-02", secret, newRequest(), now));
    CHECK(site.join("web-01", secret, first, now));
    CHECK(site.join("revoked", secret, newRequest(), now));
    CHECK(site.refusal("web-01", secret, newRequest(), now).find("was used already") != std::string::npos);
    CHECK(site.refusal("taken", secret, newRequest(), now)
              .find("has a certificate already: run `lapwing-collector invite taken`") != std::string::npos);
    CHECK(site.refusal("web-03", secret, newRequest(), now + 600).find("has expired") != std::string::npos);
    // By name it is replaced.
    CHECK(site.join("taken", site.invite("taken", now), newRequest(), now));
}

TEST_CASE("a revocation while a host joins is not outrun") {
    Site site;
    const auto now = std::time(nullptr);
    REQUIRE(site.authority().revoke("web-01"));
    CHECK(site.authority().admit("web-01", newRequest(), now - 10).error().kind == ErrorKind::denied);
    CHECK(site.certificates() == 0);
    CHECK(site.authority().admit("web-01", newRequest(), now + 10));
}

// It attacks "hosts that join within a day".
TEST_CASE("a bounded number of hosts joins within a day") {
    Site site;
    const auto now = std::time(nullptr);
    const auto secret = site.invite("", now);
    CHECK(site.join("host-0", secret, newRequest(), now));
    // As many others as may join, but for one.
    auto content = *files::readFile(site.path("invitations"));
    content.pop_back();
    for (std::size_t i = 1; i < Invitations::kMostJoined - 1; ++i) {
        content += " host-" + std::to_string(i) + "=" + std::string(64, '0');
    }
    std::ofstream(site.path("invitations")) << content << "\n";
    CHECK(site.join("the-last", secret, newRequest(), now));
    CHECK(site.refusal("one-more", secret, newRequest(), now) == "1000 hosts have joined within a day");
    CHECK_FALSE(site.join("one-more", site.invite("one-more", now), newRequest(), now));
    CHECK(site.certificates() == 2);
    const auto later = now + 2 * 86'400;
    CHECK(site.join("one-more", site.invite("one-more", later), newRequest(), later));
}

TEST_CASE("a revoked host does not come back by an invitation of before") {
    Site site;
    const auto now = std::time(nullptr);
    const auto request = newRequest();
    const auto used = site.invite("web-01", now - 5);
    REQUIRE(site.join("web-01", used, request, now - 5));
    const auto open = site.invite("web-02", now - 5);
    REQUIRE(site.authority().revoke("web-01"));
    REQUIRE(site.authority().forget("web-02"));
    CHECK(site.refusal("web-01", used, request, now).find("was revoked after the invitation") !=
          std::string::npos);
    CHECK(site.refusal("web-02", open, request, now).find("was revoked after the invitation") !=
          std::string::npos);
    // A new one counts, even in the same second.
    CHECK(site.join("web-01", site.invite("web-01", now), newRequest(), now));
}

TEST_CASE("a host that joins anew frees its name from the machine of before") {
    Site site;
    REQUIRE(site.join("web-01", site.invite("web-01")));
    REQUIRE(site.authority().pinMachine("web-01", site.authority().newestCertificate("web-01"), "machine"));
    CHECK(site.authority().pinnedMachine("web-01") == "machine");
    REQUIRE(site.join("web-01", site.invite("web-01")));
    CHECK(site.authority().pinnedMachine("web-01").empty());
}

TEST_CASE("where nothing can be written, a secret is as good as before") {
    Site site;
    const auto secret = site.invite("web-01");
    // The certificate's place is taken by a directory, so that it cannot be replaced.
    std::filesystem::create_directories(site.path("agents/web-01.crt/x"));
    const auto answer = site.join("web-01", secret);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().kind != ErrorKind::denied);
    std::filesystem::remove_all(site.path("agents/web-01.crt"));
    CHECK(site.join("web-01", secret));
}

// It attacks "invitations".
TEST_CASE("bad times and names make no invitation, and their number is bounded") {
    Site site;
    CHECK_FALSE(site.invitations().invite("Web", 60, kNow));
    CHECK_FALSE(site.invitations().invite("web-01", 0, kNow));
    CHECK_FALSE(site.invitations().invite("", Invitations::kLongest + 1, kNow));
    for (std::size_t i = 0; i < Invitations::kMost; ++i) {
        REQUIRE(site.invitations().invite("host-" + std::to_string(i), 60, kNow));
    }
    CHECK(site.invitations().invite("one-more", 60, kNow).error().kind == ErrorKind::exhausted);
    CHECK(site.invitations().invite("host-0", 60, kNow));
    // Expired ones make room.
    CHECK(site.invitations().invite("one-more", 60, kNow + 60));
    CHECK(site.invitations().list()->size() == 1);
}

TEST_CASE("the file of invitations may be damaged") {
    Site site;
    const auto secret = site.invite("web-01");
    std::ofstream(site.path("invitations"), std::ios::app) << "garbage\n\n1 2 3\nx y 1 2 z\n";
    CHECK(site.join("web-01", secret));
    // Nobody who joins is to blame for a file that cannot be read.
    std::filesystem::remove(site.path("invitations"));
    std::filesystem::create_directory(site.path("invitations"));
    CHECK(site.join("web-01", secret).error().kind == ErrorKind::unavailable);
}

TEST_CASE("the pin is the key of the CA that signed the certificate of the running collector") {
    Site site;
    CHECK_FALSE(site.authority().serverPin());
    REQUIRE(site.authority().ensureServer({}));
    const auto first = site.authority().serverPin();
    REQUIRE(first);
    CHECK(*first == tls::authorityKeys(*files::readFile(site.authority().caFile())));
    REQUIRE(site.authority().beginRollover());
    CHECK(*site.authority().serverPin() == *first);
    REQUIRE(site.authority().switchRollover());
    CHECK(*site.authority().serverPin() == *first);
    // The service does this at its next start.
    REQUIRE(site.authority().ensureServer({}));
    const auto second = site.authority().serverPin();
    REQUIRE(second);
    CHECK(*second != *first);
    const auto both = *files::readFile(site.authority().caFile());
    CHECK_FALSE(tls::authorityWithKey(both, *first).empty());
    CHECK(tls::authorityKeys(tls::authorityWithKey(both, *second)) == *second);
    CHECK(tls::authorityWithKey(both, "").empty());
    CHECK(tls::authorityWithKey(*files::readFile(site.authority().serverCertFile()), *second).empty());
}
