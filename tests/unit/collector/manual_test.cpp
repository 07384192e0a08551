#include "collector/config/manual.h"

#include <set>

#include "collector/config/config.h"
#include "tests/unit/catch.h"

using namespace lapwing;

TEST_CASE("The manual has every key of the collector's configuration, and no other") {
    const config::AskedKeys asked;
    config::Reader reader;
    // One entry of each list and each map that may be a word: their keys are asked for only where they stand.
    // The values are wrong, which does not matter here.
    collector::readConfig(reader.text(
        "http: { tls: { cert: x } }\n"
        "site: { replication: [ { primary: a } ], allow: [ { to: a } ], accept: [ { finding: R1 } ],"
        " groups: [ { name: a } ] }\n"
        "notify: { webhook: [ { url: a } ], email: [ { to: a } ], alertmanager: [ { url: a } ],"
        " heartbeat: { url: a }, inhibit: [ { source: [ a=b ] } ],"
        " routes: [ { to: a } ] }\n"
        "forward: [ { url: a } ]\n",
        "c.yaml"));
    std::set<std::string> told;
    for (const auto& key : collector::manualPage().keys) {
        INFO(key.path);
        CHECK(told.insert(key.path).second);
        CHECK(std::string(key.text).ends_with('.'));
        CHECK(*key.type != '\0');
    }
    CHECK(told == asked.keys());
}

TEST_CASE("A manual page holds no request of roff but its own") {
    constexpr config::ManualKey keys[] = {{"a.b-c", "text", "", ".so /etc/passwd\\n"}};
    const auto page = config::manualText({"x.yaml", "a test", "/etc/x.yaml", "x", keys});
    CHECK(page.find("\n.SS a\n.TP\n.BR \"a.b\\-c\" \" (text)\"\n\\&.so /etc/passwd\\en\n") !=
          std::string::npos);
}
