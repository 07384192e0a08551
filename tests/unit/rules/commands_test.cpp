#include "collector/notify/commands.h"

#include <array>
#include <cstdio>

#include "tests/unit/catch.h"

using namespace lapwing;

namespace {

/// The words of a command as a shell reads them.
std::string words(const std::string& command) {
    const auto line = "printf '[%s]' " + command;
    FILE* out = ::popen(line.c_str(), "r");
    REQUIRE(out != nullptr);
    std::string text;
    std::array<char, 256> buffer{};
    while (std::fgets(buffer.data(), buffer.size(), out) != nullptr) {
        text += buffer.data();
    }
    REQUIRE(::pclose(out) == 0);
    return text;
}

}  // namespace

TEST_CASE("a shell reads the command that silences an alert as it is meant") {
    const Labels alert{{"alertname", "Down"},
                       {"my.team", "we"},
                       {"path", "/srv/$(touch x) `y` 'z' \"w\" \\ ; & *"},
                       {"severity", "critical"}};
    CHECK(
        words(notify::silenceCommand(alert)) ==
        "[sudo][lapwing-collector][silence][1h][--matcher][alertname=\"Down\"][--matcher][\"my.team\"=\"we\"]"
        "[--matcher][path=\"/srv/$(touch x) `y` 'z' \"w\" \\ ; & *\"][--comment][WHY]");
    CHECK(notify::silenceCommand(Labels{{"a", "two\nlines"}}).empty());
    CHECK(notify::silenceCommand(Labels{{"a", "\x1b[2J"}}).empty());
}

TEST_CASE("the command that accepts a finding is there for alerts about one") {
    CHECK(notify::acceptCommand(Labels{{"id", "R1"}, {"subject", "haproxy@lb-01"}}) ==
          "sudo lapwing-collector accept R1 haproxy@lb-01 --until 30d --reason 'WHY'");
    CHECK(words(notify::acceptCommand(Labels{{"id", "R14"}, {"subject", "a b'c"}})).find("[a b'c]") !=
          std::string::npos);
    CHECK(notify::acceptCommand(Labels{{"id", "R1"}}).empty());
}
