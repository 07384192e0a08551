#include "agent/probes/inventory/inventory.h"

#include <arpa/inet.h>
#include <fnmatch.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <sstream>

#include "agent/nginx_conf/text.h"
#include "agent/probes/inventory/packages.h"
#include "agent/probes/inventory/served.h"
#include "common/digest.h"
#include "common/time_text.h"
#include "tests/unit/catch.h"
#include "tests/unit/probes/samples.h"
#include "tests/unit/probes/server.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using namespace lapwing::agent;
using namespace lapwing::agent::inventory;
using Texts = std::vector<std::string>;

namespace {

/// The files of a host in a directory.
Places placesIn(const test::TemporaryFolder& dir) {
    Places places;
    places.nginx = dir.path("nginx");
    places.haproxy = dir.path("haproxy");
    places.hosts = dir.path("hosts");
    places.configtest = dir.path("configtest.json");
    places.packages = {dir.path("status"), dir.path("lists"), dir.path("stamp")};
    return places;
}

Deadline soon() {
    return Deadline(std::chrono::seconds(20));
}

/// The result of readNginx() for files that exist only here.
NginxConfiguration readAll(const std::map<std::string, std::string>& texts) {
    return readNginx(
        "/etc/nginx/nginx.conf",
        {[&](const std::string& path) -> Expected<std::string> {
             const auto found = texts.find(path);
             if (found == texts.end()) {
                 return fail(ErrorKind::not_found, "No such file or directory");
             }
             return found->second;
         },
         [&](const std::string& pattern) {
             Texts out;
             for (const auto& [path, text] : texts) {
                 if (fnmatch(pattern.c_str(), path.c_str(), FNM_PATHNAME) == 0) {
                     out.push_back(path);
                 }
             }
             return out;
         }},
        parseHosts("127.0.0.1 localhost # comment\n::1 localhost ip6-localhost\n10.0.0.2\tWeb-02 alias\n"));
}

NginxConfiguration readOne(const std::string& text) {
    return readAll({{"/etc/nginx/nginx.conf", text}});
}

/// "PORT[*] NAMES > UPSTREAM = ADDRESS (ROLE)", the star for the default server.
Texts words(const NginxConfiguration& configuration) {
    Texts out;
    for (const auto& route : configuration.routes) {
        out.push_back(std::to_string(route.port) + (route.default_server ? "*" : "") + " " +
                      route.server_names + " > " + route.upstream + " = " + route.address + " (" +
                      route.role + ")");
    }
    return out;
}

}  // namespace

TEST_CASE("Nginx's configuration is tokenized as Nginx does") {
    const auto parsed = parseNginx(
        "user www-data; # a comment; with }\n"
        "http {\n  log_format main '$remote_addr \"$request\" {x}' \"a\\\"b\";\n"
        "  map $x ${y} { default a\\ b; }\n"
        "  content_by_lua_block { if x then y({a = '}'}) -- } \n end }\n"
        "  set $z ${y}/x;\n}");
    REQUIRE(parsed);
    REQUIRE(parsed->size() == 2);
    CHECK(parsed->at(0).words == Texts{"user", "www-data"});
    const auto& http = parsed->at(1).block;
    REQUIRE(http.size() == 4);
    CHECK(http[0].words == Texts{"log_format", "main", "$remote_addr \"$request\" {x}", "a\"b"});
    CHECK(http[1].words == Texts{"map", "$x", "${y}"});
    CHECK(http[1].block.at(0).words == Texts{"default", "a b"});
    CHECK(http[2].block.empty());
    CHECK(http[3].words == Texts{"set", "$z", "${y}/x"});
}

TEST_CASE("text that Nginx would not load is an error with its line") {
    for (const auto* text :
         {"a {\n\n", "a {\n}\n}", "a b\n\n", "\n\n'a;", "\n;a", "a\n}", "http {\nx_by_lua_block { {\n}"}) {
        const auto parsed = parseNginx(text);
        INFO(text);
        REQUIRE(!parsed);
        CHECK(parsed.error().kind == ErrorKind::protocol);
        CHECK(parsed.error().message.starts_with("line "));
    }
    CHECK(parseNginx("a;\nb {\n ;\n}").error().message == "line 3: unexpected \";\"");
    std::string deep;
    for (int i = 0; i < 100'000; ++i) {
        deep += "a{";
    }
    CHECK(parseNginx(deep).error().message == "line 1: blocks are nested too deep");
    CHECK(parseNginx("")->empty());
}

TEST_CASE(
    "when Nginx pauses a server: its own words, else those of the blocks around it, else Nginx' defaults") {
    const auto read = readOne(
        "http { proxy_next_upstream error http_503;\n"
        " upstream a { server 10.0.0.1:80 max_fails=3 fail_timeout=5s; server 10.0.0.2:80; }\n"
        " server { listen 81; location / { proxy_pass http://a; } }\n"
        " server { listen 82; proxy_next_upstream off; location / { proxy_pass http://10.0.0.1:80; }\n"
        "  location /x { proxy_pass http://10.0.0.2:80; proxy_next_upstream timeout non_idempotent; } }\n"
        " server { listen 83; uwsgi_pass 10.0.0.3:80; }\n"
        " server { listen 84; return 200; }\n"
        " server { listen 85; fastcgi_next_upstream error;\n"
        "  location / { if ($x) { fastcgi_pass unix:/run/x; } } } }");
    REQUIRE(read.fault.empty());
    Texts found;
    for (const auto& route : read.routes) {
        found.push_back(std::to_string(route.port) + " " + route.address + ": " + route.next_upstream + " (" +
                        route.max_fails + ")");
    }
    CHECK(found == Texts{"81 10.0.0.1:80: error http_503 (3)", "81 10.0.0.2:80: error http_503 (1)",
                         "82 10.0.0.1:80: off (1)", "82 10.0.0.2:80: timeout non_idempotent (1)",
                         "83 10.0.0.3:80: error timeout (1)", "84 :  ()", "85 unix:/run/x: error (1)"});
}

TEST_CASE("the targets of Nginx: upstream groups, addresses, sockets and itself") {
    CHECK(
        words(readOne("http { upstream App { server 127.0.0.1:8000; server 10.0.0.2:8000 weight=2 backup;"
                      "                      server unix:/run/a.sock; server 10.0.0.3 down; }"
                      "  server { listen 80 default_server; server_name a.org B.org;"
                      "    location / { proxy_pass http://app/x; } location /static { root /srv; } }"
                      "  server { listen 8080; location / { if ($x) { fastcgi_pass unix:/run/php.sock; } } }"
                      "  server { listen 127.0.0.1:8081; location = /s { stub_status; } } }")) ==
        Texts{"80* a.org b.org > app = 10.0.0.2:8000 (backup)", "80* a.org b.org > app = 10.0.0.3:80 (down)",
              "80* a.org b.org > app = 127.0.0.1:8000 (active)",
              "80* a.org b.org > app = unix:/run/a.sock (active)",
              "8080*  > unix:/run/php.sock = unix:/run/php.sock (active)", "8081*  >  =  ()"});
    CHECK(words(readOne("http { server { listen [::]:443 ssl; proxy_pass https://web-02; }"
                        "       server { proxy_pass http://unix:/run/b.sock:/x; }"
                        "       server { listen unix:/run/n.sock; proxy_pass http://x; }"
                        "       server { listen 81; uwsgi_pass localhost:9000; grpc_pass grpcs://far.org; "
                        "proxy_pass http://$b; } }")) ==
          Texts{"80*  > unix:/run/b.sock = unix:/run/b.sock (active)", "81*  > $b =  ()",
                "81*  > far.org = far.org:443 (active)", "81*  > localhost:9000 = 127.0.0.1:9000 (active)",
                "81*  > localhost:9000 = [::1]:9000 (active)", "443*  > web-02 = 10.0.0.2:443 (active)"});
    // A list may be long, and passes no requests.
    CHECK(
        words(readOne("http { map $a $b { include /etc/nginx/list; } server { server_name \xff\xfe; } }")) ==
        Texts{"80* \xff\xfe >  =  ()"});
    const auto foreign = routeFamily(readOne("http { server { server_name \xff\xfe; } }"));
    CHECK(foreign.metric.at(0).label.at(1).value == "\\xff\\xfe");
    // Proxies outside of http do not count.
    CHECK(words(readOne("stream { server { listen 3306; proxy_pass 10.0.0.2:3306; } } http { }")).empty());
}

TEST_CASE("the first server of a port is the default, unless another has default_server") {
    CHECK(words(readOne(
              "http { server { listen 80; server_name a; } server { listen 80; server_name b; } }")) ==
          Texts{"80* a >  =  ()", "80 b >  =  ()"});
    CHECK(words(readOne("http { server { listen 80; server_name a; }"
                        "       server { listen 80 default_server; server_name b; } }")) ==
          Texts{"80 a >  =  ()", "80* b >  =  ()"});
}

TEST_CASE("included files of Nginx's configuration are read, and unreadable ones are named") {
    const auto whole =
        readAll({{"/etc/nginx/nginx.conf", "http { include sites/*; include /etc/nginx/more.conf; }"},
                 {"/etc/nginx/more.conf", "ssl_certificate b.pem;"},
                 {"/etc/nginx/sites/a",
                  "server { ssl_certificate /etc/ssl/a.pem; ssl_certificate_key k;"
                  " ssl_certificate \"/etc/ssl/$host.pem\"; }"},
                 {"/etc/nginx/other", "ssl_certificate /etc/ssl/unused.pem;"}});
    CHECK(whole.certificates == std::set<std::string>{"/etc/ssl/a.pem", "b.pem"});
    CHECK(whole.fault.empty());
    CHECK(routeFamily(whole).metric.size() == 1);

    auto partial = readAll(
        {{"/etc/nginx/nginx.conf", "http { include closed.conf; server { ssl_certificate c.pem; } }"}});
    CHECK(partial.fault == "/etc/nginx/closed.conf: No such file or directory");
    CHECK(partial.certificates == std::set<std::string>{"c.pem"});
    CHECK(routeFamily(partial).metric.empty());
    CHECK(readOne("include nginx.conf;").fault ==
          "/etc/nginx/nginx.conf: too many files include one another");
    CHECK(readOne("http {").fault == "/etc/nginx/nginx.conf: line 1: unexpected end of the file");

    std::string many = "http { upstream u {";
    for (int i = 0; i < 300; ++i) {
        many += "server 10.0.0.1:" + std::to_string(1000 + i) + ";";
    }
    CHECK(readOne(many + "} server { proxy_pass http://u; } }").fault ==
          "more than 256 ways that requests go");
}

TEST_CASE("installed packages that serve a site") {
    std::istringstream status(
        "Package: nginx\nStatus: install ok installed\nVersion: 1.22.1-9\n\n"
        "Package: haproxy\nStatus: deinstall ok config-files\nVersion: 2.6\n\n"
        "Package: python3-flask\nStatus: install ok installed\nVersion: 2\n\n"
        "Package: vim\nStatus: install ok installed\nVersion: 9\n\n"
        "Package: python3.11\nVersion: 3.11.2-6\nStatus: install ok installed\n"
        "Description: x\n Package: nginx\n");
    CHECK(servingPackages(status) == Texts{"1.22.1-9  nginx", "3.11.2-6  python3.11"});
}

TEST_CASE("the files of a set, by digest") {
    const test::TemporaryFolder dir;
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

TEST_CASE("unreadable files are listed as such", "[root]") {
    const test::TemporaryFolder dir;
    ::chmod(dir.path().c_str(), 0755);
    std::filesystem::create_directories(dir.path("closed"));
    ::chmod(dir.write("secret.cfg", "x").c_str(), 0);
    ::chmod(dir.path("closed").c_str(), 0);
    FileDigests digests;
    const bool root = ::geteuid() == 0;
    if (root) {
        REQUIRE(::seteuid(65534) == 0);
    }
    const auto listed = digests.list({"x", {dir.path()}, {}}, soon());
    if (root) {
        REQUIRE(::seteuid(0) == 0);
    }
    CHECK(listed.value() ==
          Texts{"unreadable  " + dir.path("secret.cfg"), "unreadable  " + dir.path("closed")});
}

TEST_CASE("a set with too many files is an error") {
    const test::TemporaryFolder dir;
    for (int i = 0; i < 8005; ++i) {
        dir.write(std::to_string(i), "");
    }
    FileDigests digests;
    const auto listed = digests.list({"x", {dir.path()}, {}}, soon());
    REQUIRE(!listed);
    CHECK(listed.error().kind == ErrorKind::exhausted);
}

TEST_CASE("the inventory of a host: one sample and one document for each set that has entries") {
    const test::TemporaryFolder dir;
    std::filesystem::create_directories(dir.path("nginx"));
    const auto certificate = dir.write("site.pem", "certificate");
    dir.write("nginx/nginx.conf", "http { include *.site; }");
    dir.write("nginx/a.site",
              "server { ssl_certificate " + certificate + "; proxy_pass http://app:8000; }\n");
    dir.write("hosts", "10.0.0.9 app\n");
    dir.write("status", "Package: nginx\nStatus: install ok installed\nVersion: 1.22.1-9\n");
    dir.write("configtest.json", configtest::toJson({nowMs(), {}}));
    InventoryProbe probe(placesIn(dir), {});
    const auto result = probe.collect(soon());
    REQUIRE(result);
    const test::Samples samples(result->families);
    const auto document = sha256("certificate") + "  " + certificate + "\n";
    CHECK(samples.value("lapwing_inventory_info", {{"set", "certificates"}, {"digest", sha256(document)}}) ==
          1);
    CHECK(samples.value("lapwing_inventory_info",
                        {{"set", "packages"}, {"digest", sha256("1.22.1-9  nginx\n")}}) == 1);
    CHECK(samples.value("lapwing_inventory_entries", {{"set", "nginx"}}) == 2);
    CHECK(samples.value("lapwing_nginx_route_info", {{"port", "80"},
                                                     {"server_names", ""},
                                                     {"default_server", "yes"},
                                                     {"upstream", "app:8000"},
                                                     {"address", "10.0.0.9:8000"},
                                                     {"role", "active"},
                                                     {"next_upstream", "error timeout"},
                                                     {"max_fails", "1"}}) == 1);
    CHECK(result->note.empty());
    CHECK(result->documents.size() == 3);
    CHECK(std::any_of(result->documents.begin(), result->documents.end(), [&](const auto& found) {
        return found.kind == "inventory" && found.body == document;
    }));
    dir.write("nginx/a.site", "server {");
    const auto broken = probe.collect(soon());
    REQUIRE(broken);
    CHECK(broken->note == "where Nginx passes requests is not known: " + dir.path("nginx/a.site") +
                              ": line 1: unexpected end of the file");
}

TEST_CASE("old results of configuration tests fail the probe, unless the tests are switched off") {
    const test::TemporaryFolder dir;
    std::filesystem::create_directories(dir.path("nginx"));
    std::filesystem::create_directories(dir.path("units/timers.target.wants"));
    dir.write("nginx/nginx.conf", "http { server { listen 80; } }");
    dir.write("status", "Package: nginx\nStatus: install ok installed\nVersion: 1.22.1-9\n");
    const auto written = nowMs() - 300'001;
    configtest::Test nginx;
    nginx.program = "nginx";
    nginx.result = configtest::Result::good;
    dir.write("configtest.json", configtest::toJson({written, {nginx}}));
    auto places = placesIn(dir);
    places.unit_directories = {dir.path("units"), dir.path("runtime")};
    InventoryProbe probe(places, {});
    const auto since = "configuration tests have not run since " + rfc3339(written);
    const auto check = [&](bool fails) {
        const auto result = probe.collect(soon());
        REQUIRE(result);
        const test::Samples samples(result->families);
        CHECK(samples.count("lapwing_inventory_info") == 2);
        CHECK(samples.count("lapwing_configuration_test_info") == 0);
        CHECK(result->failure.has_value() == fails);
        CHECK((result->failure ? result->failure->message : result->note) ==
              since + (fails ? "" : ": lapwing-configtest.timer is switched off"));
    };
    check(false);  // disabled: no link in timers.target.wants
    std::filesystem::create_symlink("/lib/systemd/system/lapwing-configtest.timer",
                                    dir.path("units/timers.target.wants/lapwing-configtest.timer"));
    check(true);
    // masked, which leaves the link of `enable`
    std::filesystem::create_symlink("/dev/null", dir.path("units/lapwing-configtest.timer"));
    check(false);
    std::filesystem::remove(dir.path("units/lapwing-configtest.timer"));
    std::filesystem::create_directories(dir.path("runtime"));
    std::filesystem::create_symlink("/dev/null", dir.path("runtime/lapwing-configtest.timer"));
    check(false);
    dir.write("configtest.json", "{}");
    CHECK(probe.collect(soon())->failure->kind == ErrorKind::protocol);
}

/// A listener that never answers stands for every server that cannot be asked.
/// It attacks "handshakes for changed certificates".
TEST_CASE("a server that does not present its certificate is unknown") {
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    REQUIRE(bind(listener, reinterpret_cast<sockaddr*>(&at), size) == 0);
    REQUIRE(listen(listener, 1) == 0);
    REQUIRE(getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size) == 0);
    const auto silent = "127.0.0.1:" + std::to_string(ntohs(at.sin_port));
    const configtest::Certificates changed{
        {}, {{"nginx", "/a.pem", silent, "a"}, {"nginx", "/b.pem", silent, "a"}}};
    std::string note;
    CHECK(
        staleFamily(changed, std::chrono::steady_clock::now() + std::chrono::hours(1), note).metric.empty());
    CHECK(note.starts_with("which certificate nginx presents at " + silent + " is not known: "));
    note.clear();
    CHECK(staleFamily(changed, std::chrono::steady_clock::now(), note).metric.empty());
    CHECK_FALSE(note.empty());
    close(listener);
    const auto refused = askServed(silent, "", std::chrono::steady_clock::now() + std::chrono::seconds(5));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::refused);
    CHECK(askServed("localhost:443", "", {}).error().kind == ErrorKind::invalid);
}

TEST_CASE("the results of tests of configurations") {
    const test::TemporaryFolder dir;
    InventoryProbe probe(placesIn(dir), {});
    // A host without both programs needs no tests.
    auto result = probe.collect(soon());
    REQUIRE(result);
    CHECK(result->note.empty());
    std::filesystem::create_directories(dir.path("nginx"));
    result = probe.collect(soon());
    REQUIRE(result);
    CHECK(result->note.find("lapwing-configtest.timer") != std::string::npos);
    CHECK_FALSE(result->failure);

    using configtest::Result;
    const std::vector<configtest::Test> tests{
        {"nginx", "/etc/nginx/nginx.conf", Result::broken, "unexpected \"}\"", "/etc/nginx/nginx.conf:9",
         5'500, 0, "", ""},
        {"nginx", "/etc/nginx/nginx.conf", Result::good, "", "", 5'500, 0, "", ""},
        {"haproxy", "", Result::unknown, "in a container", "", 0, 0, "", ""}};
    dir.write("configtest.json", configtest::toJson({nowMs(), tests}));
    result = probe.collect(soon());
    REQUIRE(result);
    CHECK(result->note == "whether haproxy would load its configuration is not known: in a container");
    const test::Samples samples(result->families);
    CHECK(samples.value("lapwing_configuration_test_info", {{"program", "nginx"},
                                                            {"configuration", "/etc/nginx/nginx.conf"},
                                                            {"result", "broken"},
                                                            {"place", "/etc/nginx/nginx.conf:9"},
                                                            {"words", "unexpected \"}\""}}) == 1);
    CHECK(samples.value("lapwing_configuration_test_timestamp_seconds",
                        {{"program", "nginx"}, {"configuration", "/etc/nginx/nginx.conf"}}) == 5.5);
    CHECK(testFamilies(tests).front().metric.size() == 2);
    CHECK(testFamilies({}).empty());
}

/// It attacks "replaced programs that are told; names of packages that ask for a reboot".
TEST_CASE("what waits for a restart") {
    std::map<std::uint64_t, Owner> owners{{1, {10, "nginx", "/usr/sbin/nginx (deleted)", "nginx.service"}},
                                          {2, {10, "nginx", "/usr/sbin/nginx (deleted)", "nginx.service"}},
                                          {3, {11, "haproxy", "/usr/sbin/haproxy", "haproxy.service"}},
                                          {4, {12, "tool", "/tmp/gone (deleted)", ""}}};
    const auto exists = [](const std::string& path) { return path != "/tmp/gone"; };
    const test::Samples replaced(std::vector{replacedFamily(owners, exists)});
    CHECK(replaced.value(
              "lapwing_replaced_program_info",
              {{"process", "nginx"}, {"executable", "/usr/sbin/nginx"}, {"unit", "nginx.service"}}) == 1);
    CHECK(replacedFamily(owners, exists).metric.size() == 1);
    for (std::uint64_t i = 100; i < 300; ++i) {
        owners[i] = {1, "p" + std::to_string(i), "/usr/bin/p (deleted)", ""};
    }
    CHECK(replacedFamily(owners, exists).metric.size() == 64);

    const test::TemporaryFolder dir;
    const RebootPlaces places{dir.path("root"), dir.path("proc")};
    CHECK(rebootFamily(places).metric.empty());
    for (const auto* name : {"root/run", "root/boot", "proc/sys/kernel"}) {
        std::filesystem::create_directories(dir.path(name));
    }
    dir.write("root/run/reboot-required", "");
    CHECK(test::Samples(std::vector{rebootFamily(places)})
              .value("lapwing_reboot_required_info", {{"reason", "packages"}, {"detail", ""}}) == 1);
    dir.write("root/run/reboot-required.pkgs", "linux-image\ndbus\nlinux-image\n");
    CHECK(test::Samples(std::vector{rebootFamily(places)})
              .value("lapwing_reboot_required_info",
                     {{"reason", "packages"}, {"detail", "dbus linux-image"}}) == 1);
    dir.write("root/run/reboot-required.pkgs", std::string(1000, 'x'));
    CHECK(test::Samples(std::vector{rebootFamily(places)})
              .value("lapwing_reboot_required_info",
                     {{"reason", "packages"}, {"detail", std::string(300, 'x')}}) == 1);

    dir.write("proc/sys/kernel/osrelease", "6.1.0-28-amd64\n");
    dir.write("proc/stat", "cpu 1 2\nbtime 1700000000\n");
    dir.write("root/boot/vmlinuz-6.1.0-30-amd64", "");
    std::filesystem::create_symlink("boot/vmlinuz-6.1.0-30-amd64", dir.path("root/vmlinuz"));
    CHECK(test::Samples(std::vector{rebootFamily(places)})
              .value("lapwing_reboot_required_info", {{"reason", "kernel"}, {"detail", "6.1.0-30-amd64"}}) ==
          1);
    CHECK(rebootFamily(places).metric.size() == 2);
    // Installed before the boot: somebody chose the older one.
    dir.write("proc/stat", "btime 9700000000\n");
    CHECK(rebootFamily(places).metric.size() == 1);
    dir.write("proc/stat", "btime 1700000000\n");
    dir.write("proc/sys/kernel/osrelease", "6.1.0-30-amd64\n");
    CHECK(rebootFamily(places).metric.size() == 1);
}
