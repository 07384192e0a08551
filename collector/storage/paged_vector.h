#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace lapwing::storage {

/// Values by number, in pages that exist only while one of their values is in use: numbers of series grow for
/// ever, and most of the series are not in memory any more. An absent value reads as T(). Not synchronised.
template <class T>
class PagedVector {
  public:
    bool contains(std::uint32_t number) const {
        const Page* page = pageOf(number);
        return page != nullptr && (page->used & bit(number)) != 0;
    }
    const T& operator[](std::uint32_t number) const {
        static const T absent{};
        const Page* page = pageOf(number);
        return page == nullptr ? absent : page->values[number % kPage];
    }
    /// The value, which exists afterwards.
    T& at(std::uint32_t number) {
        const std::size_t index = number / kPage;
        if (index >= pages_.size()) {
            pages_.resize(index + 1);
        }
        if (!pages_[index]) {
            pages_[index] = std::make_unique<Page>();
        }
        pages_[index]->used |= bit(number);
        return pages_[index]->values[number % kPage];
    }
    void erase(std::uint32_t number) {
        const std::size_t index = number / kPage;
        if (!contains(number)) {
            return;
        }
        pages_[index]->used &= ~bit(number);
        pages_[index]->values[number % kPage] = T();
        if (pages_[index]->used == 0) {
            pages_[index].reset();
        }
    }
    /// Calls `use(number, value)` for each value, in ascending order of the numbers.
    template <class Use>
    void forEach(Use use) const {
        for (std::size_t index = 0; index < pages_.size(); ++index) {
            for (auto used = pages_[index] ? pages_[index]->used : 0; used != 0; used &= used - 1) {
                const auto place = static_cast<std::size_t>(std::countr_zero(used));
                use(static_cast<std::uint32_t>(index * kPage + place), pages_[index]->values[place]);
            }
        }
    }

  private:
    static constexpr std::uint32_t kPage = 64;  ///< the bits of Page::used
    struct Page {
        std::uint64_t used = 0;
        std::array<T, kPage> values{};
    };
    static std::uint64_t bit(std::uint32_t number) { return std::uint64_t{1} << number % kPage; }
    const Page* pageOf(std::uint32_t number) const {
        const std::size_t index = number / kPage;
        return index < pages_.size() ? pages_[index].get() : nullptr;
    }

    std::vector<std::unique_ptr<Page>> pages_;
};

}  // namespace lapwing::storage
