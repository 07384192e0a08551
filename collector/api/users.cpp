#include "collector/api/users.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <spdlog/spdlog.h>
#include <strings.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <vector>

#include "collector/api/login_limit.h"
#include "common/metric_names.h"
#include "common/model/families.h"
#include "common/mutex.h"
#include "common/text.h"

namespace lapwing::api {
namespace {

constexpr std::size_t kRemembered = 64;
constexpr std::size_t kMaxSecret = 512;
constexpr std::chrono::seconds kLookInterval{1};

using Clock = LoginLimit::Clock;
using Hashes = std::map<std::string, std::string>;

/// What changes when a file is written or replaced.
using Identity = std::array<std::int64_t, 7>;

Identity identityOf(const std::string& file) {
    struct stat status {};
    if (::stat(file.c_str(), &status) != 0) {
        return {};
    }
    return {static_cast<std::int64_t>(status.st_dev),
            static_cast<std::int64_t>(status.st_ino),
            status.st_size,
            status.st_mtim.tv_sec,
            status.st_mtim.tv_nsec,
            status.st_ctim.tv_sec,
            status.st_ctim.tv_nsec};
}

std::optional<std::string> decodeBase64(std::string_view text) {
    if (text.empty() || text.size() > 2048 || text.size() % 4 != 0) {
        return std::nullopt;
    }
    std::vector<unsigned char> out(text.size());
    const int size = EVP_DecodeBlock(out.data(), reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
    if (size < 0) {
        return std::nullopt;
    }
    auto length = static_cast<std::size_t>(size);
    // EVP_DecodeBlock counts the padding as bytes.
    if (text.back() == '=') {
        --length;
    }
    if (text.size() > 1 && text[text.size() - 2] == '=') {
        --length;
    }
    return std::string(reinterpret_cast<const char*>(out.data()), length);
}

/// "" if OpenSSL fails.
std::string digestOf(const std::array<unsigned char, 32>& key, const std::string& text) {
    std::array<unsigned char, 32> digest{};
    unsigned int size = digest.size();
    if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(),
             &size) == nullptr) {
        return "";
    }
    return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

bool hashes(Mutex& hashing, const std::string& password, const std::string& expected) {
    const auto data = std::make_unique<crypt_data>();
    const MutexLock lock(hashing);
    const char* computed = crypt_r(password.c_str(), expected.c_str(), data.get());
    return computed != nullptr && std::strlen(computed) == expected.size() &&
           CRYPTO_memcmp(computed, expected.data(), expected.size()) == 0;
}

Expected<Hashes> hashesIn(std::string_view text) {
    Hashes out;
    std::istringstream lines{std::string(text)};
    std::string line;
    for (int number = 1; std::getline(lines, line); ++number) {
        if (!line.empty() && line.back() == '\r') {
            line.pop_back();
        }
        if (line.empty() || line.front() == '#') {
            continue;
        }
        const std::string where = "line " + std::to_string(number) + ": ";
        const auto colon = line.find(':');
        if (colon == 0 || colon == std::string::npos) {
            return fail(ErrorKind::invalid, where + "must be NAME:HASH");
        }
        const std::string hash = line.substr(colon + 1);
        if (hash.empty() || hash.front() != '$' || crypt_checksalt(hash.c_str()) != CRYPT_SALT_OK) {
            return fail(ErrorKind::invalid,
                        where + "the hash is not safe to use; openssl passwd -6 makes a safe one");
        }
        if (!out.emplace(line.substr(0, colon), hash).second) {
            return fail(ErrorKind::invalid, where + "this user occurs twice");
        }
    }
    if (out.empty()) {
        return fail(ErrorKind::invalid, "names no user");
    }
    return out;
}

Expected<Hashes> readHashes(const std::string& file) {
    std::ifstream in(file);
    if (!in) {
        const int reason = errno;
        return fail(reason == ENOENT ? ErrorKind::not_found : ErrorKind::denied,
                    file + ": " + std::strerror(reason));
    }
    std::ostringstream text;
    text << in.rdbuf();
    auto hashes = hashesIn(text.str());
    if (!hashes) {
        return fail(hashes.error().kind, file + ": " + hashes.error().message);
    }
    return hashes;
}

bool isPowerOfTwo(std::size_t number) {
    return (number & (number - 1)) == 0;
}

}  // namespace

struct Users::State {
    std::string file;  ///< "" for users of a text
    std::array<unsigned char, 32> key{};
    Mutex hashing;  // one slow hash at a time: guessing passwords costs at most one core
    Mutex mutex;
    Hashes hashes LAPWING_GUARDED_BY(mutex);
    Identity identity LAPWING_GUARDED_BY(mutex){};
    Clock::time_point looked LAPWING_GUARDED_BY(mutex){};
    std::set<std::string> verified LAPWING_GUARDED_BY(mutex);
    LoginLimit limit LAPWING_GUARDED_BY(mutex);
    std::atomic<std::uint64_t> refused{0};
    std::atomic<std::uint64_t> delayed{0};

    void look(Clock::time_point now) LAPWING_REQUIRES(mutex);
};

/// Reads the file again if it has changed.
void Users::State::look(Clock::time_point now) {
    if (file.empty() || now - looked < kLookInterval) {
        return;
    }
    looked = now;
    const auto found = identityOf(file);
    if (found == identity) {
        return;
    }
    identity = found;
    auto read = readHashes(file);
    if (!read) {
        spdlog::error("the users stay as they were: {}", read.error().message);
        return;
    }
    hashes = std::move(*read);
    verified.clear();
    spdlog::info("the users were read again: {}", hashes.size());
}

Expected<Users> Users::load(const std::string& file) {
    const auto identity = identityOf(file);
    auto hashes = readHashes(file);
    if (!hashes) {
        return fail(hashes.error());
    }
    auto users = of(std::move(*hashes));
    if (users) {
        const MutexLock lock(users->state_->mutex);
        users->state_->file = file;
        users->state_->identity = identity;
    }
    return users;
}

Expected<Users> Users::parse(std::string_view text) {
    auto hashes = hashesIn(text);
    return hashes ? of(std::move(*hashes)) : fail(hashes.error());
}

Expected<Users> Users::of(std::map<std::string, std::string> hashes) {
    Users users;
    users.state_ = std::make_shared<State>();
    if (RAND_bytes(users.state_->key.data(), static_cast<int>(users.state_->key.size())) != 1) {
        return fail(ErrorKind::internal, "no random bytes");
    }
    const MutexLock lock(users.state_->mutex);
    users.state_->hashes = std::move(hashes);
    return users;
}

Login Users::verify(const std::string& user, const std::string& password, const std::string& address) const {
    auto& state = *state_;
    // crypt_r would read only up to the first NUL byte.
    const bool possible = user.size() <= kMaxSecret && password.size() <= kMaxSecret &&
                          user.find('\0') == std::string::npos && password.find('\0') == std::string::npos;
    const auto remembered = possible ? digestOf(state.key, user + '\0' + password) : "";
    std::string expected;
    bool known = false;
    {
        const MutexLock lock(state.mutex);
        const auto now = Clock::now();
        state.look(now);
        if (!remembered.empty() && state.verified.contains(remembered)) {
            return Login{Login::Result::accepted, {}, user};
        }
        if (const auto wait = state.limit.wait(user, address, now); wait.count() > 0) {
            ++state.delayed;
            return Login{Login::Result::delayed, wait, {}};
        }
        const auto found = state.hashes.find(user);
        known = found != state.hashes.end();
        // Verifying an unknown user costs as much as verifying a known one.
        expected = known ? found->second : state.hashes.begin()->second;
    }
    if (possible && !remembered.empty() && hashes(state.hashing, password, expected) && known) {
        const MutexLock lock(state.mutex);
        // The file may have changed meanwhile.
        if (const auto found = state.hashes.find(user);
            found != state.hashes.end() && found->second == expected) {
            if (state.verified.size() >= kRemembered) {
                state.verified.clear();
            }
            state.verified.insert(remembered);
            return Login{Login::Result::accepted, {}, user};
        }
    }
    ++state.refused;
    std::size_t failures = 0;
    {
        const MutexLock lock(state.mutex);
        failures = state.limit.failed(user.substr(0, kMaxSecret), address, Clock::now());
    }
    if (isPowerOfTwo(failures)) {
        constexpr std::size_t shown = 64;
        spdlog::warn("login refused: user {} from {}{}", printable(user.substr(0, shown)),
                     address.empty() ? "this machine" : address,
                     failures == 1 ? "" : " (" + std::to_string(failures) + " failures)");
    }
    return {};
}

Login Users::verifyHeader(const std::string& authorization, const std::string& address) const {
    constexpr std::string_view scheme = "Basic ";
    if (authorization.size() <= scheme.size() ||
        ::strncasecmp(authorization.c_str(), scheme.data(), scheme.size()) != 0) {
        return {};
    }
    const auto decoded = decodeBase64(std::string_view(authorization).substr(scheme.size()));
    const auto colon = decoded ? decoded->find(':') : std::string::npos;
    if (colon == std::string::npos) {
        return {};
    }
    return verify(decoded->substr(0, colon), decoded->substr(colon + 1), address);
}

void Users::addMetrics(std::vector<prometheus::MetricFamily>& out) const {
    auto total = counter(metric::kCollectorRefusedLoginsTotal, "Logins that were refused, by reason.");
    add(total, {{"reason", "credentials"}}, static_cast<double>(state_->refused));
    add(total, {{"reason", "too_many"}}, static_cast<double>(state_->delayed));
    out.push_back(std::move(total));
}

}  // namespace lapwing::api
