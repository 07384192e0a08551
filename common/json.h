#pragma once

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "common/error.h"

/// JSON on top of RapidJSON: writing members, and reading members that may be absent or of another type.
/// Writers and documents belong to one thread; the reading functions may run at the same time.
namespace lapwing::json {

/// A RapidJSON writer with its buffer: compact JSON as a string.
class Writer : public rapidjson::Writer<rapidjson::StringBuffer> {
  public:
    Writer() { Reset(buffer_); }
    std::string text() const { return {buffer_.GetString(), buffer_.GetSize()}; }

  private:
    rapidjson::StringBuffer buffer_;
};

// The functions below write with any of RapidJSON's writers.

template <class Out>
void key(Out& out, std::string_view name) {
    out.Key(name.data(), static_cast<rapidjson::SizeType>(name.size()));
}

/// Writes a bool, a number, a text, or a list of them. Text is written as it is: UTF-8 is not checked. NaN
/// and the infinities become null, for JSON has no word for them.
template <class Out, class T>
void write(Out& out, const T& value) {
    if constexpr (std::is_same_v<T, bool>) {
        out.Bool(value);
    } else if constexpr (std::is_floating_point_v<T>) {
        if (std::isfinite(value)) {
            out.Double(value);
        } else {
            out.Null();
        }
    } else if constexpr (std::is_unsigned_v<T>) {
        out.Uint64(value);
    } else if constexpr (std::is_integral_v<T>) {
        out.Int64(value);
    } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
        const std::string_view text = value;
        out.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
    } else {
        out.StartArray();
        for (const auto& item : value) {
            write(out, item);
        }
        out.EndArray();
    }
}

/// `"name": value`
template <class Out, class T>
void put(Out& out, std::string_view name, const T& value) {
    key(out, name);
    write(out, value);
}

/// `"name": value`, where the value is JSON already.
template <class Out>
void putRaw(Out& out, std::string_view name, std::string_view json) {
    key(out, name);
    out.RawValue(json.data(), json.size(), rapidjson::kObjectType);
}

/// RapidJSON's allocator on top of operator new: memory budgets count it.
class Heap {
  public:
    static constexpr bool kNeedFree = true;
    // RapidJSON gives the names. NOLINTBEGIN(readability-identifier-naming)
    static void* Malloc(std::size_t bytes);
    static void* Realloc(void* memory, std::size_t before, std::size_t after);
    static void Free(void* memory);
    // NOLINTEND(readability-identifier-naming)
};

using Allocator = rapidjson::MemoryPoolAllocator<Heap>;
using Value = rapidjson::GenericValue<rapidjson::UTF8<>, Allocator>;
using Document = rapidjson::GenericDocument<rapidjson::UTF8<>, Allocator, Heap>;

/// Reads JSON of others, within a memory budget. Nesting costs no stack, so any input is safe. Errors:
/// `invalid` for malformed JSON, `exhausted` for JSON that needs too much memory.
Expected<Document> read(std::string_view text);
/// The same; a null value in place of an error.
Document parse(std::string_view text);
/// The same without a budget of its own: for JSON that this program or root has written.
Document parseOwn(std::string_view text);

/// The member, or a null value where `object` has no such member or is no object.
const Value& member(const Value& object, std::string_view name);

/// The elements of a list; empty for any other value.
Value::ConstArray items(const Value& list);
/// The members of an object, each with `name` and `value`; empty for any other value.
Value::ConstObject members(const Value& object);

/// "" for any value but a text.
std::string text(const Value& value);
std::string text(const Value& object, std::string_view name);
/// The texts of a list; its other elements are left out.
std::vector<std::string> texts(const Value& object, std::string_view name);

/// Nothing unless the value is an integer in the range of the type.
std::optional<std::int64_t> integer(const Value& object, std::string_view name);
std::optional<std::uint64_t> unsignedInteger(const Value& object, std::string_view name);
/// Nothing unless the value is a number.
std::optional<double> number(const Value& object, std::string_view name);
/// Nothing unless the value is true or false.
std::optional<bool> flag(const Value& object, std::string_view name);

}  // namespace lapwing::json
