#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "agent/join/advice.h"
#include "agent/join/apply.h"
#include "agent/join/membership.h"
#include "common/digest.h"
#include "common/files.h"
#include "tests/unit/agent/small_disk.h"
#include "tests/unit/catch.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using namespace lapwing::agent;

namespace {

const Membership kMember{"web-01", "https://10.77.0.20:9766", "a certificate and a key\n"};

std::string status(const std::string& probes, int sent = 5) {
    return R"({"collector":{"url":"https://mon:9766","samples_sent":)" + std::to_string(sent) +
           R"(,"trouble":"no route"},"probes":[)" + probes + "]}";
}

std::string probe(const std::string& job, const std::string& state, const std::string& message = "") {
    return R"({"job":")" + job + R"(","instance":"web-01","state":")" + state +
           R"(","reason":"denied","message":")" + message + "\"}";
}

/// A program in shell, in place of a tool.
void writeTool(const std::string& path, const std::string& script) {
    std::ofstream(path) << "#!/bin/sh\n" << script;
    REQUIRE(::chmod(path.c_str(), 0755) == 0);
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the files of a membership are beside the configuration, and go again") {
    const test::TemporaryFolder dir;
    const auto files = JoinFiles::beside(dir.path("agent.yaml"));
    CHECK(files.certificate == dir.path("agent.pem"));
    CHECK(files.fragment == dir.path("agent.d/10-join.yaml"));
    REQUIRE(files.tryToWrite());
    CHECK(std::filesystem::is_empty(dir.path("")));
    REQUIRE(writeMembership(files, kMember));
    CHECK(*files::readFile(files.certificate) == kMember.pem);
    struct stat info {};
    REQUIRE(::stat(files.certificate.c_str(), &info) == 0);
    CHECK((info.st_mode & 0037) == 0);
    const auto text = *files::readFile(files.fragment);
    CHECK(has(text, "\nhost: \"web-01\"\n"));
    CHECK(has(text, "\n  url: \"https://10.77.0.20:9766\"\n"));
    CHECK(has(text, "\n  server_name: lapwing-collector\n"));
    CHECK(has(text, "\npeers: auto\n"));
    std::ofstream(dir.path("certificate.pem")) << "renewed";
    CHECK(removeMembership(files, dir.path("certificate.pem"))->size() == 3);
    CHECK(removeMembership(files, dir.path("certificate.pem"))->empty());
    // Without the fragment the certificate is somebody else's.
    std::ofstream(files.certificate) << "by hand";
    CHECK(removeMembership(files, dir.path("certificate.pem"))->empty());
    CHECK(std::filesystem::exists(files.certificate));
}

TEST_CASE("peers that the configuration names stay in force") {
    const test::TemporaryFolder dir;
    const auto files = JoinFiles::beside(dir.path("agent.yaml"));
    const auto written = [&] {
        REQUIRE(writeMembership(files, kMember));
        return has(*files::readFile(files.fragment), "peers: auto");
    };
    std::ofstream(files.config) << "peers: [ { host: lb-01, address: 10.77.0.10 } ]\n";
    CHECK_FALSE(written());
    CHECK_FALSE(written());
    std::ofstream(files.config) << "peers:\n";
    CHECK(written());
    // The earlier fragment does not count.
    CHECK(written());
    std::ofstream(dir.path("agent.d/20-peers.yaml")) << "peers: []\n";
    CHECK_FALSE(written());
}

TEST_CASE("if the configuration cannot be written, the certificate is as it was before") {
    const test::TemporaryFolder dir;
    const auto files = JoinFiles::beside(dir.path("agent.yaml"));
    // A directory in the fragment's place cannot be replaced by a file.
    std::filesystem::create_directories(files.fragment + "/x");
    CHECK_FALSE(writeMembership(files, kMember));
    CHECK_FALSE(std::filesystem::exists(files.certificate));
    std::ofstream(files.certificate) << "by hand";
    CHECK_FALSE(writeMembership(files, kMember));
    CHECK(*files::readFile(files.certificate) == "by hand");
    std::size_t entries = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(dir.path(""))) {
        ++entries;
    }
    CHECK(entries == 2);
}

TEST_CASE("a full disk is noticed before anything is sent") {
    const test::TemporaryFolder dir;
    std::filesystem::create_directory(dir.path("small"));
    test::onSmallDisk(dir.path("small"), "16k", [&] {
        const auto files = JoinFiles::beside(dir.path("small/agent.yaml"));
        std::ofstream(dir.path("small/full")) << std::string(100'000, 'x');
        if (files.tryToWrite()) {
            return 1;
        }
        return std::filesystem::exists(files.certificate) || std::filesystem::exists(files.fragment) ? 2 : 0;
    });
}

TEST_CASE("advice names what is watched, and the commands for what is not") {
    const Installed all{true, true, true, false};
    const auto good = adviceOf(status(probe("node", "ok") + "," + probe("nginx", "ok") + "," +
                                      probe("haproxy", "ok") + "," + probe("mysql", "ok", "a note")),
                               all, "/etc/lapwing/agent.d");
    CHECK(has(good, "  node       web-01\n"));
    CHECK(has(good, "  mysql      web-01: a note\n"));
    CHECK_FALSE(has(good, "As root"));

    // A second instance that fails does not make the first one go: a list replaces a list.
    CHECK_FALSE(has(adviceOf(status(probe("nginx", "failed") + "," + probe("nginx", "ok")),
                             {true, false, false, false}, "d"),
                    "As root"));

    const auto bad = adviceOf(status(probe("node", "ok") + "," + probe("mysql", "failed", "who?\\u001b[31m")),
                              all, "/etc/lapwing/agent.d");
    CHECK(has(bad, "  mysql      web-01: NOT WATCHED, denied: who? [31m\n"));
    CHECK(has(bad, "install -m 0644 /dev/stdin /etc/lapwing/agent.d/20-nginx.yaml"));
    CHECK(has(bad, "stats socket /run/haproxy/lapwing.sock user lapwing"));
    CHECK(has(bad, "IDENTIFIED VIA unix_socket"));
    CHECK(has(adviceOf(status(probe("mysql", "failed")), {false, false, false, true}, "d"),
              "IDENTIFIED WITH auth_socket"));

    const auto none = adviceOf(status(probe("node", "ok")), {}, "d");
    CHECK(has(none, "No Nginx, HAProxy, MariaDB or MySQL was found"));
    CHECK_FALSE(has(none, "As root"));
    CHECK(adviceOf("garbage", {}, "d").starts_with("It watches:\n"));
}

TEST_CASE("delivery counts at the collector that was joined alone") {
    CHECK(hasDelivered(status(""), "https://mon:9766"));
    CHECK_FALSE(hasDelivered(status(""), "https://other:9766"));
    CHECK_FALSE(hasDelivered(status("", 0), "https://mon:9766"));
    CHECK_FALSE(hasDelivered("", "https://mon:9766"));
    CHECK(troubleOf(status("")) == "no route");
    CHECK(hasProbed(status(probe("node", "ok"))));
    CHECK_FALSE(hasProbed(status(probe("node", "ok") + "," + probe("mysql", "waiting"))));
}

TEST_CASE("a file that exists is not replaced, and a page that somebody configured is left alone") {
    const test::TemporaryFolder dir;
    const ApplyPlaces places{dir.path("agent.applied"), dir.path("nginx.conf"),
                             dir.path("agent.d/20-nginx.yaml")};
    Installed installed;
    installed.nginx = true;
    std::ofstream(dir.path("agent.yaml")) << "probes: { nginx: [ { url: http://127.0.0.1:81/status } ] }\n";
    auto offers = offersOf(status(""), installed, places, dir.path("agent.yaml"));
    REQUIRE(offers.size() == 1);
    CHECK(has(offers.front().shown, "stub_status"));
    CHECK(has(offers.front().obstacle, "the configuration names a page"));
    std::ofstream(places.nginx) << "of a person\n";
    offers = offersOf(status(""), installed, places, dir.path("agent.yaml"));
    CHECK(offers.front().obstacle == places.nginx + " exists already");
    CHECK(offersOf(status(probe("nginx", "ok")), installed, places, dir.path("agent.yaml")).empty());
    installed.nginx_stopped = true;
    CHECK(offersOf(status(""), installed, places, dir.path("agent.yaml")).empty());
    CHECK(*files::readFile(places.nginx) == "of a person\n");
}

TEST_CASE("only files with the content of the record are taken back") {
    const test::TemporaryFolder dir;
    const ApplyPlaces places{dir.path("agent.applied"), dir.path("nginx.conf"), dir.path("20-nginx.yaml")};
    CHECK(undoApplied(places).done.empty());
    std::ofstream(places.nginx) << "edited since\n";
    std::ofstream(places.fragment) << kNginxProbe;
    // Without a record, the files are somebody else's.
    CHECK(undoApplied(places).done.empty());
    REQUIRE(files::writeFile(
        places.record, "nginx " + sha256(kNginxServer) + "\nnginx-fragment " + sha256(kNginxProbe) + "\n",
        0600));
    const auto undone = undoApplied(places);
    CHECK(undone.done == std::vector<std::string>{"removed " + places.fragment});
    REQUIRE(undone.left.size() == 1);
    CHECK(has(undone.left.front(), "was changed since"));
    CHECK(*files::readFile(places.nginx) == "edited since\n");
    CHECK_FALSE(std::filesystem::exists(places.fragment));
    CHECK_FALSE(std::filesystem::exists(places.record));
}

TEST_CASE("Nginx is reloaded after its file is taken back, unless it is stopped") {
    const test::TemporaryFolder dir;
    const ApplyPlaces places{dir.path("agent.applied"),
                             dir.path("nginx.conf"),
                             dir.path("20-nginx.yaml"),
                             {dir.path("nginx"), dir.path("systemctl")}};
    writeTool(places.tools.nginx, "exit 0\n");
    const auto undone = [&](const std::string& state) {
        writeTool(places.tools.systemctl, "if [ \"$1\" = show ]; then echo " + state +
                                              "; exit 0; fi\necho \"$@\" >>" + dir.path("asked") + "; [ " +
                                              state + " = active ]\n");
        std::ofstream(places.nginx) << kNginxServer;
        REQUIRE(files::writeFile(places.record, "nginx " + sha256(kNginxServer) + "\n", 0600));
        return undoApplied(places);
    };
    for (const char* state : {"inactive", "failed"}) {
        INFO(state);
        const auto out = undone(state);
        CHECK(out.done == std::vector<std::string>{"removed " + places.nginx});
        CHECK(out.left.empty());
        CHECK_FALSE(std::filesystem::exists(dir.path("asked")));
    }
    CHECK(undone("active").left.empty());
    CHECK(*files::readFile(dir.path("asked")) == "--quiet reload nginx.service\n");
    CHECK(undone("deactivating").left.size() == 1);
}

TEST_CASE("an account is in the record before it is made, and as long as it may be there") {
    const test::TemporaryFolder dir;
    ApplyPlaces places{dir.path("agent.applied"), dir.path("nginx.conf"), dir.path("20-nginx.yaml"), {}};
    places.tools.mariadb = dir.path("client");
    Installed installed;
    installed.mariadb = true;
    const Offer offer{"mysql", "", "", ""};
    // Fails at the statements of a pattern; keeps the record as it was at the first statement.
    const auto applied = [&](const std::string& failing) {
        std::filesystem::remove(places.record);
        std::filesystem::remove(dir.path("seen"));
        writeTool(places.tools.mariadb, "[ -e " + dir.path("seen") + " ] || cat " + places.record + " >" +
                                            dir.path("seen") + "\ncase \"$*\" in " + failing +
                                            ") echo no >&2; exit 1 ;; esac\n");
        return apply(offer, installed, places);
    };
    CHECK(applied("nothing"));
    CHECK(*files::readFile(dir.path("seen")) == "account mariadb\n");
    CHECK(*files::readFile(places.record) == "account mariadb\n");
    CHECK_FALSE(applied("*CREATE*"));
    CHECK_FALSE(std::filesystem::exists(places.record));
    CHECK_FALSE(applied("*GRANT*"));
    CHECK_FALSE(std::filesystem::exists(places.record));
    const auto left = applied("*GRANT*|*DROP*");
    REQUIRE_FALSE(left);
    CHECK(has(left.error().message, "is left"));
    CHECK(*files::readFile(places.record) == "account mariadb\n");
    std::filesystem::remove(places.record);
    places.record = dir.path("none/agent.applied");
    CHECK_FALSE(apply(offer, installed, places));
}
