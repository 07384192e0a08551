#include "collector/analysis/topology/samples.h"

#include "collector/analysis/judgement.h"
#include "common/metric_names.h"

namespace lapwing::analysis::topology {

namespace {

/// "haproxy@lb-01", "mysql@web-01+web-02"
std::string setText(const CutSet& set) {
    std::string out;
    for (const auto& component : set.components) {
        out += (out.empty() ? "" : "+") + component;
    }
    return out;
}

/// "declared", "HAProxy", ...: the words of the evidence without the host, so that few series are made.
std::string sourceText(const std::vector<Evidence>& sources) {
    std::set<std::string> words;
    for (const auto& source : sources) {
        words.insert(source.source.substr(0, source.source.find(" of ")));
    }
    std::string out;
    for (const auto& word : words) {
        out += (out.empty() ? "" : ",") + word;
    }
    return out;
}

}  // namespace

void appendSamples(const Model& model, const Labels& extra, TimestampMs at, std::vector<TimeSeries>& out) {
    const auto add = [&](const char* name, const std::vector<std::pair<const char*, std::string>>& own,
                         double value) {
        auto labels = extra;
        labels.set("__name__", name);
        for (const auto& [key, text] : own) {
            if (!text.empty()) {
                labels.set(key, text);
            }
        }
        out.push_back({std::move(labels), {{at, value}}});
    };
    for (const auto& [id, each] : model.components) {
        add(metric::kTopologyComponentInfo,
            {{"component", id},
             {"kind", componentKindName(each.kind)},
             {"host", each.host},
             {"works", truthName(each.works)}},
            1);
    }
    for (const auto& edge : model.edges) {
        add(metric::kTopologyEdgeInfo,
            {{"from", edge.from},
             {"to", edge.to},
             {"kind", edgeKindName(edge.kind)},
             {"source", sourceText(edge.sources)}},
            1);
    }
    for (const auto& service : model.services) {
        if (service.now.works != Truth::unknown) {
            add(metric::kTopologyServiceWorks, {{"service", serviceKindName(service.kind)}},
                service.now.works == Truth::yes ? 1 : 0);
        }
        for (const auto& [view, cuts] :
             {std::pair("design", &service.design), std::pair("now", &service.now)}) {
            for (const auto& set : cuts->sets) {
                add(metric::kTopologyCutSetInfo,
                    {{"service", serviceKindName(service.kind)},
                     {"view", view},
                     {"components", setText(set)},
                     {"size", std::to_string(set.components.size())},
                     {"confidence", set.certain ? "confirmed" : "suspected"}},
                    1);
            }
        }
    }
}

}  // namespace lapwing::analysis::topology
