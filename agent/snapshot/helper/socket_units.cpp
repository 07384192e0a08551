#include "agent/snapshot/helper/socket_units.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <utility>

#include "common/endpoint.h"
#include "common/run_tool.h"

namespace lapwing::agent {

namespace {

/// "[::]:22 (Stream)"
bool matches(const std::string& listen, const Listener& listener) {
    const auto space = listen.find(' ');
    const auto type = listen.substr(std::min(space, listen.size()));
    const auto endpoint = Endpoint::parse(listen.substr(0, space));
    return endpoint && endpoint->port == listener.port && endpoint->host == listener.address &&
           type == (listener.protocol == "tcp" ? " (Stream)" : " (Datagram)");
}

std::string withoutSuffix(const std::string& name) {
    return name.substr(0, name.rfind('.'));
}

}  // namespace

std::vector<SocketUnit> parseSocketUnits(std::string_view text) {
    std::vector<SocketUnit> out;
    SocketUnit unit;
    bool accepts = false;
    const auto end = [&] {
        if (accepts) {
            // "foo@bar.socket" starts "foo@bar@N.service", which only its template can tell: "foo@.service".
            unit.service = withoutSuffix(unit.name.substr(0, unit.name.find('@'))) + "@.service";
        }
        if (!unit.name.empty()) {
            out.push_back(std::move(unit));
        }
        unit = {};
        accepts = false;
    };
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        const auto equals = line.find('=');
        if (equals == std::string::npos) {
            end();
            continue;
        }
        const auto key = line.substr(0, equals);
        const auto value = line.substr(equals + 1);
        if (key == "Id") {
            unit.name = value;
        } else if (key == "Listen") {
            unit.listen.push_back(value);
        } else if (key == "Triggers") {
            unit.service = value.substr(0, value.find(' '));
        } else if (key == "Accept") {
            accepts = value == "yes";
        }
    }
    end();
    return out;
}

const SocketUnit* unitOf(const std::vector<SocketUnit>& units, const Listener& listener) {
    for (const auto& unit : units) {
        if (std::any_of(unit.listen.begin(), unit.listen.end(),
                        [&](const auto& listen) { return matches(listen, listener); })) {
            return &unit;
        }
    }
    return nullptr;
}

std::string firstProgram(std::string_view text) {
    constexpr std::string_view begin = "ExecStart={ path=";
    const auto at = text.find(begin);
    if (at == std::string_view::npos) {
        return {};
    }
    const auto path = text.substr(at + begin.size());
    return std::string(path.substr(0, path.find(" ;")));
}

void nameActivatedServices(const CollectOptions& options, const std::vector<Listener>& listeners,
                           Owners& owners, std::vector<std::string>& unread) {
    const auto systems = [](const Owner& owner) { return owner.held_by_systemd && owner.pid == 1; };
    if (std::none_of(owners.by_inode.begin(), owners.by_inode.end(),
                     [&](const auto& each) { return systems(each.second); })) {
        return;
    }
    const auto shown =
        runTool({options.systemctl, "show", "--property=Id,Listen,Triggers,Accept", "*.socket"},
                options.tool_deadline, kMostToolOutput);
    if (shown.status != ReadStatus::ok) {
        unread.push_back("the services of systemd's sockets: " + shown.tool + ": " + shown.error);
        return;
    }
    const auto units = parseSocketUnits(shown.output);
    std::map<std::string, std::string> programs;  // by service
    for (const auto& listener : listeners) {
        const auto owner = owners.by_inode.find(listener.inode);
        const auto* unit =
            owner != owners.by_inode.end() && systems(owner->second) ? unitOf(units, listener) : nullptr;
        if (unit == nullptr || unit->service.empty()) {
            continue;
        }
        // systemctl shows no template: any instance has its program.
        auto instance = unit->service;
        if (const auto at = instance.find("@."); at != std::string::npos) {
            instance.insert(at + 1, "lapwing");
        }
        const auto [program, is_new] = programs.try_emplace(unit->service);
        if (is_new) {
            program->second =
                firstProgram(runTool({options.systemctl, "show", "--property=ExecStart", instance},
                                     options.tool_deadline, kMostToolOutput)
                                 .output);
        }
        owner->second.unit = unit->service;
        if (!program->second.empty()) {
            owner->second.executable = program->second;
            owner->second.process = program->second.substr(program->second.rfind('/') + 1);
        }
    }
}

}  // namespace lapwing::agent
