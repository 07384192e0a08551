#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "agent/snapshot/snapshot.h"
#include "common/json.h"

namespace lapwing::agent {

namespace {

constexpr int kFormat = 1;

void putTool(json::Writer& out, const ToolOutput& tool) {
    out.StartObject();
    json::put(out, "tool", tool.tool);
    json::put(out, "status", readStatusName(tool.status));
    json::put(out, "output", tool.output);
    json::put(out, "error", tool.error);
    out.EndObject();
}

void putReading(json::Writer& out, const RulesReading& rules) {
    json::key(out, "rules");
    out.StartObject();
    json::put(out, "generation", rules.generation);
    json::put(out, "read_ms", rules.read_ms);
    json::put(out, "cost_ms", rules.cost_ms);
    json::put(out, "changes_unseen", rules.changes_unseen);
    json::put(out, "file", rules.file);
    out.EndObject();
}

void putRules(json::Writer& out, const Snapshot& snapshot) {
    json::key(out, "ruleset");
    putTool(out, snapshot.ruleset);
    json::key(out, "listing");
    putTool(out, snapshot.listing);
    json::key(out, "iptables");
    out.StartArray();
    for (const auto& tool : snapshot.iptables) {
        putTool(out, tool);
    }
    out.EndArray();
    json::key(out, "ipsets");
    putTool(out, snapshot.ipsets);
}

void putOwners(json::Writer& out, const std::map<std::uint64_t, Owner>& owners) {
    json::key(out, "owners");
    out.StartArray();
    for (const auto& [inode, owner] : owners) {
        out.StartObject();
        json::put(out, "inode", inode);
        json::put(out, "pid", owner.pid);
        json::put(out, "process", owner.process);
        json::put(out, "executable", owner.executable);
        json::put(out, "unit", owner.unit);
        out.EndObject();
    }
    out.EndArray();
}

void putTracks(json::Writer& out, const std::vector<vrrp::Check>& tracks) {
    json::key(out, "checks");
    out.StartArray();
    for (const auto& track : tracks) {
        out.StartObject();
        json::put(out, "kind", track.kind);
        json::put(out, "name", track.name);
        json::put(out, "weight", track.weight);
        json::put(out, "reverse", track.reverse);
        json::put(out, "watches", nameOf(vrrp::kWatchedNames, track.watched));
        json::put(out, "target", track.target);
        json::put(out, "ignored", track.ignored);
        out.EndObject();
    }
    out.EndArray();
}

void putKeepalived(json::Writer& out, const Snapshot& snapshot) {
    json::key(out, "keepalived");
    out.StartObject();
    json::put(out, "status", readStatusName(snapshot.keepalived_status));
    json::put(out, "error", snapshot.keepalived_error);
    json::put(out, "unread", snapshot.keepalived.unread);
    json::key(out, "instances");
    out.StartArray();
    for (const auto& instance : snapshot.keepalived.instances) {
        out.StartObject();
        json::put(out, "name", instance.name);
        json::put(out, "interface", instance.interface);
        json::put(out, "virtual_router_id", instance.virtual_router_id);
        json::put(out, "priority", instance.priority);
        json::put(out, "initial_state", instance.initial_state);
        json::put(out, "addresses", instance.addresses);
        json::put(out, "excluded", instance.excluded);
        json::put(out, "peers", instance.peers);
        json::put(out, "source", instance.source);
        json::put(out, "version", instance.version);
        json::put(out, "interval", instance.interval);
        json::put(out, "authentication", instance.authentication);
        json::put(out, "nopreempt", instance.nopreempt);
        json::put(out, "preempt_delay", instance.preempt_delay);
        json::put(out, "group", instance.group);
        json::put(out, "unread", instance.unread);
        putTracks(out, instance.tracks);
        out.EndObject();
    }
    out.EndArray();
    out.EndObject();
}

void putBoot(json::Writer& out, const Boot& boot) {
    json::key(out, "boot");
    out.StartObject();
    json::put(out, "sources", boot.sources);
    json::put(out, "makers", boot.makers);
    json::put(out, "faults", boot.faults);
    json::put(out, "listing", boot.listing);
    json::put(out, "unknown", boot.unknown);
    json::put(out, "fingerprint", boot.fingerprint);
    json::put(out, "rehearsed_ms", boot.rehearsed);
    json::put(out, "file", boot.file);
    out.EndObject();
}

ReadStatus readStatus(const json::Value& object, const char* name) {
    const auto text = json::text(object, name);
    for (const auto status : {ReadStatus::ok, ReadStatus::absent, ReadStatus::denied}) {
        if (text == readStatusName(status)) {
            return status;
        }
    }
    return ReadStatus::failed;
}

int readInt(const json::Value& object, const char* name) {
    const auto& value = json::member(object, name);
    return value.IsInt() ? value.GetInt() : 0;
}

ToolOutput readTool(const json::Value& tool) {
    return {json::text(tool, "tool"), readStatus(tool, "status"), json::text(tool, "output"),
            json::text(tool, "error")};
}

RulesReading readReading(const json::Value& rules) {
    return {json::unsignedInteger(rules, "generation").value_or(0),
            json::integer(rules, "read_ms").value_or(0), json::integer(rules, "cost_ms").value_or(0),
            json::flag(rules, "changes_unseen").value_or(false), json::text(rules, "file")};
}

void readRules(const json::Value& document, Snapshot& snapshot) {
    snapshot.ruleset = readTool(json::member(document, "ruleset"));
    snapshot.listing = readTool(json::member(document, "listing"));
    snapshot.iptables.clear();
    for (const auto& tool : json::items(json::member(document, "iptables"))) {
        snapshot.iptables.push_back(readTool(tool));
    }
    if (const auto& ipsets = json::member(document, "ipsets"); ipsets.IsObject()) {
        snapshot.ipsets = readTool(ipsets);
    }
}

std::map<std::uint64_t, Owner> readOwners(const json::Value& list) {
    std::map<std::uint64_t, Owner> out;
    for (const auto& owner : json::items(list)) {
        out[json::unsignedInteger(owner, "inode").value_or(0)] = {
            readInt(owner, "pid"), json::text(owner, "process"), json::text(owner, "executable"),
            json::text(owner, "unit")};
    }
    return out;
}

std::vector<vrrp::Check> readTracks(const json::Value& list) {
    std::vector<vrrp::Check> out;
    for (const auto& track : json::items(list)) {
        out.push_back(
            {json::text(track, "kind"), json::text(track, "name"), readInt(track, "weight"),
             json::member(track, "reverse").IsTrue(),
             valueOf(vrrp::kWatchedNames, json::text(track, "watches")).value_or(vrrp::Watched::unknown),
             json::text(track, "target"), json::text(track, "ignored")});
    }
    return out;
}

KeepalivedConfig readKeepalived(const json::Value& keepalived) {
    KeepalivedConfig out;
    out.unread = json::texts(keepalived, "unread");
    for (const auto& instance : json::items(json::member(keepalived, "instances"))) {
        out.instances.push_back(
            {json::text(instance, "name"), json::text(instance, "interface"),
             readInt(instance, "virtual_router_id"), readInt(instance, "priority"),
             json::text(instance, "initial_state"), json::texts(instance, "addresses"),
             json::texts(instance, "excluded"), json::texts(instance, "peers"),
             json::text(instance, "source"), readInt(instance, "version"), json::text(instance, "interval"),
             json::text(instance, "authentication"), json::member(instance, "nopreempt").IsTrue(),
             json::text(instance, "preempt_delay"), json::text(instance, "group"),
             readTracks(json::member(instance, "checks")), json::texts(instance, "unread")});
    }
    return out;
}

Boot readBoot(const json::Value& boot) {
    return {json::texts(boot, "sources"),
            json::texts(boot, "makers"),
            json::texts(boot, "faults"),
            json::text(boot, "listing"),
            json::text(boot, "unknown"),
            json::text(boot, "fingerprint"),
            json::integer(boot, "rehearsed_ms").value_or(0),
            json::text(boot, "file")};
}

std::string compact(const json::Value& value) {
    json::Writer out;
    value.Accept(out);
    return out.text();
}

}  // namespace

std::string rulesToJson(const Snapshot& snapshot) {
    json::Writer out;
    out.StartObject();
    json::put(out, "format", kFormat);
    putRules(out, snapshot);
    out.EndObject();
    return out.text();
}

Expected<void> takeRules(std::string_view text, Snapshot& snapshot) {
    const auto document = json::parse(text);
    if (json::integer(document, "format") != kFormat) {
        return fail(ErrorKind::protocol, "reading the rules: not in the form that this version writes");
    }
    readRules(document, snapshot);
    return {};
}

std::string toJson(const Snapshot& snapshot) {
    json::Writer out;
    out.StartObject();
    json::put(out, "format", kFormat);
    json::put(out, "time_ms", snapshot.time);
    json::put(out, "boot_id", snapshot.boot_id);
    json::put(out, "network_namespace", snapshot.network_namespace);
    json::key(out, "versions");
    out.StartObject();
    for (const auto& [tool, version] : snapshot.versions) {
        json::put(out, tool, version);
    }
    out.EndObject();
    putReading(out, snapshot.rules);
    putRules(out, snapshot);
    json::put(out, "legacy_tables", snapshot.legacy_tables);
    json::put(out, "legacy_status", readStatusName(snapshot.legacy_status));
    putOwners(out, snapshot.owners);
    json::put(out, "unread", snapshot.unread);
    putKeepalived(out, snapshot);
    if (snapshot.ssh_takes_passwords) {
        json::put(out, "ssh_takes_passwords", *snapshot.ssh_takes_passwords);
    }
    json::putRaw(out, "host", reach::toJson(snapshot.host));
    putBoot(out, snapshot.boot);
    out.EndObject();
    return out.text();
}

Expected<Snapshot> parseSnapshot(std::string_view text) {
    const auto document = json::parse(text);
    const auto time = json::integer(document, "time_ms");
    if (json::integer(document, "format") != kFormat || !time) {
        return fail(ErrorKind::protocol, "reading the snapshot: not in the form that this version writes");
    }
    Snapshot snapshot;
    snapshot.time = *time;
    snapshot.boot_id = json::text(document, "boot_id");
    snapshot.network_namespace = json::unsignedInteger(document, "network_namespace").value_or(0);
    for (const auto& [tool, version] : json::members(json::member(document, "versions"))) {
        snapshot.versions[json::text(tool)] = json::text(version);
    }
    snapshot.rules = readReading(json::member(document, "rules"));
    readRules(document, snapshot);
    snapshot.legacy_tables = json::texts(document, "legacy_tables");
    snapshot.legacy_status = readStatus(document, "legacy_status");
    snapshot.owners = readOwners(json::member(document, "owners"));
    snapshot.unread = json::texts(document, "unread");
    const auto& keepalived = json::member(document, "keepalived");
    snapshot.keepalived_status = readStatus(keepalived, "status");
    snapshot.keepalived_error = json::text(keepalived, "error");
    snapshot.keepalived = readKeepalived(keepalived);
    snapshot.ssh_takes_passwords = json::flag(document, "ssh_takes_passwords");
    snapshot.host = reach::hostFromJson(compact(json::member(document, "host")));
    snapshot.boot = readBoot(json::member(document, "boot"));
    return snapshot;
}

}  // namespace lapwing::agent
