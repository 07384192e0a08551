#pragma once

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/probes/mysql/parse.h"
#include "common/model/families.h"

namespace lapwing::agent::mysql {

using LabelList = std::vector<prometheus::ClientMetric::Label>;

/// Families by name, in the order of their first use. Each source has one list, so that no name begins
/// twice.
class FamilyList {
  public:
    FamilyList(Families& out, std::string help) : out_(out), help_(std::move(help)) {}

    void add(const std::string& name, const LabelList& labels, double value) {
        lapwing::add(place(name, &gauge), labels, value);
    }
    void addCounter(const std::string& name, const LabelList& labels, double value) {
        lapwing::add(place(name, &counter), labels, value);
    }
    void addUntyped(const std::string& name, const LabelList& labels, double value) {
        lapwing::add(place(name, &untyped), labels, value);
    }

  private:
    static prometheus::MetricFamily untyped(std::string name, std::string help) {
        return {std::move(name), std::move(help), prometheus::MetricType::Untyped, {}};
    }
    prometheus::MetricFamily& place(const std::string& name,
                                    prometheus::MetricFamily (*make)(std::string, std::string)) {
        const auto [at, fresh] = places_.try_emplace(name, out_.size());
        if (fresh) {
            out_.push_back(make(name, help_));
        }
        return out_[at->second];
    }

    Families& out_;
    std::string help_;
    std::unordered_map<std::string, std::size_t> places_;
};

}  // namespace lapwing::agent::mysql
