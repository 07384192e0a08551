#include "common/endpoint.h"

#include "tests/unit/catch.h"

using namespace lapwing;

namespace {

std::optional<Endpoint> endpoint(const char* host, int port) {
    return Endpoint{host, static_cast<std::uint16_t>(port)};
}

}  // namespace

TEST_CASE("an endpoint is read in every form in which servers print it") {
    CHECK(Endpoint::parse("10.77.0.11:80") == endpoint("10.77.0.11", 80));
    CHECK(Endpoint::parse("10.77.0.11") == endpoint("10.77.0.11", 0));
    CHECK(Endpoint::parse("[2001:db8:77::11]:8080") == endpoint("2001:db8:77::11", 8080));
    CHECK(Endpoint::parse("[2001:db8:77::11]") == endpoint("2001:db8:77::11", 0));
    CHECK(Endpoint::parse("2001:db8:77::11") == endpoint("2001:db8:77::11", 0));
    CHECK(Endpoint::parse("1:2:3:4:5:6:7:8:80") == endpoint("1:2:3:4:5:6:7:8", 80));
    CHECK(Endpoint::parse("[fe80::1%eth0]:80") == endpoint("fe80::1%eth0", 80));
    CHECK(Endpoint::parse("::1") == endpoint("::1", 0));
    CHECK(Endpoint::parse("[::]:443") == endpoint("::", 443));
    CHECK(Endpoint::parse("[::ffff:10.0.0.1]:80") == endpoint("::ffff:10.0.0.1", 80));
    CHECK(Endpoint::parse("web-01.example.org:8080") == endpoint("web-01.example.org", 8080));
    CHECK(Endpoint::parse("app_server") == endpoint("app_server", 0));
    CHECK(Endpoint::parse("*:80") == endpoint("*", 80));
    CHECK(Endpoint::parse(":80") == endpoint("", 80));
}

TEST_CASE("malformed endpoints are refused") {
    for (const char* text :
         {"", "unix:/run/app.sock", "/run/app.sock", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536",
          "10.0.0.1:80x", "10.0.0.1:-1", "10.0.0.1: 80", "[2001:db8::1", "[2001:db8::1]80",
          "[2001:db8::1]:", "[10.0.0.1]:80", "[]:80", "a b:80", "http://web-01:80", "web:80:90"}) {
        CAPTURE(text);
        CHECK_FALSE(Endpoint::parse(text));
    }
}

TEST_CASE("an endpoint is printed as it is read") {
    for (const char* text : {"10.77.0.11:80", "10.77.0.11", "[2001:db8:77::11]:8080", "2001:db8:77::11",
                             "[fe80::1%eth0]:80", "web-01:8080", "web-01", "*:80", ":80"}) {
        CAPTURE(text);
        CHECK(Endpoint::parse(text)->toString() == text);
    }
    CHECK(Endpoint::parse("[2001:db8::1]")->toString() == "2001:db8::1");
}

TEST_CASE("the address of an endpoint has no zone, and a name has no address") {
    CHECK(Endpoint::parse("[fe80::1%eth0]:80")->address() == reach::Address::parse("fe80::1"));
    CHECK(Endpoint::parse("10.0.0.1:80")->address() == reach::Address::parse("10.0.0.1"));
    CHECK_FALSE(Endpoint::parse("web-01:80")->address());
    CHECK_FALSE(Endpoint::parse("*:80")->address());
}

TEST_CASE("a URL names an endpoint") {
    CHECK(Endpoint::ofUrl("http://10.77.0.10/") == endpoint("10.77.0.10", 80));
    CHECK(Endpoint::ofUrl("https://www.example.org/a?b#c") == endpoint("www.example.org", 443));
    CHECK(Endpoint::ofUrl("http://[2001:db8:77::10]:8080/x") == endpoint("2001:db8:77::10", 8080));
    CHECK(Endpoint::ofUrl("https://[2001:db8:77::10]") == endpoint("2001:db8:77::10", 443));
    CHECK(Endpoint::ofUrl("http://user:secret@web-01:81/") == endpoint("web-01", 81));
    CHECK(Endpoint::ofUrl("http://web-01?x") == endpoint("web-01", 80));
    CHECK(Endpoint::ofUrl("web-01:8080") == endpoint("web-01", 8080));
    CHECK(Endpoint::ofUrl("10.77.0.10") == endpoint("10.77.0.10", 80));
    CHECK_FALSE(Endpoint::ofUrl("http://"));
    CHECK_FALSE(Endpoint::ofUrl("http://web-01:http/"));
    CHECK_FALSE(Endpoint::ofUrl("http://web 01/"));
}

TEST_CASE("localhost, 127.0.0.0/8 and ::1 are the loopback") {
    for (const char* text : {"localhost:80", "LOCALHOST", "127.0.0.1", "127.1.2.3:80", "[::1]:80"}) {
        INFO(text);
        CHECK(Endpoint::parse(text)->loopback());
    }
    for (const char* text :
         {"web-01:80", "127.example.org", "128.0.0.1", "[::2]:80", "*:80", "localhost.example.org"}) {
        INFO(text);
        CHECK_FALSE(Endpoint::parse(text)->loopback());
    }
}

TEST_CASE("the last colon is the one before the port, as HAProxy reads it") {
    CHECK(Endpoint::beforeLastColon("2001:db8::1:80") == Endpoint{"2001:db8::1", 80});
    CHECK(Endpoint::beforeLastColon("[::1]:443") == Endpoint{"::1", 443});
    CHECK(Endpoint::beforeLastColon("*:80") == Endpoint{"*", 80});
    CHECK(Endpoint::beforeLastColon(":80") == Endpoint{"", 80});
    for (const char* text : {"", "80", "web-01", "web-01:", "web-01:http", "web-01:0", "web-01:70000"}) {
        INFO(text);
        CHECK_FALSE(Endpoint::beforeLastColon(text));
    }
}
