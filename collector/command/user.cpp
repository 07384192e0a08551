#include <crypt.h>
#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <memory>
#include <sstream>
#include <string>

#include "collector/api/users.h"
#include "collector/command/command.h"
#include "collector/command/kept_files.h"
#include "collector/command/problems.h"
#include "collector/command/prompt.h"
#include "common/files.h"

namespace lapwing::collector {
namespace {

constexpr std::size_t kMostName = 64;
constexpr std::size_t kMostPassword = 256;

/// A hash of crypt(5), by yescrypt; "" if libcrypt cannot make it.
std::string hashOf(const std::string& password) {
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    if (::crypt_gensalt_rn("$y$", 0, nullptr, 0, setting, sizeof setting) == nullptr) {
        return {};
    }
    const auto data = std::make_unique<crypt_data>();
    const char* hash = ::crypt_r(password.c_str(), setting, data.get());
    return hash == nullptr || *hash == '*' ? "" : hash;
}

/// The file's text, in which the user has that line; other lines stay.
std::string withUser(const std::string& text, const std::string& name, const std::string& line) {
    std::string out;
    std::istringstream lines(text);
    bool replaced = false;
    for (std::string each; std::getline(lines, each);) {
        const bool same = each.starts_with(name + ":");
        out += (same ? line : each) + "\n";
        replaced = replaced || same;
    }
    return replaced ? out : out + line + "\n";
}

bool isName(const std::string& name) {
    return !name.empty() && name.size() <= kMostName && name.front() != '#' &&
           std::all_of(name.begin(), name.end(),
                       [](unsigned char c) { return std::isgraph(c) != 0 && c != ':'; });
}

}  // namespace

int addUser(const std::string& config_file, const std::string& name, const std::string& other_file) {
    const auto config = other_file.empty() ? configOrComplain(config_file) : Config();
    if (!config) {
        return kWrongUsage;
    }
    const auto file = other_file.empty() ? config->http.users_file : other_file;
    if (file.empty()) {
        fmt::print(stderr,
                   "the configuration has no http.users_file; begin one with --file /etc/lapwing/users\n");
        return kWrongUsage;
    }
    if (!isName(name)) {
        fmt::print(stderr, "a user's name has 1 to {} visible characters without a colon\n", kMostName);
        return kWrongUsage;
    }
    const auto known = readKept({file});
    if (!known) {
        fmt::print(stderr, "{}\n", known.error().message);
        return kWrongUsage;
    }
    const auto password = askSecret("Password", kMostPassword, Ask::twice);
    if (!password) {
        return kWrongUsage;
    }
    auto like =
        known->empty() ? storage::KeptFile{file, "root", "lapwing-collector", 0640, ""} : known->front();
    const auto hash = hashOf(*password);
    const auto changed = withUser(like.content, name, name + ":" + hash);
    if (const auto right = api::Users::parse(changed); hash.empty() || !right) {
        fmt::print(stderr, "{}: {}; nothing was changed\n", file,
                   right ? "the password could not be hashed" : right.error().message);
        return kWrongUsage;
    }
    const auto owner = ownerHere(like);
    const auto written = files::writeFile(file, changed, static_cast<mode_t>(like.mode), &owner);
    if (!written) {
        fmt::print(stderr, "{}\n", written.error().message);
        return kWrongUsage;
    }
    fmt::print("{} may log in now.\n", name);
    return kFine;
}

}  // namespace lapwing::collector
