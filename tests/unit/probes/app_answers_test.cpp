// Unusual but legal HTTP answers, and illegal ones: the verdict on each.
#include <re2/re2.h>
#include <zlib.h>

#include <map>
#include <utility>

#include "agent/probes/app/app.h"
#include "agent/probes/app/cookies.h"
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

const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

std::string status(const std::string& line, const std::string& headers = "") {
    return "HTTP/1.1 " + line + "\r\n" + headers + "Content-Length: 0\r\nConnection: close\r\n\r\n";
}

std::string redirect(const std::string& location, const std::string& headers = "") {
    return status("302 Found", headers + "Location: " + location + "\r\n");
}

std::string withHeader(std::size_t length) {
    return "HTTP/1.1 200 OK\r\nContent-Security-Policy: " + std::string(length, 'x') +
           "\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
}

std::string withHeaders(int count) {
    std::string out = "HTTP/1.1 200 OK\r\n";
    for (int i = 0; i < count; ++i) {
        out += "X-H" + std::to_string(i) + ": v\r\n";
    }
    return out + "Content-Length: 2\r\nConnection: close\r\n\r\nok";
}

std::string compressed(const std::string& text, int window) {
    z_stream stream = {};
    deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY);
    std::string input = text;
    std::string out(text.size() + 100, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(input.data());
    stream.avail_in = static_cast<uInt>(input.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    deflate(&stream, Z_FINISH);
    out.resize(out.size() - stream.avail_out);
    deflateEnd(&stream);
    return out;
}

std::string coded(const std::string& coding, const std::string& body) {
    return "HTTP/1.1 200 OK\r\nContent-Encoding: " + coding +
           "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

/// Answers by path. A request for an unknown path gets 404. Pieces are sent 20 ms apart.
class Site {
  public:
    using Pieces = std::vector<std::string>;
    enum class End { close, keep, reset };

    void on(const std::string& path, Pieces pieces, End end = End::close) {
        answers_[path] = {std::move(pieces), end};
    }
    std::string url(const std::string& path) const { return server_.url() + path; }
    std::vector<std::string> requests() const {
        const std::lock_guard lock(mutex_);
        return requests_;
    }

    static Samples ask(app::Check check, std::string* why = nullptr,
                       milliseconds deadline = milliseconds(4000)) {
        app::AppProbe probe(std::move(check));
        auto result = probe.collect(Deadline(deadline));
        REQUIRE(result);
        CHECK(result->check_failed == !result->note.empty());
        if (why != nullptr) {
            *why = result->note;
        }
        return Samples(result->families);
    }
    app::Check check(const std::string& path) const {
        app::Check out;
        out.url = url(path);
        return out;
    }
    /// The reason of a failure; "" for success.
    std::string verdict(const std::string& path, std::string* why = nullptr) const {
        return reasonOf(ask(check(path), why));
    }
    static std::string reasonOf(const Samples& samples) {
        const bool failed = samples.count("probe_failure_info") > 0;
        CHECK(samples.value("probe_success") == (failed ? 0 : 1));
        return failed ? samples.label("probe_failure_info", "reason") : "";
    }

  private:
    void serve(Peer& peer) {
        const auto request = peer.readRequest();
        const auto start = request.find(' ') + 1;
        const auto path = request.substr(start, request.find(' ', start) - start);
        {
            const std::lock_guard lock(mutex_);
            requests_.push_back(request);
        }
        const auto found = answers_.find(path);
        const auto answer =
            found == answers_.end() ? Answer{{status("404 Not Found")}, End::close} : found->second;
        for (const auto& piece : answer.pieces) {
            peer.write(piece);
            std::this_thread::sleep_for(milliseconds(answer.pieces.size() > 1 ? 20 : 0));
        }
        if (answer.end == End::keep) {
            peer.hang();
        } else if (answer.end == End::reset) {
            peer.reset();
        }
    }

    struct Answer {
        Pieces pieces;
        End end = End::close;
    };
    std::map<std::string, Answer> answers_;
    mutable std::mutex mutex_;
    std::vector<std::string> requests_;
    ScriptServer server_{[this](Peer& peer) { serve(peer); }};
};

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("interim answers before the final one") {
    Site site;
    site.on("/early", {"HTTP/1.1 103 Early Hints\r\nLink: </s.css>; rel=preload\r\n\r\n", kOk});
    site.on("/processing", {"HTTP/1.1 102 Processing\r\n\r\n", kOk});
    site.on("/continue", {"HTTP/1.1 100 Continue\r\n\r\n" + kOk});
    site.on("/several", {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n",
                         "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\n",
                         "Link: </b>\r\n\r\n", kOk});
    site.on("/then-broken", {"HTTP/1.1 103 Early Hints\r\n\r\n", status("503 Service Unavailable")});
    site.on("/only", {"HTTP/1.1 103 Early Hints\r\n\r\n"});
    for (const char* path : {"/early", "/processing", "/continue", "/several"}) {
        INFO(path);
        CHECK(site.verdict(path).empty());
    }
    CHECK(site.verdict("/then-broken") == "status");
    CHECK(site.verdict("/only") == "protocol");
    std::string flood;
    for (int i = 0; i < 20'000; ++i) {
        flood += "HTTP/1.1 102 Processing\r\n\r\n";
    }
    site.on("/flood", {flood}, Site::End::keep);
    std::string why;
    CHECK(site.verdict("/flood", &why) == "protocol");
    CHECK(why == site.url("/flood") + ": the answer's head is larger than 256 KiB");
}

TEST_CASE("a large head, and its bounds") {
    Site site;
    for (const std::size_t length : {8'000, 9'000, 17'000, 100'000, 250'000}) {
        INFO(length);
        site.on("/csp", {withHeader(length)});
        CHECK(site.verdict("/csp").empty());
    }
    for (const int count : {90, 150, 1'900}) {
        INFO(count);
        site.on("/headers", {withHeaders(count)});
        CHECK(site.verdict("/headers").empty());
    }
    std::string why;
    site.on("/csp", {withHeader(300'000)});
    CHECK(site.verdict("/csp", &why) == "protocol");
    CHECK(why == site.url("/csp") + ": the answer's head is larger than 256 KiB");
    site.on("/headers", {withHeaders(2'100)});
    CHECK(site.verdict("/headers", &why) == "protocol");
    CHECK(why == site.url("/headers") + ": the answer has more than 2000 headers");
}

TEST_CASE("lines, reason phrases and statuses as servers send them") {
    Site site;
    site.on("/lf", {"HTTP/1.1 200 OK\nContent-Length: 2\nConnection: close\n\nok"});
    site.on("/no-reason", {"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok"});
    site.on("/empty-reason", {"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok"});
    site.on("/blank-first", {"\r\n\r\n" + kOk});
    site.on("/fold", {"HTTP/1.1 200 OK\r\nX-A: one\r\n two\r\nContent-Length: 2\r\n\r\nok"});
    site.on("/no-colon", {"HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length : 2\r\n\r\nok"}, Site::End::keep);
    site.on("/twice", {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok"});
    site.on("/listed", {"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok"});
    for (const char* path :
         {"/lf", "/no-reason", "/empty-reason", "/blank-first", "/fold", "/no-colon", "/twice", "/listed"}) {
        INFO(path);
        CHECK(site.verdict(path).empty());
    }
    site.on("/999", {status("999 Request denied")});
    CHECK(site.verdict("/999") == "status");
    auto check = site.check("/999");
    check.expect_status = {999};
    CHECK(Site::reasonOf(Site::ask(check)).empty());
    site.on("/differ", {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"});
    site.on("/negative", {"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok"});
    site.on("/letters", {"HTTP/1.1 20x OK\r\n\r\n"});
    site.on("/four", {"HTTP/1.1 2000 OK\r\n\r\n"});
    for (const char* path : {"/differ", "/negative", "/letters", "/four"}) {
        INFO(path);
        CHECK(site.verdict(path) == "protocol");
    }
}

TEST_CASE("bodies: chunks, lengths, and the connection's end") {
    Site site;
    const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    site.on("/chunked", {chunked + "2\r\nok\r\n0\r\n\r\n"}, Site::End::keep);
    site.on("/trailers", {chunked + "2;ext=1\r\nok\r\n0\r\nX-T: 1\r\nX-U: 2\r\n\r\n"}, Site::End::keep);
    site.on("/chunked-lf", {chunked + "2\nok\n0\n\n"}, Site::End::keep);
    site.on("/pieces", {chunked, "1\r\n", "o\r\n1", "\r\nk\r\n0\r\n", "\r\n"}, Site::End::keep);
    site.on("/keep-alive", {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"}, Site::End::keep);
    site.on("/204", {"HTTP/1.1 204 No Content\r\n\r\n"}, Site::End::keep);
    site.on("/205", {"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"}, Site::End::keep);
    site.on("/205-bare", {"HTTP/1.1 205 Reset Content\r\n\r\n"}, Site::End::keep);
    site.on("/1.0", {"HTTP/1.0 200 OK\r\n\r\nok"});
    site.on("/rst", {kOk}, Site::End::reset);
    site.on(
        "/both",
        {"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"});
    for (const char* path : {"/chunked", "/trailers", "/chunked-lf", "/pieces", "/keep-alive", "/204", "/205",
                             "/205-bare", "/1.0", "/rst", "/both"}) {
        INFO(path);
        const auto start = std::chrono::steady_clock::now();
        CHECK(site.verdict(path).empty());
        CHECK(std::chrono::steady_clock::now() - start < milliseconds(2500));
    }
    CHECK(Site::ask(site.check("/1.0")).value("probe_http_version") == 1.0);
    site.on("/cut", {chunked + "5\r\nok"});
    site.on("/cut-end", {chunked + "2\r\nok\r\n"});
    site.on("/bad-chunk", {chunked + "zz\r\nok\r\n0\r\n\r\n"});
    site.on("/overrun", {chunked + "2\r\nokay\r\n0\r\n\r\n"});
    site.on("/short", {"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok"});
    for (const char* path : {"/cut", "/cut-end", "/bad-chunk", "/overrun", "/short"}) {
        INFO(path);
        CHECK(site.verdict(path) == "protocol");
    }
    site.on("/trickle", {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", ".", ".", "."}, Site::End::keep);
    CHECK(Site::reasonOf(Site::ask(site.check("/trickle"), nullptr, milliseconds(600))) == "timeout");
    std::string big;
    big.resize(20'000'000, 'z');
    site.on("/big", {"HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n", big});
    CHECK(site.verdict("/big").empty());
}

TEST_CASE("codings that nobody asked for") {
    Site site;
    const std::string text = "well and good, " + std::string(5'000, '.') + " to the end";
    auto check = site.check("/coded");
    check.expect_body = std::make_shared<re2::RE2>("^well and good.*to the end$");
    const auto verdict = [&](const std::string& answer) {
        site.on("/coded", {answer});
        return Site::reasonOf(Site::ask(check));
    };
    constexpr int gzip_window = MAX_WBITS + 16;
    CHECK(verdict(coded("gzip", compressed(text, gzip_window))).empty());
    CHECK(verdict(coded("x-gzip", compressed(text, gzip_window))).empty());
    CHECK(verdict(coded("GZIP",
                        compressed("well and good", gzip_window) + compressed(" to the end", gzip_window)))
              .empty());
    CHECK(verdict(coded("deflate", compressed(text, MAX_WBITS))).empty());
    CHECK(verdict(coded("deflate", compressed(text, -MAX_WBITS))).empty());
    CHECK(verdict(coded("identity", text)).empty());
    CHECK(verdict(coded("gzip", "not gzip at all")) == "protocol");
    CHECK(verdict(coded("gzip", compressed(text, gzip_window).substr(0, 40))) == "protocol");
    CHECK(verdict(coded("br", "\x0b\x02")) == "body");
    site.on("/coded", {coded("gzip", compressed(text, gzip_window))});
    CHECK(Site::ask(check).value("probe_http_uncompressed_body_length") == static_cast<double>(text.size()));
    check.expect_body.reset();
    std::string large;
    large.resize(50'000'000, 'x');
    site.on("/coded", {coded("gzip", compressed(large, gzip_window))});
    CHECK(Site::ask(check).value("probe_http_uncompressed_body_length") == app::kMostBody);
}

TEST_CASE("a cookie that a redirect sets") {
    Site site;
    std::string why;
    ScriptServer server([&](Peer& peer) {
        const auto request = peer.readRequest();
        const bool seen = contains(request, "\r\nCookie: seen=1\r\n");
        peer.write(seen ? kOk : redirect("/cookie", "Set-Cookie: seen=1; Path=/\r\n"));
    });
    app::Check check;
    check.url = server.url() + "/cookie";
    for (int run = 0; run < 2; ++run) {
        const auto samples = Site::ask(check, &why);
        CHECK(Site::reasonOf(samples).empty());
        CHECK(samples.value("probe_http_redirects") == 1);  // each run begins without cookies
    }
    site.on("/set",
            {redirect("/next",
                      "Set-Cookie: a=1\r\nSet-Cookie: b=2; Path=/next\r\nSet-Cookie: c=3; Path=/other\r\n")});
    site.on("/next", {redirect("/last", "Set-Cookie: a=; Max-Age=0\r\n")});
    site.on("/last", {kOk});
    check.url = site.url("/set");
    check.headers = {{"Cookie", "own=0"}};
    CHECK(Site::reasonOf(Site::ask(check)).empty());
    const auto requests = site.requests();
    REQUIRE(requests.size() == 3);
    CHECK(contains(requests[0], "\r\nCookie: own=0\r\n"));
    CHECK(contains(requests[1], "\r\nCookie: own=0; b=2; a=1\r\n"));
    CHECK(contains(requests[2], "\r\nCookie: own=0\r\n"));
}

TEST_CASE("the cookie jar: hosts, paths, schemes and ends") {
    const auto url = [](const char* text) { return *http::Url::parse(text); };
    const auto kept = [&](const char* from, const char* cookie, const char* to) {
        app::CookieJar jar;
        jar.take(url(from), cookie);
        return jar.headerFor(url(to));
    };
    CHECK(kept("http://a.example/x/y", "k=v", "http://a.example/x/z") == "k=v");
    CHECK(kept("http://a.example/x/y", "k=v", "http://a.example/other").empty());
    CHECK(kept("http://a.example/", "k=v; Path=/p", "http://a.example/p/q?r") == "k=v");
    CHECK(kept("http://a.example/", "k=v; Path=/p", "http://a.example/pq").empty());
    CHECK(kept("http://a.example/", "k=v", "http://b.example/").empty());
    CHECK(kept("http://a.b.example/", "k=v; Domain=.b.example", "http://c.b.example/") == "k=v");
    CHECK(kept("http://a.example/", "k=v; Domain=b.example", "http://b.example/").empty());
    CHECK(kept("http://a.example/", "k=v; Domain=example", "http://c.example/").empty());
    CHECK(kept("http://10.0.0.1/", "k=v; Domain=10.0.0.1", "http://10.0.0.1/") == "k=v");
    CHECK(kept("https://a.example/", "k=v; secure", "http://a.example/").empty());
    CHECK(kept("https://a.example/", "k=v; Secure; HttpOnly", "https://a.example/") == "k=v");
    CHECK(kept("http://a.example/", "k=v; Secure", "https://a.example/").empty());
    CHECK(
        kept("http://a.example/", "k=v; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "http://a.example/").empty());
    CHECK(
        kept("http://a.example/", "k=v; Expires=Thu, 01-Jan-1970 00:00:00 GMT", "http://a.example/").empty());
    CHECK(kept("http://a.example/", "k=v; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
               "http://a.example/") == "k=v");
    CHECK(kept("http://a.example/", "k=v=w ; x", "http://a.example/") == "k=v=w");
    CHECK(kept("http://a.example/", "=v", "http://a.example/").empty());
}

TEST_CASE("paths and Location keep their bytes") {
    Site site;
    site.on("/api/aliveness-test/%2F", {kOk});
    site.on("/redirect", {redirect("/api/aliveness-test/%2F")});
    site.on("/b/%7euser/%c3%A9?q=%20%2f+a", {kOk});
    site.on("/redirect-2", {redirect(site.url("/b/%7euser/%c3%A9?q=%20%2f+a"))});
    site.on("/caf%C3%A9%20x|y", {kOk});
    site.on("/utf8", {redirect("/caf\xc3\xa9 x|y")});
    site.on("/locrel/x", {redirect("y?a=1")});
    site.on("/locrel/y?a=1", {kOk});
    site.on("/query", {redirect("?ok=1")});
    site.on("/query?ok=1", {kOk});
    site.on("/fragment", {redirect("/ok#top")});
    site.on("/ok", {kOk});
    site.on("/up/a/b", {redirect("../../ok")});
    site.on("/network", {redirect("//" + site.url("/ok").substr(7))});
    for (const char* path : {"/api/aliveness-test/%2F", "/redirect", "/redirect-2", "/utf8",
                             "/caf\xc3\xa9 x|y", "/locrel/x", "/query", "/fragment", "/up/a/b", "/network"}) {
        INFO(path);
        CHECK(site.verdict(path).empty());
    }
    // Without a place, a redirect is an answer as any other.
    site.on("/empty", {redirect("")});
    site.on("/absent", {status("302 Found")});
    site.on("/300", {status("300 Multiple Choices", "Location: /ok\r\n")});
    site.on("/304", {"HTTP/1.1 304 Not Modified\r\nLocation: /ok\r\n\r\n"});
    for (const char* path : {"/empty", "/absent", "/300", "/304"}) {
        INFO(path);
        CHECK(site.verdict(path) == "status");
    }
}

TEST_CASE("ten redirects, and the requests that they become") {
    Site site;
    for (int i = 1; i < 20; ++i) {
        site.on("/red/" + std::to_string(i), {redirect("/red/" + std::to_string(i - 1))});
    }
    site.on("/red/0", {kOk});
    for (const char* path : {"/red/1", "/red/6", "/red/10"}) {
        CHECK(site.verdict(path).empty());
    }
    std::string why;
    CHECK(site.verdict("/red/11", &why) == "redirects");
    CHECK(why == site.url("/red/1") + ": more than 10 redirects");
    site.on("/away", {redirect("gopher://example.org/")});
    CHECK(site.verdict("/away", &why) == "redirects");
    CHECK(why == site.url("/away") + ": a redirect to a forbidden place: gopher://example.org/");

    Site methods;
    for (const char* code : {"301", "302", "303", "307", "308"}) {
        methods.on(std::string("/") + code, {status(std::string(code) + " Moved", "Location: /ok\r\n")});
    }
    methods.on("/ok", {kOk});
    const std::map<std::string, std::string> expected = {
        {"301", "GET"}, {"302", "GET"}, {"303", "GET"}, {"307", "POST"}, {"308", "POST"}};
    for (const auto& [code, method] : expected) {
        auto check = methods.check("/" + code);
        check.method = "POST";
        CHECK(Site::reasonOf(Site::ask(check)).empty());
        CHECK(methods.requests().back().starts_with(method + " /ok "));
    }
}

TEST_CASE("other protocols at the port are named") {
    Site site;
    const std::pair<const char*, const char*> cases[] = {
        {"SSH-2.0-OpenSSH_9.2\r\n", "not an HTTP answer: \"SSH-2.0-OpenSSH_9.2\""},
        {"220 mail.example.org ESMTP\r\n", "not an HTTP answer: \"220 mail.example.org ESMTP\""},
        {"\x15\x03\x01", "the port speaks TLS and no plain HTTP: the URL needs https://"},
    };
    for (const auto& [answer, words] : cases) {
        site.on("/", {answer}, Site::End::keep);
        std::string why;
        CHECK(site.verdict("/", &why) == "protocol");
        CHECK(why == site.url("/") + ": " + words);
    }
    site.on(
        "/400",
        {"HTTP/1.1 400 Bad Request\r\n\r\n<title>400 The plain HTTP request was sent to HTTPS port</title>"});
    std::string why;
    CHECK(site.verdict("/400", &why) == "status");
    CHECK(why == site.url("/400") + ": HTTP 400: the port speaks TLS: the URL needs https://");
    site.on("/401", {status("401 Unauthorized")});
    CHECK(site.verdict("/401", &why) == "status");
    CHECK(why == site.url("/401") + ": HTTP 401: user and password_file are needed, or wrong");
    ScriptServer plain([](Peer& peer) { peer.write(status("400 Bad Request")); });
    app::Check check;
    check.url = "https" + plain.url().substr(4) + "/";
    CHECK(Site::reasonOf(Site::ask(check, &why)) == "tls");
    CHECK(contains(why, "the port speaks no TLS (wrong version number)"));
}

TEST_CASE("a server that closes without an answer is asked in HTTP/2, too") {
    std::mutex mutex;
    std::vector<std::string> requests;
    ScriptServer server([&](Peer& peer) {
        auto request = peer.readRequest();
        const std::lock_guard lock(mutex);
        requests.push_back(std::move(request));
    });
    app::Check check;
    check.url = server.url() + "/";
    std::string why;
    CHECK(Site::reasonOf(Site::ask(check, &why)) == "protocol");
    CHECK(why == check.url + ": the connection was closed without an answer");
    const std::lock_guard lock(mutex);
    REQUIRE(requests.size() == 2);
    CHECK(requests[0].starts_with("GET / HTTP/1.1\r\n"));
    CHECK(requests[1] == "PRI * HTTP/2.0\r\n\r\n");
}

TEST_CASE("TLS: the virtual host's name, and refusals in words") {
    const test::TemporaryFolder dir;
    const test::TestCa ca(dir, "ca");
    std::string seen;
    std::mutex mutex;
    const ScriptServer::Tls named{ca.issue({"shop", "DNS:shop.example,DNS:www.shop.example"}, "shop.pem"),
                                  ""};
    ScriptServer server(
        [&](Peer& peer) {
            auto request = peer.readRequest();
            const std::lock_guard lock(mutex);
            seen = std::move(request);
            peer.write(contains(seen, "GET /moved") ? redirect("https://shop.example:" + std::string("1/"))
                                                    : kOk);
        },
        &named);
    const auto port = std::to_string(server.port());
    app::Check check;
    check.url = "https://127.0.0.1:" + port + "/";
    check.ca_file = ca.certificate();
    std::string why;
    CHECK(Site::reasonOf(Site::ask(check, &why)) == "tls");
    CHECK(why == check.url + ": the certificate is for shop.example, www.shop.example, not for 127.0.0.1");
    check.server_name = "shop.example";
    CHECK(Site::reasonOf(Site::ask(check)).empty());
    CHECK(contains(seen, "\r\nHost: shop.example:" + port + "\r\n"));
    check.headers = {{"Host", "www.shop.example"}};
    CHECK(Site::reasonOf(Site::ask(check)).empty());
    CHECK(contains(seen, "\r\nHost: www.shop.example\r\n"));
    check.server_name = "";
    CHECK(Site::reasonOf(Site::ask(check)).empty());
    check.headers = {{"Host", "other.example"}};
    CHECK(Site::reasonOf(Site::ask(check, &why)) == "tls");
    // A redirect to the virtual host's name goes to the configured address.
    check.headers.clear();
    check.server_name = "shop.example";
    check.url = "https://127.0.0.1:" + port + "/moved";
    CHECK(Site::reasonOf(Site::ask(check, &why)) == "refused");

    const ScriptServer::Tls demanding{ca.issue({"local", "IP:127.0.0.1"}, "local.pem"), ca.certificate()};
    ScriptServer strict([](Peer& peer) { peer.write(kOk); }, &demanding);
    app::Check refused;
    refused.url = strict.url() + "/";
    refused.ca_file = ca.certificate();
    CHECK(Site::reasonOf(Site::ask(refused, &why)) == "tls");
    CHECK(contains(why, "the server requires a client certificate"));
}

TEST_CASE("a redirect to the name in the header Host stays at the URL's server") {
    Site site;
    site.on("/", {redirect("http://shop.example/in")});
    site.on("/in", {kOk});
    auto check = site.check("/");
    check.headers = {{"Host", "shop.example"}, {"X-Token", "word"}};
    CHECK(Site::reasonOf(Site::ask(check)).empty());
    CHECK(contains(site.requests().back(), "\r\nHost: shop.example\r\n"));
    CHECK(contains(site.requests().back(), "\r\nX-Token: word\r\n"));
    // By server_name alone the name keeps the URL's port.
    check.headers.clear();
    check.server_name = "shop.example";
    site.on("/", {redirect("http://shop.example" +
                           site.url("/in").substr(std::string("http://127.0.0.1").size()))});
    CHECK(Site::reasonOf(Site::ask(check)).empty());
}

TEST_CASE("a redirect from https to http is followed, and shows") {
    const test::TemporaryFolder dir;
    const test::TestCa ca(dir, "ca");
    const ScriptServer::Tls tls{ca.issue({"local", "IP:127.0.0.1"}, "local.pem"), ""};
    Site plain;
    plain.on("/plain", {kOk});
    ScriptServer server(
        [&](Peer& peer) {
            peer.readRequest();
            peer.write(redirect(plain.url("/plain"), "Set-Cookie: s=1; Secure\r\n"));
        },
        &tls);
    app::Check check;
    check.url = server.url() + "/";
    check.ca_file = ca.certificate();
    check.headers = {{"X-Token", "quiet-word"}};
    const auto samples = Site::ask(check);
    CHECK(Site::reasonOf(samples).empty());
    CHECK(samples.value("probe_http_ssl") == 0);
    CHECK(samples.value("probe_http_redirects") == 1);
    CHECK_FALSE(contains(plain.requests().back(), "quiet-word"));
    CHECK_FALSE(contains(plain.requests().back(), "Cookie"));
}
