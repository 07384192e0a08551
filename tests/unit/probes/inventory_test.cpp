#include "agent/probes/inventory/inventory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "agent/probes/inventory/parse.h"
#include "common/digest.h"
#include "tests/unit/catch.h"
#include "tests/unit/probes/samples.h"
#include "tests/unit/probes/server.h"

using namespace lapwing;
using namespace lapwing::agent;
using namespace lapwing::agent::inventory;
using Texts = std::vector<std::string>;

namespace {

Deadline soon() {
    return Deadline(std::chrono::seconds(20));
}

}  // namespace

TEST_CASE("the certificates that Nginx shows") {
    CHECK(nginxCertificates(
              "server {\n  ssl_certificate /etc/ssl/a.pem;\n  ssl_certificate_key /etc/ssl/a.key;\n"
              "  # ssl_certificate /etc/ssl/old.pem;\n  ssl_certificate \"b.pem\" ;\n"
              "  ssl_certificate /etc/ssl/$host.pem; ssl_certificate data:x;\n ssl_certificate") ==
          Texts{"/etc/ssl/a.pem", "b.pem"});
}

TEST_CASE("installed packages that serve a site") {
    CHECK(servingPackages("Package: nginx\nStatus: install ok installed\nVersion: 1.22.1-9\n\n"
                          "Package: haproxy\nStatus: deinstall ok config-files\nVersion: 2.6\n\n"
                          "Package: python3-flask\nStatus: install ok installed\nVersion: 2\n\n"
                          "Package: vim\nStatus: install ok installed\nVersion: 9\n\n"
                          "Package: python3.11\nVersion: 3.11.2-6\nStatus: install ok installed\n"
                          "Description: x\n Package: nginx\n") ==
          Texts{"1.22.1-9  nginx", "3.11.2-6  python3.11"});
}

TEST_CASE("the files of a set, by digest") {
    const test::TempDir dir;
    std::filesystem::create_directories(dir.path("app/sub/.git"));
    std::filesystem::create_directories(dir.path("elsewhere"));
    dir.write("app/b.py", "b");
    dir.write("app/sub/a.py", "a");
    dir.write("app/sub/a.pyc", "x");
    dir.write("app/sub/.git/HEAD", "x");
    dir.write("app/x.log", "x");
    dir.write("elsewhere/c.py", "c");
    std::filesystem::create_symlink(dir.path("elsewhere/c.py"), dir.path("app/link.py"));
    std::filesystem::create_symlink(dir.path("elsewhere"), dir.path("app/links"));
    std::filesystem::create_symlink(dir.path("nowhere"), dir.path("app/broken"));
    FileDigests digests;
    const FileSet set{"application", {dir.path("app"), dir.path("absent")}, {"*.log"}};
    const auto line = [&](const std::string& text, const std::string& name) {
        return sha256(text) + "  " + dir.path(name);
    };
    CHECK(digests.list(set, soon()).value() ==
          Texts{line("b", "app/b.py"), line("c", "app/link.py"), line("a", "app/sub/a.py")});
    dir.write("app/b.py", "B");
    CHECK(digests.list(set, soon()).value()[0] == line("B", "app/b.py"));
    std::filesystem::remove(dir.path("app/b.py"));
    CHECK(digests.list(set, soon()).value().size() == 2);

    const auto late = digests.list(set, Deadline(std::chrono::milliseconds(0)));
    REQUIRE(!late);
    CHECK(late.error().kind == ErrorKind::timeout);
}

TEST_CASE("what may not be read is listed as such", "[root]") {
    const test::TempDir dir;
    ::chmod(dir.path().c_str(), 0755);
    std::filesystem::create_directories(dir.path("closed"));
    ::chmod(dir.write("secret.cfg", "x").c_str(), 0);
    ::chmod(dir.path("closed").c_str(), 0);
    FileDigests digests;
    const bool root = ::geteuid() == 0;
    if (root) REQUIRE(::seteuid(65534) == 0);
    const auto listed = digests.list({"x", {dir.path()}, {}}, soon());
    if (root) REQUIRE(::seteuid(0) == 0);
    CHECK(listed.value() ==
          Texts{"unreadable  " + dir.path("secret.cfg"), "unreadable  " + dir.path("closed")});
}

TEST_CASE("a set with too many files is an error") {
    const test::TempDir dir;
    for (int i = 0; i < 8005; ++i) {
        dir.write(std::to_string(i), "");
    }
    FileDigests digests;
    const auto listed = digests.list({"x", {dir.path()}, {}}, soon());
    REQUIRE(!listed);
    CHECK(listed.error().kind == ErrorKind::exhausted);
}

TEST_CASE("the inventory of a host: one sample and one document for each set that has entries") {
    const test::TempDir dir;
    std::filesystem::create_directories(dir.path("nginx"));
    const auto certificate = dir.write("site.pem", "certificate");
    dir.write("nginx/nginx.conf", "ssl_certificate " + certificate + ";\n");
    dir.write("status", "Package: nginx\nStatus: install ok installed\nVersion: 1.22.1-9\n");
    InventoryProbe probe({dir.path("nginx"), dir.path("haproxy"), dir.path("status")}, {});
    const auto result = probe.collect(soon());
    REQUIRE(result);
    const test::Samples samples(result->families);
    const auto document = sha256("certificate") + "  " + certificate + "\n";
    CHECK(samples.value("lapwing_inventory_info", {{"set", "certificates"}, {"digest", sha256(document)}}) ==
          1);
    CHECK(samples.value("lapwing_inventory_info",
                        {{"set", "packages"}, {"digest", sha256("1.22.1-9  nginx\n")}}) == 1);
    CHECK(samples.value("lapwing_inventory_entries", {{"set", "nginx"}}) == 1);
    CHECK(result->documents.size() == 3);
    CHECK(std::any_of(result->documents.begin(), result->documents.end(),
                      [&](const auto& one) { return one.kind == "inventory" && one.body == document; }));
}
