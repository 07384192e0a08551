// Security updates by the files of dpkg and apt; versions are ordered as dpkg orders them.
#include "agent/probes/inventory/security_updates.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "agent/probes/inventory/package_version.h"
#include "tests/unit/catch.h"
#include "tests/unit/probes/samples.h"
#include "tests/unit/probes/server.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using namespace lapwing::agent;
using namespace lapwing::agent::inventory;

namespace {

const std::string kList = "deb.debian.org_debian-security_dists_bookworm-security_main_binary-amd64_Packages";

Deadline soon() {
    return Deadline(std::chrono::seconds(20));
}

std::string paragraph(const std::string& name, const std::string& version, const std::string& architecture,
                      const std::string& status = "") {
    return "Package: " + name + "\n" + (status.empty() ? "" : "Status: " + status + "\n") +
           "Architecture: " + architecture + "\nVersion: " + version + "\nDescription: x\n Version: 99\n\n";
}

std::string installed(const std::string& name, const std::string& version,
                      const std::string& architecture = "amd64") {
    return paragraph(name, version, architecture, "install ok installed");
}

/// dpkg's and apt's files in a directory of their own.
class Host {
  public:
    Host() { std::filesystem::create_directories(directory_.path("lists/partial")); }
    void status(const std::string& text) { directory_.write("status", text); }
    void list(const std::string& name, const std::string& text) { directory_.write("lists/" + name, text); }
    std::string path(const std::string& name) const { return directory_.path(name); }
    PackageLists read() {
        auto read = updates_.read(soon());
        REQUIRE(read);
        return std::move(*read);
    }

  private:
    test::TemporaryFolder directory_;
    SecurityUpdates updates_{{directory_.path("status"), directory_.path("lists"), directory_.path("stamp")}};
};

int sign(int value) {
    return value < 0 ? -1 : (value > 0 ? 1 : 0);
}

std::string randomText(std::mt19937& random, const std::string& characters, int most) {
    std::string out;
    for (int i = std::uniform_int_distribution<int>(0, most)(random); i > 0; --i) {
        out += characters[std::uniform_int_distribution<std::size_t>(0, characters.size() - 1)(random)];
    }
    return out;
}

std::string randomVersion(std::mt19937& random) {
    const auto one_of = [&](int of) { return std::uniform_int_distribution<int>(1, of)(random) == 1; };
    std::string out = one_of(4) ? randomText(random, "012", 1) + "1:" : "";
    out += std::to_string(std::uniform_int_distribution<int>(0, 2)(random));
    out += randomText(random, "0019.ab~~+Z", 6);
    return one_of(2) ? out + "-0" + randomText(random, "019.a~+", 4) : out;
}

}  // namespace

TEST_CASE("versions are ordered as dpkg orders them") {
    CHECK(compareVersions("2.36-9+deb12u9", "2.36-9+deb12u10") < 0);
    CHECK(compareVersions("1:1.0", "2.0") > 0);
    CHECK(compareVersions("1.0~rc1", "1.0") < 0);
    CHECK(compareVersions("1.0-1", "1.0-1") == 0);
    CHECK(compareVersions("0:1.0", "1.0-0") == 0);
    CHECK(compareVersions("", "") == 0);
    CHECK(compareVersions("1.99999999999999999999", "1.100000000000000000000") < 0);

    if (std::system("command -v dpkg >/dev/null") != 0) {
        test::skip("dpkg is not installed");
    }
    constexpr int pairs = 400;
    std::mt19937 random(18);
    std::vector<std::pair<std::string, std::string>> versions;
    std::string script;
    for (int i = 0; i < pairs; ++i) {
        versions.emplace_back(randomVersion(random), randomVersion(random));
        for (const auto* relation : {"lt", "gt"}) {
            script += "dpkg --compare-versions '" + versions.back().first + "' ";
            script += relation;
            script += " '" + versions.back().second + "' && echo " + relation + "\n";
        }
        script += "echo end\n";
    }
    const test::TemporaryFolder directory;
    directory.write("compare", script);
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(
        popen(("sh " + directory.path("compare") + " 2>&1").c_str(), "r"), &pclose);
    REQUIRE(pipe);
    std::array<char, 256> line{};
    std::size_t at = 0;
    int expected = 0;
    while (std::fgets(line.data(), line.size(), pipe.get()) != nullptr) {
        const std::string word(line.data());
        if (word == "end\n") {
            REQUIRE(at < versions.size());
            INFO(versions[at].first << " and " << versions[at].second);
            CHECK(sign(compareVersions(versions[at].first, versions[at].second)) == expected);
            expected = 0;
            ++at;
        } else {
            REQUIRE((word == "lt\n" || word == "gt\n"));
            expected = word == "lt\n" ? -1 : 1;
        }
    }
    CHECK(at == versions.size());
}

TEST_CASE("lists of security suites, by their names") {
    for (const auto* name :
         {"deb.debian.org_debian-security_dists_bookworm-security_main_binary-amd64_Packages",
          "security.debian.org_debian-security_dists_trixie-security_contrib_binary-all_Packages.lz4",
          "security.debian.org_dists_buster_updates_main_binary-amd64_Packages",
          "security.debian.org_debian-security_dists_buster_updates_main_binary-arm64_Packages.xz",
          "archive.ubuntu.com_ubuntu_dists_jammy-security_universe_binary-amd64_Packages",
          "mirror.example.org:8080_ubuntu_dists_noble-security_main_binary-i386_Packages"}) {
        INFO(name);
        CHECK(isSecurityList(name));
    }
    for (const auto* name :
         {"deb.debian.org_debian_dists_bookworm_main_binary-amd64_Packages",
          "deb.debian.org_debian_dists_bookworm-updates_main_binary-amd64_Packages",
          "security-mirror.example.org_debian_dists_bookworm-updates_main_binary-amd64_Packages",
          "deb.debian.org_debian-security_dists_bookworm-security_InRelease",
          "deb.debian.org_debian-security_dists_bookworm-security_main_source_Sources",
          "deb.debian.org_debian-security_dists_bookworm-security_main_i18n_Translation-en",
          "deb.debian.org_debian-security_dists_bookworm-security_main_binary-amd64_Packages.diff_Index",
          ""}) {
        INFO(name);
        CHECK_FALSE(isSecurityList(name));
    }
}

TEST_CASE("security updates that are not installed") {
    Host host;
    host.status(installed("libc6", "2.36-9") + installed("libc6", "2.36-9", "i386") +
                installed("openssl", "3.0.17-1") + installed("tzdata", "2024a-0", "all") +
                installed("moved", "1", "all") +
                paragraph("gone", "1", "amd64", "deinstall ok config-files") +
                paragraph("held", "1", "amd64", "hold ok installed") + installed("newer", "9") +
                installed("bash", "5"));
    host.list(kList, paragraph("libc6", "2.36-9+deb12u10", "amd64") +
                         paragraph("libc6", "2.36-9+deb12u7", "amd64") +
                         paragraph("openssl", "3.0.17-1", "amd64") + paragraph("tzdata", "2025b-0", "all") +
                         paragraph("moved", "2", "amd64") + paragraph("gone", "2", "amd64") +
                         paragraph("held", "2", "amd64") + paragraph("newer", "8", "amd64") +
                         paragraph("absent", "1", "amd64"));
    host.list("deb.debian.org_debian-security_dists_bookworm-security_main_binary-i386_Packages",
              paragraph("libc6", "2.36-9+deb12u10", "i386"));
    host.list("deb.debian.org_debian_dists_bookworm_main_binary-amd64_Packages",
              paragraph("bash", "6", "amd64"));
    const auto lists = host.read();
    CHECK(lists.known);
    CHECK(lists.note.empty());
    CHECK(lists.updates == std::vector<SecurityUpdate>{{"held", "1", "2"},
                                                       {"libc6", "2.36-9", "2.36-9+deb12u10"},
                                                       {"libc6:i386", "2.36-9", "2.36-9+deb12u10"},
                                                       {"moved", "1", "2"},
                                                       {"tzdata", "2024a-0", "2025b-0"}});
    const test::Samples samples(securityFamilies(lists));
    CHECK(samples.value("lapwing_security_updates_pending") == 5);
    CHECK(samples.value(
              "lapwing_security_update_info",
              {{"package", "libc6:i386"}, {"installed", "2.36-9"}, {"offered", "2.36-9+deb12u10"}}) == 1);

    host.status(installed("libc6", "2.36-9+deb12u10"));
    CHECK(test::Samples(securityFamilies(host.read())).value("lapwing_security_updates_pending") == 0);
}

TEST_CASE("security updates are unknown without the lists") {
    Host host;
    host.status(installed("libc6", "2.36-9"));
    CHECK(host.read().note == "no list of a security suite is in " + host.path("lists"));
    CHECK(securityFamilies(host.read()).empty());

    host.list(kList, paragraph("libc6", "3", "amd64"));
    CHECK(host.read().updates.size() == 1);
    host.list(kList + ".lz4", "x");
    CHECK(host.read().note ==
          host.path("lists/" + kList + ".lz4") + " is compressed (Acquire::GzipIndexes), which is not read");
    CHECK(securityFamilies(host.read()).empty());

    std::filesystem::remove_all(host.path("lists"));
    CHECK_FALSE(host.read().known);
    CHECK(host.read().note.empty());
}

TEST_CASE("the newest sign of a fetch counts") {
    Host host;
    host.status(installed("libc6", "2.36-9"));
    host.list(kList, "");
    const auto touch = [&](const std::string& name, time_t at) {
        const std::array<timespec, 2> times{{{at, 0}, {at, 0}}};
        REQUIRE(utimensat(AT_FDCWD, host.path(name).c_str(), times.data(), 0) == 0);
    };
    touch("lists", 1000);
    touch("lists/partial", 2000);
    CHECK(test::Samples(securityFamilies(host.read())).value("lapwing_package_lists_timestamp_seconds") ==
          2000);
    // Nothing else has changed.
    touch("lists/partial", 3000);
    CHECK(host.read().fetched_s == 3000);
}

// It attacks "security updates that are told by name; lists of apt that are read".
TEST_CASE("security updates have bounds") {
    Host host;
    std::string status;
    std::string list;
    for (int i = 0; i < 100; ++i) {
        status += installed("p" + std::to_string(i), "1");
        list += paragraph("p" + std::to_string(i), "2", "amd64");
    }
    host.status(status);
    host.list(kList, list);
    for (int i = 0; i < 63; ++i) {
        host.list("x_dists_a" + std::to_string(i) + "-security_main_binary-amd64_Packages", "");
    }
    const auto families = securityFamilies(host.read());
    CHECK(test::Samples(families).value("lapwing_security_updates_pending") == 100);
    REQUIRE(families.size() == 3);
    CHECK(families[1].metric.size() == 64);

    // Whatever the bytes are, the rest is read.
    host.list(kList, std::string(1 << 20, '\xff') + "\n\nPackage: \nVersion:\n\n\n" + list);
    CHECK(host.read().updates.size() == 100);

    host.list("zzz_dists_z-security_main_binary-amd64_Packages", paragraph("p0", "3", "amd64"));
    CHECK_FALSE(host.read().known);
    CHECK(host.read().note == "more than 64 lists of security suites are in " + host.path("lists"));
}
