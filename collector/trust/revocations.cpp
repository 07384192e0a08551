#include "collector/trust/revocations.h"

#include <algorithm>
#include <sstream>

namespace lapwing::trust {

Revocations Revocations::parse(const std::string& text) {
    Revocations out;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string host;
        std::time_t at = 0;
        if (words >> host >> at) {
            out.add(host, at);
        }
    }
    return out;
}

std::string Revocations::toText() const {
    std::string out;
    for (const auto& [host, at] : at_) {
        out += host + " " + std::to_string(at) + "\n";
    }
    return out;
}

void Revocations::add(const std::string& host, std::time_t at) {
    auto& known = at_[host];
    known = std::max(known, at);
}

void Revocations::add(const Revocations& more) {
    for (const auto& [host, at] : more.at_) {
        add(host, at);
    }
}

std::time_t Revocations::at(const std::string& host) const {
    const auto found = at_.find(host);
    return found == at_.end() ? 0 : found->second;
}

}  // namespace lapwing::trust
