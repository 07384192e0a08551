#include "agent/config/manual.h"

#include <set>

#include "agent/config/config.h"
#include "common/config/reader.h"
#include "tests/unit/catch.h"

using namespace lapwing;

TEST_CASE("The manual has every key of the agent's configuration, and no other") {
    const config::AskedKeys asked;
    config::Reader reader;
    // One entry of each list and each map that may be a word: their keys are asked for only where they stand.
    // The values are wrong, which does not matter here.
    agent::parseConfig(reader,
                       "peers: [ { host: a } ]\n"
                       "probes:\n"
                       "  node: { proc: /proc }\n"
                       "  nginx: [ { url: a } ]\n"
                       "  app: [ { url: a } ]\n"
                       "  haproxy: [ { url: a } ]\n"
                       "  mysql: [ { socket: /a, heartbeat: { mode: auto } } ]\n"
                       "  inventory: { files: [ { name: a } ] }\n"
                       "  logs: [ { access: /a } ]\n"
                       "  textfile: { directory: /a }\n"
                       "  units: { watch: a }\n"
                       "  exec: [ { name: a } ]\n"
                       "  scrape: [ { name: a } ]\n",
                       "a.yaml", agent::probeKinds());
    std::set<std::string> told;
    for (const auto& key : agent::manualPage().keys) {
        INFO(key.path);
        CHECK(told.insert(key.path).second);
        CHECK(std::string(key.text).ends_with('.'));
        CHECK(*key.type != '\0');
    }
    CHECK(told == asked.keys());
}
