#include "agent/config/config.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "common/config/reader.h"
#include "tests/unit/catch.h"
#include "tests/unit/common/certificates.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing::agent;
using lapwing::config::Reader;
using lapwing::test::TemporaryFolder;
using lapwing::test::TestCa;

namespace {

class Nothing : public Probe {
  public:
    lapwing::Expected<ProbeResult> collect(const Deadline& /*deadline*/) override { return ProbeResult{}; }
};

void append(std::vector<ProbeSpec>& out, const char* job, const std::string& instance,
            const std::string& url = "") {
    ProbeSpec spec;
    spec.job = job;
    spec.instance = instance;
    if (!url.empty()) {
        spec.labels = {{"url", url}};
    }
    spec.probe = std::make_unique<Nothing>();
    out.push_back(std::move(spec));
}

std::vector<ProbeKind> kinds() {
    return {
        {"node", "the host",
         [](const lapwing::config::Node& node, const ProbeContext& context,
            std::vector<ProbeSpec>& out) -> std::string {
             if (node.text() == "off") {
                 return "node: off (configured)";
             }
             append(out, "node", context.host);
             return "node: on (every host has it)";
         }},
        {"app", "the application",
         [](const lapwing::config::Node& node, const ProbeContext& context,
            std::vector<ProbeSpec>& out) -> std::string {
             node.forEach([&](const lapwing::config::Node& entry) {
                 if (entry.isScalar()) {
                     return;
                 }
                 entry.allow({"url"});
                 append(out, "app", context.host, entry["url"].text());
             });
             return node.present() ? "app: on (configured)" : "app: off (nothing is configured)";
         }},
    };
}

LoadedConfig parse(Reader& reader, const std::string& yaml) {
    return parseConfig(reader, yaml, "agent.yaml", kinds());
}

std::vector<std::string> problemsOf(const std::string& yaml) {
    Reader reader;
    (void)parse(reader, yaml);
    std::vector<std::string> texts;
    for (const auto& problem : reader.problems()) {
        texts.push_back(problem.toString());
    }
    return texts;
}

}  // namespace

TEST_CASE("everything has a default") {
    Reader reader;
    const auto loaded = parse(reader, "");
    CHECK(reader.ok());
    const auto& agent = loaded.agent;
    char name[256] = {};
    gethostname(name, sizeof name - 1);
    CHECK(agent.host == name);
    CHECK(agent.machine_id == "/etc/machine-id");
    CHECK(agent.data == "/var/lib/lapwing-agent");
    CHECK(agent.status_socket == "/run/lapwing/agent.sock");
    CHECK(agent.snapshot == "/run/lapwing/snapshot.json");
    CHECK(agent.collector_url.empty());
    CHECK(agent.peers.empty());
    CHECK_FALSE(agent.discovery.on);
    CHECK(agent.canary);
    CHECK(agent.attempts);
    CHECK(agent.spool_bytes == 1'000'000'000);
    CHECK(agent.spool_age_ms == 604'800'000);
    REQUIRE(loaded.specs.size() == 1);
    CHECK(loaded.specs[0].instance == name);
    REQUIRE(loaded.choices.size() == 2);
    CHECK(loaded.choices[0].on);
    CHECK(loaded.choices[0].why == "on (every host has it)");
    CHECK_FALSE(loaded.choices[1].on);
    CHECK(loaded.choices[1].why == "off (nothing is configured)");
}

TEST_CASE("the whole configuration of the design") {
    const TemporaryFolder dir;
    const TestCa ca(dir, "ca");
    const std::string bundle = ca.issue({"web-01", "", false}, "web-01.pem");
    Reader reader;
    const auto loaded =
        parse(reader,
              "host: web-01\n"
              "machine_id: /etc/machine-id\n"
              "data: /srv/agent\n"
              "status_socket: /run/other.sock\n"
              "snapshot: /run/other.json\n"
              "collector: { url: https://mon:9766, ca: " +
                  ca.certificate() + ", cert: " + bundle + ", key: " + bundle +
                  " }\n"
                  "peers: [ { host: web-02, address: 10.77.0.12, control_port: 80 },\n"
                  "         { host: web-02, address: 'fd00::12' } ]\n"
                  "canary: off\n"
                  "attempts: off\n"
                  "spool: { size: 200MB, age: 2d }\n"
                  "probes:\n"
                  "  node: off\n"
                  "  app: [ { url: http://127.0.0.1:8000/healthz }, { url: http://127.0.0.1:8001/ } ]\n");
    for (const auto& problem : reader.problems()) {
        INFO(problem.toString());
    }
    CHECK(reader.ok());
    const auto& agent = loaded.agent;
    CHECK(agent.host == "web-01");
    CHECK(agent.data == "/srv/agent");
    CHECK(agent.status_socket == "/run/other.sock");
    CHECK(agent.snapshot == "/run/other.json");
    CHECK(agent.collector_url == "https://mon:9766");
    CHECK(agent.tls.key_file == bundle);
    CHECK(agent.tls.server_name == "lapwing-collector");
    REQUIRE(agent.peers.size() == 2);
    CHECK(agent.peers[0].address == "10.77.0.12");
    CHECK(agent.peers[0].control_port == 80);
    CHECK(agent.peers[1].control_port == 0);
    CHECK_FALSE(agent.canary);
    CHECK_FALSE(agent.attempts);
    CHECK(agent.spool_bytes == 200'000'000);
    CHECK(agent.spool_age_ms == 172'800'000);
    REQUIRE(loaded.specs.size() == 2);
    CHECK(loaded.specs[1].labels.get("url") == "http://127.0.0.1:8001/");
}

TEST_CASE("all problems are reported at once, with their positions") {
    CHECK(
        problemsOf("hots: web-01\n"
                   "data: relative/path\n"
                   "canary: perhaps\n"
                   "peers:\n"
                   "  - { host: web-02, address: web-02.example }\n"
                   "  - { addres: 10.0.0.1, control_port: 70000 }\n"
                   "spool: { size: 10, age: soon }\n"
                   "probes:\n"
                   "  ap: [ { url: http://127.0.0.1/ } ]\n"
                   "  app: { ulr: http://127.0.0.1/ }\n") ==
        std::vector<std::string>{
            R"(agent.yaml:1:1: unknown key "hots"; did you mean "host"?)",
            "agent.yaml:2:7: data must be an absolute path",
            "agent.yaml:5:30: peers[0].address must be an IPv4 or IPv6 address",
            R"(agent.yaml:6:7: unknown key "addres" in peers[1]; did you mean "address"?)",
            "agent.yaml:6:39: peers[1].control_port must be from 1 to 65535",
            "agent.yaml:6:5: peers[1].host is missing",
            "agent.yaml:6:5: peers[1].address must be an IPv4 or IPv6 address",
            "agent.yaml:3:9: canary must be true or false",
            R"(agent.yaml:7:25: spool.age must be a duration such as 10s or 1h30m: not a valid duration string: "soon")",
            "agent.yaml:7:16: spool.size must be at least 1MB",
            R"(agent.yaml:9:3: unknown key "ap" in probes; did you mean "app"?)",
            R"(agent.yaml:10:10: unknown key "ulr" in probes.app; did you mean "url"?)",
        });
}

TEST_CASE("the collector's section") {
    const TemporaryFolder dir;
    const TestCa ca(dir, "ca");
    const std::string bundle = ca.issue({"web-01", "", false}, "web-01.pem");
    const auto with = [&](const std::string& url, const std::string& key) {
        return problemsOf("collector:\n  url: " + url + "\n  ca: " + ca.certificate() +
                          "\n  cert: " + bundle + "\n  key: " + key + "\nhost: web-01\n");
    };
    CHECK(with("https://mon:9766", bundle).empty());
    CHECK(with("http://mon:9766", bundle) ==
          std::vector<std::string>{"agent.yaml:2:8: collector.url must be https://HOST:PORT"});
    CHECK(with("https://mon:9766", dir.path("absent.pem")) ==
          std::vector<std::string>{"agent.yaml:2:3: collector: " + dir.path("absent.pem") +
                                   ": No such file or directory"});
    CHECK(problemsOf("collector: { url: https://mon:9766 }") ==
          std::vector<std::string>{"agent.yaml:1:12: collector.ca is missing",
                                   "agent.yaml:1:12: collector.cert is missing"});

    const std::string other = ca.issue({"web-02", "", false}, "web-02.pem");
    const auto mixed = with("https://mon:9766", other);
    REQUIRE(mixed.size() == 1);
    CHECK(mixed[0].find(other + ": no private key of " + bundle) != std::string::npos);
}

TEST_CASE("a key that others may read is refused, except root's files with mode 0640") {
    const TemporaryFolder dir;
    const TestCa ca(dir, "ca");
    const std::string bundle = ca.issue({"web-01", "", false}, "web-01.pem");
    const auto problems = [&] {
        return problemsOf("collector: { url: https://mon:9766, ca: " + ca.certificate() +
                          ", cert: " + bundle + ", key: " + bundle + " }\nhost: web-01\n");
    };
    for (const mode_t mode : {0600, 0400}) {
        chmod(bundle.c_str(), mode);
        CHECK(problems().empty());
    }
    for (const mode_t mode : {0644, 0604, 0660}) {
        INFO(mode);
        chmod(bundle.c_str(), mode);
        const auto found = problems();
        REQUIRE(found.size() == 1);
        CHECK(found[0].find("holds a private key and others than its owner may read it") !=
              std::string::npos);
    }
    chmod(bundle.c_str(), 0640);
    CHECK(problems().empty() == (geteuid() == 0));
}

TEST_CASE("two probes of the same identity are a problem, and so is a peer that is the host itself") {
    CHECK(
        problemsOf("host: a\nprobes: { app: [ { url: http://x/ }, { url: http://x/ } ] }") ==
        std::vector<std::string>{
            R"(agent.yaml:2:16: two probes would report the same series, {instance="a", job="app", url="http://x/"}; give one of them another instance)"});
    CHECK(problemsOf("host: a\npeers: [ { host: a, address: 10.0.0.1 } ]") ==
          std::vector<std::string>{"agent.yaml:2:10: peers[0].host is this host itself"});
}

TEST_CASE("an unreadable file and malformed YAML are problems, not exceptions") {
    Reader reader;
    (void)loadConfig(reader, "/no/such/agent.yaml", kinds());
    REQUIRE(reader.problems().size() == 1);
    CHECK(reader.problems()[0].toString() == "/no/such/agent.yaml: cannot be read");
    CHECK(problemsOf("host: [").size() == 1);
    CHECK(problemsOf("- a\n- b").size() == 1);
}

TEST_CASE("the defaults of a probe that is switched off, for a run by hand") {
    Reader reader;
    const auto loaded = parse(reader, "host: web-01\nprobes: { node: off }");
    CHECK(loaded.specs.empty());
    const auto specs = defaultProbes(reader, loaded.agent, kinds()[0]);
    REQUIRE(specs.size() == 1);
    CHECK(specs[0].instance == "web-01");
}

TEST_CASE("a probe gets the peers' addresses") {
    static std::vector<std::string> told;
    const std::vector<ProbeKind> curious = {{"node", "the host",
                                             [](const lapwing::config::Node&, const ProbeContext& context,
                                                std::vector<ProbeSpec>&) -> std::string {
                                                 told = context.peers;
                                                 return "node: off";
                                             }}};
    Reader reader;
    (void)parseConfig(reader, "host: web-01\npeers: [ { host: web-02, address: 10.77.0.12 } ]\n",
                      "agent.yaml", curious);
    CHECK(reader.ok());
    CHECK(told == std::vector<std::string>{"10.77.0.12"});
}

TEST_CASE("the host's name is its certificate's") {
    const TemporaryFolder dir;
    const TestCa ca(dir, "ca");
    const std::string bundle = ca.issue({"web-01", "", false}, "web-01.pem");
    const auto collector = "collector: { url: https://mon:9766, ca: " + ca.certificate() +
                           ", cert: " + bundle + ", key: " + bundle + " }\n";
    CHECK(problemsOf("host: web-01\n" + collector).empty());
    CHECK(
        problemsOf(collector + "host: web-O1\n") ==
        std::vector<std::string>{"agent.yaml:2:7: host is \"web-O1\", but the certificate " + bundle +
                                 " belongs to \"web-01\": write `host: web-01`, or join as this host (on the "
                                 "collector: lapwing-collector invite web-O1)"});
    const auto unnamed = problemsOf(collector);
    REQUIRE(unnamed.size() == 1);
    CHECK(unnamed[0].find("host is not given and the machine's name is \"") != std::string::npos);
}

TEST_CASE("peers may be discovered, beside those that are named") {
    Reader reader;
    const auto agent = parseConfig(reader,
                                   "peers: [ auto, { host: lb-01, address: 10.77.0.10 } ]\n"
                                   "peers_within: [ 10.77.0.0/24, 'fd77::/64' ]\n",
                                   "agent.yaml", {})
                           .agent;
    CHECK(reader.ok());
    CHECK(agent.discovery.on);
    CHECK(agent.discovery.within.size() == 2);
    CHECK(agent.peers.size() == 1);
    Reader one;
    CHECK(parseConfig(one, "peers: auto\n", "agent.yaml", {}).agent.discovery.on);
    CHECK(one.ok());
    Reader wrong;
    (void)parseConfig(wrong, "peers_within: 10.77.0.0/240\n", "agent.yaml", {});
    REQUIRE(wrong.problems().size() == 2);
    CHECK(wrong.problems()[0].toString() ==
          "agent.yaml:1:15: peers_within must be a network such as 10.77.0.0/24");
    CHECK(wrong.problems()[1].message == "peers_within needs `peers: auto`");
}
