#include "collector/api/site.h"

#include "collector/api/replication.h"

namespace lapwing::api {
namespace {

using analysis::topology::SitePart;

template <class List, class Write>
void list(JsonWriter& json, const char* name, const List& entries, const Write& write) {
    key(json, name);
    json.StartArray();
    for (const auto& each : entries) {
        json.StartObject();
        write(each);
        json.EndObject();
    }
    json.EndArray();
}

void part(JsonWriter& json, SitePart part) {
    field(json, "part", nameOf(analysis::topology::kSitePartNames, part));
}

}  // namespace

void writeAssumptions(JsonWriter& json, const analysis::topology::Assumptions& assumptions) {
    json.StartObject();
    list(json, "assumptions", assumptions.list, [&](const auto& each) {
        part(json, each.part);
        field(json, "subject", each.subject);
        field(json, "text", each.text);
        field(json, "basis", nameOf(analysis::topology::kBasisNames, each.basis));
        writeEvidence(json, each.evidence);
    });
    list(json, "missing", assumptions.missing, [&](const auto& each) {
        part(json, each.part);
        field(json, "text", each.text);
        field(json, "step", each.step);
    });
    list(json, "contradictions", assumptions.contradictions, [&](const auto& each) {
        field(json, "subject", each.subject);
        field(json, "text", each.text);
        writeEvidence(json, each.evidence);
    });
    key(json, "proposals");
    json.StartObject();
    list(json, "entry", assumptions.entries, [&](const auto& each) {
        field(json, "url", each.value);
        writeEvidence(json, each.evidence);
    });
    list(json, "replication", assumptions.replication, [&](const auto& each) {
        field(json, "primary", each.pair.primary);
        field(json, "replica", each.pair.replica);
        writeEvidence(json, each.evidence);
    });
    json.EndObject();
    json.EndObject();
}

}  // namespace lapwing::api
