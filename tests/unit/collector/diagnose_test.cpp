#include "collector/command/diagnose.h"

#include <filesystem>
#include <fstream>

#include "tests/unit/catch.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using namespace lapwing::collector;
using doctor::Report;

namespace {

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

std::string vector(const std::string& samples) {
    return R"({"status":"success","data":{"resultType":"vector","result":[)" + samples + "]}}";
}

Report receivers(const std::vector<Receiver>& all, const std::string& troubles, const std::string& counts) {
    Report out;
    diagnoseReceivers(out, all, json::parse(vector(troubles)), json::parse(vector(counts)),
                      "lapwing-collector", "/etc/lapwing/collector.d");
    return out;
}

}  // namespace

TEST_CASE("a receiver is judged by the collector's word, and by an attempt where it got nothing yet") {
    Receiver one{"webhook[0]", "/c.yaml", 7, Endpoint{"hooks", 443}, true, std::nullopt};
    const std::string accepted =
        R"({"metric":{"receiver":"webhook[0]","result":"accepted"},"value":[1,"3"]})";
    const std::string trouble =
        R"({"metric":{"receiver":"webhook[0]","state":"failing","reason":"403 Forbidden"},"value":[1,"1"]})";
    CHECK(receivers({one}, "", accepted).allWell());
    CHECK(receivers({one}, "", "").checks().at(0).result == Report::Result::unknown);
    // What was accepted once does not hide the trouble of now.
    const auto failing = receivers({one}, trouble, accepted).checks().at(0);
    CHECK(has(failing.found, "403 Forbidden"));
    CHECK(has(failing.fix, "editor +7 /c.yaml && lapwing-collector check-config"));
    auto other = one;
    other.name = "webhook[1]";
    CHECK(receivers({other}, trouble, "").allWell());
    one.error = "Connection refused";
    CHECK(has(receivers({one}, "", "").checks().at(0).fix, "# start what listens at hooks:443"));
    CHECK(has(receivers({one}, "", accepted).checks().at(0).found, "Connection refused"));
    one.resolved = false;
    CHECK(receivers({one}, "", "").checks().at(0).area == "names");
    CHECK_FALSE(receivers({one}, "", accepted).allWell());
    CHECK(has(receivers({}, "", "").checks().at(0).fix, "20-notify.yaml"));
}

TEST_CASE("agents that report, are silent, never reported, or are mixed up") {
    Report out;
    diagnoseAgents(
        out,
        json::parse(R"({"data":[{"host":"a","state":"ok"},)"
                    R"({"host":"b","state":"silent","last_seen_seconds":90.4},)"
                    R"({"host":"c","state":"never_reported"},)"
                    R"({"host":"d","state":"ok","warnings":[{"kind":"k","text":"two machines"}]}]})"),
        "lapwing-collector");
    REQUIRE(out.checks().size() == 5);
    CHECK(out.checks()[0].result == Report::Result::well);
    CHECK(has(out.checks()[1].found, "90 s ago"));
    CHECK(has(out.checks()[2].fix, "lapwing-collector invite c"));
    CHECK(has(out.checks()[4].fix, "lapwing-collector revoke d"));
    Report none;
    diagnoseAgents(none, json::parse(R"({"data":[]})"), "lapwing-collector");
    CHECK(has(none.checks().at(0).fix, "lapwing-collector invite HOST"));
}

TEST_CASE("clocks, the database and the ends of certificates") {
    Report out;
    diagnoseClocks(out, json::Document(), "fix");
    CHECK(out.checks().empty());
    diagnoseClocks(out,
                   json::parse(R"({"data":{"collector":{"judgement":"wrong","text":"2 h ahead"},"agents":)"
                               R"([{"host":"a","judgement":"wrong","text":"1 h behind"},)"
                               R"({"host":"b","judgement":"agrees"}]}})"),
                   "fix");
    REQUIRE(out.checks().size() == 2);
    CHECK(out.checks()[0].fix == "fix");
    CHECK(has(out.checks()[1].fix, "on a"));
    Report database;
    diagnoseDatabase(database, json::parse(vector("")), "/db");
    diagnoseDatabase(database, json::parse(vector(R"({"metric":{},"value":[1,"2"]})")), "/db");
    diagnoseDatabase(database, json::Document(), "/db");
    CHECK(database.checks()[0].result == Report::Result::well);
    CHECK(database.checks()[1].result == Report::Result::wrong);
    CHECK(database.checks()[2].result == Report::Result::unknown);
    constexpr std::time_t day = 86'400;
    Report ends;
    for (const std::time_t end : {99 * day, 110 * day, 200 * day}) {
        diagnoseEnd(ends, "x", end, 100 * day, "renew");
    }
    CHECK(ends.checks()[0].fix == "renew");
    CHECK(has(ends.checks()[1].found, "it ends at"));
    CHECK(ends.checks()[2].result == Report::Result::well);
}

TEST_CASE("patterns that no file matches") {
    const test::TemporaryFolder dir;
    CHECK(unmatched({dir.path("*.yml")}) == std::vector<std::string>{dir.path("*.yml")});
    std::ofstream(dir.path("a.yml")) << "groups: []\n";
    CHECK(unmatched({dir.path("*.yml"), dir.path("absent.yml")}).empty());
}
