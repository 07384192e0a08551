#include <cstdio>
#include <fstream>

#include "collector/analysis/book.h"
#include "collector/analysis/exposure/remedy.h"
#include "common/reach/ruleset.h"
#include "common/run_tool.h"
#include "tests/unit/catch.h"

using namespace lapwing;
using namespace lapwing::analysis;

TEST_CASE("the JSON of the proposed ruleset has the intended verdicts, and nft accepts the text") {
    const std::vector<exposure::Flow> flows{
        {{}, 22, "ssh"},
        {{*reach::AddressRange::parse("10.77.0.10"), *reach::AddressRange::parse("10.77.0.12")},
         80,
         "the load balancer"},
        {{*reach::AddressRange::parse("fd77::12")}, 3306, "the database's peers"}};
    const auto rules = reach::Ruleset::parse(exposure::tableJson(exposure::inputTable(flows)));
    REQUIRE(rules);
    const auto verdict = [&](const char* source, std::uint16_t port) {
        reach::Packet packet;
        packet.source = reach::AddressRange::of(*reach::Address::parse(source));
        packet.destination =
            *reach::Address::parse(packet.source.family == reach::Family::ipv4 ? "10.77.0.11" : "fd77::11");
        packet.port = port;
        packet.interface = "eth0";
        return rules->evaluate(packet).verdict;
    };
    CHECK(verdict("8.8.8.8", 22) == reach::Verdict::must_reach);
    CHECK(verdict("8.8.8.8", 80) == reach::Verdict::must_block);
    CHECK(verdict("10.77.0.10", 80) == reach::Verdict::must_reach);
    CHECK(verdict("10.77.0.10", 3306) == reach::Verdict::must_block);
    CHECK(verdict("fd77::12", 3306) == reach::Verdict::must_reach);

    const std::string file = "/tmp/lapwing-remedy-" + std::to_string(getpid()) + ".nft";
    std::ofstream(file) << exposure::tableText(exposure::inputTable(flows));
    const auto checked =
        lapwing::runTool({"/usr/sbin/nft", "-c", "-f", file}, std::chrono::seconds(5), 1U << 20);
    std::remove(file.c_str());
    if (checked.status == lapwing::ReadStatus::denied || checked.status == lapwing::ReadStatus::absent) {
        test::skip("nft -c: " + checked.error);
    }
    INFO(checked.error);
    CHECK(checked.status == lapwing::ReadStatus::ok);
}

TEST_CASE("the book keeps start times, clears only evaluated findings, and reloads from its JSON") {
    Book book;
    Judgement first;
    Finding finding;
    finding.id = "F1";
    finding.subject = "web-01";
    finding.title = "a \"title\"\nwith lines";
    finding.severity = Severity::high;
    finding.confidence = Confidence::confirmed;
    finding.evidence = {{"ruleset", "none"}};
    finding.not_assessed = {"the cloud"};
    first.findings = {finding};
    book.update(first, 1000);
    book.update(first, 2000);
    CHECK(book.findings().at(0).since == 1000);

    Book copy;
    REQUIRE(copy.load(book.toJson()));
    CHECK(copy.toJson() == book.toJson());
    CHECK_FALSE(copy.load("{}"));
    CHECK(copy.findings().empty());

    book.update({}, 3000);
    CHECK(book.findings().at(0).confidence == Confidence::unknown);
    book.update({}, 4000);
    CHECK(book.findings().at(0).evidence.size() == 2);
    Judgement cleared;
    cleared.judged = {{"F1", "web-01"}};
    book.update(cleared, 5000);
    CHECK(book.findings().empty());
    book.update(first, 6000);
    CHECK(book.findings().at(0).since == 6000);
    Judgement vanished;
    vanished.vanished = {[](const FindingKey& key) { return key == FindingKey("F1", "web-02"); }};
    book.update(vanished, 7000);
    CHECK(book.findings().size() == 1);
    vanished.vanished.emplace_back([](const FindingKey& key) { return key == FindingKey("F1", "web-01"); });
    book.update(vanished, 8000);
    CHECK(book.findings().empty());
}
