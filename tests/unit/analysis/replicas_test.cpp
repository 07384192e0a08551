#include "collector/analysis/redundancy/redundancy.h"
#include "tests/unit/analysis/replica_pair.h"

namespace {

using namespace lapwing;
using namespace lapwing::analysis;
using lapwing::analysis::evidence::ThreadState;
using lapwing::test::ReplicaPair;

Judgement judged(const ReplicaPair& pair) {
    const evidence::Network facts;
    const Site site;
    const Context context{
        facts, site, nullptr, nullptr,
        std::make_shared<const std::vector<replication::Verdict>>(analysis::replication::judge(pair.inputs))};
    Judgement out;
    redundancy::judgeReplicas(context, out);
    return out;
}

const Finding* find(const Judgement& judgement, const std::string& id) {
    for (const auto& finding : judgement.findings) {
        if (finding.id == id) {
            return &finding;
        }
    }
    return nullptr;
}

}  // namespace

TEST_CASE("A healthy read-only replica has no finding") {
    const auto judgement = judged(ReplicaPair());
    CHECK(judgement.findings.empty());
    CHECK(judgement.judged.contains({"R6", "mysql@web-02"}));
    CHECK(judgement.judged.contains({"R7", "mysql@web-02"}));
}

TEST_CASE("R6: a replica that could not take over") {
    ReplicaPair pair;
    pair.replica().log_bin = false;
    pair.applies(60);
    const auto judgement = judged(pair);
    const auto* finding = find(judgement, "R6");
    REQUIRE(finding != nullptr);
    CHECK(finding->severity == Severity::high);
    CHECK(finding->subject == "mysql@web-02");
    REQUIRE(finding->evidence.size() == 2);
    CHECK(finding->evidence[0].text == "it is more than 30 s behind");
    CHECK_FALSE(finding->remedy.empty());
    CHECK_FALSE(finding->not_assessed.empty());
}

TEST_CASE("R6 and R7 of a replica with two channels name the channel") {
    ReplicaPair pair;
    pair.followsAnother().applier.state = ThreadState::stopped;
    pair.replica().read_only = false;
    // The site declares one pair in both directions, but not the other.
    pair.inputs.declared = {{"web-01", "web-02"}, {"web-02", "web-01"}};
    const auto judgement = judged(pair);
    const auto* failover = find(judgement, "R6");
    REQUIRE(failover != nullptr);
    REQUIRE(failover->evidence.size() == 1);
    CHECK(failover->evidence[0].text == "channel \"b\": the applier (SQL thread) has stopped");
    const auto* writable = find(judgement, "R7");
    REQUIRE(writable != nullptr);
    CHECK(writable->title == "Two servers accept writes: web-03 and its replica web-02");
}

TEST_CASE("R6 is not evaluated without reports from the replica") {
    ReplicaPair pair;
    pair.replica().up = false;
    CHECK_FALSE(judged(pair).judged.contains({"R6", "mysql@web-02"}));
}

TEST_CASE("R7: a replica that accepts writes") {
    ReplicaPair pair;
    pair.replica().read_only = false;
    const auto two = judged(pair);
    REQUIRE(find(two, "R7") != nullptr);
    CHECK(find(two, "R7")->severity == Severity::critical);
    CHECK(find(two, "R7")->title == "Two servers accept writes: web-01 and its replica web-02");

    pair.primary().read_only = true;
    CHECK(find(judged(pair), "R7")->title == "The replica web-02 accepts writes");

    pair.inputs.declared.push_back({"web-02", "web-01"});
    CHECK(find(judged(pair), "R7") == nullptr);
    CHECK(judged(pair).judged.contains({"R7", "mysql@web-02"}));

    pair.replica().read_only = std::nullopt;
    CHECK_FALSE(judged(pair).judged.contains({"R7", "mysql@web-02"}));
}

TEST_CASE("R7 on MySQL: administrators can write despite read_only") {
    ReplicaPair pair(false);
    pair.replica().super_read_only = false;
    const auto judgement = judged(pair);
    REQUIRE(find(judgement, "R7") != nullptr);
    CHECK(find(judgement, "R7")->severity == Severity::medium);
}

TEST_CASE("R17 alone: a primary with a leftover channel") {
    ReplicaPair pair;
    auto& channel = pair.primary().channels[""];
    channel.at = ReplicaPair::kNow;
    channel.source = {"10.77.0.99", 3306};
    channel.receiver.state = channel.applier.state = ThreadState::stopped;
    const auto leftovers = [&] {
        auto out = judged(pair);
        const evidence::Network facts;
        const Site site;
        redundancy::judgeLeftoverChannels(
            {facts, site, nullptr, nullptr,
             std::make_shared<const std::vector<replication::Verdict>>(replication::judge(pair.inputs))},
            out);
        return out;
    };
    auto judgement = leftovers();
    REQUIRE(judgement.findings.size() == 1);
    const auto* finding = find(judgement, "R17");
    REQUIRE(finding != nullptr);
    CHECK(finding->subject == "mysql@web-01");
    CHECK(finding->severity == Severity::low);
    CHECK(finding->title == "web-01 is a primary and has a leftover replica channel to 10.77.0.99");
    CHECK(judgement.judged.contains({"R6", "mysql@web-01"}));
    CHECK(judgement.judged.contains({"R7", "mysql@web-01"}));
    CHECK(judgement.judged.contains({"R17", "mysql@web-02"}));

    channel.receiver.state = ThreadState::connecting;
    CHECK(find(leftovers(), "R17")->severity == Severity::medium);

    pair.primary().channels.clear();
    judgement = leftovers();
    CHECK(judgement.findings.empty());
    CHECK(judgement.ends({"R17", "mysql@web-01"}));
    pair.primary().up = false;  // silent: nothing is cleared
    pair.inputs.previous[{"web-01", ""}] = {"10.77.0.99", replication::State::at_risk,
                                            replication::Cause::leftover_channel};
    CHECK_FALSE(leftovers().ends({"R17", "mysql@web-01"}));
}

TEST_CASE("Without a watch no finding is evaluated") {
    const evidence::Network facts;
    const Site site;
    Judgement out;
    redundancy::judgeReplicas({facts, site, nullptr, nullptr, nullptr}, out);
    CHECK(out.judged.empty());
}
