#include "agent/probes/units/units.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/probes/units/bus.h"

namespace lapwing::agent::units {

namespace {

struct Kind {
    std::string_view ending;
    const char* interface;  ///< of its own properties; null: it has none that are reported
};
constexpr std::array kKinds{Kind{".service", "Service"}, Kind{".socket", "Socket"}, Kind{".timer", "Timer"},
                            Kind{".mount", "Mount"},     Kind{".swap", "Swap"},     Kind{".path", "Path"},
                            Kind{".target", nullptr}};

const Kind* kindOf(const Unit& unit) {
    for (const auto& kind : kKinds) {
        if (std::string_view(unit.name).ends_with(kind.ending)) {
            return &kind;
        }
    }
    return nullptr;
}

/// A service with processes, or that is to have some again.
bool isAtWork(const Unit& unit) {
    return unit.active != "inactive" && unit.sub != "exited";
}

/// Reads the properties of one unit after another, until the bus fails.
class Reader {
  public:
    explicit Reader(ManagerBus& bus) : bus_(bus) {}

    UnitFacts facts(const Unit& unit, const Wanted& wanted) {
        const char* interface = kindOf(unit)->interface;
        UnitFacts out;
        out.unit = unit;
        out.states = wanted.states;
        const bool has_type = unit.name.ends_with(".service") || unit.name.ends_with(".mount");
        if (wanted.states && has_type) {
            out.type = text(unit, interface, "Type");
        }
        if (wanted.states && unit.active == "failed" && interface != nullptr) {
            out.result = text(unit, interface, "Result");
        }
        if (wanted.states) {
            out.active_since_us =
                unit.active == "active" ? number(unit, "Unit", "ActiveEnterTimestamp") : std::uint64_t{0};
        }
        if (wanted.restarts) {
            out.restarts = number(unit, interface, "NRestarts");
        }
        if (wanted.timer) {
            out.last_trigger_us = number(unit, interface, "LastTriggerUSec");
        }
        if (wanted.socket) {
            out.accepted_connections = number(unit, interface, "NAccepted");
            out.current_connections = number(unit, interface, "NConnections");
            out.refused_connections = number(unit, interface, "NRefused");
        }
        return out;
    }
    const std::optional<Error>& error() const { return error_; }

  private:
    Property property(const Unit& unit, const char* interface, const char* name) {
        if (error_) {
            return {};
        }
        auto read = bus_.unit(unit, interface, name);
        if (!read) {
            error_ = read.error();
            return {};
        }
        return std::move(*read);
    }
    std::string text(const Unit& unit, const char* interface, const char* name) {
        const auto read = property(unit, interface, name);
        const auto* value = std::get_if<std::string>(&read);
        return value != nullptr ? *value : "";
    }
    std::optional<std::uint64_t> number(const Unit& unit, const char* interface, const char* name) {
        const auto read = property(unit, interface, name);
        const auto* value = std::get_if<std::uint64_t>(&read);
        return value != nullptr ? std::optional(*value) : std::nullopt;
    }

    ManagerBus& bus_;
    std::optional<Error> error_;
};

Expected<std::string> managerText(ManagerBus& bus, const char* name) {
    const auto read = bus.manager(name);
    if (!read) {
        return fail(read.error());
    }
    const auto* text = std::get_if<std::string>(&*read);
    return text != nullptr ? *text : "";
}

struct Answers {
    ManagerFacts facts;
    bool cut = false;
};

Expected<Answers> ask(const Choice& choice, const Places& places, const Deadline& deadline) {
    auto bus = ManagerBus::connect(places.bus, deadline);
    if (!bus) {
        return fail(bus.error());
    }
    Answers out;
    auto version = managerText(*bus, "Version");
    auto state = version ? managerText(*bus, "SystemState") : version;
    if (!state) {
        return fail(state.error());
    }
    auto listed = bus->listUnits();
    if (!listed) {
        return fail(listed.error());
    }
    out.facts = {std::move(*version), std::move(*state), std::move(*listed), {}};
    Reader reader(*bus);
    for (const auto* unit : chosen(choice, out.facts.listed, kMostUnits, out.cut)) {
        out.facts.reported.push_back(reader.facts(*unit, wantedOf(choice, *unit)));
        if (reader.error()) {
            return fail(*reader.error());
        }
    }
    return out;
}

}  // namespace

std::vector<const Unit*> chosen(const Choice& choice, const std::vector<Unit>& listed, std::size_t most,
                                bool& cut) {
    // Passing ones last, even if they are watched: strangers choose their number.
    const auto rank = [&](const Unit& unit) {
        return (isPassing(unit.name) ? 4 : 0) + (watched(choice, unit.name) ? 0 : 2) +
               (unit.active == "failed" ? 0 : 1);
    };
    std::array<std::vector<const Unit*>, 8> ranks;
    for (const auto& unit : listed) {
        if (wantedOf(choice, unit).any()) {
            ranks.at(static_cast<std::size_t>(rank(unit))).push_back(&unit);
        }
    }
    std::vector<const Unit*> out;
    for (const auto& units : ranks) {
        out.insert(out.end(), units.begin(), units.end());
    }
    cut = out.size() > most;
    out.resize(std::min(out.size(), most));
    return out;
}

Wanted wantedOf(const Choice& choice, const Unit& unit) {
    Wanted out;
    const bool failed = unit.active == "failed";
    if (kindOf(unit) == nullptr || ignored(choice, unit.name) || (unit.load != "loaded" && !failed)) {
        return out;
    }
    const bool kept = watched(choice, unit.name);
    out.states = kept || (failed && !isPassing(unit.name));
    out.restarts = unit.name.ends_with(".service") && (kept || (isAtWork(unit) && !isPassing(unit.name)));
    out.timer = unit.name.ends_with(".timer");
    out.socket = unit.name.ends_with(".socket") && kept;
    return out;
}

Expected<ProbeResult> UnitsProbe::collect(const Deadline& deadline) {
    ProbeResult result;
    auto usage = readCgroups(cgroupMount(places_.sys));
    if (usage) {
        std::erase_if(usage->by_unit, [&](const auto& each) {
            return ignored(choice_, each.first) || (isPassing(each.first) && !watched(choice_, each.first));
        });
        result.families = usageFamilies(*usage);
        result.note = usage->cut
                          ? "there are more than 512 services, or deeper slices than 8: the rest is not "
                            "reported"
                          : "";
    } else {
        result.note = "no cgroups of version 2: CPU, memory and tasks of services are unknown";
    }
    auto answers = ask(choice_, places_, deadline);
    if (!answers) {
        result.failure = answers.error();
        return result;
    }
    for (auto& family : managerFamilies(answers->facts)) {
        result.families.push_back(std::move(family));
    }
    if (answers->cut) {
        result.note += std::string(result.note.empty() ? "" : "; ") + "only " + std::to_string(kMostUnits) +
                       " units are reported";
    }
    return result;
}

}  // namespace lapwing::agent::units
