#include "common/config/manual.h"

#include <algorithm>
#include <cctype>
#include <string_view>

namespace lapwing::config {
namespace {

thread_local AskedKeys* asking = nullptr;

/// Text of a manual page: no character of it is a request, and each hyphen can be copied.
std::string roff(std::string_view text) {
    std::string out = text.starts_with('.') || text.starts_with('\'') ? "\\&" : "";
    for (const char c : text) {
        out += c == '\\' ? "\\e" : c == '-' ? "\\-" : std::string(1, c);
    }
    return out;
}

std::string upper(std::string_view text) {
    std::string out;
    for (const char c : text) {
        out += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    return out;
}

/// The part of the configuration to which a key belongs: "notify", "probes.app"; "" of a key of its own.
std::string sectionOf(std::string_view path, std::span<const ManualKey> keys) {
    const auto first = path.find_first_of(".[");
    const auto top = path.substr(0, first);
    if (top == "probes" && first != std::string_view::npos) {
        return std::string(path.substr(0, path.find_first_of(".[", first + 1)));
    }
    const bool has_more = std::any_of(keys.begin(), keys.end(), [&](const auto& key) {
        const std::string_view other = key.path;
        return other.size() > top.size() && other.starts_with(top) &&
               (other[top.size()] == '.' || other[top.size()] == '[');
    });
    return has_more ? std::string(top) : "";
}

}  // namespace

AskedKeys::AskedKeys() {
    asking = this;
}

AskedKeys::~AskedKeys() {
    asking = nullptr;
}

void AskedKeys::note(const std::string& path, const std::string& key) {
    if (asking == nullptr) {
        return;
    }
    std::string out;
    bool index = false;
    for (const char c : path) {
        index = index && c != ']';
        out += index ? std::string() : std::string(1, c);
        index = index || c == '[';
    }
    asking->keys_.insert(out.empty() ? key : out + "." + key);
}

std::string manualText(const ManualPage& page) {
    const auto title = roff(page.title);
    std::string out =
        ".TH " + roff(upper(page.title)) + " 5 \"\" \"Lapwing\" \"File formats\"\n.SH NAME\n" + title +
        " \\- " + roff(page.summary) + "\n.SH SYNOPSIS\n.I " + roff(page.file) +
        "\n.SH DESCRIPTION\nThe file is YAML, and every key has a default. The files *.yaml of the "
        "directory of the same name with\n.I .d\nin place of\n.I .yaml\nare merged over it in the "
        "order of their names: maps by key, other values as a whole.\n.B " +
        roff(page.program) +
        " check\\-config\nreports all errors at once; an unknown key is one.\n.PP\nDurations are "
        "written as 500ms, 10s, 1h30m or 90d; sizes as 512MB or 1GiB; switches as on or off. A "
        "list with one entry may\nbe written without brackets. In the names below, [] stands for "
        "each entry of a list.\n.SH KEYS\n";
    std::string section;
    for (const auto& key : page.keys) {
        if (const auto of = sectionOf(key.path, page.keys); of != section) {
            section = of;
            out += section.empty() ? "" : ".SS " + roff(section) + "\n";
        }
        out += ".TP\n.BR \"" + roff(key.path) + "\" \" (" + roff(key.type);
        out += *key.value == '\0' ? "" : "; default: " + roff(key.value);
        out += ")\"\n" + roff(key.text) + "\n";
    }
    return out + ".SH FILES\n.I " + roff(page.file) + "\n.SH SEE ALSO\n.BR " + roff(page.program) + " (8)\n";
}

}  // namespace lapwing::config
