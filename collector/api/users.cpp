#include "collector/api/users.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <strings.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <vector>

#include "common/mutex.h"

namespace lapwing::api {
namespace {

constexpr std::size_t kRemembered = 64;
constexpr std::size_t kMaxSecret = 512;
// A hash of random bytes, for unknown users: verifying them costs as much as verifying known ones.
constexpr const char* kNobody =
    "$6$nobodynobody$3zPrDwjTTFA1ScAeoTb5LvnLf0Q3H8jxqB0YHBDrvGn0dNo5bcsSZmuhJZCKRpDVtnDnVYbqQdwWBoeW8H8Oe1";

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

}  // namespace

struct Users::State {
    std::map<std::string, std::string> hashes;
    std::array<unsigned char, 32> key{};
    Mutex hashing;  // one slow hash at a time: guessing passwords costs at most one core
    Mutex mutex;
    std::set<std::string> verified LAPWING_GUARDED_BY(mutex);
};

Expected<Users> Users::load(const std::string& file) {
    std::ifstream in(file);
    if (!in) {
        const int reason = errno;
        return fail(reason == ENOENT ? ErrorKind::not_found : ErrorKind::denied,
                    file + ": " + std::strerror(reason));
    }
    std::ostringstream text;
    text << in.rdbuf();
    auto users = parse(text.str());
    if (!users) {
        return fail(users.error().kind, file + ": " + users.error().message);
    }
    return users;
}

Expected<Users> Users::parse(std::string_view text) {
    Users users;
    users.state_ = std::make_shared<State>();
    if (RAND_bytes(users.state_->key.data(), static_cast<int>(users.state_->key.size())) != 1) {
        return fail(ErrorKind::internal, "no random bytes");
    }
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
        if (!users.state_->hashes.emplace(line.substr(0, colon), hash).second) {
            return fail(ErrorKind::invalid, where + "this user occurs twice");
        }
    }
    if (users.state_->hashes.empty()) {
        return fail(ErrorKind::invalid, "names no user");
    }
    return users;
}

bool Users::verify(const std::string& user, const std::string& password) const {
    if (user.size() > kMaxSecret || password.size() > kMaxSecret) {
        return false;
    }
    // crypt_r would read only up to the first NUL byte.
    if (user.find('\0') != std::string::npos || password.find('\0') != std::string::npos) {
        return false;
    }
    const std::string both = user + '\0' + password;
    std::array<unsigned char, 32> digest{};
    unsigned int size = digest.size();
    if (HMAC(EVP_sha256(), state_->key.data(), static_cast<int>(state_->key.size()),
             reinterpret_cast<const unsigned char*>(both.data()), both.size(), digest.data(),
             &size) == nullptr) {
        return false;
    }
    const std::string remembered(reinterpret_cast<const char*>(digest.data()), digest.size());
    {
        const MutexLock lock(state_->mutex);
        if (state_->verified.count(remembered) != 0) {
            return true;
        }
    }
    const auto it = state_->hashes.find(user);
    const bool known = it != state_->hashes.end();
    const std::string expected = known ? it->second : kNobody;
    const auto data = std::make_unique<crypt_data>();
    const char* computed = nullptr;
    {
        const MutexLock lock(state_->hashing);
        computed = crypt_r(password.c_str(), expected.c_str(), data.get());
    }
    if (computed == nullptr || std::strlen(computed) != expected.size() ||
        CRYPTO_memcmp(computed, expected.data(), expected.size()) != 0 || !known) {
        return false;
    }
    const MutexLock lock(state_->mutex);
    if (state_->verified.size() >= kRemembered) {
        state_->verified.clear();
    }
    state_->verified.insert(remembered);
    return true;
}

bool Users::verifyHeader(const std::string& authorization) const {
    constexpr std::string_view scheme = "Basic ";
    if (authorization.size() <= scheme.size() ||
        ::strncasecmp(authorization.c_str(), scheme.data(), scheme.size()) != 0) {
        return false;
    }
    const auto decoded = decodeBase64(std::string_view(authorization).substr(scheme.size()));
    if (!decoded) {
        return false;
    }
    const auto colon = decoded->find(':');
    return colon != std::string::npos && verify(decoded->substr(0, colon), decoded->substr(colon + 1));
}

}  // namespace lapwing::api
