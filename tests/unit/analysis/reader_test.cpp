#include "collector/analysis/evidence/reader.h"

#include "collector/analysis/evidence/addresses.h"
#include "collector/analysis/evidence/attempts.h"
#include "collector/analysis/evidence/contradictions.h"
#include "collector/analysis/evidence/load_balancers.h"
#include "collector/analysis/evidence/network.h"
#include "common/metric_speakers.h"
#include "tests/unit/analysis/site_samples.h"

using namespace lapwing;
using namespace lapwing::analysis;
using evidence::Reader;
using lapwing::test::SiteSamples;

namespace {

constexpr std::int64_t kLookbackMs = 120'000;
constexpr std::int64_t kMinuteMs = 60'000;

Labels of(const char* agent, const char* instance, const char* job = "agent") {
    return {{"agent", agent}, {"instance", instance}, {"job", job}};
}

/// Adds samples as an agent with a wrong clock stamps them. Times are those of the collector's clock.
class Agent {
  public:
    Agent(SiteSamples& samples, const char* name, double offset_seconds)
        : samples_(samples), name_(name), offset_seconds_(offset_seconds) {}

    void report(TimestampMs at, const char* metric, Labels labels, double value = 1) {
        const auto now = samples_.now;
        samples_.now = at - static_cast<std::int64_t>(offset_seconds_ * 1000);
        samples_.add("lapwing_clock_offset_seconds", of(name_, name_), offset_seconds_);
        samples_.add(metric, std::move(labels), value);
        samples_.write();
        samples_.now = now;
    }
    void setClock(double offset_seconds) { offset_seconds_ = offset_seconds; }

  private:
    SiteSamples& samples_;
    const char* name_;
    double offset_seconds_;
};

}  // namespace

TEST_CASE("an agent's wrong clock changes neither the age nor the presence of its samples") {
    const double offset = GENERATE(600.0, -600.0, 2.0, 0.0);
    CAPTURE(offset);
    SiteSamples samples;
    Agent agent(samples, "web-01", offset);
    for (const auto ago : {5 * kMinuteMs, 4 * kMinuteMs, kMinuteMs}) {
        agent.report(samples.now - ago, "lapwing_agent_info", of("web-01", "web-01"));
    }
    Reader reader(samples.store(), samples.now, kLookbackMs);
    const auto fresh = reader.fresh("lapwing_agent_info");
    REQUIRE(fresh.size() == 1);
    CHECK(fresh[0].at == samples.now - kMinuteMs);
    CHECK(fresh[0].observer == "web-01");
    CHECK(reader.isFresh(fresh[0]));

    const auto history = reader.history("lapwing_agent_info", 4 * kMinuteMs);
    REQUIRE(history.size() == 1);
    REQUIRE(history[0].samples.size() == 2);
    CHECK(history[0].samples[0].timestamp == samples.now - 4 * kMinuteMs);
    CHECK(history[0].samples[1].timestamp == samples.now - kMinuteMs);
}

TEST_CASE("an old sample is known for an hour but not fresh, even with a wrong clock") {
    const double offset = GENERATE(600.0, -600.0, 0.0);
    SiteSamples samples;
    Agent agent(samples, "web-01", offset);
    agent.report(samples.now, "lapwing_agent_info", of("web-01", "web-01"));

    Reader later(samples.store(), samples.now + kLookbackMs + 1, kLookbackMs);
    CHECK(later.fresh("lapwing_agent_info").empty());
    REQUIRE(later.known("lapwing_agent_info").size() == 1);
    CHECK_FALSE(later.isFresh(later.known("lapwing_agent_info")[0]));
    Reader exact(samples.store(), samples.now + kLookbackMs, kLookbackMs);
    CHECK(exact.fresh("lapwing_agent_info").size() == 1);

    // The clock's measurement stays known as long as the sample.
    Reader next_day(samples.store(), samples.now + Reader::kKnownMs + 11 * kMinuteMs, kLookbackMs);
    CHECK(next_day.known("lapwing_agent_info").empty());
}

TEST_CASE("a staleness marker ends a series") {
    const double offset = GENERATE(600.0, -600.0, 0.0);
    SiteSamples samples;
    Agent agent(samples, "web-01", offset);
    agent.report(samples.now - kMinuteMs, "lapwing_agent_info", of("web-01", "web-01"));
    agent.report(samples.now - 1'000, "lapwing_agent_info", of("web-01", "web-01"), staleNaN());
    Reader reader(samples.store(), samples.now, kLookbackMs);
    CHECK(reader.fresh("lapwing_agent_info").empty());
    CHECK(reader.known("lapwing_agent_info").empty());
    CHECK(reader.history("lapwing_agent_info", kMinuteMs).at(0).samples.size() == 2);
}

TEST_CASE("samples stamped before a clock was set are in the past") {
    SiteSamples samples;
    Agent agent(samples, "web-01", -600);
    agent.report(samples.now - 30'000, "lapwing_outgoing_connections", of("web-01", "web-01"), 1);
    agent.setClock(0);
    agent.report(samples.now - 10'000, "lapwing_outgoing_connections", of("web-01", "web-01"), 2);
    Reader reader(samples.store(), samples.now, kLookbackMs);
    const auto fresh = reader.fresh("lapwing_outgoing_connections");
    REQUIRE(fresh.size() == 1);
    CHECK(fresh[0].value == 2);
    CHECK(fresh[0].at == samples.now - 10'000);
}

TEST_CASE("the reader corrects timestamps in sample values") {
    SiteSamples samples;
    Agent agent(samples, "web-01", 600);
    Labels place{{"agent", "web-01"}, {"instance", "web-02"},    {"job", "firewall"},
                 {"port", "80"},      {"address", "10.77.0.12"}, {"source", "10.77.0.11"}};
    const auto at = samples.now - 20'000;
    agent.report(samples.now, "lapwing_attempt_timestamp_seconds", place,
                 static_cast<double>(at) / 1000 - 600);
    place.set("result", "a new word");
    agent.report(samples.now, "lapwing_attempt_result", place);
    Reader reader(samples.store(), samples.now, kLookbackMs);
    const auto attempts = evidence::readAttempts(reader).attempts.at("web-02");
    REQUIRE(attempts.size() == 1);
    CHECK(attempts[0].at == at);
    CHECK(attempts[0].from == "web-01");
    CHECK(attempts[0].result == evidence::ConnectResult::unknown);
}

TEST_CASE("the agent on HAProxy's own host takes precedence, and another agent fills gaps") {
    SiteSamples samples;
    const auto report = [&](const char* agent, const char* state, const char* address, double weight) {
        Labels server{{"agent", agent},
                      {"instance", "lb-01"},
                      {"job", "haproxy"},
                      {"proxy", "web"},
                      {"server", "web-01"}};
        samples.add("haproxy_server_weight", server, weight);
        auto status = server;
        status.set("state", state);
        samples.add("haproxy_server_status", status);
        server.set("address", address);
        samples.add("lapwing_haproxy_server_info", server);
        samples.add("up", of(agent, "lb-01", "haproxy"));
    };
    report("a-host", "DOWN", "10.77.0.11:80", 1);
    report("lb-01", "UP", "", 2);
    report("web-01", "MAINT", "10.77.0.99:80", 3);
    samples.write();
    Reader reader(samples.store(), samples.now, kLookbackMs);
    const auto balancers = evidence::readLoadBalancers(reader);
    REQUIRE(balancers.size() == 1);
    const auto& balancer = balancers.at("lb-01");
    CHECK(balancer.works == Truth::yes);
    CHECK(balancer.seen_by == std::set<std::string>{"a-host", "lb-01", "web-01"});
    REQUIRE(balancer.servers.size() == 1);
    CHECK(balancer.servers[0].state == evidence::ServerState::up);
    CHECK(balancer.servers[0].weight == 2);
    CHECK(balancer.servers[0].address == "10.77.0.11:80");
}

TEST_CASE("what only a host itself can know counts from its own agent only, for every name") {
    SiteSamples samples;
    for (const auto& row : metric::kSpeakers) {
        samples.add(row.name, of("web-02", "web-01", "node"));
        samples.add(row.name, of("web-02", "web-02", "node"));
    }
    samples.write();
    Reader reader(samples.store(), samples.now, kLookbackMs);
    for (const auto& row : metric::kSpeakers) {
        CAPTURE(row.name);
        const std::size_t reports = row.speaker == metric::Speaker::peer ? 2 : 1;
        CHECK(reader.fresh(row.name).size() == reports);
        CHECK(reader.known(row.name).size() == reports);
        CHECK(reader.history(row.name, kMinuteMs).size() == reports);
    }
}

TEST_CASE("an observer's word counts while the server's own host says nothing of it") {
    SiteSamples samples;
    const auto report = [&](const char* agent, double value) {
        samples.add("up", of(agent, "web-01", "mysql"), value);
        samples.add("mysql_up", of(agent, "web-01", "mysql"), value);
    };
    report("a-host", 1);
    report("web-02", 1);
    samples.add("lapwing_mysql_refused_info", of("web-02", "web-01", "mysql"));
    samples.write();
    CHECK(Reader(samples.store(), samples.now, kLookbackMs).fresh("mysql_up").size() == 2);
    report("web-01", 0);
    samples.write();
    Reader reader(samples.store(), samples.now, kLookbackMs);
    const auto own = reader.fresh("mysql_up");
    REQUIRE(own.size() == 1);
    CHECK(own[0].observer == "web-01");
    CHECK(own[0].value == 0);
    CHECK(reader.fresh("lapwing_mysql_refused_info").empty());
    CHECK(reader.freshOfAll("mysql_up").size() == 3);
    // Its agent is silent.
    Reader later(samples.store(), samples.now + kLookbackMs + 1, 2 * kLookbackMs);
    CHECK(later.fresh("mysql_up").size() == 1);
    Reader silent(samples.store(), samples.now + kLookbackMs + 1, kLookbackMs);
    CHECK(silent.known("mysql_up").size() == 3);
}

TEST_CASE("attempts and observations make no hosts") {
    SiteSamples samples;
    samples.agent("web-02", "");
    for (int i = 0; i < 300; ++i) {
        const auto ghost = "ghost-" + std::to_string(i);
        samples.attempt("web-02", ghost, "10.0.0.1", "80", "10.0.0.2", "main", "open");
        samples.add("lapwing_agent_info", of("web-02", ghost.c_str()));
        samples.add("lapwing_agent_address_info",
                    Labels{{"agent", "web-02"}, {"instance", ghost}, {"address", "10.1.0.1"}});
    }
    samples.write();
    Reader reader(samples.store(), samples.now, kLookbackMs);
    const auto network = evidence::readNetwork(reader);
    REQUIRE(network);
    CHECK(network->hosts.size() == 1);
}

TEST_CASE("a server on a host whose own agent sees no listener of it is a contradiction") {
    SiteSamples samples;
    samples.agent("web-01", "");
    samples.listener("web-01", reach::Family::ipv4, "0.0.0.0", "3306", "mariadbd");
    for (const auto* job : {"haproxy", "mysql"}) {
        samples.add("up", of("web-02", "web-01", job));
    }
    samples.write();
    const auto contradictions = [&] {
        Reader reader(samples.store(), samples.now, kLookbackMs);
        return evidence::readNetwork(reader)->comparison.contradictions;
    };
    REQUIRE(contradictions().size() == 1);
    CHECK(contradictions()[0].instance == "web-01");
    CHECK(contradictions()[0].job == "haproxy");
    CHECK(contradictions()[0].by_agent == std::map<std::string, double>{{"web-01", 0}, {"web-02", 1}});
    samples.listener("web-01", reach::Family::ipv4, "0.0.0.0", "80", "docker-proxy");
    samples.write();
    CHECK(contradictions().empty());
}

TEST_CASE("agents that report different values for a minute contradict each other") {
    SiteSamples samples;
    const auto report = [&](const char* agent, double value) {
        samples.add("up", of(agent, "lb-01", "haproxy"), value);
        samples.add("up", of(agent, agent, "haproxy"), value);
    };
    const auto minute = [&](double second) {
        for (int i = 0; i < 7; ++i) {
            report("web-01", 0);
            report("web-02", second);
            samples.write();
            samples.now += 10'000;
        }
        samples.now -= 10'000;
        Reader reader(samples.store(), samples.now, kLookbackMs);
        return evidence::compareObservers(reader);
    };
    const auto agree = minute(0);
    CHECK(agree.contradictions.empty());
    CHECK(agree.compared == std::set<std::pair<std::string, std::string>>{{"lb-01", "haproxy"}});
    samples.now += 10'000;
    const auto differ = minute(1);
    REQUIRE(differ.contradictions.size() == 1);
    const auto& found = differ.contradictions[0];
    CHECK(found.instance == "lb-01");
    CHECK(found.job == "haproxy");
    CHECK(found.answers);
    CHECK_FALSE(found.hasOwn());
    CHECK(found.by_agent == std::map<std::string, double>{{"web-01", 0}, {"web-02", 1}});
}

TEST_CASE("agents' words parse to values, and unknown words to a separate value") {
    using evidence::Greeting;
    CHECK(evidence::parseGreeting("") == Greeting::none);
    CHECK(evidence::parseGreeting("http_401") == Greeting::http_401);
    CHECK(evidence::parseGreeting("http_503") == Greeting::http_other);
    CHECK(evidence::parseGreeting("hello") == Greeting::unknown);
    CHECK(evidence::parseServerState("NOLB") == evidence::ServerState::nolb);
    CHECK(evidence::parseServerState("") == evidence::ServerState::unknown);
    CHECK(evidence::parseServerState("RESTING") == evidence::ServerState::other);
    for (const auto& row : evidence::kConnectResultNames) {
        CHECK(evidence::parseConnectResult(row.name) == row.value);
    }
}

TEST_CASE("a silent host keeps its addresses for an hour, a removed address goes at once") {
    SiteSamples samples;
    const auto address = [&](const char* text) {
        auto labels = of("lb-01", "lb-01");
        labels.set("address", text);
        labels.set("interface", "eth0");
        return labels;
    };
    const auto started = samples.now;
    samples.add("lapwing_agent_address_info", address("10.77.0.10"));
    samples.add("lapwing_agent_address_info", address("10.77.0.100"));
    samples.write();
    samples.now = started + kMinuteMs;
    samples.end("lapwing_agent_address_info", address("10.77.0.100"));
    samples.write();

    const auto at = [&](TimestampMs now) {
        Reader reader(samples.store(), now, kLookbackMs);
        auto network = evidence::readNetwork(reader);
        REQUIRE(network);
        return *network;
    };
    const auto known = std::vector{reach::AddressRange::of(*reach::Address::parse("10.77.0.10"))};
    CHECK(at(started + kMinuteMs).hosts.at("lb-01").addresses.size() == 1);
    const auto silent = at(started + 10 * kMinuteMs);
    CHECK(silent.hosts.at("lb-01").addresses.empty());
    CHECK(evidence::siteHosts(silent) == known);
    CHECK(evidence::siteHosts(at(started + 61 * kMinuteMs)).empty());
}
