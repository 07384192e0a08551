#include "agent/configtest/configtest.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "agent/configtest/helper/certificates.h"
#include "agent/configtest/helper/command.h"
#include "agent/configtest/helper/inputs.h"
#include "agent/configtest/helper/listeners.h"
#include "agent/configtest/helper/round.h"
#include "agent/configtest/helper/unit_command.h"
#include "agent/configtest/helper/verdict.h"
#include "tests/unit/catch.h"

using namespace lapwing;
using namespace lapwing::agent;
using namespace lapwing::agent::configtest;
using Texts = std::vector<std::string>;
namespace fs = std::filesystem;

namespace {

constexpr TimestampMs kNow = 1'700'000'000'000;
constexpr TimestampMs kMinute = 60'000;

void write(const fs::path& path, const std::string& text, fs::perms mode = fs::perms(0644)) {
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    fs::permissions(path, mode);
}

std::string contentOf(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

ToolOutput failed(std::string error) {
    return {"/usr/sbin/nginx", ReadStatus::failed, "", std::move(error)};
}

std::string told(const Verdict& verdict) {
    return std::string(nameOf(kResultNames, verdict.result)) + " | " + verdict.place + " | " + verdict.words;
}

/// A host with a procfs of its own, below a directory that root alone may change.
class Host {
  public:
    Host() : directory_("/var/lib/lapwing-configtest-test-" + std::to_string(getpid())) {
        test::needRoot();
        fs::remove_all(directory_);
        fs::create_directories(directory_);
        addProcess(1, "init", "/sbin/init", "init", "0");
    }
    ~Host() { fs::remove_all(directory_); }
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;

    fs::path path(const std::string& name) const { return directory_ / name; }

    /// `arguments`: with '\0' behind each, as procfs has them.
    void addProcess(int pid, const std::string& name, const std::string& executable,
                    const std::string& arguments, const std::string& uid,
                    const std::string& namespaces = "[1]") const {
        const auto home = path("proc/" + std::to_string(pid));
        fs::remove_all(home);
        write(home / "comm", name + "\n");
        write(home / "cmdline", arguments);
        write(home / "cgroup", "0::/system.slice/" + name + ".service\n");
        write(home / "environ", std::string("WORD=from-the-process\0NOTIFY_SOCKET=/x\0", 38));
        std::string ids = "Uid:";
        for (int i = 0; i < 4; ++i) {
            ids += "\t" + uid;
        }
        write(home / "status", "Name:\t" + name + "\nPPid:\t1\n" + ids + "\n");
        fs::create_directories(home / "ns");
        fs::create_symlink("user:" + namespaces, home / "ns/user");
        fs::create_symlink("mnt:" + namespaces, home / "ns/mnt");
        fs::create_symlink(executable, home / "exe");
        fs::create_symlink("/", home / "cwd");
        fs::create_symlink("/", home / "root");
    }

    /// A HAProxy whose test is this script.
    void addHaproxy(const std::string& script, int pid = 42, const std::string& file = "haproxy.cfg") const {
        const auto program = path("haproxy");
        write(program, "#!/bin/sh\necho x >>" + path("calls").string() + "\n" + script, fs::perms(0755));
        if (!fs::exists(path("etc/" + file))) {
            write(path("etc/" + file), "global\n");
        }
        addProcess(pid, "haproxy", program,
                   program.string() + '\0' + "-Ws" + '\0' + "-f" + '\0' + path("etc/" + file).string() + '\0',
                   "0");
    }

    RoundOptions options() const {
        RoundOptions out;
        out.places = {path("proc"), path("root")};
        out.deadline = std::chrono::seconds(10);
        return out;
    }

    std::size_t calls() const { return contentOf(path("calls")).size() / 2; }

  private:
    fs::path directory_;
};

}  // namespace

TEST_CASE("the test of Nginx takes the options of its start") {
    auto test = nginxTest({"-g", "daemon", "on;", "master_process", "on;"});
    CHECK(test.argv == Texts{"-g", "daemon on; master_process on;", "-e", "stderr", "-t"});
    CHECK(test.usual_file);
    test = nginxTest({"-c", "/srv/n.conf", "-p", "/srv/", "-e", "/var/log/x.log"});
    CHECK(test.argv == Texts{"-c", "/srv/n.conf", "-p", "/srv/", "-e", "stderr", "-t"});
    CHECK(test.files == Texts{"/srv/n.conf"});
    CHECK_FALSE(test.usual_file);
    CHECK(nginxTest({}).argv == Texts{"-e", "stderr", "-t"});

    for (const auto& words :
         {Texts{"-c", "conf/n.conf"}, Texts{"-c"}, Texts{"-x", "y"}, Texts{"-c", "/a", "b"}, Texts{"word"}}) {
        INFO(words[0]);
        CHECK_FALSE(nginxTest(words).unknown.empty());
    }
    CHECK(nginxOption("built by gcc\nconfigure arguments: --prefix=/usr/share/nginx "
                      "--conf-path=/etc/nginx/nginx.conf --x\n",
                      "--conf-path") == "/etc/nginx/nginx.conf");
    CHECK(nginxOption("configure arguments: --prefix=/opt", "--conf-path").empty());
}

TEST_CASE("the test of HAProxy leaves out what belongs to a start") {
    const auto test =
        haproxyTest({"-sf", "17", "18", "-x", "sockpair@4", "-Ws", "-f", "/etc/haproxy/haproxy.cfg", "-f",
                     "conf.d", "-p", "/run/haproxy.pid", "-S", "/run/haproxy-master.sock", "-D", "-dr"},
                    "/srv");
    CHECK(test.argv ==
          Texts{"-Ws", "-f", "/etc/haproxy/haproxy.cfg", "-f", "conf.d", "-dr", "-C", "/srv", "-c"});
    CHECK(test.files == Texts{"/etc/haproxy/haproxy.cfg", "/srv/conf.d"});
    CHECK(haproxyTest({"-C", "/opt", "--", "a.cfg", "b.cfg"}, "/").files ==
          Texts{"/opt/a.cfg", "/opt/b.cfg"});

    CHECK_FALSE(haproxyTest({"-f", "a.cfg"}, "").unknown.empty());
    CHECK_FALSE(haproxyTest({"-Ws"}, "/").unknown.empty());
    CHECK_FALSE(haproxyTest({"-f", "/a", "-Z"}, "/").unknown.empty());
    CHECK_FALSE(haproxyTest({"-f"}, "/").unknown.empty());
}

TEST_CASE("what Nginx says is judged") {
    CHECK(judge("nginx", {"", ReadStatus::ok, "", "nginx: [warn] conflicting server name"}).result ==
          Result::good);
    CHECK(
        told(judge(
            "nginx",
            failed(
                "2026/12/01 00:43:47 [warn] 32#32: the \"user\" directive makes no sense\n"
                "2026/12/01 00:43:47 [emerg] 32#32: unknown directive \"evnets\" in /etc/nginx/nginx.conf:3\n"
                "nginx: configuration file /etc/nginx/nginx.conf test failed\n"))) ==
        "broken | /etc/nginx/nginx.conf:3 | unknown directive \"evnets\"");
    CHECK(told(judge(
              "nginx",
              failed("nginx: [emerg] unexpected end of file, expecting \"}\" in /etc/nginx/nginx.conf:9"))) ==
          "broken | /etc/nginx/nginx.conf:9 | unexpected end of file, expecting \"}\"");
    CHECK(
        told(judge("nginx",
                   failed("nginx: [emerg] cannot load certificate \"/etc/x.pem\": BIO_new_file() failed"))) ==
        "broken |  | cannot load certificate \"/etc/x.pem\": BIO_new_file() failed");

    const auto name = judge(
        "nginx", failed("nginx: [emerg] host not found in upstream \"app\" in /etc/nginx/nginx.conf:7"));
    CHECK(name.result == Result::broken);
    CHECK(name.unresolved);

    for (const auto* ours :
         {"nginx: [emerg] open() \"/srv/logs/a.log\" failed (30: Read-only file system)",
          "nginx: [emerg] bind() to 10.77.0.100:80 failed (99: Cannot assign requested address)",
          "nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)",
          "nginx: [emerg] cannot load certificate \"/tmp/x.pem\": BIO_new_file() failed",
          "nginx: invalid option: \"e\"", "",
          "nginx: [emerg] unknown directive \"a\" in /etc/nginx/nginx.conf:3\n; ended by signal 9",
          "no end within the deadline", "more output than 1048576 bytes"}) {
        INFO(ours);
        const auto verdict = judge("nginx", failed(ours));
        CHECK(verdict.result == Result::unknown);
        CHECK_FALSE(verdict.words.empty());
    }
}

TEST_CASE("what HAProxy says is judged") {
    // 2.6, and as 2.8 to 3.2 write the same.
    CHECK(told(judge("haproxy",
                     failed("[NOTICE]   (31) : haproxy version is 2.6.12-1+deb12u4\n"
                            "[WARNING]  (31) : config : parsing [/etc/haproxy/haproxy.cfg:4] : a warning\n"
                            "[ALERT]    (31) : config : parsing [/etc/haproxy/haproxy.cfg:13] : unknown "
                            "keyword 'balanse' "
                            "in 'backend' section; did you mean 'balance' maybe ?\n"
                            "[ALERT]    (31) : config : Error(s) found in configuration file : "
                            "/etc/haproxy/haproxy.cfg\n"))) ==
          "broken | /etc/haproxy/haproxy.cfg:13 | unknown keyword 'balanse' in 'backend' section; did you "
          "mean 'balance' maybe ?");
    CHECK(told(judge(
              "haproxy",
              failed(
                  "[ALERT]    (9) : config : [/etc/haproxy/haproxy.cfg:8] : 'server b/x' : could not resolve "
                  "address 'app'.\n"))) ==
          "broken | /etc/haproxy/haproxy.cfg:8 | 'server b/x' : could not resolve address 'app'.");
    CHECK(judge("haproxy",
                failed("[ALERT]    (9) : config : [/a:8] : 'server b/x' : could not resolve address 'app'."))
              .unresolved);
    CHECK(
        told(judge(
            "haproxy",
            failed(
                "[ALERT]    (9) : config : Proxy 'web': unable to find required default_backend: 'no'."))) ==
        "broken |  | Proxy 'web': unable to find required default_backend: 'no'.");
    CHECK(judge("haproxy",
                failed("[ALERT] (9) : config : Could not open configuration file /x : Permission denied"))
              .result == Result::unknown);
    CHECK(judge("haproxy", failed("Usage : haproxy [-f <cfgfile|cfgdir>]*")).result == Result::unknown);
}

TEST_CASE("a text hides what may be a secret") {
    const fs::path file = "/tmp/lapwing-configtest-" + std::to_string(getpid()) + "/a.cfg";
    write(file, "user admin password S3cret extra\nbalanse roundrobin\ncrt-key /etc/x\n");
    const auto place = file.string() + ":";
    const Texts here{file.parent_path().string()};
    CHECK(withoutSecrets("unknown word 'S3cret' of \"extra", place + "1", here) ==
          "unknown word '...' of \"...");
    CHECK(withoutSecrets("unknown keyword 'balanse'", place + "2", here) == "unknown keyword 'balanse'");
    CHECK(withoutSecrets("no file '/etc/x'", place + "3", here) == "no file '/etc/x'");
    CHECK(withoutSecrets("unknown directive \"root:$6$hash\"", place + "2", {"/etc/nginx"}) ==
          "unknown directive \"...\"");
    fs::remove_all(file.parent_path());
}

/// It attacks "the words of such a test".
TEST_CASE("words are one short line of text") {
    CHECK(bounded("a\nb\x1b[31m\x7f") == "a b [31m ");
    CHECK(bounded(std::string(10'000, 'x')).size() == 300);
    CHECK(bounded("\xff") == "\\xff");
}

TEST_CASE("the results are read as they were written") {
    Tests tests{kNow,
                {{"nginx", "/etc/nginx/nginx.conf", Result::broken, "unknown \"x\"",
                  "/etc/nginx/nginx.conf:1", kNow, 0, "c", "i"},
                 {"haproxy", "", Result::unknown, "it is in a container", "", 0, 5, "d", ""}}};
    CHECK(parseTests(toJson(tests)).value() == tests);
    for (const auto* text : {"", "{}", "[]", R"({"format":2,"time_ms":1})", "\x00\xff"}) {
        CHECK(parseTests(text).error().kind == ErrorKind::protocol);
    }
    const std::string file = "/tmp/lapwing-configtest-" + std::to_string(getpid()) + ".json";
    CHECK(readTests(file, kNow, kMinute).error().kind == ErrorKind::not_found);
    write(file, toJson(tests));
    CHECK(readTests(file, kNow + kMinute, kMinute).value() == tests);
    CHECK(readTests(file, kNow + kMinute + 1, kMinute).error().kind == ErrorKind::unavailable);
    fs::remove(file);
}

TEST_CASE("the command line of Debian's units") {
    const fs::path root = "/tmp/lapwing-configtest-units-" + std::to_string(getpid());
    write(root / "lib/systemd/system/haproxy.service",
          "[Service]\nEnvironmentFile=-/etc/default/haproxy\nEnvironmentFile=-/etc/sysconfig/haproxy\n"
          "Environment=\"CONFIG=/etc/haproxy/haproxy.cfg\" \"PIDFILE=/run/haproxy.pid\" \"EXTRAOPTS=-S "
          "/run/m.sock\"\n"
          "ExecStartPre=/usr/sbin/haproxy -Ws -f $CONFIG -c -q $EXTRAOPTS\n"
          "ExecStart=/usr/sbin/haproxy -Ws -f $CONFIG -p ${PIDFILE} $EXTRAOPTS\n");
    write(root / "etc/default/haproxy",
          "# CONFIG=/no\nEXTRAOPTS=\"-S /run/other.sock -f /etc/haproxy/more.cfg\"\n");
    write(root / "lib/systemd/system/nginx.service",
          "[Service]\nExecStartPre=/usr/sbin/nginx -t -q -g 'daemon on;'\nExecStart=/usr/sbin/nginx -g "
          "'daemon on; master_process on;'\n");
    const Units units(root.string());
    auto command = unitCommand(units, "haproxy.service", "haproxy", root.string());
    CHECK(command.words == Texts{"/usr/sbin/haproxy", "-Ws", "-f", "/etc/haproxy/haproxy.cfg", "-p",
                                 "/run/haproxy.pid", "-S", "/run/other.sock", "-f", "/etc/haproxy/more.cfg"});
    CHECK(command.unknown.empty());
    CHECK(std::find(command.environment.begin(), command.environment.end(),
                    "CONFIG=/etc/haproxy/haproxy.cfg") != command.environment.end());
    command = unitCommand(units, "nginx.service", "nginx", root.string());
    CHECK(command.words == Texts{"/usr/sbin/nginx", "-g", "daemon", "on;", "master_process", "on;"});

    write(root / "etc/systemd/system/nginx.service.d/a.conf", "[Service]\nUser=web\n");
    CHECK_FALSE(unitCommand(units, "nginx.service", "nginx", root.string()).unknown.empty());
    fs::remove_all(root);
}

TEST_CASE("a test does not inherit what belongs to one process") {
    CHECK(inheritable({"A=1", "NGINX=3;4;", "NOTIFY_SOCKET=/x", "LISTEN_FDS=1", "HAPROXY_MWORKER_REEXEC=1",
                       "HAPROXY_OWN=2", "LC_ALL=de", "no-equals"}) == Texts{"A=1", "HAPROXY_OWN=2"});
}

TEST_CASE("root does not test what others may change", "[root]") {
    const Host host;
    const auto main_file = host.path("etc/n.conf");
    write(main_file, "http { include " + host.path("site/*.conf").string() + "; }\n");
    write(host.path("site/a.conf"), "server { }\n");
    const Texts files{main_file.string()};
    const auto before = inputsOf("nginx", files);
    CHECK(before.refused.empty());
    write(host.path("site/b.conf"), "server { }\n");
    CHECK(inputsOf("nginx", files).digest != before.digest);
    const auto with_b = inputsOf("nginx", files).digest;
    write(host.path("etc/ssl/x.pem"), "key");
    CHECK(inputsOf("nginx", files).digest != with_b);

    fs::permissions(host.path("site/b.conf"), fs::perms(0666));
    CHECK(inputsOf("nginx", files).refused.find("/site/b.conf") != std::string::npos);
    fs::permissions(host.path("site/b.conf"), fs::perms(0644));
    REQUIRE(chown(host.path("site/b.conf").c_str(), 65534, 65534) == 0);
    CHECK_FALSE(inputsOf("nginx", files).refused.empty());
}

TEST_CASE("root does not test what leads to files and code of others", "[root]") {
    const Host host;
    const auto main_file = host.path("etc/n.conf");
    const auto own = host.path("own/x.conf");
    const auto theirs = host.path("theirs/x.conf");
    write(own, "server { }\n");
    write(theirs, "server { }\n");
    REQUIRE(chown(theirs.parent_path().c_str(), 65534, 65534) == 0);
    const auto refused = [&](const std::string& text) {
        write(main_file, text);
        return inputsOf("nginx", {main_file.string()}).refused;
    };
    CHECK(refused("http { include " + own.string() + "; }").empty());
    // Behind an error of syntax, in a block whose contents nobody needs, in quotes.
    for (const std::string before : {"} } http {", "http { map $a $b { ", "http { \"broken; ", "x'"}) {
        CHECK(refused(before + " include \"" + theirs.string() + "\"; }").find("theirs") !=
              std::string::npos);
    }
    // A pattern that matches nothing yet.
    CHECK(refused("include " + host.path("theirs/*.none").string() + ";").find("add files") !=
          std::string::npos);
    CHECK(refused("include " + host.path("absent/*.none").string() + ";").empty());
    // A link of root's into their directory, where a link leads back.
    fs::create_symlink(own, host.path("theirs/back"));
    fs::create_symlink(host.path("theirs/back"), host.path("etc/link"));
    CHECK(refused("include " + host.path("etc/link").string() + ";").find("etc/link") != std::string::npos);
    REQUIRE(mkfifo(host.path("etc/fifo").c_str(), 0600) == 0);
    CHECK(refused("include " + host.path("etc/fifo").string() + ";").find("no regular file") !=
          std::string::npos);

    CHECK(refused("load_module " + own.string() + ";").empty());
    CHECK_FALSE(refused("load_module " + theirs.string() + ";").empty());
    CHECK_FALSE(refused("load_module modules/absent.so;").empty());
    for (const std::string code :
         {"init_by_lua_block { }", "lua_package_path x;", "perl_modules x;", "js_import x;"}) {
        CHECK(refused("http { " + code + " }").find("code of others") != std::string::npos);
    }

    const auto refused_haproxy = [&](const std::string& text) {
        write(host.path("etc/h.cfg"), "global\n  " + text + "\n");
        return inputsOf("haproxy", {host.path("etc/h.cfg").string()}).refused;
    };
    CHECK(refused_haproxy("daemon").empty());
    CHECK(refused_haproxy("lua-load " + own.string()).empty());
    CHECK_FALSE(refused_haproxy("lua-load " + theirs.string()).empty());
    CHECK_FALSE(refused_haproxy("lua-load x.lua").empty());
    CHECK_FALSE(refused_haproxy("lua-prepend-path /usr/share/x/?.lua").empty());
}

TEST_CASE("a configuration is tested after a change, and rarely otherwise", "[root]") {
    const Host host;
    host.addHaproxy("grep -q broken " + host.path("etc/haproxy.cfg").string() +
                    " || exit 0\necho \"[ALERT] (7) : config : parsing [" +
                    host.path("etc/haproxy.cfg").string() +
                    ":1] : unknown keyword 'broken' by $WORD$NOTIFY_SOCKET\" >&2\nexit 1\n");
    auto tests = runRound({}, kNow, host.options());
    REQUIRE(tests.tests.size() == 1);
    CHECK(tests.tests[0].result == Result::good);
    CHECK(tests.tests[0].program == "haproxy");
    CHECK(tests.tests[0].configuration == host.path("etc/haproxy.cfg").string());
    CHECK(host.calls() == 1);
    tests = runRound(tests, kNow + 9 * kMinute, host.options());
    CHECK(host.calls() == 1);
    tests = runRound(tests, kNow + 10 * kMinute, host.options());
    CHECK(host.calls() == 2);

    write(host.path("etc/haproxy.cfg"), "broken\n");
    tests = runRound(tests, kNow + 10 * kMinute + 1, host.options());
    CHECK(tests.tests[0].result == Result::broken);
    CHECK(tests.tests[0].words == "unknown keyword 'broken' by from-the-process");
    CHECK(tests.tests[0].place == host.path("etc/haproxy.cfg").string() + ":1");
    CHECK(host.calls() == 3);
    tests = runRound(tests, kNow + 11 * kMinute, host.options());
    CHECK(host.calls() == 3);
    tests = runRound(tests, kNow + 12 * kMinute, host.options());
    CHECK(host.calls() == 4);
}

TEST_CASE("a name that does not resolve counts after five minutes", "[root]") {
    const Host host;
    host.addHaproxy(
        "echo \"[ALERT] (7) : config : [/etc/a:1] : could not resolve address 'app'.\" >&2\nexit 1\n");
    auto tests = runRound({}, kNow, host.options());
    CHECK(tests.tests[0].result == Result::unknown);
    tests = runRound(tests, kNow + 4 * kMinute, host.options());
    CHECK(tests.tests[0].result == Result::unknown);
    CHECK(tests.tests[0].words.find("does not resolve") != std::string::npos);
    tests = runRound(tests, kNow + 5 * kMinute, host.options());
    CHECK(tests.tests[0].result == Result::broken);
    host.addHaproxy("exit 0\n");
    tests = runRound(tests, kNow + 6 * kMinute, host.options());
    CHECK(tests.tests[0].result == Result::good);
    CHECK(tests.tests[0].unresolved_since == 0);
}

/// It attacks "a test of Nginx's or HAProxy's configuration".
TEST_CASE("a test that hangs, or says too much, is unknown", "[root]") {
    const Host host;
    auto options = host.options();
    host.addHaproxy("yes '[ALERT] (7) : config : [/etc/a:1] : too much' | head -c 10000000 >&2\nexit 1\n");
    CHECK(runRound({}, kNow, options).tests[0].words.find("more output than") != std::string::npos);
    CHECK(runRound({}, kNow, options).tests[0].result == Result::unknown);

    options.deadline = std::chrono::milliseconds(200);
    host.addHaproxy("exec sleep 60\n");
    const auto hung = runRound({}, kNow, options);
    CHECK(hung.tests[0].result == Result::unknown);
    CHECK(hung.tests[0].words.find("no end within the deadline") != std::string::npos);

    options.round = std::chrono::milliseconds(0);
    CHECK(runRound({}, kNow, options).tests[0].words == "other tests took too long: it is tested next");
    for (int i = 0; i < 12; ++i) {
        host.addHaproxy("exit 0\n", 100 + i, "h" + std::to_string(i) + ".cfg");
    }
    CHECK(runRound({}, kNow, host.options()).tests.size() == 8);
    for (int i = 0; i < 5000; ++i) {
        write(host.path("etc/many/" + std::to_string(i)), "");
    }
    CHECK(inputsOf("haproxy", {host.path("etc/haproxy.cfg").string()}).digest.size() == 64);
}

TEST_CASE("only the command line of a process of root on this host's files is tested", "[root]") {
    const Host host;
    host.addHaproxy("exit 0\n");
    const auto program = host.path("haproxy").string();
    const auto arguments = program + '\0' + "-f" + '\0' + host.path("etc/haproxy.cfg").string() + '\0';
    const auto unknown = [&] {
        const auto tests = runRound({}, kNow, host.options()).tests;
        REQUIRE(tests.size() == 1);
        CHECK(tests[0].result == Result::unknown);
        CHECK(host.calls() == 0);
        return tests[0].words;
    };
    host.addProcess(42, "haproxy", program, arguments, "1000");
    CHECK(unknown().find("not root's") != std::string::npos);
    host.addProcess(42, "haproxy", program, arguments, "0", "[2]");
    CHECK(unknown().find("container") != std::string::npos);
    host.addProcess(42, "haproxy", program + "-other", arguments, "0");
    CHECK(unknown().find("does not exist") != std::string::npos);
    host.addProcess(42, "haproxy", program, arguments, "0");
    fs::permissions(program, fs::perms(0777));
    CHECK(unknown().find("others than root") != std::string::npos);
    fs::permissions(program, fs::perms(0755));
    write(host.path("proc/42/environ"), std::string("LD_PRELOAD=/x.so\0", 17));
    CHECK(unknown().find("LD_") != std::string::npos);

    // A worker is no service of its own, and another program of that name none at all.
    host.addProcess(42, "haproxy-x", program, arguments, "0");
    CHECK(runRound({}, kNow, host.options()).tests.empty());
}

TEST_CASE("after an upgrade the new program tests", "[root]") {
    const Host host;
    host.addHaproxy("exit 0\n");
    fs::remove(host.path("proc/42/exe"));
    fs::create_symlink(host.path("haproxy").string() + " (deleted)", host.path("proc/42/exe"));
    CHECK(runRound({}, kNow, host.options()).tests[0].result == Result::good);
}

TEST_CASE("an enabled unit that does not run is tested where systemd has booted", "[root]") {
    const Host host;
    host.addHaproxy("exit 0\n");
    fs::remove_all(host.path("proc/42"));
    CHECK(runRound({}, kNow, host.options()).tests.empty());
    write(host.path("root/lib/systemd/system/haproxy.service"),
          "[Service]\nExecStart=" + host.path("haproxy").string() + " -f " +
              host.path("etc/haproxy.cfg").string() + "\n");
    fs::create_directories(host.path("root/etc/systemd/system/multi-user.target.wants"));
    fs::create_symlink("/lib/systemd/system/haproxy.service",
                       host.path("root/etc/systemd/system/multi-user.target.wants/haproxy.service"));
    CHECK(runRound({}, kNow, host.options()).tests.empty());
    fs::create_directories(host.path("root/run/systemd/system"));
    const auto tests = runRound({}, kNow, host.options()).tests;
    REQUIRE(tests.size() == 1);
    CHECK(tests[0].result == Result::good);
    CHECK(host.calls() == 1);
}

namespace {

/// EC P-256, for a.example and *.a.example; made by `openssl req -x509`.
constexpr const char* kCertificate = R"(-----BEGIN CERTIFICATE-----
MIIBkjCCATigAwIBAgIUWHPyrn7pP8Qxdk+MNF2w+GKm02IwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBYTAgFw0yNjEyMDEwMjIyMjlaGA8yMTI2MTEwNzAyMjIyOVow
DDEKMAgGA1UEAwwBYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABE6vX3tybGH1
/rGPOzgoErFOMSDnYtJ83IQp+64p7I0VXCAmWHHNOXBjaS2F1NStWikLCvNtwOmu
ORJvzP4ErnujdjB0MB0GA1UdDgQWBBQPIi/Jp0o9au0mKCXISSnKz14jEDAfBgNV
HSMEGDAWgBQPIi/Jp0o9au0mKCXISSnKz14jEDAPBgNVHRMBAf8EBTADAQH/MCEG
A1UdEQQaMBiCCyouYS5leGFtcGxlgglhLmV4YW1wbGUwCgYIKoZIzj0EAwIDSAAw
RQIhAJtiJS6JVa+DFUvoeZn0Pu029hz3Rc3DedZQNDcopaJKAiAIOmTHlpMMjCy1
rU65mQ6rqWDzvWmteiPgN0Y1BqMuvg==
-----END CERTIFICATE-----
)";
constexpr const char* kDigest = "6fb1c95d1d0208d6df800da808be4ed02c742a5e9ccce0445ece67a70519796b";

/// "127.0.0.1:443 a.example /etc/a.pem"
Texts told(const std::vector<Listener>& listeners) {
    Texts out;
    for (const auto& listener : listeners) {
        auto text = listener.address + " " + listener.name;
        for (const auto& file : listener.files) {
            text += " " + file;
        }
        out.push_back(std::move(text));
    }
    return out;
}

void put(const fs::path& path, const std::string& text) {
    write(path, text);
}

class Directory {
  public:
    Directory() : path_("/tmp/lapwing-configtest-certificates-" + std::to_string(getpid())) {}
    ~Directory() { fs::remove_all(path_); }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    std::string write(const std::string& name, const std::string& text) const {
        put(path_ / name, text);
        return (path_ / name).string();
    }
    std::string path(const std::string& name) const { return (path_ / name).string(); }

  private:
    fs::path path_;
};

Texts nginx(const Directory& directory, const std::string& http) {
    return told(nginxListeners(directory.write("nginx.conf", "events {}\nhttp {" + http + "}")));
}

Texts haproxy(const Directory& directory, const std::string& text) {
    return told(haproxyListeners({directory.write("haproxy.cfg", text)}));
}

}  // namespace

TEST_CASE("what Nginx presents, by its configuration") {
    const Directory directory;
    const std::string files = "ssl_certificate /a.pem; ssl_certificate /a-ecdsa.pem;";
    CHECK(nginx(directory, "server { listen 443 ssl; server_name *.b _ a.example b.example;" + files + "}") ==
          Texts{"127.0.0.1:443 a.example /a.pem /a-ecdsa.pem"});
    CHECK(nginx(directory,
                "ssl_certificate a.pem; server { listen [::]:8443 ssl; listen 10.0.0.1:443 ssl; }") ==
          Texts{"[::1]:8443  " + directory.path("a.pem"), "10.0.0.1:443  " + directory.path("a.pem")});
    // "ssl" of one block counts for the socket.
    CHECK(nginx(directory,
                "server { listen 443 ssl; server_name a; ssl_certificate /a.pem; }"
                "server { listen *:443; server_name b; ssl_certificate /b.pem; }") ==
          Texts{"127.0.0.1:443 a /a.pem", "127.0.0.1:443 b /b.pem"});
    // Nginx ignores a name that an earlier block of the socket has.
    CHECK(nginx(directory,
                "server { listen 443 ssl; server_name A; ssl_certificate $x; }"
                "server { listen 443 ssl; server_name a b; ssl_certificate /b.pem; }"
                "server { listen 443 ssl; server_name b; ssl_certificate /c.pem; }") ==
          Texts{"127.0.0.1:443 b /b.pem"});
    for (const std::string unknown :
         {"server { listen 443 ssl; ssl_certificate /a.pem; } server { listen localhost:443; }",
          "server { listen 80; ssl_certificate /a.pem; }",
          "server { listen 443 ssl; ssl_certificate /$ssl_server_name.pem; }",
          "server { listen 443 ssl; ssl_certificate data:$x; }",
          "server { listen 443 ssl; ssl_certificate /a.pem; ssl_reject_handshake on; }",
          "server { listen 443 ssl; listen 127.0.0.1:443 ssl proxy_protocol; ssl_certificate /a.pem; }",
          "server { listen 443 quic; ssl_certificate /a.pem; }",
          "server { listen unix:/run/x ssl; ssl_certificate /a.pem; }",
          "server { listen localhost:443 ssl; ssl_certificate /a.pem; }",
          "server { listen 443 ssl; ssl_certificate /a.pem; } include /tmp/no-such-file;",
          "server { listen 443 ssl; ssl_certificate /a.pem; server_name _; } server { listen 443 ssl; }"}) {
        INFO(unknown);
        CHECK(nginx(directory, unknown).empty());
    }
}

TEST_CASE("what HAProxy presents, by its configuration") {
    const Directory directory;
    directory.write("certs/a.pem", "");
    directory.write("certs/a.pem.key", "");
    directory.write("certs/.hidden", "");
    const auto a = directory.path("certs/a.pem");
    const auto certs = directory.path("certs");
    CHECK(haproxy(directory, "frontend f\n  bind :443,[::]:8443 ssl crt " + certs + " alpn h2 # crt /x\n") ==
          Texts{"127.0.0.1:443  " + a, "[::1]:8443  " + a});
    CHECK(haproxy(directory,
                  "global\n crt-base " + certs + "\nlisten f\n bind *:443 ssl crt a.pem crt b.pem\n") ==
          Texts{"127.0.0.1:443  " + a, "127.0.0.1:443  " + certs + "/b.pem.rsa",
                "127.0.0.1:443  " + certs + "/b.pem.ecdsa", "127.0.0.1:443  " + certs + "/b.pem.dsa"});
    for (const auto& unknown :
         {"bind *:443 crt " + a, "bind *:443 ssl accept-proxy crt " + a,
          "bind *:443 ssl crt-list /x crt " + a, "bind /run/x ssl crt " + a, "bind quic4@:443 ssl crt " + a,
          "bind :80-90 ssl crt " + a, "bind ${A}:443 ssl crt " + a, "bind *:443 ssl crt \"" + a + "\"",
          std::string("bind *:443 ssl crt a.pem"), "bind *:443 ssl crt " + a + "\n.if 1",
          std::string("bind *:443 ssl crt @store/a"),
          "bind *:443 ssl crt " + a + "\nbind 127.0.0.1:443 accept-proxy",
          "bind *:443 ssl crt " + a + "\nbind localhost:443",
          "bind *:443 ssl crt " + a + "\nbind 127.0.0.1:440-450",
          "bind *:443 ssl crt " + a + "\nbind ${A}:443"}) {
        INFO(unknown);
        CHECK(haproxy(directory, "frontend f\n" + unknown + "\n").empty());
    }
}

TEST_CASE("the certificate of a file is its first, and its key is not looked at") {
    const std::string key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    const auto leaf = leafOf(key + kCertificate + key);
    CHECK(leaf.digest == kDigest);
    CHECK(leaf.name == "a.example");
    for (const std::string& none :
         {std::string(), key, std::string("-----BEGIN CERTIFICATE-----\n"),
          std::string("-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n")}) {
        CHECK(leafOf(none).digest.empty());
    }
}

TEST_CASE("files that changed after they were loaded") {
    const Directory directory;
    const auto file = directory.write("a.pem", kCertificate);
    Service service;
    service.program = "nginx";
    service.test.files = {directory.write(
        "nginx.conf", "http { server { listen 443 ssl; server_name x; ssl_certificate a.pem; } }")};
    const auto of = [&] {
        Certificates out;
        addCertificates(service, out);
        return out;
    };
    CHECK(of() == Certificates{});  // it is not known when it was loaded
    service.loaded = 1;
    CHECK(of() == Certificates{{kDigest}, {{"nginx", file, "127.0.0.1:443", "x"}}});
    service.loaded = nowMs() + kMinute;
    CHECK(of() == Certificates{{kDigest}, {}});

    service.program = "haproxy";
    service.loaded = 1;
    service.test.files = {directory.write("haproxy.cfg", "frontend f\n bind *:443 ssl crt " + file + "\n")};
    CHECK(of() == Certificates{{kDigest}, {{"haproxy", file, "127.0.0.1:443", "a.example"}}});
    directory.write("a.pem", kCertificate + std::string(1U << 20, '\n'));
    CHECK(of() == Certificates{});
}

/// It attacks "certificates of Nginx's and HAProxy's configuration that are compared with those in use".
TEST_CASE("the most certificates that are compared") {
    const Directory directory;
    std::string binds;
    for (int i = 0; i < 256; ++i) {
        binds += " bind *:" + std::to_string(1000 + i) + " ssl crt " +
                 directory.write("c" + std::to_string(i), kCertificate) + "\n";
    }
    Service service;
    service.program = "haproxy";
    service.loaded = 1;
    service.test.files = {directory.write("haproxy.cfg", "frontend f\n" + binds)};
    Certificates out;
    addCertificates(service, out);
    CHECK(out.changed.size() == 64);
    directory.write("haproxy.cfg",
                    "frontend f\n" + binds + " bind *:999 ssl crt " + directory.write("c", "") + "\n");
    Certificates none;
    addCertificates(service, none);
    CHECK(none == Certificates{});
}

TEST_CASE("the file keeps the certificates") {
    Tests tests;
    tests.time = 5;
    tests.certificates = {{"aa", "bb"}, {{"nginx", "/a.pem", "127.0.0.1:443", "a"}}};
    CHECK(parseTests(toJson(tests)) == tests);
}

TEST_CASE("when a program loaded its configuration") {
    const Host host;
    write(host.path("proc/stat"), "cpu 1\nbtime 1000\n");
    const auto stat = [&](int pid, int seconds) {
        write(host.path("proc/" + std::to_string(pid) + "/stat"),
              std::to_string(pid) + " (a b) c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 " +
                  std::to_string(seconds * sysconf(_SC_CLK_TCK)) + " 20\n");
    };
    const auto worker = [&](int pid, const std::string& program, const std::string& title, int seconds) {
        host.addProcess(pid, program, "/usr/sbin/" + program, title + '\0', "33");
        write(host.path("proc/" + std::to_string(pid) + "/status"), "PPid:\t42\n");
        stat(pid, seconds);
    };
    host.addHaproxy("exit 0\n");
    stat(42, 10);
    CHECK(findServices(host.options().places).at(0).loaded == 1'010'000);
    worker(43, "haproxy", "haproxy", 20);
    worker(44, "haproxy", "haproxy", 30);
    CHECK(findServices(host.options().places).at(0).loaded == 1'030'000);
    for (const auto* pid : {"42", "43", "44"}) {
        fs::remove_all(host.path(std::string("proc/") + pid));
    }
    host.addProcess(42, "nginx", host.path("haproxy").string(),
                    std::string("nginx: master process nginx -c /etc/n.conf") + '\0', "0");
    stat(42, 10);
    CHECK(findServices(host.options().places).at(0).loaded == 0);
    worker(43, "nginx", "nginx: worker process is shutting down", 20);
    worker(44, "nginx", "nginx: worker process", 30);
    worker(45, "nginx", "nginx: worker process", 40);
    CHECK(findServices(host.options().places).at(0).loaded == 1'030'000);
}
