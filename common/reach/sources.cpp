#include <algorithm>

#include "common/reach/model.h"

namespace lapwing::reach {

namespace {

void eachTerm(const Ruleset::Model& model, const auto& wanted, const auto& each) {
    for (const auto& table : model.tables) {
        for (const auto& [name, chain] : table.chains) {
            for (const auto& rule : chain.rules) {
                for (const auto& statement : rule.statements) {
                    for (std::size_t i = 0; i < statement.fields.size(); ++i) {
                        if (!wanted(statement.fields[i].kind)) {
                            continue;
                        }
                        for (const auto& element : statement.data.elements) {
                            if (i < element.parts.size() && element.parts[i].kind == Term::Kind::range) {
                                each(element.parts[i].range);
                            }
                        }
                    }
                }
            }
        }
    }
}

bool isDestinationPort(FieldKind kind) {
    return kind == FieldKind::tcp_destination_port || kind == FieldKind::udp_destination_port ||
           kind == FieldKind::any_destination_port;
}

std::vector<AddressRange> namedSources(const Ruleset::Model& model, Family family, bool routed) {
    const auto kind = family == Family::ipv4 ? FieldKind::ip_source : FieldKind::ip6_source;
    const auto whole = AddressRange::all(family);
    std::vector<AddressRange> named;
    if (routed) {
        named = routedRanges(model.host, family);
        std::erase(named, whole);
    }
    eachTerm(
        model, [&](FieldKind each) { return each == kind; },
        [&](const Range& range) {
            const AddressRange addresses{family, range.low, std::min(range.high, whole.high)};
            if (addresses != whole) {
                named.push_back(addresses);
            }
        });
    return named;
}

}  // namespace

Expected<std::vector<AddressRange>> Ruleset::parts(Family family, std::size_t most) const {
    const auto whole = AddressRange::all(family);
    std::set<Key> starts{whole.low};
    for (const auto& range : namedSources(*model_, family, true)) {
        starts.insert(range.low);
        if (range.high < whole.high) {
            starts.insert(next(range.high));
        }
        if (starts.size() > most) {
            return fail(ErrorKind::exhausted, "splitting the sources: the ruleset names too many addresses");
        }
    }
    std::vector<AddressRange> out;
    for (auto start = starts.begin(); start != starts.end(); ++start) {
        const auto after = std::next(start);
        out.push_back({family, *start, after == starts.end() ? whole.high : previous(*after)});
    }
    return out;
}

Expected<Sources> Ruleset::sources(Packet packet) const {
    constexpr std::size_t most_kept = 1024;
    const auto family = packet.source.family;
    const auto key =
        std::tuple(packet.destination, packet.protocol, packet.port, packet.interface, packet.outgoing);
    {
        const MutexLock lock(model_->found_mutex);
        if (const auto found = model_->found.find(key); found != model_->found.end()) {
            return found->second;
        }
    }
    auto split = parts(family);
    if (!split) {
        return tl::unexpected(split.error());
    }
    Sources out;
    for (const auto& part : *split) {
        packet.source = part;
        const auto verdict = evaluate(packet).verdict;
        if (verdict == Verdict::must_reach) {
            out.reach.push_back(part);
        } else if (verdict == Verdict::may) {
            out.may.push_back(part);
        }
    }
    out.reach = subtract(std::move(out.reach), {});
    out.may = subtract(std::move(out.may), {});
    const MutexLock lock(model_->found_mutex);
    if (model_->found.size() >= most_kept) {
        model_->found.clear();
    }
    model_->found[key] = out;
    return out;
}

Address Ruleset::stranger(Family family) const {
    static constexpr const char* ipv4_strangers[] = {"8.77.13.201",   "77.13.201.8",   "151.77.13.201",
                                                     "198.51.100.77", "203.0.113.77",  "10.213.77.201",
                                                     "172.29.213.77", "192.168.213.77"};
    static constexpr const char* ipv6_strangers[] = {"2a0c:77d1::c9", "2604:77d1::c9",
                                                     "2401:77d1::c9", "2001:db8:77d1::c9",
                                                     "fd77:13c9::c9", "fe80::77d1:13ff:fec9:c9"};
    const auto named = namedSources(*model_, family, false);
    const auto unnamed = [&](const Address& address) {
        return mayBeRouted(model_->host, address) &&
               std::none_of(named.begin(), named.end(),
                            [&](const auto& range) { return range.contains(address); });
    };
    const auto parsed = [](const char* text) { return Address::parse(text).value_or(Address{}); };
    // Where the rules name every candidate, the first has to do.
    const auto choose = [&](const auto& candidates) {
        const auto examples = routedExamples(model_->host, family);
        const auto routed = std::find_if(examples.begin(), examples.end(), unnamed);
        const auto* found = std::find_if(std::begin(candidates), std::end(candidates),
                                         [&](const char* text) { return unnamed(parsed(text)); });
        if (found == std::end(candidates) && routed != examples.end()) {
            return *routed;
        }
        return parsed(found == std::end(candidates) ? candidates[0] : *found);
    };
    return family == Family::ipv4 ? choose(ipv4_strangers) : choose(ipv6_strangers);
}

std::uint16_t Ruleset::unusedPort(const std::vector<std::uint16_t>& used) const {
    constexpr std::size_t port_count = 65536;
    std::vector<bool> taken(port_count, false);
    for (const auto port : used) {
        taken[port] = true;
    }
    auto named = taken;
    eachTerm(*model_, isDestinationPort, [&](const Range& range) {
        const auto low = static_cast<std::size_t>(range.low[14]) * 256 + range.low[15];
        const auto high = static_cast<std::size_t>(range.high[14]) * 256 + range.high[15];
        for (std::size_t port = low; port <= std::min(high, port_count - 1); ++port) {
            named[port] = true;
        }
    });
    constexpr std::size_t first_choice = 40077;
    for (const auto* avoid : {&named, &taken}) {
        for (std::size_t i = 0; i < port_count; ++i) {
            const auto port = (first_choice + i) % port_count;
            if (port != 0 && !(*avoid)[port]) {
                return static_cast<std::uint16_t>(port);
            }
        }
    }
    return static_cast<std::uint16_t>(first_choice);
}

std::set<int> Ruleset::namedPorts() const {
    constexpr int few = 16;
    std::set<int> out;
    eachTerm(*model_, isDestinationPort, [&](const Range& range) {
        const int low = range.low[14] * 256 + range.low[15];
        const int high = range.high[14] * 256 + range.high[15];
        for (int port = std::max(low, 1); port <= high && high - low < few; ++port) {
            out.insert(port);
        }
    });
    return out;
}

bool Ruleset::translates() const {
    for (const auto& table : model_->tables) {
        for (const auto& [name, chain] : table.chains) {
            for (const auto& rule : chain.rules) {
                for (const auto& statement : rule.statements) {
                    if (statement.kind == Statement::Kind::translate) {
                        return true;
                    }
                }
            }
        }
    }
    return false;
}

}  // namespace lapwing::reach
