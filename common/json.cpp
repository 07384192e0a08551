#include "common/json.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "common/memory_budget.h"

namespace lapwing::json {

void* Heap::Malloc(std::size_t bytes) {
    return bytes == 0 ? nullptr : ::operator new(bytes);
}

void* Heap::Realloc(void* memory, std::size_t before, std::size_t after) {
    void* out = Malloc(after);
    if (out != nullptr && memory != nullptr) {
        std::memcpy(out, memory, std::min(before, after));
    }
    Free(memory);
    return out;
}

void Heap::Free(void* memory) {
    ::operator delete(memory);
}

Document parseOwn(std::string_view text) {
    Document document;
    document.Parse<rapidjson::kParseIterativeFlag>(text.data(), text.size());
    return document;
}

Expected<Document> read(std::string_view text) {
    // RapidJSON takes memory in large steps, which the kernel rounds up to huge pages.
    constexpr std::size_t allowance = 4U << 20;
    return readWithinBudget(
        text.size(), "reading JSON",
        [text]() -> Expected<Document> {
            auto document = parseOwn(text);
            if (document.HasParseError()) {
                return fail(ErrorKind::invalid,
                            "reading JSON: not JSON at byte " + std::to_string(document.GetErrorOffset()));
            }
            return document;
        },
        allowance);
}

Document parse(std::string_view text) {
    auto document = read(text);
    return document ? std::move(*document) : Document();
}

const Value& member(const Value& object, std::string_view name) {
    static const Value null;
    if (!object.IsObject()) {
        return null;
    }
    const auto found = object.FindMember(Value(name.data(), static_cast<rapidjson::SizeType>(name.size())));
    return found == object.MemberEnd() ? null : found->value;
}

Value::ConstArray items(const Value& list) {
    static const Value empty(rapidjson::kArrayType);
    return list.IsArray() ? list.GetArray() : empty.GetArray();
}

Value::ConstObject members(const Value& object) {
    static const Value empty(rapidjson::kObjectType);
    return object.IsObject() ? object.GetObject() : empty.GetObject();
}

std::string text(const Value& value) {
    return value.IsString() ? std::string(value.GetString(), value.GetStringLength()) : std::string();
}

std::string text(const Value& object, std::string_view name) {
    return text(member(object, name));
}

std::vector<std::string> texts(const Value& object, std::string_view name) {
    std::vector<std::string> out;
    for (const auto& item : items(member(object, name))) {
        if (item.IsString()) {
            out.push_back(text(item));
        }
    }
    return out;
}

std::optional<std::int64_t> integer(const Value& object, std::string_view name) {
    const auto& value = member(object, name);
    return value.IsInt64() ? std::optional(value.GetInt64()) : std::nullopt;
}

std::optional<std::uint64_t> unsignedInteger(const Value& object, std::string_view name) {
    const auto& value = member(object, name);
    return value.IsUint64() ? std::optional(value.GetUint64()) : std::nullopt;
}

std::optional<double> number(const Value& object, std::string_view name) {
    const auto& value = member(object, name);
    return value.IsNumber() ? std::optional(value.GetDouble()) : std::nullopt;
}

std::optional<bool> flag(const Value& object, std::string_view name) {
    const auto& value = member(object, name);
    return value.IsBool() ? std::optional(value.GetBool()) : std::nullopt;
}

}  // namespace lapwing::json
