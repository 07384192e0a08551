#include "agent/probes/exec/exec.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "agent/probes/exec/commands.h"
#include "agent/probes/exec/helper/run.h"
#include "agent/probes/exec/perfdata.h"
#include "agent/probes/exec/reply.h"
#include "agent/probes/kind.h"
#include "common/config/reader.h"
#include "tests/unit/catch.h"
#include "tests/unit/probes/samples.h"
#include "tests/unit/probes/server.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using namespace lapwing::agent;
using namespace lapwing::agent::exec;
using lapwing::test::Samples;
using lapwing::test::TemporaryFolder;

namespace {

Command command(std::vector<std::string> argv, std::int64_t timeout_ms = 60'000,
                Format format = Format::nagios) {
    Command out;
    out.name = "check";
    out.argv = std::move(argv);
    out.timeout_ms = timeout_ms;
    out.format = format;
    return out;
}

Command script(const std::string& text, std::int64_t timeout_ms = 60'000) {
    return command({"/bin/sh", "-c", text}, timeout_ms);
}

/// Answers each connection with the next text: in place of systemd and the helper.
class Helper {
  public:
    explicit Helper(std::vector<std::string> answers)
        : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address = {};
        address.sun_family = AF_UNIX;
        path().copy(address.sun_path, sizeof address.sun_path - 1);
        REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        REQUIRE(::listen(fd_, 5) == 0);
        thread_ = std::thread([this, texts = std::move(answers)] {
            for (const auto& text : texts) {
                const int peer = ::accept(fd_, nullptr, nullptr);
                char name[64];
                const auto got = ::read(peer, name, sizeof name);
                asked_ = std::string(name, got < 0 ? 0 : static_cast<std::size_t>(got));
                for (std::size_t done = 0; done < text.size();) {
                    const auto sent = ::send(peer, text.data() + done, text.size() - done, MSG_NOSIGNAL);
                    if (sent < 0) {
                        break;
                    }
                    done += static_cast<std::size_t>(sent);
                }
                ::close(peer);
            }
        });
    }
    ~Helper() {
        thread_.join();
        ::close(fd_);
    }
    Helper(const Helper&) = delete;
    Helper& operator=(const Helper&) = delete;
    std::string path() const { return directory_.path("socket"); }
    const std::string& asked() const { return asked_; }

  private:
    TemporaryFolder directory_;
    int fd_;
    std::string asked_;
    std::thread thread_;
};

Expected<ProbeResult> probed(const Command& asked, const std::string& answer) {
    Helper helper({answer});
    return ExecProbe(asked, helper.path()).collect(Deadline(std::chrono::seconds(20)));
}

std::vector<std::string> problemsOf(const std::string& yaml) {
    config::Reader reader;
    std::vector<ProbeSpec> specs;
    (void)execProbe().configure(reader.text(yaml, "test"), ProbeContext(), specs);
    std::vector<std::string> out;
    for (const auto& problem : reader.problems()) {
        out.push_back(problem.message);
    }
    return out;
}

}  // namespace

TEST_CASE("exec: performance data in base units") {
    const auto out = parsePluginOutput(
        "DISK OK - free space: / 3326 MB | /=2643MB;5948;5958;0;5968 time=12.5ms;;;0 'a b''c'=42%;80;90 "
        "rx=1234c n=7 x=U load=0.5;1;2 odd=3furlong\nlong text\nmore | y=1KiB\nz=-2s\n");
    CHECK(out.text == "DISK OK - free space: / 3326 MB");
    std::map<std::string, Value> found;
    for (const auto& each : out.values) {
        found[each.label] = each;
    }
    CHECK(found["/"].value == 2643.0 * 1048576);
    CHECK(found["/"].unit == "bytes");
    CHECK(std::abs(found["time"].value - 0.0125) < 1e-12);
    CHECK(found["time"].unit == "seconds");
    CHECK(std::abs(found["a b'c"].value - 0.42) < 1e-12);
    CHECK(found["a b'c"].unit == "ratio");
    CHECK(found["rx"].counter);
    CHECK(found["n"].unit.empty());
    CHECK(found["odd"].unit == "furlong");
    CHECK(found["y"].value == 1024);
    CHECK(found["z"].value == -2);
    CHECK(found.count("x") == 0);
    CHECK(out.left_out == 1);
}

// attacks "values of a command's performance data; a label; a unit"
TEST_CASE("exec: hostile performance data") {
    for (const char* text :
         {"", "|", "OK | ", "OK | =1", "OK | 'open=1", "OK | a", "OK | a=", "OK | a=nan", "OK | a=inf",
          "OK | a=1e999", "OK | 'a'1", "OK | a=1;;;;;;;;;; ' '", "OK | a=1\"}evil{x=\"", "|||||", "''''''"}) {
        INFO(text);
        for (const auto& each : parsePluginOutput(text).values) {
            CHECK(std::isfinite(each.value));
            CHECK_FALSE(each.label.empty());
        }
    }
    CHECK(parsePluginOutput("OK | a=1 a=2").values.size() == 1);
    CHECK(parsePluginOutput("OK | " + std::string(129, 'a') + "=1").left_out == 1);
    CHECK(parsePluginOutput("OK | a=1" + std::string(17, 'u')).left_out == 1);
    std::string many = "OK |";
    for (int i = 0; i < 100; ++i) {
        many += " v" + std::to_string(i) + "=1";
    }
    CHECK(parsePluginOutput(many).values.size() == 64);
    CHECK(parsePluginOutput(many).left_out == 36);
}

TEST_CASE("exec: a command ends by itself") {
    auto reply = run(script("echo out; exit 2"));
    CHECK(reply.end == End::exited);
    CHECK(reply.number == 2);
    CHECK(reply.output == "out\n");
    reply = run(script("kill -9 $$"));
    CHECK(reply.end == End::signalled);
    CHECK(reply.number == 9);
    reply = run(command({"/nonexistent"}));
    CHECK(reply.number == 127);
    CHECK(reply.output.find("No such file") != std::string::npos);
    CHECK(run(command({"/bin/echo", "$(id)", ";"})).output == "$(id) ;\n");
    CHECK(run(script("env | cut -d = -f 1 | sort | tr '\\n' ' '; cat")).output == "LC_ALL PATH PWD ");
}

// attacks "time of a command"
TEST_CASE("exec: a command that hangs is ended with its descendants") {
    const TemporaryFolder directory;
    const auto reply =
        run(script("sleep 600 & echo $! >" + directory.path("pid") + "; trap '' TERM; sleep 600", 500));
    CHECK(reply.end == End::timeout);
    std::ifstream file(directory.path("pid"));
    int pid = 0;
    file >> pid;
    REQUIRE(pid > 0);
    // A zombie, until somebody waits for it, or gone.
    std::ifstream status("/proc/" + std::to_string(pid) + "/stat");
    const std::string text((std::istreambuf_iterator<char>(status)), {});
    CHECK((text.empty() || text.find(") S ") == std::string::npos));
}

TEST_CASE("exec: a descendant that holds the output delays nothing") {
    const auto before = std::chrono::steady_clock::now();
    const auto reply = run(script("sleep 600 & echo done"));
    CHECK(reply.end == End::exited);
    CHECK(reply.output == "done\n");
    CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(30));
}

// attacks "output of a command"
TEST_CASE("exec: endless output and binary garbage") {
    CHECK(run(command({"/usr/bin/yes"})).end == End::too_large);
    CHECK(run(command({"/usr/bin/yes"})).output.size() == kMostOutputBytes);
    CHECK(run(command({"/usr/bin/head", "-c", "100000000", "/dev/zero"})).end == End::too_large);
    const auto reply = run(command({"/usr/bin/head", "-c", "5000", "/dev/urandom"}));
    const auto result = probed(command({}), encode(reply));
    REQUIRE(result);
    CHECK(Samples(result->families).value("lapwing_exec_status") == 0);
    CHECK_FALSE(probed(command({}), std::string(2U << 20, 'x')));
}

TEST_CASE("exec: the reply") {
    const auto read = decode(encode({End::exited, 3, "a\nb"}));
    REQUIRE(read);
    CHECK(read->end == End::exited);
    CHECK(read->number == 3);
    CHECK(read->output == "a\nb");
    for (const char* text : {"", "lapwing-exec", "lapwing-exec exited 0", "lapwing-exec exited x\n",
                             "lapwing-exec 0\n", "lapwing-exec what 0\n", "HTTP/1.1 200 OK\n"}) {
        INFO(text);
        CHECK_FALSE(decode(text));
    }
}

TEST_CASE("exec: what is reported") {
    auto result = probed(command({}), encode({End::exited, 1, "WARNING - 5 left | left=5;6 'rx'=9c\n"}));
    REQUIRE(result);
    Samples samples(result->families);
    CHECK_FALSE(result->failure);
    CHECK(result->note == "WARNING - 5 left");
    CHECK(samples.value("lapwing_exec_status") == 1);
    CHECK(samples.value("lapwing_exec_output_info", {{"output", "WARNING - 5 left"}}) == 1);
    CHECK(samples.value("lapwing_exec_value", {{"label", "left"}, {"unit", ""}}) == 5);
    CHECK(samples.value("lapwing_exec_value_total", {{"label", "rx"}}) == 9);

    result = probed(command({}), encode({End::exited, 77, ""}));
    REQUIRE(result);
    CHECK(Samples(result->families).value("lapwing_exec_status") == 3);

    result = probed(command({}), encode({End::timeout, 0, "OK"}));
    REQUIRE(result);
    REQUIRE(result->failure);
    CHECK(result->failure->kind == ErrorKind::timeout);
    CHECK(Samples(result->families).count("lapwing_exec_status") == 0);
    CHECK(Samples(result->families).value("lapwing_exec_failure_info", {{"reason", "timeout"}}) == 1);
}

TEST_CASE("exec: the text of a lasting problem makes one series") {
    Helper helper({encode({End::exited, 2, "load 5.1"}), encode({End::exited, 2, "load 5.2"}),
                   encode({End::exited, 1, "load 3"})});
    ExecProbe probe(command({}), helper.path());
    for (const char* text : {"load 5.1", "load 5.1", "load 3"}) {
        const auto result = probe.collect(Deadline(std::chrono::seconds(20)));
        REQUIRE(result);
        CHECK(Samples(result->families).value("lapwing_exec_output_info", {{"output", text}}) == 1);
    }
}

// attacks "series of a command in the format `prometheus`"
TEST_CASE("exec: metrics of a script") {
    const auto asked = command({}, 10'000, Format::prometheus);
    auto result = probed(asked, encode({End::exited, 0, "jobs{job=\"x\"} 3\n"}));
    REQUIRE(result);
    CHECK_FALSE(result->failure);
    CHECK(Samples(result->families).value("jobs", {{"exported_job", "x"}}) == 3);
    for (const std::string text : {"lapwing_finding 1\n", "up 1\n", "jobs 3 1700000000\n", "nonsense"}) {
        INFO(text);
        result = probed(asked, encode({End::exited, 0, text}));
        REQUIRE(result);
        CHECK(result->failure);
        CHECK(Samples(result->families).value("lapwing_exec_status") == 0);
    }
    std::string many;
    for (int i = 0; i < 1001; ++i) {
        many += "m{i=\"" + std::to_string(i) + "\"} 1\n";
    }
    result = probed(asked, encode({End::exited, 0, many}));
    REQUIRE(result);
    CHECK(result->failure);
}

TEST_CASE("exec: no helper") {
    const TemporaryFolder directory;
    const auto result =
        ExecProbe(command({}), directory.path("none")).collect(Deadline(std::chrono::seconds(4)));
    REQUIRE_FALSE(result);
    CHECK(result.error().kind == ErrorKind::not_found);
    CHECK(result.error().message.find("lapwing-exec.socket") != std::string::npos);
}

// attacks "commands; words of one; its name"
TEST_CASE("exec: the configuration") {
    CHECK(problemsOf(
              "[ { name: raid, command: [ /bin/true, a b ], interval: 30s, timeout: 5s, format: nagios } ]")
              .empty());
    CHECK(problemsOf("off").empty());
    for (const char* yaml :
         {"on", "[ { name: raid, command: [ true ] } ]", "[ { name: raid } ]",
          "[ { command: [ /bin/true ] } ]", "[ { name: \"a b\", command: [ /bin/true ] } ]",
          "[ { name: a, command: [ /bin/true ], timeout: 10m } ]",
          "[ { name: a, command: [ /bin/true ], interval: 1s } ]",
          "[ { name: a, command: [ /bin/true ], shell: yes } ]",
          "[ { name: a, command: [ /bin/true ] }, { name: a, command: [ /bin/true ] } ]"}) {
        INFO(yaml);
        CHECK(problemsOf(yaml).size() == 1);
    }
    CHECK(problemsOf("[ { name: " + std::string(65, 'a') + ", command: [ /bin/true ] } ]").size() == 1);
    std::string words = "/bin/true";
    std::string commands;
    for (int i = 0; i < 65; ++i) {
        words += ", a";
        commands += "{ name: c" + std::to_string(i) + ", command: [ /bin/true ] }, ";
    }
    CHECK(problemsOf("[ { name: a, command: [ " + words + " ] } ]").size() == 1);
    CHECK(problemsOf("[ " + commands + " ]").size() == 1);
}

TEST_CASE("exec: as many commands as there may be do not begin together") {
    std::string commands;
    for (int i = 0; i < 64; ++i) {
        commands += "{ name: c" + std::to_string(i) +
                    ", command: [ /bin/true ], interval: " + (i % 2 == 0 ? "1m" : "1h") + " }, ";
    }
    config::Reader reader;
    std::vector<ProbeSpec> specs;
    (void)execProbe().configure(reader.text("[ " + commands + " ]", "test"), ProbeContext(), specs);
    REQUIRE(specs.size() == 64);
    std::map<std::int64_t, int> in_second;
    for (const auto& spec : specs) {
        REQUIRE(spec.offset);
        CHECK(*spec.offset < std::chrono::seconds(60));
        ++in_second[spec.offset->count() / 1000];
    }
    for (const auto& [second, begun] : in_second) {
        INFO(second);
        CHECK(begun <= 8);
    }
    specs.clear();
    (void)execProbe().configure(
        reader.text("[ { name: often, command: [ /bin/true ], interval: 20s } ]", "again"), ProbeContext(),
        specs);
    REQUIRE(specs.size() == 1);
    CHECK(*specs[0].offset < std::chrono::seconds(20));
}

TEST_CASE("exec: the unit has room for a thread of each command") {
    std::ifstream unit(LAPWING_UNITS "/lapwing-agent.service");
    std::size_t tasks = 0;
    for (std::string line; std::getline(unit, line);) {
        if (line.starts_with("TasksMax=")) {
            tasks = std::stoul(line.substr(line.find('=') + 1));
        }
    }
    CHECK(tasks >= kMostCommands + 32);
}
