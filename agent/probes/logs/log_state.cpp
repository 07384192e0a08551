#include "agent/probes/logs/log_state.h"

#include <array>
#include <string_view>
#include <utility>

namespace lapwing::agent::logs {

namespace {

constexpr std::uint64_t kVersion = 1;

using Number = std::pair<const char*, std::uint64_t LogState::*>;
constexpr std::array kNumbers{
    Number{"counted", &LogState::counted},       Number{"unparsed", &LogState::unparsed},
    Number{"long_lines", &LogState::long_lines}, Number{"skipped_bytes", &LogState::skipped_bytes},
    Number{"truncated", &LogState::truncated},   Number{"gone", &LogState::gone}};

void writePlace(json::Writer& out, const Place& place) {
    out.StartObject();
    json::put(out, "inode", place.inode);
    json::put(out, "offset", place.offset);
    json::put(out, "in_line", place.in_line);
    json::put(out, "head_bytes", place.head_bytes);
    json::put(out, "head", place.head);
    out.EndObject();
}

Place readPlace(const json::Value& in) {
    Place out;
    out.inode = json::unsignedInteger(in, "inode").value_or(0);
    out.offset = json::unsignedInteger(in, "offset").value_or(0);
    out.in_line = json::flag(in, "in_line").value_or(false);
    out.head_bytes = json::unsignedInteger(in, "head_bytes").value_or(0);
    out.head = json::text(in, "head");
    return out;
}

LogState readState(const json::Value& in) {
    LogState out;
    out.places.watched = json::flag(in, "watched").value_or(false);
    if (const auto& current = json::member(in, "current"); current.IsObject()) {
        out.places.current = readPlace(current);
    }
    for (const auto& place : json::items(json::member(in, "rotated"))) {
        out.places.rotated.push_back(readPlace(place));
    }
    for (const auto& [name, number] : kNumbers) {
        out.*number = json::unsignedInteger(in, name).value_or(0);
    }
    out.access.read(json::member(in, "access"));
    out.errors.read(json::member(in, "errors"));
    return out;
}

void writeState(json::Writer& out, const LogState& state) {
    json::put(out, "watched", state.places.watched);
    if (state.places.current) {
        json::key(out, "current");
        writePlace(out, *state.places.current);
    }
    json::key(out, "rotated");
    out.StartArray();
    for (const auto& place : state.places.rotated) {
        writePlace(out, place);
    }
    out.EndArray();
    for (const auto& [name, number] : kNumbers) {
        json::put(out, name, state.*number);
    }
    json::key(out, "access");
    state.access.write(out);
    json::key(out, "errors");
    state.errors.write(out);
}

}  // namespace

std::string writeStates(const std::map<std::string, const LogState*>& states) {
    json::Writer out;
    out.StartObject();
    json::put(out, "version", kVersion);
    json::key(out, "logs");
    out.StartArray();
    for (const auto& [path, state] : states) {
        out.StartObject();
        json::put(out, "path", path);
        writeState(out, *state);
        out.EndObject();
    }
    out.EndArray();
    out.EndObject();
    return out.text();
}

Expected<LogStates> readStates(std::string_view text) {
    const auto document = json::read(text);
    if (!document) {
        return tl::unexpected(document.error());
    }
    if (json::unsignedInteger(*document, "version") != kVersion) {
        return fail(ErrorKind::invalid, "it has another version");
    }
    LogStates out;
    for (const auto& log : json::items(json::member(*document, "logs"))) {
        out.emplace(json::text(log, "path"), readState(log));
    }
    return out;
}

}  // namespace lapwing::agent::logs
