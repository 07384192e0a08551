#include "agent/configtest/helper/round.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <utility>

#include "agent/configtest/helper/certificates.h"
#include "agent/configtest/helper/inputs.h"
#include "agent/configtest/helper/verdict.h"
#include "common/digest.h"
#include "common/run_tool.h"

namespace lapwing::agent::configtest {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kAgainMs = 600'000;
constexpr std::int64_t kSoonAgainMs = 60'000;
constexpr std::int64_t kUnresolvedMs = 300'000;
constexpr std::size_t kMostOutput = 1U << 20;

std::string digestOf(const Service& service) {
    std::string text = service.program + "\n" + stateOf(service.executable);
    for (const auto* list : {&service.test.argv, &service.environment}) {
        for (const auto& item : *list) {
            text += std::to_string(item.size()) + " " + item + "\n";
        }
    }
    return sha256(text);
}

std::string joined(const std::vector<std::string>& files) {
    std::string out;
    for (const auto& file : files) {
        out += (out.empty() ? "" : " ") + file;
    }
    return out;
}

const Test* sameCommand(const Tests& before, const std::string& command) {
    const auto found = std::find_if(before.tests.begin(), before.tests.end(),
                                    [&](const auto& test) { return test.command == command; });
    return found == before.tests.end() ? nullptr : &*found;
}

bool isDue(const Test& last, TimestampMs now) {
    const bool soon = last.result == Result::broken || last.unresolved_since != 0;
    return last.tested == 0 || last.tested > now || now - last.tested >= (soon ? kSoonAgainMs : kAgainMs);
}

/// "nginx: configuration file FILE test failed"
std::string testedByNginx(const std::string& output) {
    constexpr std::string_view words_before = "configuration file ";
    const auto at = output.rfind(words_before);
    if (at == std::string::npos) {
        return "";
    }
    const auto from = at + words_before.size();
    return output.substr(from, std::min(output.find(" test ", from), output.size()) - from);
}

class Round {
  public:
    Round(const Tests& before, TimestampMs now, const RoundOptions& options)
        : before_(before), now_(now), options_(options), end_(Clock::now() + options.round) {}

    Test test(Service service, Certificates& certificates) const {
        Test out;
        out.program = service.program;
        out.words = service.test.unknown;
        out.command = digestOf(service);
        const auto* last = sameCommand(before_, out.command);
        if (out.words.empty() && service.test.usual_file) {
            nameUsualFile(last, service, out.words);
        }
        out.configuration = bounded(joined(service.test.files));
        if (!out.words.empty()) {
            return out;
        }
        const auto inputs = inputsOf(service.program, service.test.files);
        out.inputs = inputs.digest;
        out.words = inputs.refused;
        if (!out.words.empty()) {
            return out;
        }
        addCertificates(service, certificates);
        if (last != nullptr && last->inputs == out.inputs && !isDue(*last, now_)) {
            return *last;
        }
        if (Clock::now() >= end_) {
            out.words = "other tests took too long: it is tested next";
            return out;
        }
        run(service, last, out);
        return out;
    }

  private:
    /// Nginx has a file compiled in. The last test knows it, or `nginx -V` tells.
    void nameUsualFile(const Test* last, Service& service, std::string& unknown) const {
        auto file = last != nullptr ? last->configuration : "";
        if (file.empty()) {
            const auto version =
                runTool({service.executable, "-V"}, options_.deadline, kMostOutput, service.environment);
            file = nginxOption(version.error, "--conf-path");
        }
        if (!file.starts_with('/')) {
            unknown = "`nginx -V` does not name its configuration (--conf-path)";
            return;
        }
        service.test.files = {file};
    }

    void run(const Service& service, const Test* last, Test& out) const {
        std::vector<std::string> argv{service.executable};
        argv.insert(argv.end(), service.test.argv.begin(), service.test.argv.end());
        const auto output = runTool(argv, options_.deadline, kMostOutput, service.environment);
        auto verdict = judge(service.program, output);
        const auto tested = service.program == "nginx" ? testedByNginx(output.error) : "";
        if (!tested.empty() && tested != service.test.files.front()) {
            verdict = {Result::unknown, "the test read " + tested + " instead", "", false};
        }
        out.tested = now_;
        out.result = verdict.result;
        out.place = bounded(verdict.place);
        if (verdict.unresolved) {
            out.unresolved_since =
                last != nullptr && last->unresolved_since != 0 ? last->unresolved_since : now_;
            if (now_ - out.unresolved_since < kUnresolvedMs) {
                out.result = Result::unknown;
                verdict.words.insert(0, "a name does not resolve now: ");
            }
        }
        std::vector<std::string> directories;
        for (const auto& file : service.test.files) {
            directories.push_back(std::filesystem::is_directory(file)
                                      ? file
                                      : std::filesystem::path(file).parent_path().string());
        }
        out.words = bounded(withoutSecrets(std::move(verdict.words), verdict.place, directories));
    }

    const Tests& before_;
    const TimestampMs now_;
    const RoundOptions& options_;
    const Clock::time_point end_;
};

}  // namespace

Tests runRound(const Tests& before, TimestampMs now, const RoundOptions& options) {
    const Round round(before, now, options);
    Tests out;
    out.time = now;
    for (auto& service : findServices(options.places)) {
        out.tests.push_back(round.test(std::move(service), out.certificates));
    }
    return out;
}

}  // namespace lapwing::agent::configtest
