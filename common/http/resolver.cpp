#include "common/http/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <cstring>
#include <map>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include "common/mutex.h"

namespace lapwing::http {
namespace {

struct Lookup {
    bool done = false;
    int code = 0;
    std::vector<Address> addresses;
};

// Outlives main(): an abandoned look-up may still end afterwards.
struct Lookups {
    Mutex mutex;
    ConditionVariable ended;
    /// The look-ups themselves are guarded too.
    std::map<std::string, std::shared_ptr<Lookup>> running LAPWING_GUARDED_BY(mutex);
};

Lookups& lookups() {
    static auto* instance = new Lookups;
    return *instance;
}

int query(const std::string& host, int flags, std::vector<Address>& out) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags;
    addrinfo* list = nullptr;
    const int code = getaddrinfo(host.c_str(), nullptr, &hints, &list);
    if (code != 0) {
        return code;
    }
    for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
        if (entry->ai_family != AF_INET && entry->ai_family != AF_INET6) {
            continue;
        }
        Address address;
        std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
        address.length = entry->ai_addrlen;
        out.push_back(address);
    }
    freeaddrinfo(list);
    return 0;
}

std::vector<Address> withPort(std::vector<Address> addresses, std::uint16_t port) {
    for (auto& address : addresses) {
        if (address.storage.ss_family == AF_INET) {
            reinterpret_cast<sockaddr_in*>(&address.storage)->sin_port = htons(port);
        } else {
            reinterpret_cast<sockaddr_in6*>(&address.storage)->sin6_port = htons(port);
        }
    }
    return addresses;
}

void run(const std::string& host, const std::shared_ptr<Lookup>& lookup) {
    std::vector<Address> found;
    const int code = query(host, AI_ADDRCONFIG, found);
    auto& all = lookups();
    const MutexLock lock(all.mutex);
    lookup->done = true;
    lookup->code = code;
    lookup->addresses = std::move(found);
    all.running.erase(host);
    all.ended.notifyAll();
}

}  // namespace

Expected<std::vector<Address>> resolve(const std::string& host, std::uint16_t port,
                                       std::chrono::steady_clock::time_point until) {
    std::vector<Address> numeric;
    if (query(host, AI_NUMERICHOST, numeric) == 0) {
        return withPort(std::move(numeric), port);
    }

    auto& all = lookups();
    MutexLock lock(all.mutex);
    auto& slot = all.running[host];
    if (!slot) {
        slot = std::make_shared<Lookup>();
        try {
            std::thread(run, host, slot).detach();
        } catch (const std::system_error& error) {
            all.running.erase(host);
            return fail(ErrorKind::exhausted, "cannot start a look-up of " + host + ": " + error.what());
        }
    }
    const std::shared_ptr<Lookup> lookup = slot;
    if (!all.ended.waitUntil(lock, until, [&] { return lookup->done; })) {
        return fail(ErrorKind::timeout, "no answer to the look-up of the name " + host);
    }
    if (lookup->code != 0 || lookup->addresses.empty()) {
        const std::string reason = lookup->code != 0 ? gai_strerror(lookup->code) : "no address";
        return fail(ErrorKind::unreachable, "the name " + host + " does not resolve: " + reason);
    }
    return withPort(lookup->addresses, port);
}

}  // namespace lapwing::http
