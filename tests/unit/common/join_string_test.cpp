#include "common/join_string.h"

#include <random>
#include <set>

#include "tests/unit/catch.h"

using namespace lapwing;

namespace {

JoinString sample() {
    JoinString out;
    out.secret = "00112233445566778899aabbccddeeff";
    out.pin = std::string(62, 'a') + "01";
    out.host = "web-01";
    out.addresses = {"10.77.0.20:9766", "[2001:db8::1]:9766", "mon.example.org:9766"};
    return out;
}

std::string refusal(const std::string& text) {
    const auto read = JoinString::parse(text);
    REQUIRE_FALSE(read);
    CHECK(read.error().kind == ErrorKind::invalid);
    CHECK(read.error().message.find('\n') == std::string::npos);
    return read.error().message;
}

}  // namespace

TEST_CASE("a string to join is read as it was written, and fits into quotes of a shell") {
    for (const auto& host : {std::string("web-01"), std::string()}) {
        auto written = sample();
        written.host = host;
        const auto text = written.toString();
        CHECK(text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
              std::string::npos);
        CHECK(text.starts_with("lapwing1."));
        const auto read = JoinString::parse(text);
        REQUIRE(read);
        CHECK(read->secret == written.secret);
        CHECK(read->pin == written.pin);
        CHECK(read->host == host);
        CHECK(read->addresses == written.addresses);
    }
}

// It attacks "a string to join".
TEST_CASE("a string that is cut, changed or longer is refused") {
    const auto text = sample().toString();
    for (std::size_t size = 0; size < text.size(); ++size) {
        refusal(text.substr(0, size));
    }
    for (std::size_t i = 9; i < text.size(); ++i) {
        auto changed = text;
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        // The last character has bits that stand for nothing.
        if (const auto read = JoinString::parse(changed); read) {
            CHECK(i + 1 == text.size());
            CHECK(read->secret == sample().secret);
        }
    }
    refusal(text + "A");
    refusal(text + " ");
    refusal(" " + text);
    refusal(text + "\n");
    refusal(text + "=");
    CHECK(refusal("lapwing2." + text.substr(9)).find("does not begin with lapwing1.") != std::string::npos);
    CHECK(refusal("lapwing1." + std::string(5000, 'A')).find("longer than 4096 bytes") != std::string::npos);
}

TEST_CASE("random bytes are no string to join") {
    std::mt19937 random(7);
    std::uniform_int_distribution<int> byte(0, 255);
    std::uniform_int_distribution<std::size_t> length(0, 300);
    for (int i = 0; i < 5000; ++i) {
        std::string text = i % 2 == 0 ? "lapwing1." : "";
        const auto size = length(random);
        for (std::size_t j = 0; j < size; ++j) {
            text += static_cast<char>(i % 3 == 0 ? 'A' + byte(random) % 26 : byte(random));
        }
        refusal(text);
    }
}

TEST_CASE("a well-formed string with a name or an address that nothing may have is refused") {
    for (const auto& host : {"../x", "web 01", "Web", "a..b"}) {
        auto bad = sample();
        bad.host = host;
        CHECK(refusal(bad.toString()).find("names no host") != std::string::npos);
    }
    for (const auto& address : {"10.77.0.20", ":9766", "*:9766", "a b:9766", "mon\t:9766", ""}) {
        auto bad = sample();
        bad.addresses = {address};
        CHECK(refusal(bad.toString()).find("addresses") != std::string::npos);
    }
    auto many = sample();
    many.addresses.assign(JoinString::kMostAddresses + 1, "10.77.0.20:9766");
    refusal(many.toString());
}

TEST_CASE("each secret has 128 bits of its own") {
    std::set<std::string> seen;
    for (int i = 0; i < 100; ++i) {
        const auto secret = newJoinSecret();
        REQUIRE(secret);
        CHECK(secret->size() == 2 * JoinString::kSecretBytes);
        CHECK(seen.insert(*secret).second);
    }
}
