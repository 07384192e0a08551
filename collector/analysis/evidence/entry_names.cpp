#include "collector/analysis/evidence/entry_names.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <thread>

#include "common/endpoint.h"
#include "common/mutex.h"

namespace lapwing::analysis::evidence {

struct EntryNames::State {
    std::vector<std::string> names;
    std::chrono::milliseconds interval{};
    Resolver resolver;

    Mutex mutex;
    ConditionVariable woken;
    bool stopping LAPWING_GUARDED_BY(mutex) = false;
    Resolved resolved LAPWING_GUARDED_BY(mutex);
};

namespace {

struct Freer {
    void operator()(addrinfo* list) const { freeaddrinfo(list); }
};

}  // namespace

EntryNames::EntryNames(std::vector<std::string> names, std::chrono::milliseconds interval, Resolver resolver)
    : state_(std::make_shared<State>()) {
    state_->names = std::move(names);
    state_->interval = interval;
    state_->resolver = std::move(resolver);
    if (state_->names.empty()) {
        return;
    }
    std::thread([state = state_] {
        MutexLock lock(state->mutex);
        while (!state->stopping) {
            lock.unlock();
            Resolved fresh;
            for (const auto& name : state->names) {
                if (auto addresses = state->resolver(name)) {
                    fresh[name] = std::move(*addresses);
                }
            }
            lock.lock();
            for (auto& [name, addresses] : fresh) {
                state->resolved[name] = std::move(addresses);
            }
            state->woken.waitFor(lock, state->interval,
                                 [&]() LAPWING_REQUIRES(state->mutex) { return state->stopping; });
        }
    }).detach();
}

EntryNames::~EntryNames() {
    const MutexLock lock(state_->mutex);
    state_->stopping = true;
    state_->woken.notifyAll();
}

Resolved EntryNames::current() const {
    const MutexLock lock(state_->mutex);
    return state_->resolved;
}

Expected<std::vector<reach::Address>> EntryNames::resolve(const std::string& name) {
    addrinfo wanted{};
    wanted.ai_socktype = SOCK_STREAM;
    addrinfo* raw = nullptr;
    if (const int error = getaddrinfo(name.c_str(), nullptr, &wanted, &raw); error != 0) {
        return fail(error == EAI_NONAME ? ErrorKind::not_found : ErrorKind::unavailable,
                    "resolving " + name + ": " + gai_strerror(error));
    }
    const std::unique_ptr<addrinfo, Freer> list(raw);
    std::vector<reach::Address> out;
    for (const auto* each = list.get(); each != nullptr; each = each->ai_next) {
        std::array<char, NI_MAXHOST> text{};
        if (getnameinfo(each->ai_addr, each->ai_addrlen, text.data(), text.size(), nullptr, 0,
                        NI_NUMERICHOST) == 0) {
            if (const auto address = reach::Address::parse(text.data())) {
                out.push_back(*address);
            }
        }
    }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

std::vector<std::string> namesOf(const std::vector<std::string>& urls) {
    std::vector<std::string> out;
    for (const auto& url : urls) {
        const auto endpoint = Endpoint::ofUrl(url);
        if (endpoint && !endpoint->address()) {
            out.push_back(endpoint->host);
        }
    }
    return out;
}

}  // namespace lapwing::analysis::evidence
