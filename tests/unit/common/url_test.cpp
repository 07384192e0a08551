#include "common/http/url.h"

#include <utility>

#include "tests/unit/catch.h"

using lapwing::ErrorKind;
using lapwing::http::Url;

namespace {

/// The URL as it is requested; "" for an unusable one.
std::string read(const std::string& text) {
    const auto url = Url::parse(text);
    return url ? url->toString() : "";
}

std::string resolved(const std::string& base, const std::string& reference) {
    const auto url = Url::parse(base)->resolve(reference);
    return url ? url->toString() : "";
}

}  // namespace

TEST_CASE("the parts of a URL") {
    const auto url = Url::parse("HTTPS://Web-01.Example:8443/a/b?c=d#e");
    REQUIRE(url);
    CHECK(url->tls);
    CHECK(url->host == "web-01.example");
    CHECK(url->port == 8443);
    CHECK(url->target == "/a/b?c=d");
    CHECK(url->authority() == "web-01.example:8443");
    CHECK(url->server() == "https://web-01.example:8443");
    const auto ipv6 = Url::parse("http://[2001:DB8::1]?q");
    REQUIRE(ipv6);
    CHECK(ipv6->host == "2001:db8::1");
    CHECK(ipv6->port == 80);
    CHECK(ipv6->target == "/?q");
    CHECK(ipv6->authority() == "[2001:db8::1]");
    CHECK(ipv6->server() == "http://[2001:db8::1]:80");
    CHECK(Url::parse("http://[fe80::1%eth0]:81/")->host == "fe80::1%eth0");
    CHECK(Url::parse("https://h:443/")->authority() == "h");
    CHECK(Url::parse("http://h:443/")->authority() == "h:443");
}

TEST_CASE("escapes keep their bytes, and only characters that a request cannot carry are escaped") {
    for (const auto& [text, target] : {
             std::pair("http://h/a%2Fb%2f%7e", "/a%2Fb%2f%7e"),
             std::pair("http://h/%zz%", "/%zz%"),
             std::pair("http://h/caf\xc3\xa9 x|y", "/caf%C3%A9%20x|y"),
             std::pair("http://h/\"<>`{}?\"<>`{}", "/%22%3C%3E%60%7B%7D?%22%3C%3E`{}"),
             std::pair("http://h/a;b=c,d:e@f!$&'()*+", "/a;b=c,d:e@f!$&'()*+"),
             std::pair("http://h/a\\b?c\\d", "/a/b?c\\d"),
             std::pair("http://h/a/./b/../c/%2e%2e/", "/a/c/%2e%2e/"),
             std::pair("http://h//a//b", "//a//b"),
             std::pair("http://h?/x/../y", "/?/x/../y"),
             std::pair("http://h/\xff", "/%FF"),
             std::pair(" http://h/a\tb\n ", "/ab"),
         }) {
        INFO(text);
        const auto url = Url::parse(text);
        REQUIRE(url);
        CHECK(url->target == target);
    }
}

TEST_CASE("what is no http or https URL") {
    for (const char* text : {"",
                             "h",
                             "/a",
                             "//h/a",
                             "ftp://h/",
                             "http:",
                             "http:/h",
                             "http://",
                             "http:///a",
                             "http://:80/",
                             "http://h:0/",
                             "http://h:65536/",
                             "http://h:x/",
                             "http://[::1/",
                             "http://[]/",
                             "http://[::1]x/",
                             "http://[h]/",
                             "http://a b/",
                             "http://a%41/",
                             "http://h:80:80/",
                             "javascript:alert(1)"}) {
        INFO(text);
        CHECK(read(text).empty());
    }
    const auto secret = Url::parse("http://user:s3cret@h/");
    REQUIRE_FALSE(secret);
    CHECK(secret.error().kind == ErrorKind::invalid);
    CHECK(secret.error().message == "not a usable URL: credentials do not belong into a URL");
}

TEST_CASE("references, as in Location") {
    const std::string base = "http://a:81/x/y?z";
    CHECK(resolved(base, "../b?c") == "http://a:81/b?c");
    CHECK(resolved(base, "b") == "http://a:81/x/b");
    CHECK(resolved(base, "/b%2Fc") == "http://a:81/b%2Fc");
    CHECK(resolved(base, "?q") == "http://a:81/x/y?q");
    CHECK(resolved(base, "#top") == base);
    CHECK(resolved(base, "") == base);
    CHECK(resolved(base, ".") == "http://a:81/x/");
    CHECK(resolved(base, "./..") == "http://a:81/");
    CHECK(resolved(base, "../../../b") == "http://a:81/b");
    CHECK(resolved(base, "b?c/../d") == "http://a:81/x/b?c/../d");
    CHECK(resolved(base, "a:b") == "");
    CHECK(resolved(base, "./a:b") == "http://a:81/x/a:b");
    CHECK(resolved("http://a/x", "//b/c") == "http://b/c");
    CHECK(resolved("https://a/x", "//b/c") == "https://b/c");
    CHECK(resolved("http://a/x", "https://b:1/") == "https://b:1/");
    CHECK(resolved("http://a/x", "HTTP://B") == "http://b/");
    CHECK(resolved("http://a/x", "file:///etc/passwd").empty());
    CHECK(resolved("http://a/x", "http://user:pw@b/").empty());
    CHECK(resolved("http://a/x", "http://[::1/").empty());
}
