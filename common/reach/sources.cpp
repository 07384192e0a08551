#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>

#include "common/reach/source_trace.h"
#include "common/reach/traversal.h"

namespace lapwing::reach {

namespace {

void eachStatement(const Ruleset::Model& model, const auto& each) {
    for (const auto& table : model.tables) {
        for (const auto& [name, chain] : table.chains) {
            for (const auto& rule : chain.rules) {
                for (const auto& statement : rule.statements) {
                    each(statement);
                }
            }
        }
    }
}

void eachTerm(const Ruleset::Model& model, const auto& wanted, const auto& each) {
    eachStatement(model, [&](const Statement& statement) {
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
    });
}

bool isDestinationPort(FieldKind kind) {
    return kind == FieldKind::tcp_destination_port || kind == FieldKind::udp_destination_port ||
           kind == FieldKind::any_destination_port;
}

/// A rule or a set names the address, other than with the whole space.
bool isNamed(const Ruleset::Model& model, const Address& address) {
    const auto kind = address.family == Family::ipv4 ? FieldKind::ip_source : FieldKind::ip6_source;
    const auto whole = AddressRange::all(address.family);
    const Range single{address.key, address.key};
    bool named = false;
    eachStatement(model, [&](const Statement& statement) {
        for (std::size_t i = 0; i < statement.fields.size() && !named; ++i) {
            if (statement.fields[i].kind != kind) {
                continue;
            }
            const auto* index = statement.data.index.get();
            named = index != nullptr && index->contain(single) != Truth::no;
            for (const auto& element : statement.data.elements) {
                if (i < element.parts.size() && element.parts[i].kind == Term::Kind::range) {
                    const auto& range = element.parts[i].range;
                    const bool all = range.low == whole.low && range.high >= whole.high;
                    named = named || (!all && range.low <= address.key && address.key <= range.high);
                }
            }
        }
    });
    return named;
}

/// Where the membership in a test begins or ends. The sum of the weights up to an address tells which tests
/// it passes.
struct Bound {
    Key at;
    std::array<std::uint64_t, 2> weight;
};

using Signature = std::array<std::uint64_t, 2>;

struct SignatureHash {
    std::size_t operator()(const Signature& signature) const { return signature[0] ^ (signature[1] << 1U); }
};

/// SplitMix64 (Steele, Lea, Flood 2014).
std::uint64_t mixed(std::uint64_t number) {
    number += 0x9e3779b97f4a7c15U;
    number = (number ^ (number >> 30U)) * 0xbf58476d1ce4e5b9U;
    number = (number ^ (number >> 27U)) * 0x94d049bb133111ebU;
    return number ^ (number >> 31U);
}

/// Tests that count as a single one.
std::vector<std::vector<const SourceTrace::Test*>> groupsOf(const SourceTrace& trace) {
    std::vector<std::vector<const SourceTrace::Test*>> out;
    std::map<std::pair<std::uint32_t, std::uint64_t>, std::size_t> runs;
    for (const auto& test : trace.tests()) {
        if (test.run == 0 || trace.comparesBits()) {
            out.push_back({&test});
            continue;
        }
        const auto [entry, fresh] = runs.try_emplace({test.run, test.label}, out.size());
        if (fresh) {
            out.emplace_back();
        }
        out[entry->second].push_back(&test);
    }
    return out;
}

/// The bounds of all tests within a range, in ascending order. `merged`: some count as a single one.
std::vector<Bound> boundsOf(const SourceTrace& trace, const AddressRange& within, bool& merged) {
    std::vector<Bound> out;
    std::uint64_t number = 0;
    merged = false;
    for (const auto& group : groupsOf(trace)) {
        merged = merged || group.size() > 1;
        const Signature weight{mixed(number), mixed(number + 1)};
        const Signature back{0 - weight[0], 0 - weight[1]};
        number += 2;
        const auto add = [&](const Intervals& intervals) {
            for (const auto& range : intervals.ranges()) {
                if (range.high < within.low || within.high < range.low) {
                    continue;
                }
                out.push_back({std::max(range.low, within.low), weight});
                if (range.high < within.high) {
                    out.push_back({next(range.high), back});
                }
            }
        };
        if (group.size() == 1 && group[0]->ranges.empty() && group[0]->sets.size() == 1) {
            add(*group[0]->sets[0]);
            continue;
        }
        std::vector<Range> all;
        for (const auto* test : group) {
            all.insert(all.end(), test->ranges.begin(), test->ranges.end());
            for (const auto* set : test->sets) {
                all.insert(all.end(), set->ranges().begin(), set->ranges().end());
            }
        }
        add(Intervals(std::move(all)));
    }
    std::sort(out.begin(), out.end(), [](const Bound& a, const Bound& b) { return a.at < b.at; });
    return out;
}

/// Calls `each` with every part of the range and its signature, in ascending order.
void eachPart(const std::vector<Bound>& bounds, const AddressRange& within, bool all_differ,
              const auto& each) {
    Signature signature{};
    std::uint64_t count = 0;
    auto low = within.low;
    for (auto at = bounds.begin();;) {
        for (; at != bounds.end() && at->at == low; ++at) {
            signature[0] += at->weight[0];
            signature[1] += at->weight[1];
        }
        const auto high = at == bounds.end() ? within.high : previous(at->at);
        const auto counted = all_differ ? Signature{++count, 0} : signature;
        if (!each(AddressRange{within.family, low, high}, counted) || at == bounds.end()) {
            return;
        }
        low = at->at;
    }
}

Key middle(const AddressRange& range) {
    Key out{};
    unsigned carry = 0;
    std::array<unsigned, 16> sum{};
    for (std::size_t i = out.size(); i-- > 0;) {
        sum[i] = range.low[i] + range.high[i] + carry;
        carry = sum[i] >> 8U;
    }
    for (std::size_t i = 0; i < out.size(); ++i) {
        const unsigned whole = (carry << 8U) | (sum[i] & 0xffU);
        out[i] = static_cast<std::uint8_t>(whole / 2);
        carry = whole % 2;
    }
    return out;
}

/// Evaluates a packet once for each class of its sources.
class Classifier {
  public:
    Classifier(const Ruleset::Model& model, Packet packet, const AddressRange& within)
        : model_(model), packet_(std::move(packet)), within_(within) {
        // Sources of a connected network differ from others, whatever the rules say.
        for (const auto& each : model.host.interfaces) {
            if (each.address.family == within.family && each.prefix_length != 0) {
                const auto network = AddressRange::prefix(each.address, each.prefix_length);
                trace_.add({network.low, network.high});
                trace_.add({network.low, network.low});
                trace_.add({network.high, network.high});
                trace_.add({each.address.key, each.address.key});
                trace_.add({network.low, network.low});
                trace_.add({network.high, network.high});
            }
        }
        for (const auto& range : routedRanges(model.host, within.family)) {
            trace_.add({range.low, range.high});
        }
    }

    /// Until no evaluation comes to a comparison that is new.
    bool run() {
        constexpr int most_rounds = 16;
        for (int round = 0; round < most_rounds; ++round) {
            const auto visited = trace_.visited();
            const auto bits = trace_.comparesBits();
            bounds_ = boundsOf(trace_, within_, merged_);
            results_.clear();
            if (!evaluateClasses(round == 0)) {
                return false;
            }
            if (round > 0 && visited == trace_.visited() && bits == trace_.comparesBits()) {
                return true;
            }
        }
        return false;
    }

    /// Calls `each` with every part of the sources and its result.
    void eachResult(const auto& each) const {
        eachPart(bounds_, within_, trace_.comparesBits(),
                 [&](const AddressRange& part, const Signature& signature) {
                     each(part, results_.at(signature));
                     return true;
                 });
    }

  private:
    Result evaluate(const AddressRange& source) {
        packet_.source = source;
        trace_.begin(source);
        return evaluateExchange(model_, packet_, &trace_);
    }

    /// A part as a whole; where the rules of a run divide it, each of its addresses has the same result.
    Result evaluatePart(const AddressRange& part) {
        auto result = evaluate(part);
        if (merged_ && result.verdict == Verdict::may && part.low != part.high) {
            result = evaluate(AddressRange::of({part.family, middle(part)}));
        }
        return result;
    }

    /// False where there are too many. The first time, all sources are one class.
    bool evaluateClasses(bool first) {
        if (first) {
            evaluate(within_);
            return true;
        }
        const bool all_differ = trace_.comparesBits();
        bool few = true;
        eachPart(bounds_, within_, all_differ, [&](const AddressRange& part, const Signature& signature) {
            if (!results_.contains(signature)) {
                few = results_.size() < kMostSourceClasses;
                if (few) {
                    results_.emplace(signature, evaluatePart(part));
                }
            }
            return few;
        });
        return few;
    }

    const Ruleset::Model& model_;
    Packet packet_;
    const AddressRange within_;
    SourceTrace trace_;
    std::vector<Bound> bounds_;
    bool merged_ = false;
    std::unordered_map<Signature, Result, SignatureHash> results_;
};

tl::unexpected<Error> tooManyClasses() {
    return fail(ErrorKind::exhausted,
                "the rules tell more than " + std::to_string(kMostSourceClasses) + " kinds of sources apart");
}

void append(std::vector<AddressRange>& out, const AddressRange& part) {
    if (!out.empty() && previous(part.low) == out.back().high) {
        out.back().high = part.high;
    } else {
        out.push_back(part);
    }
}

}  // namespace

Expected<std::vector<SourceClass>> Ruleset::classes(Packet packet, const AddressRange& within) const {
    Classifier classifier(*model_, std::move(packet), within);
    if (!classifier.run()) {
        return tooManyClasses();
    }
    std::vector<SourceClass> out;
    std::map<const Result*, std::size_t> known;
    classifier.eachResult([&](const AddressRange& part, const Result& result) {
        const auto [entry, fresh] = known.try_emplace(&result, 0);
        if (fresh) {
            const auto same = std::find_if(out.begin(), out.end(), [&](const SourceClass& each) {
                return each.result.verdict == result.verdict && each.result.decided_by == result.decided_by;
            });
            entry->second = static_cast<std::size_t>(same - out.begin());
            if (same == out.end()) {
                out.push_back({{}, result});
            }
        }
        append(out[entry->second].from, part);
    });
    return out;
}

Expected<std::shared_ptr<const Sources>> Ruleset::sources(const Packet& packet) const {
    constexpr std::size_t most_kept = 1024;
    constexpr std::size_t most_ranges_kept = 500'000;  // 20 MB
    const auto key =
        std::tuple(packet.destination, packet.protocol, packet.port, packet.interface, packet.outgoing);
    {
        const MutexLock lock(model_->found_mutex);
        if (const auto found = model_->found.find(key); found != model_->found.end()) {
            return found->second ? Expected<std::shared_ptr<const Sources>>(found->second) : tooManyClasses();
        }
    }
    Classifier classifier(*model_, packet, AddressRange::all(packet.source.family));
    if (!classifier.run()) {
        const MutexLock lock(model_->found_mutex);
        model_->found[key] = nullptr;
        return tooManyClasses();
    }
    auto fresh = std::make_shared<Sources>();
    classifier.eachResult([&](const AddressRange& part, const Result& result) {
        if (result.verdict == Verdict::must_reach) {
            append(fresh->reach, part);
        } else if (result.verdict == Verdict::may) {
            append(fresh->may, part);
        }
    });
    fresh->reach.shrink_to_fit();
    fresh->may.shrink_to_fit();
    const MutexLock lock(model_->found_mutex);
    if (model_->found.size() >= most_kept || model_->found_ranges >= most_ranges_kept) {
        model_->found.clear();
        model_->found_ranges = 0;
    }
    // Many ports are open to the same sources: large answers are kept once.
    std::shared_ptr<const Sources> out = std::move(fresh);
    for (const auto& [other, kept] : model_->found) {
        if (kept && *kept == *out) {
            out = kept;
            break;
        }
    }
    model_->found_ranges += out.use_count() == 1 ? out->reach.size() + out->may.size() : 0;
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
    const auto unnamed = [&](const Address& address) {
        return mayBeRouted(model_->host, address) && !isNamed(*model_, address);
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
