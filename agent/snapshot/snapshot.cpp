#include "agent/snapshot/snapshot.h"

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace lapwing::agent {

namespace {

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;
using Json = rapidjson::Value;

constexpr int kFormat = 1;

void put(Writer& writer, const std::string& text) {
    writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

void put(Writer& writer, const char* key, const std::string& text) {
    writer.Key(key);
    put(writer, text);
}

void put(Writer& writer, const ToolOutput& tool) {
    writer.StartObject();
    put(writer, "tool", tool.tool);
    put(writer, "status", readStatusName(tool.status));
    put(writer, "output", tool.output);
    put(writer, "error", tool.error);
    writer.EndObject();
}

void put(Writer& writer, const char* key, const std::vector<std::string>& list) {
    writer.Key(key);
    writer.StartArray();
    for (const auto& item : list) {
        put(writer, item);
    }
    writer.EndArray();
}

void put(Writer& writer, ReadStatus status, const std::string& error, const KeepalivedConfig& config) {
    writer.Key("keepalived");
    writer.StartObject();
    put(writer, "status", readStatusName(status));
    put(writer, "error", error);
    put(writer, "unread", config.unread);
    writer.Key("instances");
    writer.StartArray();
    for (const auto& instance : config.instances) {
        writer.StartObject();
        put(writer, "name", instance.name);
        put(writer, "interface", instance.interface);
        writer.Key("virtual_router_id");
        writer.Int(instance.virtual_router_id);
        writer.Key("priority");
        writer.Int(instance.priority);
        put(writer, "initial_state", instance.initial_state);
        put(writer, "addresses", instance.addresses);
        put(writer, "peers", instance.peers);
        put(writer, "tracks", instance.tracks);
        writer.EndObject();
    }
    writer.EndArray();
    writer.EndObject();
}

const Json& at(const Json& json, const char* key) {
    static const Json null;
    if (!json.IsObject()) {
        return null;
    }
    const auto found = json.FindMember(key);
    return found == json.MemberEnd() ? null : found->value;
}

std::string rawOf(const Json& json) {
    rapidjson::StringBuffer buffer;
    Writer writer(buffer);
    json.Accept(writer);
    return {buffer.GetString(), buffer.GetSize()};
}

std::string textOf(const Json& json) {
    return json.IsString() ? std::string(json.GetString(), json.GetStringLength()) : std::string();
}

std::vector<std::string> textsOf(const Json& json) {
    std::vector<std::string> out;
    if (json.IsArray()) {
        for (const auto& item : json.GetArray()) {
            out.push_back(textOf(item));
        }
    }
    return out;
}

ReadStatus statusOf(const Json& json) {
    const auto name = textOf(json);
    for (const auto status : {ReadStatus::ok, ReadStatus::absent, ReadStatus::denied}) {
        if (name == readStatusName(status)) {
            return status;
        }
    }
    return ReadStatus::failed;
}

ToolOutput toolOf(const Json& json) {
    return {textOf(at(json, "tool")), statusOf(at(json, "status")), textOf(at(json, "output")),
            textOf(at(json, "error"))};
}

int smallNumberOf(const Json& json) {
    return json.IsInt() ? json.GetInt() : 0;
}

KeepalivedConfig keepalivedOf(const Json& json) {
    KeepalivedConfig out;
    out.unread = textsOf(at(json, "unread"));
    const auto& instances = at(json, "instances");
    for (rapidjson::SizeType i = 0; instances.IsArray() && i < instances.Size(); ++i) {
        const auto& one = instances[i];
        out.instances.push_back({textOf(at(one, "name")), textOf(at(one, "interface")),
                                 smallNumberOf(at(one, "virtual_router_id")),
                                 smallNumberOf(at(one, "priority")), textOf(at(one, "initial_state")),
                                 textsOf(at(one, "addresses")), textsOf(at(one, "peers")),
                                 textsOf(at(one, "tracks"))});
    }
    return out;
}

std::uint64_t numberOf(const Json& json) {
    return json.IsUint64() ? json.GetUint64() : 0;
}

}  // namespace

const char* readStatusName(ReadStatus status) {
    switch (status) {
        case ReadStatus::ok:
            return "ok";
        case ReadStatus::absent:
            return "absent";
        case ReadStatus::denied:
            return "denied";
        case ReadStatus::failed:
            return "failed";
    }
    return "failed";
}

std::string toJson(const Snapshot& snapshot) {
    rapidjson::StringBuffer buffer;
    Writer writer(buffer);
    writer.StartObject();
    writer.Key("format");
    writer.Int(kFormat);
    writer.Key("time_ms");
    writer.Int64(snapshot.time);
    put(writer, "boot_id", snapshot.boot_id);
    writer.Key("network_namespace");
    writer.Uint64(snapshot.network_namespace);
    writer.Key("versions");
    writer.StartObject();
    for (const auto& [tool, version] : snapshot.versions) {
        put(writer, tool.c_str(), version);
    }
    writer.EndObject();
    writer.Key("ruleset");
    put(writer, snapshot.ruleset);
    writer.Key("listing");
    put(writer, snapshot.listing);
    writer.Key("iptables");
    writer.StartArray();
    for (const auto& tool : snapshot.iptables) {
        put(writer, tool);
    }
    writer.EndArray();
    put(writer, "legacy_tables", snapshot.legacy_tables);
    put(writer, "legacy_status", readStatusName(snapshot.legacy_status));
    writer.Key("owners");
    writer.StartArray();
    for (const auto& [inode, owner] : snapshot.owners) {
        writer.StartObject();
        writer.Key("inode");
        writer.Uint64(inode);
        writer.Key("pid");
        writer.Int(owner.pid);
        put(writer, "process", owner.process);
        put(writer, "executable", owner.executable);
        writer.EndObject();
    }
    writer.EndArray();
    put(writer, "unread", snapshot.unread);
    put(writer, snapshot.keepalived_status, snapshot.keepalived_error, snapshot.keepalived);
    if (snapshot.ssh_takes_passwords) {
        writer.Key("ssh_takes_passwords");
        writer.Bool(*snapshot.ssh_takes_passwords);
    }
    writer.Key("host");
    const auto host = reach::toJson(snapshot.host);
    writer.RawValue(host.data(), host.size(), rapidjson::kObjectType);
    writer.Key("boot");
    const auto boot = toJson(snapshot.boot);
    writer.RawValue(boot.data(), boot.size(), rapidjson::kObjectType);
    writer.EndObject();
    return {buffer.GetString(), buffer.GetSize()};
}

Expected<Snapshot> parseSnapshot(std::string_view json) {
    rapidjson::Document document;
    document.Parse<rapidjson::kParseIterativeFlag>(json.data(), json.size());
    if (document.HasParseError() || !at(document, "format").IsInt() ||
        at(document, "format").GetInt() != kFormat || !at(document, "time_ms").IsInt64()) {
        return fail(ErrorKind::protocol, "reading the snapshot: not in the form that this version writes");
    }
    Snapshot snapshot;
    snapshot.time = at(document, "time_ms").GetInt64();
    snapshot.boot_id = textOf(at(document, "boot_id"));
    snapshot.network_namespace = numberOf(at(document, "network_namespace"));
    if (const auto& versions = at(document, "versions"); versions.IsObject()) {
        for (const auto& [tool, version] : versions.GetObject()) {
            snapshot.versions[textOf(tool)] = textOf(version);
        }
    }
    snapshot.ruleset = toolOf(at(document, "ruleset"));
    snapshot.listing = toolOf(at(document, "listing"));
    if (const auto& tools = at(document, "iptables"); tools.IsArray()) {
        for (const auto& tool : tools.GetArray()) {
            snapshot.iptables.push_back(toolOf(tool));
        }
    }
    snapshot.legacy_tables = textsOf(at(document, "legacy_tables"));
    snapshot.legacy_status = statusOf(at(document, "legacy_status"));
    if (const auto& owners = at(document, "owners"); owners.IsArray()) {
        for (const auto& owner : owners.GetArray()) {
            const auto& pid = at(owner, "pid");
            snapshot.owners[numberOf(at(owner, "inode"))] = {pid.IsInt() ? pid.GetInt() : 0,
                                                             textOf(at(owner, "process")),
                                                             textOf(at(owner, "executable"))};
        }
    }
    snapshot.unread = textsOf(at(document, "unread"));
    const auto& keepalived = at(document, "keepalived");
    snapshot.keepalived_status = statusOf(at(keepalived, "status"));
    snapshot.keepalived_error = textOf(at(keepalived, "error"));
    snapshot.keepalived = keepalivedOf(keepalived);
    if (const auto& passwords = at(document, "ssh_takes_passwords"); passwords.IsBool()) {
        snapshot.ssh_takes_passwords = passwords.GetBool();
    }
    snapshot.host = reach::hostFromJson(rawOf(at(document, "host")));
    snapshot.boot = bootFromJson(rawOf(at(document, "boot")));
    return snapshot;
}

Expected<Snapshot> readSnapshot(const std::string& file, const std::string& proc, TimestampMs now,
                                std::int64_t max_age_ms) {
    std::ifstream in(file, std::ios::binary);
    if (!in) {
        const auto kind = errno == EACCES ? ErrorKind::denied : ErrorKind::not_found;
        return fail(kind, "reading the snapshot " + file + ": " + std::strerror(errno));
    }
    std::stringstream text;
    text << in.rdbuf();
    auto snapshot = parseSnapshot(text.view());
    if (!snapshot) {
        return snapshot;
    }
    const auto age = now - snapshot->time;
    if (age > max_age_ms) {
        return fail(ErrorKind::unavailable, "reading the snapshot " + file + ": it is " +
                                                std::to_string(age / 1000) +
                                                " s old; is lapwing-snapshot.timer running?");
    }
    const auto boot = bootId(proc);
    if (!boot.empty() && !snapshot->boot_id.empty() && boot != snapshot->boot_id) {
        return fail(ErrorKind::unavailable,
                    "reading the snapshot " + file + ": it is from before the last boot");
    }
    const auto space = networkNamespace(proc);
    if (space != 0 && snapshot->network_namespace != 0 && space != snapshot->network_namespace) {
        return fail(ErrorKind::unavailable,
                    "reading the snapshot " + file + ": it is of another network namespace");
    }
    return snapshot;
}

std::string bootId(const std::string& proc) {
    std::ifstream file(proc + "/sys/kernel/random/boot_id");
    std::string id;
    std::getline(file, id);
    return id;
}

std::uint64_t networkNamespace(const std::string& proc) {
    struct stat about {};
    return stat((proc + "/self/ns/net").c_str(), &about) == 0 ? about.st_ino : 0;
}

Expected<std::string> listingOf(const Snapshot& snapshot) {
    const auto& tool = snapshot.ruleset;
    if (tool.status != ReadStatus::ok) {
        const auto kind = tool.status == ReadStatus::denied   ? ErrorKind::denied
                          : tool.status == ReadStatus::absent ? ErrorKind::not_found
                                                              : ErrorKind::unavailable;
        return fail(kind, "reading the ruleset: " + tool.error.substr(0, tool.error.find('\n')));
    }
    std::vector<std::string> unread;
    if (snapshot.legacy_status == ReadStatus::denied || snapshot.legacy_status == ReadStatus::failed) {
        unread.emplace_back("legacy iptables tables could not be listed");
    }
    std::vector<reach::IptablesSave> saves;
    for (const auto& save : snapshot.iptables) {
        if (save.status == ReadStatus::ok) {
            const bool v6 = save.tool.find("/ip6tables-") != std::string::npos;
            saves.push_back({v6 ? reach::Family::ipv6 : reach::Family::ipv4,
                             save.tool.find("-legacy-") != std::string::npos, save.output});
        }
    }
    for (const auto& table : snapshot.legacy_tables) {
        const bool v6 = table.starts_with("ip6 ");
        const auto heading = "*" + table.substr(table.find(' ') + 1) + "\n";
        const bool read = std::any_of(saves.begin(), saves.end(), [&](const auto& save) {
            return save.legacy && (save.family == reach::Family::ipv6) == v6 &&
                   save.text.find(heading) != std::string::npos;
        });
        if (!read) {
            unread.push_back("the legacy table " + table + " could not be read");
        }
    }
    return reach::listingOf(tool.output, saves, unread, snapshot.host);
}

Expected<reach::Ruleset> rulesetOf(const Snapshot& snapshot) {
    const auto listing = listingOf(snapshot);
    if (!listing) {
        return tl::unexpected(listing.error());
    }
    auto ruleset = reach::Ruleset::parse(*listing);
    if (ruleset) {
        ruleset->addTexts(snapshot.listing.output);
    }
    return ruleset;
}

}  // namespace lapwing::agent
