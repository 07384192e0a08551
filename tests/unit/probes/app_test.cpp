// Against a real Nginx on loopback, with and without TLS, and against servers that violate the protocol.
#include "agent/probes/app/app.h"

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <re2/re2.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <ctime>
#include <sstream>
#include <tuple>

#include "agent/probes/app/certificate.h"
#include "agent/probes/kind.h"
#include "common/config/reader.h"
#include "tests/unit/catch.h"
#include "tests/unit/probes/samples.h"
#include "tests/unit/probes/server.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using namespace lapwing::agent;
using lapwing::test::eventually;
using lapwing::test::Samples;
using lapwing::test::TemporaryFolder;
using std::chrono::milliseconds;

namespace {

/// A self-signed certificate for 127.0.0.1 and "localhost", valid until `lifetime` seconds from now, and its
/// key, in one file. Returns when it ends, in seconds since 1970.
double makeCertificate(const std::string& path, long lifetime) {
    EVP_PKEY* key = EVP_RSA_gen(2048);
    X509* certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_set_version(certificate, 2);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -86'400);
    const auto now = std::time(nullptr);
    X509_gmtime_adj(X509_getm_notAfter(certificate), lifetime);
    X509_set_pubkey(certificate, key);
    auto* name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"),
                               -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    auto* names = X509V3_EXT_conf_nid(nullptr, &context, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    X509_add_ext(certificate, names, -1);
    X509_EXTENSION_free(names);
    X509_sign(certificate, key, EVP_sha256());
    FILE* file = std::fopen(path.c_str(), "w");
    PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
    PEM_write_X509(file, certificate);
    std::fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return static_cast<double>(now + lifetime);
}

struct Site {
    TemporaryFolder dir;
    std::uint16_t plain = test::freePort();
    std::uint16_t valid = test::freePort();
    std::uint16_t expired = test::freePort();
    std::uint16_t http2 = test::freePort();        ///< over TLS, beside HTTP/1.1
    std::uint16_t plain_http2 = test::freePort();  ///< without TLS; before Nginx 1.25.1 no HTTP/1.1
    std::string valid_pem = dir.path("valid.pem");
    std::string expired_pem = dir.path("expired.pem");
    double valid_until = makeCertificate(valid_pem, 30L * 86'400);
    double expired_at = makeCertificate(expired_pem, -3600);
    std::unique_ptr<test::Process> process;

    Site() {
        const auto tls = [](std::uint16_t port, const std::string& pem) {
            return " server { listen 127.0.0.1:" + std::to_string(port) +
                   " ssl; ssl_protocols TLSv1.3; ssl_certificate " + pem + "; ssl_certificate_key " + pem +
                   "; location / { return 200 secure; } }\n";
        };
        const auto text =
            "daemon off;\nmaster_process off;\npid " + dir.path("pid") + ";\nerror_log " +
            dir.path("error.log") +
            ";\nevents { worker_connections 64; }\nhttp { access_log off; client_body_temp_path " +
            dir.path("b") + "; proxy_temp_path " + dir.path("p") + "; fastcgi_temp_path " + dir.path("f") +
            "; uwsgi_temp_path " + dir.path("u") + "; scgi_temp_path " + dir.path("s") +
            ";\n server { listen 127.0.0.1:" + std::to_string(plain) +
            ";\n location = / { return 200 'all is well'; }\n location = /broken { return 503 'so sorry'; }\n"
            " location = /moved { return 302 /; }\n location = /loop { return 302 /loop; }\n"
            " location = /away { return 302 http://localhost:" +
            std::to_string(plain) +
            "/echo; }\n"
            " location = /file { return 302 file:///etc/passwd; }\n"
            " location = /echo { return 200 "
            "'token=$http_x_token;auth=$http_authorization;method=$request_method'; }\n }\n" +
            tls(valid, valid_pem) + tls(expired, expired_pem) +
            " server { listen 127.0.0.1:" + std::to_string(http2) + " ssl http2; ssl_certificate " +
            valid_pem + "; ssl_certificate_key " + valid_pem + ";" + http2Places() +
            " }\n server { listen 127.0.0.1:" + std::to_string(plain_http2) + " http2;" + http2Places() +
            " }\n}\n";
        process =
            std::make_unique<test::Process>(std::vector<std::string>{"/usr/sbin/nginx", "-p", dir.path(),
                                                                     "-c", dir.write("nginx.conf", text)},
                                            dir.path("log"));
        REQUIRE(eventually([&] { return ask(url("/")).value("probe_success") == 1; }));
    }

    static std::string http2Places() {
        return " add_header X-Long " + std::string(3'000, 'x') +
               " always;\n location = / { return 200 'in frames to $http_host'; }"
               "\n location = /moved { return 302 /; }\n location = /broken { return 503 'so sorry'; }"
               "\n location = /echo { return 200 'token=$http_x_token;method=$request_method'; }\n";
    }
    std::string url(const std::string& path, const char* host = "127.0.0.1") const {
        return "http://" + std::string(host) + ":" + std::to_string(plain) + path;
    }
    static Samples ask(app::Check check, milliseconds deadline = milliseconds(4000)) {
        app::AppProbe probe(std::move(check));
        const Deadline until(deadline);
        auto result = probe.collect(until);
        CHECK(Deadline::Clock::now() < until.at() + std::chrono::seconds(2));  // room for a busy machine
        REQUIRE(result);
        CHECK_FALSE(result->failure);
        return Samples(result->families);
    }
    static Samples ask(const std::string& at, milliseconds deadline = milliseconds(4000)) {
        app::Check check;
        check.url = at;
        return ask(std::move(check), deadline);
    }
};

Site& site() {
    static Site instance;
    return instance;
}

std::string reason(const Samples& samples) {
    CHECK(samples.value("probe_success") == (samples.count("probe_failure_info") == 0 ? 1 : 0));
    return samples.count("probe_failure_info") == 0 ? "" : samples.label("probe_failure_info", "reason");
}

/// Answers every connection with the same bytes, piece by piece, then closes it or leaves it open.
class Scripted {
  public:
    Scripted(std::string answer, milliseconds between, bool close) {
        fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address = {};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&address), length) == 0);
        REQUIRE(::listen(fd_, 8) == 0);
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length);
        url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/";
        thread_ = std::thread(
            [this, answer = std::move(answer), between, close] { serve(answer, between, close); });
    }
    ~Scripted() {
        stop_ = true;
        ::shutdown(fd_, SHUT_RDWR);
        thread_.join();
        ::close(fd_);
    }
    const std::string& url() const { return url_; }

  private:
    void serve(const std::string& answer, milliseconds between, bool close) {
        while (!stop_) {
            const int peer = ::accept(fd_, nullptr, nullptr);
            if (peer < 0) {
                return;
            }
            char request[4096];
            if (::recv(peer, request, sizeof request, 0) <= 0) {
                ::close(peer);
                continue;
            }
            const std::size_t piece = between.count() > 0 ? 1 : answer.size();
            for (std::size_t at = 0; at < answer.size() && !stop_; at += piece) {
                if (::send(peer, answer.data() + at, piece, MSG_NOSIGNAL) < 0) {
                    break;
                }
                std::this_thread::sleep_for(between);
            }
            while (!close && !stop_ && ::recv(peer, request, sizeof request, MSG_DONTWAIT) != 0) {
                std::this_thread::sleep_for(milliseconds(10));
            }
            ::close(peer);
        }
    }

    int fd_ = -1;
    std::string url_;
    std::thread thread_;
    std::atomic<bool> stop_{false};
};

}  // namespace

TEST_CASE("a healthy application") {
    const auto samples = Site::ask(site().url("/"));
    CHECK(reason(samples).empty());
    CHECK(samples.value("probe_http_status_code") == 200);
    CHECK(samples.value("probe_http_version") == 1.1);
    CHECK(samples.value("probe_http_content_length") == 11);
    CHECK(samples.value("probe_http_uncompressed_body_length") == 11);
    CHECK(samples.value("probe_http_redirects") == 0);
    CHECK(samples.value("probe_http_ssl") == 0);
    CHECK_FALSE(samples.value("probe_ssl_earliest_cert_expiry"));
    double phases = 0;
    for (const char* phase : {"resolve", "connect", "tls", "processing", "transfer"}) {
        const auto value = samples.value("probe_http_duration_seconds", {{"phase", phase}});
        REQUIRE(value);
        CHECK(*value >= 0);
        phases += *value;
    }
    CHECK(phases <= *samples.value("probe_duration_seconds"));
    CHECK(samples.value("probe_http_duration_seconds", {{"phase", "tls"}}) == 0);
}

TEST_CASE("the kinds of failure of an answer: status, body, redirects") {
    CHECK(reason(Site::ask(site().url("/broken"))) == "status");
    CHECK(Site::ask(site().url("/broken")).value("probe_http_status_code") == 503);
    app::Check check;
    check.url = site().url("/broken");
    check.expect_status = {200, 503};
    CHECK(reason(Site::ask(check)).empty());
    check.expect_body = std::make_shared<re2::RE2>("so (very )?sorry");
    CHECK(Site::ask(check).value("probe_failed_due_to_regex") == 0);
    check.expect_body = std::make_shared<re2::RE2>("^sorry");
    CHECK(reason(Site::ask(check)) == "body");
    CHECK(Site::ask(check).value("probe_failed_due_to_regex") == 1);

    const auto moved = Site::ask(site().url("/moved"));
    CHECK(reason(moved).empty());
    CHECK(moved.value("probe_http_redirects") == 1);
    CHECK(reason(Site::ask(site().url("/loop"))) == "redirects");
    CHECK(reason(Site::ask(site().url("/file"))) == "redirects");
    app::Check still;
    still.url = site().url("/moved");
    still.follow_redirects = false;
    CHECK(reason(Site::ask(still)) == "status");
    still.expect_status = {302};
    CHECK(reason(Site::ask(still)).empty());
}

TEST_CASE("headers are sent, but not to another server") {
    app::Check check;
    check.headers = {{"X-Token", "quiet-word"}, {"Authorization", "Bearer hush"}};
    check.url = site().url("/echo");
    check.expect_body = std::make_shared<re2::RE2>("^token=quiet-word;auth=Bearer hush;method=GET$");
    CHECK(reason(Site::ask(check)).empty());
    check.url = site().url("/away");
    check.expect_body = std::make_shared<re2::RE2>("^token=;auth=;method=GET$");
    CHECK(reason(Site::ask(check)).empty());
    check.method = "HEAD";
    check.expect_body.reset();
    const auto head = Site::ask(check);
    CHECK(reason(head).empty());
    CHECK(head.value("probe_http_uncompressed_body_length") == 0);
}

TEST_CASE("TLS: a certificate that is trusted") {
    app::Check check;
    check.url = "https://127.0.0.1:" + std::to_string(site().valid) + "/";
    check.ca_file = site().valid_pem;
    const auto samples = Site::ask(check);
    CHECK(reason(samples).empty());
    CHECK(samples.value("probe_http_ssl") == 1);
    CHECK(std::abs(*samples.value("probe_ssl_earliest_cert_expiry") - site().valid_until) <= 1);
    CHECK(*samples.value("probe_http_duration_seconds", {{"phase", "tls"}}) > 0);
    CHECK(samples.label("probe_tls_version_info", "version") == "TLS 1.3");
    CHECK(samples.value("probe_ssl_last_chain_expiry_timestamp_seconds") ==
          samples.value("probe_ssl_earliest_cert_expiry"));
    CHECK(samples.label("probe_ssl_last_chain_info", "fingerprint_sha256").size() == 64);
    CHECK(samples.value("probe_ip_protocol") == 4);
}

// It attacks "texts of a server's certificate".
TEST_CASE("the names of a certificate, as Go prints them") {
    X509* certificate = X509_new();
    X509_NAME* subject = X509_NAME_new();
    const auto add = [&](const char* type, const std::string& value) {
        X509_NAME_add_entry_by_txt(subject, type, MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(value.c_str()), -1, -1, 0);
    };
    for (const auto& [type, value] : std::vector<std::pair<const char*, std::string>>{{"CN", "shop, \"old\""},
                                                                                      {"C", "DE"},
                                                                                      {"OU", "a"},
                                                                                      {"O", " B#"},
                                                                                      {"OU", "b"},
                                                                                      {"L", "#\xc3\xa4"}}) {
        add(type, value);
    }
    X509_set_subject_name(certificate, subject);
    const auto found = app::certificateOf(certificate);
    CHECK(found.subject == "L=\\#\xc3\xa4,OU=b,O=\\ B#,OU=a,C=DE,CN=shop\\, \\\"old\\\"");
    CHECK(found.issuer.empty());
    CHECK(found.alternatives.empty());
    for (int i = 0; i < 100; ++i) {
        add("OU", std::string(20, 'x') + "\xc3\xa4");
    }
    X509_set_subject_name(certificate, subject);
    CHECK(app::certificateOf(certificate).subject.size() <= app::kMostCertificateText);
    CHECK(isValidUtf8(app::certificateOf(certificate).subject));
    X509_NAME_free(subject);
    X509_free(certificate);
}

TEST_CASE("TLS: an expired certificate's expiry is reported, and no request is sent") {
    app::Check check;
    check.url = "https://127.0.0.1:" + std::to_string(site().expired) + "/";
    check.ca_file = site().expired_pem;
    const auto samples = Site::ask(check);
    CHECK(reason(samples) == "tls");
    CHECK(std::abs(*samples.value("probe_ssl_earliest_cert_expiry") - site().expired_at) <= 1);
    CHECK_FALSE(samples.value("probe_http_status_code"));
}

TEST_CASE("TLS: a certificate that is untrusted, of another name or absent") {
    app::Check check;
    check.url = "https://127.0.0.1:" + std::to_string(site().valid) + "/";
    const auto untrusted = Site::ask(check);
    CHECK(reason(untrusted) == "tls");
    CHECK(untrusted.value("probe_ssl_earliest_cert_expiry").has_value());
    check.ca_file = site().valid_pem;
    check.url = "https://127.0.0.2:" + std::to_string(site().valid) + "/";
    CHECK(reason(Site::ask(check)) == "refused");
    check.url = "https://127.0.0.1:" + std::to_string(site().plain) + "/";
    CHECK(reason(Site::ask(check)) == "tls");
    check.ca_file = "/nonexistent/ca.pem";
    app::AppProbe probe(check);
    const auto unreadable = probe.collect(Deadline(milliseconds(4000)));
    REQUIRE_FALSE(unreadable);
    CHECK(unreadable.error().kind == ErrorKind::not_found);
}

/// HTTP/1.1 is tried first, and Nginx takes both at a port with http2 from 1.25.1 on.
double plainHttp2Version() {
    std::array<char, 256> text{};
    auto* nginx = popen("/usr/sbin/nginx -v 2>&1", "r");
    REQUIRE(nginx != nullptr);
    const auto length = fread(text.data(), 1, text.size() - 1, nginx);
    REQUIRE(pclose(nginx) == 0);
    std::istringstream words(std::string(text.data(), length));
    int major = 0;
    int minor = 0;
    int patch = 0;
    char dot = 0;
    words.ignore(static_cast<std::streamsize>(length), '/');
    REQUIRE(words >> major >> dot >> minor >> dot >> patch);
    return std::tuple(major, minor, patch) < std::tuple(1, 25, 1) ? 2 : 1.1;
}

TEST_CASE("HTTP/2, with and without TLS") {
    for (const bool tls : {true, false}) {
        INFO(tls);
        const auto server = "127.0.0.1:" + std::to_string(tls ? site().http2 : site().plain_http2);
        app::Check check;
        check.ca_file = site().valid_pem;
        check.url = (tls ? "https://" : "http://") + server + "/";
        check.expect_body = std::make_shared<re2::RE2>("^in frames to " + server + "$");
        const auto samples = Site::ask(check);
        CHECK(reason(samples).empty());
        CHECK(samples.value("probe_http_version") == (tls ? 2 : plainHttp2Version()));
        CHECK(samples.value("probe_http_status_code") == 200);
        CHECK(samples.value("probe_http_ssl") == (tls ? 1 : 0));
        CHECK(samples.value("probe_http_content_length") == 13 + static_cast<double>(server.size()));
        const std::string base = check.url.substr(0, check.url.size() - 1);
        check.url = base + "/moved";
        CHECK(reason(Site::ask(check)).empty());
        check.expect_body = std::make_shared<re2::RE2>("^token=quiet-word;method=OPTIONS$");
        check.headers = {{"X-Token", "quiet-word"}};
        check.method = "OPTIONS";
        check.url = base + "/echo";
        CHECK(reason(Site::ask(check)).empty());
        app::Check other;
        other.ca_file = site().valid_pem;
        other.url = base + "/broken";
        CHECK(reason(Site::ask(other)) == "status");
        other.method = "HEAD";
        other.url = base + "/";
        CHECK(Site::ask(other).value("probe_http_uncompressed_body_length") == 0);
        other.method = "POST";
        other.expect_status = {200, 405};
        CHECK(reason(Site::ask(other)).empty());
    }
}

TEST_CASE("the kinds of failure without an answer: refused, unreachable, timeout, protocol") {
    const auto refused = Site::ask("http://127.0.0.1:" + std::to_string(test::freePort()) + "/");
    CHECK(reason(refused) == "refused");
    CHECK_FALSE(refused.value("probe_http_status_code"));
    CHECK(reason(Site::ask("http://name.invalid/", milliseconds(3000))) == "unreachable");

    const Scripted silent("", milliseconds(0), false);
    CHECK(reason(Site::ask(silent.url(), milliseconds(500))) == "timeout");
    const Scripted trickle("HTTP/1.1 200 OK\r\nX-Slow: " + std::string(5000, 'x'), milliseconds(20), false);
    CHECK(reason(Site::ask(trickle.url(), milliseconds(700))) == "timeout");
    const Scripted slow_body("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab", milliseconds(0), false);
    CHECK(reason(Site::ask(slow_body.url(), milliseconds(500))) == "timeout");
    const Scripted nothing("", milliseconds(0), true);
    CHECK(reason(Site::ask(nothing.url())) == "protocol");
    const Scripted garbage("220 mail.example.org ESMTP\r\n", milliseconds(0), true);
    CHECK(reason(Site::ask(garbage.url())) == "protocol");
    const Scripted cut("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab", milliseconds(0), true);
    CHECK(reason(Site::ask(cut.url())) == "protocol");
    const Scripted endless("HTTP/1.1 200 OK\r\n\r\n" + std::string(app::kMostBody + 100, 'x'),
                           milliseconds(0), false);
    const auto large = Site::ask(endless.url());
    CHECK(reason(large).empty());
    CHECK(large.value("probe_http_uncompressed_body_length") == app::kMostBody);
}

TEST_CASE("a timeout of its own, shorter than the deadline") {
    const Scripted silent("", milliseconds(0), false);
    app::Check check;
    check.url = silent.url();
    check.timeout = milliseconds(200);
    const auto samples = Site::ask(check);
    CHECK(reason(samples) == "timeout");
    CHECK(*samples.value("probe_duration_seconds") < 3.5);
    CHECK(*samples.value("probe_duration_seconds") >= 0.19);
}

TEST_CASE("an application stopped by SIGSTOP, and going on") {
    auto frozen = std::make_unique<test::Frozen>(*site().process);
    CHECK(reason(Site::ask(site().url("/"), milliseconds(500))) == "timeout");
    frozen.reset();
    CHECK(reason(Site::ask(site().url("/"))).empty());
}

TEST_CASE("configuration of app") {
    const auto configure = [](const std::string& yaml, std::vector<ProbeSpec>& specs,
                              std::string* line = nullptr) {
        config::Reader reader;
        const auto root = reader.text(yaml, "agent.yaml");
        ProbeContext context;
        context.host = "web-01";
        const auto said = appProbe().configure(root["probes"]["app"], context, specs);
        if (line != nullptr) {
            *line = said;
        }
        std::vector<std::string> problems;
        for (const auto& problem : reader.problems()) {
            problems.push_back(problem.toString());
        }
        return problems;
    };
    std::vector<ProbeSpec> specs;
    std::string line;
    CHECK(configure("{}", specs, &line).empty());
    CHECK(line.substr(0, 8) == "app: off");
    CHECK(configure("probes: { app: [ { url: 'http://127.0.0.1:8000/healthz' }, { url: "
                    "'https://10.77.0.10/', instance: site, "
                    "expect_status: [ 200, 204 ], expect_body: 'w[e]ll', headers: { X-A: b }, "
                    "follow_redirects: false, timeout: 6s, "
                    "method: HEAD } ] }",
                    specs)
              .empty());
    REQUIRE(specs.size() == 2);
    CHECK(specs[0].job == "app");
    CHECK(specs[0].instance == "web-01");
    CHECK(specs[0].labels == Labels{{"url", "http://127.0.0.1:8000/healthz"}});
    CHECK(specs[1].instance == "site");
    CHECK(specs[1].deadline == milliseconds(6200));
    specs.clear();
    const auto problems = configure(
        "probes:\n  app:\n    - { url: 'http://a:s3cret@h/' }\n    - { url: 'http://h/', expect_body: '(' }\n"
        "    - { url: 'http://h/', method: BREW }\n    - { url: 'http://h/', timeout: 1m }\n    - { url: "
        "'http://h/', "
        "expect_status: 99 }\n    - { url: 'http://h/', headers: { 'a b': c } }\n    - { url: 'unix:/x' }\n",
        specs);
    CHECK(problems.size() == 7);
    for (const auto& problem : problems) {
        CHECK(problem.find("s3cret") == std::string::npos);
    }
    CHECK(problems[1] == "agent.yaml:4:40: probes.app[1].expect_body is no regular expression: missing ): (");
}
