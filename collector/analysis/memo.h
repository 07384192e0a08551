#pragma once

#include <map>
#include <memory>
#include <string>
#include <typeindex>
#include <utility>

namespace lapwing::analysis {

/// Values that several judges derive from one context: computed at the first request, then kept. Not
/// synchronised. References stay valid as long as the memo.
class Memo {
  public:
    /// The value of type T under this key; `make()` computes it.
    template <typename T, typename Make>
    const T& once(const std::string& key, const Make& make) {
        auto& kept = values_[{typeid(T), key}];
        if (kept == nullptr) {
            kept = std::make_shared<const T>(make());
        }
        return *static_cast<const T*>(kept.get());
    }

  private:
    std::map<std::pair<std::type_index, std::string>, std::shared_ptr<const void>> values_;
};

}  // namespace lapwing::analysis
