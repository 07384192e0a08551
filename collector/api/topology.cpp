#include "collector/api/topology.h"

#include "collector/api/replication.h"

namespace lapwing::api {
namespace {

using analysis::topology::CutSets;

void writeTexts(JsonWriter& json, const char* name, const auto& texts) {
    key(json, name);
    json.StartArray();
    for (const auto& each : texts) {
        text(json, each);
    }
    json.EndArray();
}

void writeCutSets(JsonWriter& json, const char* name, const CutSets& cuts) {
    key(json, name);
    json.StartArray();
    for (const auto& set : cuts.sets) {
        json.StartObject();
        writeTexts(json, "components", set.components);
        field(json, "confidence", set.certain ? "confirmed" : "suspected");
        json.EndObject();
    }
    json.EndArray();
}

void writeService(JsonWriter& json, const analysis::topology::Service& service) {
    json.StartObject();
    field(json, "name", serviceKindName(service.kind));
    field(json, "title", service.title);
    field(json, "works", truthName(service.now.works));
    writeCutSets(json, "design", service.design);
    writeCutSets(json, "now", service.now);
    writeTexts(json, "not_assessed", service.not_assessed);
    json.EndObject();
}

}  // namespace

void writeTopology(JsonWriter& json, const analysis::topology::Model& model) {
    json.StartObject();
    key(json, "components");
    json.StartArray();
    for (const auto& [id, component] : model.components) {
        json.StartObject();
        field(json, "id", id);
        field(json, "kind", componentKindName(component.kind));
        field(json, "host", component.host);
        field(json, "works", truthName(component.works));
        writeEvidence(json, component.seen);
        json.EndObject();
    }
    json.EndArray();
    key(json, "edges");
    json.StartArray();
    for (const auto& edge : model.edges) {
        json.StartObject();
        field(json, "from", edge.from);
        field(json, "to", edge.to);
        field(json, "kind", edgeKindName(edge.kind));
        field(json, "works", truthName(edge.works));
        writeEvidence(json, edge.sources);
        json.EndObject();
    }
    json.EndArray();
    key(json, "conflicts");
    json.StartArray();
    for (const auto& conflict : model.conflicts) {
        json.StartObject();
        field(json, "subject", conflict.subject);
        field(json, "text", conflict.text);
        writeEvidence(json, conflict.evidence);
        json.EndObject();
    }
    json.EndArray();
    key(json, "services");
    json.StartArray();
    for (const auto& service : model.services) {
        writeService(json, service);
    }
    json.EndArray();
    json.EndObject();
}

void writeWhatIf(JsonWriter& json, const analysis::topology::WhatIf& answer) {
    json.StartObject();
    writeTexts(json, "failed", answer.failed);
    writeTexts(json, "stopped", answer.stopped);
    key(json, "services");
    json.StartArray();
    for (const auto& outcome : answer.outcomes) {
        json.StartObject();
        field(json, "name", serviceKindName(outcome.service));
        field(json, "title", outcome.title);
        field(json, "before", truthName(outcome.before));
        field(json, "after", truthName(outcome.after));
        writeCutSets(json, "design", outcome.design);
        json.EndObject();
    }
    json.EndArray();
    json.EndObject();
}

}  // namespace lapwing::api
