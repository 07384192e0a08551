#include "agent/snapshot/helper/keepalived_conf.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <utility>

#include "agent/snapshot/helper/check_command.h"
#include "common/digest.h"

namespace lapwing::agent {

namespace {

using vrrp::Watched;

constexpr int kOwner = 255;
constexpr std::size_t kPasswordLength = 8;
constexpr std::size_t kFingerprintDigits = 3;

std::string argument(const ConfigEntry& entry) {
    return entry.words.size() > 1 ? entry.words[1] : "";
}

/// The words after the first, as one text.
std::string arguments(const ConfigEntry& entry) {
    std::string out;
    for (std::size_t i = 1; i < entry.words.size(); ++i) {
        out += (out.empty() ? "" : " ") + entry.words[i];
    }
    return out;
}

int numberOf(const std::string& text, int otherwise) {
    int value = 0;
    const auto* begin = text.data() + (text.starts_with('+') ? 1 : 0);
    const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? value : otherwise;
}

std::vector<std::string> firstWords(const ConfigEntry& entry) {
    std::vector<std::string> out;
    for (const auto& line : entry.block) {
        out.push_back(line.words[0]);
    }
    return out;
}

/// Reads `weight N [reverse|noreverse|no_reverse]` that starts at a word of the line.
void applyWeight(const ConfigEntry& line, std::size_t from, vrrp::Check& track) {
    if (from + 1 >= line.words.size() || line.words[from] != "weight") {
        return;
    }
    track.weight = numberOf(line.words[from + 1], track.weight);
    track.reverse = from + 2 < line.words.size() && line.words[from + 2] == "reverse";
}

/// Keywords of an instance that do not change which host holds the address.
bool isHarmless(const std::string& key) {
    static const std::set<std::string> words{"dont_track_primary",
                                             "smtp_alert",
                                             "debug",
                                             "promote_secondaries",
                                             "track_src_ip",
                                             "unicast_ttl",
                                             "check_unicast_src",
                                             "unicast_fault_no_peer",
                                             "down_timer_adverts",
                                             "lower_prio_no_advert",
                                             "higher_prio_send_advert",
                                             "preempt",
                                             "accept",
                                             "kernel_rx_buf_size",
                                             "linkbeat_use_polling",
                                             "virtual_routes",
                                             "virtual_rules",
                                             "native_ipv6",
                                             "skip_check_adv_addr"};
    return words.contains(key) || key.starts_with("garp_") || key.starts_with("notify");
}

/// Global keywords that change what every instance does, in a way that is not modelled.
bool changesEverything(const std::string& key) {
    static const std::set<std::string> words{"vrrp_strict",       "net_namespace",     "vrrp_mcast_group4",
                                             "vrrp_mcast_group6", "default_interface", "disable_local_igmp"};
    return words.contains(key);
}

std::string fingerprint(const ConfigEntry& entry) {
    std::string type;
    std::string password;
    for (const auto& line : entry.block) {
        (line.words[0] == "auth_type" ? type : password) = argument(line);
    }
    if (type.empty() || password.empty()) {
        return "";
    }
    return type + " " + sha256("vrrp " + password.substr(0, kPasswordLength)).substr(0, kFingerprintDigits);
}

class Parser {
  public:
    Parser(const std::vector<ConfigEntry>& entries, const ScriptFacts& facts)
        : entries_(entries), facts_(facts) {}

    KeepalivedConfig run() {
        for (const auto& entry : entries_) {
            if (entry.words[0] == "global_defs") {
                globals(entry);
            }
        }
        for (const auto& entry : entries_) {
            definition(entry);
        }
        for (const auto& entry : entries_) {
            if (entry.words[0] == "vrrp_instance") {
                out_.instances.push_back(instance(entry));
            }
        }
        for (const auto& entry : entries_) {
            if (entry.words[0] == "vrrp_sync_group") {
                group(entry);
            }
        }
        noteUnread(entries_);
        out_.unread = {unread_.begin(), unread_.end()};
        return std::move(out_);
    }

  private:
    void globals(const ConfigEntry& entry) {
        for (const auto& line : entry.block) {
            const auto& key = line.words[0];
            if (key == "vrrp_version") {
                version_ = numberOf(argument(line), version_);
            } else if (key == "enable_script_security") {
                security_ = true;
            } else if (key == "script_user") {
                script_user_ = argument(line);
            } else if (changesEverything(key)) {
                unread_.insert("keepalived.conf: " + key);
            }
        }
    }

    /// The checks that tracks refer to by name.
    void definition(const ConfigEntry& entry) {
        const auto& key = entry.words[0];
        const auto name = argument(entry);
        if (key == "vrrp_script") {
            defined_[{"script", name}] = script(entry);
        } else if (key == "vrrp_track_process") {
            defined_[{"process", name}] = process(entry);
        } else if (key == "track_file" || key == "vrrp_track_file") {
            vrrp::Check track{"file", name, 1};
            for (const auto& line : entry.block) {
                applyWeight(line, 0, track);
            }
            defined_[{"file", name}] = track;
        }
    }

    vrrp::Check script(const ConfigEntry& entry) const {
        vrrp::Check out{"script", argument(entry)};
        std::string command;
        std::string user = script_user_;
        for (const auto& line : entry.block) {
            if (line.words[0] == "script") {
                command = arguments(line);
            } else if (line.words[0] == "user") {
                user = argument(line);
            }
            applyWeight(line, 0, out);
        }
        const bool as_root = user.empty() ? !facts_.keepalived_script : user == "root";
        const auto check = checkCommand(command, as_root);
        out.watched = check.watched;
        out.target = check.target;
        if (facts_.fault) {
            out.ignored = facts_.fault(command, security_ && as_root);
        }
        return out;
    }

    static vrrp::Check process(const ConfigEntry& entry) {
        vrrp::Check out{"process", argument(entry), 1};
        bool plain = true;
        for (const auto& line : entry.block) {
            const auto& key = line.words[0];
            if (key == "process") {
                out.target = argument(line);
                plain = plain && line.words.size() == 2;
            } else if (key == "full_command" || key == "quorum_max" || key == "param_match" ||
                       (key == "quorum" && argument(line) != "1")) {
                plain = false;
            }
            applyWeight(line, 0, out);
        }
        out.watched = plain && !out.target.empty() ? Watched::program : Watched::unknown;
        return out;
    }

    VrrpInstance instance(const ConfigEntry& entry) {
        VrrpInstance out;
        out.name = argument(entry);
        out.initial_state = "BACKUP";
        out.version = version_;
        for (const auto& line : entry.block) {
            setting(line, out);
        }
        const bool six = std::any_of(out.addresses.begin(), out.addresses.end(), [](const auto& address) {
            return address.find(':') != std::string::npos;
        });
        out.version = six ? 3 : out.version;
        if (out.version == 3) {
            out.authentication.clear();
        }
        // keepalived resets these in these cases (2.2.7, vrrp.c).
        out.nopreempt = out.nopreempt && out.initial_state != "MASTER" && out.priority != kOwner;
        if (out.initial_state == "MASTER" || out.nopreempt) {
            out.preempt_delay.clear();
        }
        if (out.priority == kOwner) {
            ignoreWeighted(out, "keepalived ignores a check with a weight if the priority is 255");
        }
        return out;
    }

    void setting(const ConfigEntry& line, VrrpInstance& out) {
        const auto& key = line.words[0];
        if (key == "interface") {
            out.interface = argument(line);
        } else if (key == "virtual_router_id") {
            out.virtual_router_id = numberOf(argument(line), 0);
        } else if (key == "priority") {
            out.priority = numberOf(argument(line), out.priority);
        } else if (key == "state") {
            out.initial_state = argument(line);
        } else if (key == "virtual_ipaddress") {
            out.addresses = firstWords(line);
        } else if (key == "virtual_ipaddress_excluded") {
            out.excluded = firstWords(line);
        } else if (key == "unicast_peer") {
            out.peers = firstWords(line);
        } else if (key == "unicast_src_ip" || key == "mcast_src_ip") {
            out.source = argument(line);
        } else if (key == "version") {
            out.version = numberOf(argument(line), out.version);
        } else if (key == "advert_int") {
            out.interval = argument(line);
        } else if (key == "authentication") {
            out.authentication = fingerprint(line);
        } else if (key == "nopreempt") {
            out.nopreempt = true;
        } else if (key == "preempt_delay") {
            out.preempt_delay = argument(line);
        } else if (!tracks(line, out) && !isHarmless(key) && !key.starts_with('@')) {
            out.unread.push_back(key);
        }
    }

    /// Reads the tracks of an instance or group; false for another keyword.
    bool tracks(const ConfigEntry& entry, VrrpInstance& instance) const {
        static const std::map<std::string, std::string> kinds{{"track_script", "script"},
                                                              {"track_process", "process"},
                                                              {"track_file", "file"},
                                                              {"track_interface", "interface"}};
        const auto kind = kinds.find(entry.words[0]);
        if (kind == kinds.end()) {
            return false;
        }
        for (const auto& line : entry.block) {
            auto track = trackNamed(kind->second, line.words[0]);
            applyWeight(line, 1, track);
            // The file's content is a number that is added: it is not read.
            if (track.kind == "file" && track.weight != 0 && track.ignored.empty()) {
                instance.unread.push_back("track_file " + track.name);
            }
            const bool known = std::any_of(
                instance.tracks.begin(), instance.tracks.end(),
                [&](const auto& each) { return each.kind == track.kind && each.name == track.name; });
            if (!known) {
                instance.tracks.push_back(std::move(track));
            }
        }
        return true;
    }

    vrrp::Check trackNamed(const std::string& kind, const std::string& name) const {
        if (kind == "interface") {
            return {kind, name, 0, false, Watched::other};
        }
        if (const auto found = defined_.find({kind, name}); found != defined_.end()) {
            return found->second;
        }
        vrrp::Check out{kind, name};
        out.ignored = "keepalived.conf does not define it";
        return out;
    }

    /// The tracks of a group are tracks of each member.
    void group(const ConfigEntry& entry) {
        std::set<std::string> members;
        bool weighs = false;
        for (const auto& line : entry.block) {
            weighs =
                weighs || line.words[0] == "sync_group_tracking_weight" || line.words[0] == "global_tracking";
            // `group { A B }` or a line for each.
            for (const auto& member : line.words[0] == "group" ? line.block : std::vector<ConfigEntry>{}) {
                members.insert(member.words.begin(), member.words.end());
            }
        }
        for (auto& instance : out_.instances) {
            if (!members.contains(instance.name)) {
                continue;
            }
            instance.group = argument(entry);
            ignoreWeighted(instance,
                           "keepalived ignores a check with a weight in an instance of a vrrp_sync_group");
            for (const auto& line : entry.block) {
                tracks(line, instance);
            }
            const bool owner_weighs = instance.priority == kOwner &&
                                      std::any_of(instance.tracks.begin(), instance.tracks.end(),
                                                  [](const auto& track) { return track.weight != 0; });
            if (weighs || owner_weighs) {
                instance.unread.emplace_back("sync_group_tracking_weight");
            }
        }
    }

    static void ignoreWeighted(VrrpInstance& instance, const char* reason) {
        for (auto& track : instance.tracks) {
            if (track.weight != 0 && track.ignored.empty()) {
                track.ignored = reason;
            }
        }
    }

    void noteUnread(const std::vector<ConfigEntry>& entries) {
        for (const auto& entry : entries) {
            const auto& first = entry.words[0];
            if (first.starts_with('@')) {
                unread_.insert("keepalived.conf: lines for one host only (" + first + ")");
            }
            const bool parameter = std::any_of(entry.words.begin(), entry.words.end(),
                                               [](const auto& word) { return word.starts_with('$'); });
            // Parameters in a script's command are the shell's.
            if (parameter && first != "script" && !first.starts_with("notify")) {
                unread_.insert("keepalived.conf: parameters (" + entry.words.back() + ")");
            }
            noteUnread(entry.block);
        }
    }

    const std::vector<ConfigEntry>& entries_;
    const ScriptFacts& facts_;
    int version_ = 2;
    bool security_ = false;
    std::string script_user_;
    std::map<std::pair<std::string, std::string>, vrrp::Check> defined_;  ///< by kind and name
    std::set<std::string> unread_;
    KeepalivedConfig out_;
};

}  // namespace

KeepalivedConfig parseKeepalived(std::string_view text, const ScriptFacts& facts) {
    const auto entries = keepalivedEntries(text);
    return Parser(entries, facts).run();
}

}  // namespace lapwing::agent
