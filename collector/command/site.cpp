#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "collector/command/client.h"
#include "collector/command/command.h"
#include "collector/command/fragment.h"
#include "collector/command/problems.h"
#include "common/config/reader.h"
#include "common/json.h"
#include "common/model/clock.h"
#include "common/text.h"

namespace lapwing::collector {
namespace {

using Pair = std::pair<std::string, std::string>;

constexpr const char* kParts[][2] = {
    {"entry", "Entry"},        {"load_balancer", "Load balancers"},
    {"web", "Web servers"},    {"application", "Application"},
    {"database", "Databases"}, {"replication", "Replication (primary -> replica)"},
    {"host", "Hosts"}};

/// Where the configuration says something: the file and the line.
struct Place {
    std::string file;
    int line = 0;

    std::string text() const { return fmt::format("{}:{}", file, line); }
};

/// The declarations below `site` with their places.
struct Declared {
    std::map<std::string, Place> entry;
    std::map<Pair, Place> replication;
    std::map<std::string, Place> more;  ///< the other keys
    bool has_entry = false;
    bool has_replication = false;
};

Declared declaredBy(const config::Node& root) {
    Declared out;
    const auto site = root["site"];
    site.forEachPair([&](const std::string& key, const config::Node& value) {
        if (key != "entry" && key != "replication") {
            out.more[key] = {value.file(), value.line()};
        }
    });
    const auto entry = site["entry"];
    out.has_entry = entry.isScalar() || entry.isSequence();
    entry.forEach([&](const config::Node& each) { out.entry[each.text()] = {each.file(), each.line()}; });
    const auto replication = site["replication"];
    out.has_replication = replication.isMap() || replication.isSequence();
    replication.forEach([&](const config::Node& each) {
        out.replication[{each["primary"].text(), each["replica"].text()}] = {each.file(), each.line()};
    });
    return out;
}

/// When each program was last asked, by job and instance: the newest of all agents' answers of an hour.
using Heard = std::map<Pair, double>;

Heard heard(const json::Value& result) {
    Heard out;
    for (const auto& each : json::items(result)) {
        const auto& labels = json::member(each, "metric");
        const auto& value = json::member(each, "value");
        if (value.IsArray() && value.Size() == 2 && value[1].IsString()) {
            out[{json::text(labels, "job"), json::text(labels, "instance")}] =
                std::strtod(value[1].GetString(), nullptr);
        }
    }
    return out;
}

/// The age of what is known about a component, "web@web-01", or a host; nothing if no probe asks it.
std::optional<double> ageOf(const std::string& subject, const Heard& heard, double now) {
    const auto at = subject.find('@');
    const auto kind = at == std::string::npos ? "host" : subject.substr(0, at);
    const auto instance = at == std::string::npos ? subject : subject.substr(at + 1);
    const auto job = kind == "web" ? "nginx" : kind;
    std::optional<double> newest;
    for (const auto& [name, time] : heard) {
        if (name.second == instance && (kind == "host" || name.first == job)) {
            newest = std::max(newest.value_or(time), time);
        }
    }
    return newest ? std::optional(std::max(0.0, now - *newest)) : std::nullopt;
}

std::string ageText(std::optional<double> seconds) {
    if (!seconds) {
        return "";
    }
    return *seconds < 120 ? fmt::format(" {:.0f} s ago", *seconds)
                          : fmt::format(" {:.0f} min ago", std::floor(*seconds / 60));
}

/// The site as the running collector takes it, beside the configuration as the files have it now.
struct View {
    Declared declared;
    Heard heard;
    double now = 0;
    json::Document document;

    const json::Value& data() const { return json::member(document, "data"); }
    const json::Value& assumptions() const { return json::member(data(), "assumptions"); }

    /// Of a configured assumption; nothing if the files do not have it any more.
    std::optional<Place> placeOf(const json::Value& assumption) const {
        const auto subject = json::text(assumption, "subject");
        if (json::text(assumption, "part") == "entry") {
            const auto found = declared.entry.find(subject);
            return found == declared.entry.end() ? std::nullopt : std::optional(found->second);
        }
        const auto arrow = subject.find(" -> ");
        if (arrow == std::string::npos) {
            return std::nullopt;
        }
        const auto found = declared.replication.find({subject.substr(0, arrow), subject.substr(arrow + 4)});
        return found == declared.replication.end() ? std::nullopt : std::optional(found->second);
    }
    std::optional<double> age(const json::Value& assumption) const {
        const auto subject = json::text(assumption, "subject");
        const auto arrow = subject.find(" -> ");
        if (arrow != std::string::npos) {
            return ageOf("mysql@" + subject.substr(arrow + 4), heard, now);
        }
        return json::text(assumption, "part") == "entry" ? std::nullopt : ageOf(subject, heard, now);
    }
    /// Declared in the files, and unknown to the collector: it was not restarted since.
    std::vector<std::string> notInForce() const {
        const auto in_force = [&](const std::string& subject) {
            const auto list = json::items(assumptions());
            return std::any_of(list.begin(), list.end(), [&](const auto& each) {
                return json::text(each, "subject") == subject && json::text(each, "basis") == "configured";
            });
        };
        std::vector<std::string> out;
        for (const auto& [url, place] : declared.entry) {
            if (!in_force(url)) {
                out.push_back(url + " (" + place.text() + ")");
            }
        }
        for (const auto& [pair, place] : declared.replication) {
            const auto subject = pair.first + " -> " + pair.second;
            if (!in_force(subject)) {
                out.push_back(subject + " (" + place.text() + ")");
            }
        }
        return out;
    }
};

/// The content of the fragment: what other files leave open, as it is seen; what the fragment has already
/// stays where nothing else is seen. "" if there is nothing to write.
std::string proposalOf(const View& view, const Declared& others, const std::string& known) {
    config::Reader reader;
    const auto before = declaredBy(reader.text(known, "before"));
    const auto& proposals = json::member(view.data(), "proposals");
    std::vector<std::string> entries;
    std::vector<Pair> pairs;
    for (const auto& [url, place] : before.entry) {
        entries.push_back(url);
    }
    if (entries.empty()) {
        for (const auto& each : json::items(json::member(proposals, "entry"))) {
            entries.push_back(json::text(each, "url"));
        }
    }
    for (const auto& each : json::items(json::member(proposals, "replication"))) {
        pairs.emplace_back(json::text(each, "primary"), json::text(each, "replica"));
    }
    for (const auto& [pair, place] : before.replication) {
        const bool known_otherwise =
            std::any_of(pairs.begin(), pairs.end(), [&pair = pair](const auto& seen) {
                return seen == pair || seen.second == pair.second ||
                       (seen.first == pair.second && seen.second == pair.first);
            });
        if (!known_otherwise) {
            pairs.push_back(pair);
        }
    }
    std::sort(entries.begin(), entries.end());
    std::sort(pairs.begin(), pairs.end());
    std::string out;
    if (!others.has_entry && !entries.empty()) {
        out += "  entry:\n";
        for (const auto& each : entries) {
            out += "    - " + config::quoted(each) + "\n";
        }
    }
    if (!others.has_replication && !pairs.empty()) {
        out += "  replication:\n";
        for (const auto& [primary, replica] : pairs) {
            out += "    - { primary: " + config::quoted(primary) + ", replica: " + config::quoted(replica) +
                   " }\n";
        }
    }
    return out.empty() ? "" : "site:\n" + out;
}

void printEvidence(const json::Value& list, const char* indent) {
    for (const auto& each : json::items(json::member(list, "evidence"))) {
        fmt::print("{}{}: {}\n", indent, shown(each, "source"), shown(each, "text"));
    }
}

void printAssumption(const View& view, const json::Value& each) {
    const auto text = shown(each, "text");
    const auto basis = json::text(each, "basis");
    std::string origin = basis;
    if (basis == "configured") {
        const auto place = view.placeOf(each);
        origin += place ? ", " + printable(place->text())
                        : " in the running collector, and no longer in the files: restart it";
    } else {
        origin += ageText(view.age(each));
    }
    fmt::print("  {}{}{}  [{}]\n", shown(each, "subject"), text.empty() ? "" : ": ", text, origin);
    printEvidence(each, "      ");
}

void print(const View& view) {
    for (const auto& [part, title] : kParts) {
        bool some = false;
        for (const auto& each : json::items(view.assumptions())) {
            if (json::text(each, "part") == part) {
                if (!std::exchange(some, true)) {
                    fmt::print("{}\n", title);
                }
                printAssumption(view, each);
            }
        }
    }
    if (!view.declared.more.empty()) {
        fmt::print("Other facts of the configuration\n");
        for (const auto& [key, place] : view.declared.more) {
            fmt::print("  site.{}  [configured, {}]\n", printable(key), printable(place.text()));
        }
    }
    const auto missing = json::items(json::member(view.data(), "missing"));
    if (!missing.Empty()) {
        fmt::print("Missing\n");
    }
    for (const auto& each : missing) {
        fmt::print("  {}\n      {}\n", shown(each, "text"), shown(each, "step"));
    }
    const auto contradictions = json::items(json::member(view.data(), "contradictions"));
    if (!contradictions.Empty()) {
        fmt::print("Contradictory\n");
    }
    for (const auto& each : contradictions) {
        fmt::print("  {}: {}\n", shown(each, "subject"), shown(each, "text"));
        printEvidence(each, "      ");
    }
    const auto waiting = view.notInForce();
    if (!waiting.empty()) {
        fmt::print("Not in force yet: sudo systemctl restart lapwing-collector\n");
    }
    for (const auto& each : waiting) {
        fmt::print("  {}\n", printable(each));
    }
}

std::string jsonOf(const View& view, const std::string& file, const std::string& proposal) {
    json::Writer out;
    out.StartObject();
    json::key(out, "assumptions");
    out.StartArray();
    for (const auto& each : json::items(view.assumptions())) {
        out.StartObject();
        for (const char* name : {"part", "subject", "text", "basis"}) {
            json::put(out, name, json::text(each, name));
        }
        const auto place = json::text(each, "basis") == "configured" ? view.placeOf(each) : std::nullopt;
        const auto age = view.age(each);
        json::key(out, "file");
        place ? json::write(out, place->file) : (void)out.Null();
        json::key(out, "line");
        place ? json::write(out, place->line) : (void)out.Null();
        json::key(out, "age_seconds");
        age ? json::write(out, *age) : (void)out.Null();
        json::key(out, "evidence");
        json::member(each, "evidence").Accept(out);
        out.EndObject();
    }
    out.EndArray();
    for (const char* name : {"missing", "contradictions"}) {
        json::key(out, name);
        json::member(view.data(), name).Accept(out);
    }
    json::put(out, "not_in_force", view.notInForce());
    json::put(out, "proposal_file", file);
    json::put(out, "proposal", proposal);
    out.EndObject();
    return out.text();
}

std::optional<View> viewOf(const Config& config, const config::Node& root, int& code) {
    const Collector collector(config);
    auto site = ask(collector, "/api/lapwing/v1/site", code);
    if (!site) {
        return std::nullopt;
    }
    // max by (job, instance) (timestamp(up)) or max by (job, instance) (max_over_time(timestamp(up)[1h:1m]))
    const auto times =
        ask(collector,
            "/api/v1/query?query=max%20by%20(job,instance)%20(timestamp(up))%20or%20max%20by%20(job,instance)"
            "%20(max_over_time(timestamp(up)%5B1h:1m%5D))",
            code);
    if (!times) {
        return std::nullopt;
    }
    return View{declaredBy(root), heard(times->document["data"]["result"]),
                static_cast<double>(nowMs()) / 1000, std::move(site->document)};
}

int write(const Fragment& fragment, const std::optional<std::string>& before, const std::string& proposal) {
    if (before.value_or("") == proposal) {
        fmt::print("{}\n", before ? fragment.path() + " is up to date." : "There is nothing to write.");
        return kFine;
    }
    if (!fragment.tried(proposal)) {
        fmt::print(stderr, "Nothing was changed.\n");
        return kWrongUsage;
    }
    if (const auto written = fragment.put(proposal); !written) {
        return notWritten(written.error());
    }
    fmt::print("{} is {}. It counts after:\n\n{}\n", fragment.path(),
               proposal.empty() ? "removed" : "written", restartCommand());
    return kFine;
}

}  // namespace

int site(const std::string& config_file, const SiteRequest& request) {
    const Fragment fragment(config_file, "10-site.yaml", "site --write");
    config::Reader reader;
    const auto root = reader.fileAndDirectory(config_file);
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    int code = kFine;
    const auto view = viewOf(*config, root, code);
    if (!view) {
        return code;
    }
    const auto before = fragment.content();
    config::Reader without;
    const auto proposal = proposalOf(*view, declaredBy(fragment.others(without)),
                                     before ? before->value_or("") : std::string());
    if (request.json) {
        fmt::print("{}\n", jsonOf(*view, fragment.path(), proposal));
    } else if (!request.write) {
        print(*view);
    }
    if (!request.json && !proposal.empty()) {
        fmt::print("{}\n\n{}\n", request.write ? fragment.path() + ":" : "Proposal for " + fragment.path(),
                   plainLines(proposal));
    }
    if (request.write) {
        return before ? write(fragment, *before, proposal) : notWritten(before.error());
    }
    if (!before) {
        fmt::print(stderr, "{}\n", before.error().message);
    } else if (!request.json && before->value_or("") != proposal) {
        fmt::print("To write it: sudo lapwing-collector site --write\n");
    }
    const bool fine = json::items(json::member(view->data(), "missing")).Empty() &&
                      json::items(json::member(view->data(), "contradictions")).Empty() &&
                      view->notInForce().empty();
    return fine ? kFine : kDegraded;
}

}  // namespace lapwing::collector
