#include "collector/analysis/acceptances.h"

#include "tests/unit/analysis/site_samples.h"

using namespace lapwing;
using namespace lapwing::analysis;
using test::SiteSamples;

namespace {

constexpr TimestampMs kNow = SiteSamples::kStart;
constexpr std::int64_t kDay = 86'400'000;

Finding ssh(std::vector<Part> parts, Severity severity = Severity::medium) {
    Finding out;
    out.id = "F5";
    out.subject = "ssh@web-01";
    out.severity = severity;
    out.title = "ssh on web-01 is open to anybody";
    out.parts = std::move(parts);
    return out;
}

Acceptance word(TimestampMs until = kNow + kDay) {
    Acceptance out;
    out.id = "F5";
    out.subject = "ssh@web-01";
    out.until = until;
    out.reason = "\"keys only\"\n";
    out.by = "anna";
    return out;
}

bool holds(const Acceptances& acceptances, TimestampMs now) {
    const auto found = acceptances.of("F5", "ssh@web-01", now);
    return found && found->holds(now);
}

}  // namespace

TEST_CASE("another port, a wider source and a higher severity are worse, and less is not") {
    const auto before = extentOf(ssh({{"tcp/22", "10.0.0.0/8"}, {"tcp/22", "2001:db8::/32"}}));
    const auto changed = [&](std::vector<Part> parts, Severity severity = Severity::medium) {
        return worse(before, ssh(std::move(parts), severity));
    };
    CHECK(changed({{"tcp/22", "10.0.0.0/8"}, {"tcp/22", "2001:db8::/32"}}).empty());
    CHECK(changed({{"tcp/22", "10.0.0.0/9"}, {"tcp/22", "10.128.0.0/9"}}).empty());
    CHECK(changed({{"tcp/22", "10.1.2.3-10.1.2.9"}}).empty());
    CHECK(changed({{"tcp/22", "10.0.0.0/8"}}, Severity::low).empty());
    CHECK(changed({{"tcp/22", "10.0.0.0/7"}}) == "new: tcp/22 from 11.0.0.0/8");
    CHECK(changed({{"tcp/2222", "10.0.0.0/8"}}) == "new: tcp/2222 from 10.0.0.0/8");
    CHECK(changed({{"tcp/22", "2001:db8::/31"}}) == "new: tcp/22 from 2001:db9::/32");
    CHECK(changed({{"tcp/22", "10.0.0.0/8"}}, Severity::high) == "its severity is high, and was medium");
}

TEST_CASE("a finding without parts is worse when its title says something else") {
    auto finding = ssh({});
    const auto before = extentOf(finding);
    finding.confidence = Confidence::confirmed;
    CHECK(worse(before, finding).empty());
    finding.title = "ssh on web-01 is open to anybody, and takes passwords";
    CHECK(worse(before, finding) == "new: " + finding.title);
}

// attacks "parts of a finding that an acceptance remembers"
TEST_CASE("of too many parts a digest is remembered, and any change counts") {
    std::vector<Part> many;
    for (int port = 1; port <= 60'000; ++port) {
        many.push_back({"tcp/" + std::to_string(port), "0.0.0.0/0"});
    }
    const auto before = extentOf(ssh(many));
    REQUIRE(before.parts.size() == 1);
    CHECK(before.parts[0].what.size() < 100);
    CHECK(worse(before, ssh(many)).empty());
    many.pop_back();
    CHECK(worse(before, ssh(many)) == "new: it is not what it was; it has too many parts to name them");
}

TEST_CASE("an acceptance lasts until its end, across a restart") {
    SiteSamples site;
    const std::vector<Finding> standing{ssh({{"tcp/22", "0.0.0.0/0"}})};
    {
        Acceptances acceptances(site.store(), {}, kNow);
        int changes = 0;
        acceptances.onChange([&] { ++changes; });
        REQUIRE(acceptances.accept(word(), standing, kNow));
        CHECK(changes == 1);
        CHECK(holds(acceptances, kNow));
    }
    site.reopen();
    Acceptances acceptances(site.store(), {}, kNow);
    int changes = 0;
    acceptances.onChange([&] { ++changes; });
    CHECK(holds(acceptances, kNow));
    REQUIRE(acceptances.judge(standing, kNow));
    CHECK(changes == 1);
    REQUIRE(acceptances.judge(standing, kNow + 1));
    CHECK(changes == 1);
    const auto kept = acceptances.list(kNow).at(0);
    CHECK(kept.reason == "\"keys only\"\n");
    CHECK(kept.by == "anna");
    CHECK(kept.at == kNow);
    CHECK(std::string(kept.state(kNow)) == "accepted");
    REQUIRE(acceptances.judge(standing, kNow + kDay));
    CHECK(changes == 2);
    CHECK_FALSE(holds(acceptances, kNow + kDay));
    CHECK_FALSE(acceptances.of("F5", "ssh@web-01", kNow + kDay));
    CHECK(std::string(acceptances.list(kNow + kDay).at(0).state(kNow + kDay)) == "ended");
}

TEST_CASE("an accepted finding comes back while it is worse") {
    SiteSamples site;
    const std::vector<Finding> standing{ssh({{"tcp/22", "10.0.0.0/8"}})};
    const std::vector<Finding> wider{ssh({{"tcp/22", "0.0.0.0/0"}})};
    Acceptances acceptances(site.store(), {}, kNow);
    REQUIRE(acceptances.accept(word(), standing, kNow));
    int changes = 0;
    REQUIRE(acceptances.judge(standing, kNow));
    acceptances.onChange([&] { ++changes; });
    REQUIRE(acceptances.judge(wider, kNow));
    CHECK(changes == 1);
    CHECK_FALSE(holds(acceptances, kNow));
    CHECK(acceptances.of("F5", "ssh@web-01", kNow)->worse == "new: tcp/22 from 0.0.0.0-9.255.255.255");
    REQUIRE(acceptances.judge({}, kNow));
    CHECK_FALSE(holds(acceptances, kNow));
    REQUIRE(acceptances.judge(standing, kNow));
    CHECK(changes == 2);
    CHECK(holds(acceptances, kNow));
    // Its finding is gone, and an alert may still be about to end.
    REQUIRE(acceptances.judge({}, kNow));
    CHECK(holds(acceptances, kNow));
    // Accepted anew, as it is now.
    REQUIRE(acceptances.accept(word(), wider, kNow));
    CHECK(holds(acceptances, kNow));
    CHECK(acceptances.list(kNow).size() == 1);
}

TEST_CASE("an acceptance needs a standing finding, a reason and an end") {
    SiteSamples site;
    const std::vector<Finding> standing{ssh({})};
    Acceptances acceptances(site.store(), {}, kNow);
    const auto kind = [&](const Acceptance& one) {
        const auto done = acceptances.accept(one, standing, kNow);
        REQUIRE_FALSE(done);
        return done.error().kind;
    };
    auto other = word();
    other.subject = "ssh@web-02";
    CHECK(kind(other) == ErrorKind::not_found);
    CHECK(kind(word(kNow)) == ErrorKind::invalid);
    CHECK(kind(word(kNow + Acceptances::kLongest + 1)) == ErrorKind::invalid);
    auto silent = word();
    silent.reason.clear();
    CHECK(kind(silent) == ErrorKind::invalid);
    CHECK(acceptances.list(kNow).empty());
    CHECK(acceptances.end("F5", "ssh@web-01", kNow).error().kind == ErrorKind::not_found);
}

// attacks "acceptances of findings"
TEST_CASE("acceptances have a limit in number and in bytes") {
    SiteSamples site;
    Acceptances acceptances(site.store(), {}, kNow);
    auto one = word();
    one.reason = std::string(Acceptances::kMostReason + 1, 'x');
    REQUIRE(acceptances.accept(one, {ssh({})}, kNow).error().kind == ErrorKind::invalid);
    one.reason.pop_back();
    for (std::size_t i = 0; i < Acceptances::kMost; ++i) {
        auto finding = ssh({});
        finding.subject = one.subject = "ssh@" + std::to_string(i);
        REQUIRE(acceptances.accept(one, {finding}, kNow));
    }
    REQUIRE(acceptances.accept(word(), {ssh({})}, kNow).error().kind == ErrorKind::exhausted);
    REQUIRE(acceptances.accept(one, {[&] {
                                   auto finding = ssh({});
                                   finding.subject = one.subject;
                                   return finding;
                               }()},
                               kNow));
}

TEST_CASE("a declared acceptance takes what the finding is when it first stands") {
    SiteSamples site;
    const std::vector<Site::Accept> declared{{"F5", "ssh@web-01", kNow + kDay, "keys only"}};
    {
        Acceptances acceptances(site.store(), declared, kNow);
        REQUIRE(acceptances.judge({ssh({{"tcp/22", "10.0.0.0/8"}})}, kNow));
        CHECK(holds(acceptances, kNow));
        CHECK(acceptances.list(kNow).at(0).by == "collector.yaml");
        CHECK(acceptances.end("F5", "ssh@web-01", kNow).error().kind == ErrorKind::invalid);
        CHECK(acceptances.accept(word(), {ssh({})}, kNow).error().kind == ErrorKind::invalid);
    }
    site.reopen();
    {
        Acceptances acceptances(site.store(), declared, kNow + 1);
        CHECK(acceptances.list(kNow).at(0).at == kNow);
        REQUIRE(acceptances.judge({ssh({{"tcp/22", "0.0.0.0/0"}})}, kNow));
        CHECK_FALSE(holds(acceptances, kNow));
    }
    site.reopen();
    Acceptances without(site.store(), {}, kNow);
    CHECK(without.list(kNow).empty());
}
