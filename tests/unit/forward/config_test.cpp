#include "collector/forward/config.h"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>

#include "common/config/reader.h"
#include "tests/unit/catch.h"
#include "tests/unit/temporary_folder.h"

namespace lapwing::forward {
namespace {

std::vector<std::string> problemsOf(const std::string& yaml, std::vector<Destination>& out) {
    config::Reader reader;
    readConfig(reader.text(yaml, "c.yaml")["forward"], out);
    std::vector<std::string> problems;
    for (const auto& problem : reader.problems()) {
        problems.push_back(problem.toString());
    }
    return problems;
}

std::vector<std::string> problemsOf(const std::string& yaml) {
    std::vector<Destination> ignored;
    return problemsOf(yaml, ignored);
}

std::string secretFile(const test::TemporaryFolder& dir, const std::string& name, mode_t mode = 0600) {
    std::ofstream(dir.path(name)) << "hush-hush\n";
    REQUIRE(::chmod(dir.path(name).c_str(), mode) == 0);
    return dir.path(name);
}

TEST_CASE("a destination needs only a URL") {
    std::vector<Destination> destinations;
    CHECK(problemsOf("forward: { url: http://10.77.0.30:9090/api/v1/write }", destinations).empty());
    REQUIRE(destinations.size() == 1);
    CHECK(destinations[0].name == "10.77.0.30:9090");
    CHECK(destinations[0].match.empty());
    CHECK(destinations[0].keep_ms == 86'400'000);
    CHECK(destinations[0].keep_bytes == 2'000'000'000);
}

TEST_CASE("every key of a destination is read") {
    const test::TemporaryFolder dir;
    std::vector<Destination> destinations;
    const auto problems = problemsOf(R"(forward:
  - name: mimir
    url: http://mimir/api/v1/push?x=y
    match: [ '{job="node"}', up ]
    external_labels: { site: paris }
    headers: { X-Scope-OrgID: site-1 }
    user: ann
    password_file: )" + secretFile(dir, "password") +
                                         R"(
    keep: 2h
    keep_size: 5MB
  - { name: other, url: http://mimir/, bearer_token_file: )" +
                                         secretFile(dir, "token") + " }\n",
                                     destinations);
    for (const auto& problem : problems) {
        UNSCOPED_INFO(problem);
    }
    CHECK(problems.empty());
    REQUIRE(destinations.size() == 2);
    const auto& mimir = destinations[0];
    CHECK(mimir.name == "mimir");
    CHECK(mimir.url == "http://mimir/api/v1/push?x=y");
    REQUIRE(mimir.match.size() == 2);
    CHECK(mimir.match[1].size() == 1);
    CHECK(mimir.external_labels.toString() == R"({site="paris"})");
    REQUIRE(mimir.headers.size() == 1);
    CHECK(mimir.headers[0] == std::pair<std::string, std::string>("X-Scope-OrgID", "site-1"));
    CHECK(mimir.user == "ann");
    CHECK(mimir.keep_ms == 7'200'000);
    CHECK(mimir.keep_bytes == 5'000'000);
    CHECK_FALSE(destinations[1].bearer_token_file.empty());
}

TEST_CASE("mistakes in a destination are reported without its URL and secrets") {
    const test::TemporaryFolder dir;
    const auto open = secretFile(dir, "open", 0644);
    std::ofstream(dir.path("empty")).close();
    REQUIRE(::chmod(dir.path("empty").c_str(), 0600) == 0);
    const auto problems = problemsOf(R"(forward:
  - { url: "https://ann:hush-hush@example.org/" }
  - { url: "ftp://example.org/hush-hush" }
  - { urk: x }
  - { url: http://a/, match: [ 'up{' ], keep: 5s, keep_size: 10 }
  - { url: http://b/, match: [] }
  - { url: http://c/, headers: { Authorization: hush-hush, Content-Type: x, "a b": c } }
  - { url: http://d/, user: ann, external_labels: { __name__: x, "1": y, site: "" } }
  - { url: http://e/, bearer_token_file: )" +
                                     open + R"( }
  - { url: http://f/, bearer_token_file: )" +
                                     dir.path("none") + R"( }
  - { url: http://g/, bearer_token_file: )" +
                                     dir.path("empty") + R"( }
  - { url: http://h/, ca: /ca.pem }
  - { url: https://i/, ca: /nowhere/ca.pem }
  - { url: https://j/, key: /nowhere/key.pem }
  - { url: http://k/, name: a }
)");
    const std::vector<std::string> wanted = {
        "forward[0].url must not hold credentials; use bearer_token_file, or user and password_file",
        "forward[1].url must be an http:// or https:// URL",
        R"(unknown key "urk" in forward[2]; did you mean "url"?)",
        "forward[2] needs a url, such as",
        "forward[3].match[0]: ",
        "forward[3].match selects nothing",
        "forward[3].keep must be at least 1m",
        "forward[3].keep_size must be at least 1MB",
        "forward[4].match selects nothing",
        "forward[5].headers.Authorization: use bearer_token_file",
        "forward[5].headers.Content-Type is set by remote_write itself",
        "is not a header that HTTP allows",
        "forward[6]: user and password_file go together",
        "forward[6].external_labels.__name__ is not a label's name",
        "forward[6].external_labels.1 is not a label's name",
        "forward[6].external_labels.site needs a value",
        "forward[7].bearer_token_file: " + open + ": others than its owner may read it; chmod 0600 it",
        "forward[8].bearer_token_file: " + dir.path("none") + ": No such file",
        "forward[9].bearer_token_file: the first line of " + dir.path("empty") + " is empty",
        "forward[10]: ca, cert and key are for an https:// URL",
        "forward[11]: /nowhere/ca.pem: No such file",
        "forward[12]: key needs cert",
        "forward[13]: another destination is called a too",
    };
    std::string all;
    for (const auto& problem : problems) {
        all += problem + "\n";
    }
    INFO(all);
    for (const auto& each : wanted) {
        INFO(each);
        CHECK(all.find(each) != std::string::npos);
    }
    CHECK(problems.size() == wanted.size());
    CHECK(all.find("hush-hush") == std::string::npos);
}

}  // namespace
}  // namespace lapwing::forward
