#include "agent/probes/inventory/pending.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <set>
#include <sstream>
#include <string_view>
#include <tuple>

#include "common/files.h"
#include "common/metric_names.h"
#include "common/model/families.h"
#include "common/text.h"

namespace lapwing::agent::inventory {

namespace {

constexpr std::string_view kDeleted = " (deleted)";
constexpr std::size_t kMostPrograms = 64;
constexpr std::size_t kMostDetail = 300;
constexpr std::size_t kMostProcBytes = 1U << 20;

/// The words of a text, each once, with blanks between them.
std::string uniqueWords(const std::string& text) {
    std::istringstream in(text);
    std::set<std::string> words;
    for (std::string word; in >> word;) {
        words.insert(word);
    }
    std::string out;
    for (const auto& word : words) {
        out += (out.empty() ? "" : " ") + word;
    }
    return std::string(utf8Prefix(out, kMostDetail));
}

/// Seconds since 1970; 0 if unknown.
long long bootTime(const std::string& proc) {
    std::istringstream in(files::readFile(proc + "/stat", kMostProcBytes).value_or(""));
    std::string key;
    for (std::string line; std::getline(in, line);) {
        std::istringstream words(line);
        long long time = 0;
        if (words >> key >> time && key == "btime") {
            return time;
        }
    }
    return 0;
}

/// The version of the kernel that Debian's link names, if it was installed since the boot; or "".
std::string newKernel(const RebootPlaces& places) {
    constexpr std::string_view prefix = "vmlinuz-";
    const auto running = uniqueWords(files::readFile(places.proc + "/sys/kernel/osrelease").value_or(""));
    const auto booted = bootTime(places.proc);
    for (const char* link : {"/vmlinuz", "/boot/vmlinuz"}) {
        std::array<char, 512> target{};
        const auto size = readlink((places.root + link).c_str(), target.data(), target.size());
        const std::string path(target.data(), static_cast<std::size_t>(size > 0 ? size : 0));
        const auto name = path.substr(path.rfind('/') + 1);
        struct stat about {};
        if (name.starts_with(prefix) && stat((places.root + "/boot/" + name).c_str(), &about) == 0 &&
            booted != 0 && about.st_ctim.tv_sec > booted && !running.empty() &&
            name.substr(prefix.size()) != running) {
            return name.substr(prefix.size());
        }
    }
    return "";
}

}  // namespace

prometheus::MetricFamily replacedFamily(const std::map<std::uint64_t, Owner>& owners,
                                        const std::function<bool(const std::string& path)>& exists) {
    auto out = gauge(metric::kReplacedProgramInfo, "A listening program whose file an upgrade has replaced");
    std::set<std::tuple<std::string, std::string, std::string>> told;
    for (const auto& [inode, owner] : owners) {
        if (!owner.executable.ends_with(kDeleted) || told.size() >= kMostPrograms) {
            continue;
        }
        const auto path = owner.executable.substr(0, owner.executable.size() - kDeleted.size());
        if (exists(path) && told.emplace(owner.process, path, owner.unit).second) {
            add(out, {{"process", owner.process}, {"executable", path}, {"unit", owner.unit}}, 1);
        }
    }
    return out;
}

prometheus::MetricFamily rebootFamily(const RebootPlaces& places) {
    auto out = gauge(metric::kRebootRequiredInfo, "Why a reboot is due");
    struct stat about {};
    if (stat((places.root + "/run/reboot-required").c_str(), &about) == 0) {
        const auto packages = files::readFile(places.root + "/run/reboot-required.pkgs");
        add(out, {{"reason", "packages"}, {"detail", uniqueWords(packages.value_or(""))}}, 1);
    }
    if (const auto kernel = newKernel(places); !kernel.empty()) {
        add(out, {{"reason", "kernel"}, {"detail", kernel}}, 1);
    }
    return out;
}

}  // namespace lapwing::agent::inventory
