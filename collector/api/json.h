#pragma once

#include <rapidjson/writer.h>

#include <array>
#include <cstddef>
#include <ostream>
#include <string>
#include <string_view>

#include "common/error.h"
#include "common/model/sample.h"

namespace lapwing::api {

/// The output stream of RapidJSON: a small buffer before a std::ostream.
class JsonSink {
  public:
    using Ch = char;
    static constexpr std::size_t kMostAppended = 8192;

    explicit JsonSink(std::ostream& out) : out_(out) {}
    void Put(char c) {  // NOLINT(readability-identifier-naming): RapidJSON's stream concept
        if (used_ == buffer_.size()) {
            Flush();
        }
        buffer_[used_++] = c;
    }
    void Flush() {  // NOLINT(readability-identifier-naming): likewise
        out_.write(buffer_.data(), static_cast<std::streamsize>(used_));
        used_ = 0;
    }
    void append(std::string_view text) {
        if (text.size() > buffer_.size() - used_) {
            Flush();
        }
        text.copy(buffer_.data() + used_, text.size());
        used_ += text.size();
    }

  private:
    std::ostream& out_;
    std::array<char, kMostAppended> buffer_{};
    std::size_t used_ = 0;
};

class JsonWriter : public rapidjson::Writer<JsonSink> {
  public:
    using Writer::Writer;
    /// Appends a value that is JSON already, at most JsonSink::kMostAppended bytes. RawValue would copy it
    /// byte by byte.
    void append(std::string_view value) {
        Prefix(rapidjson::kObjectType);
        os_->append(value);
    }
};

void key(JsonWriter& json, std::string_view name);
void text(JsonWriter& json, std::string_view value);
/// `"name": "value"`
void field(JsonWriter& json, std::string_view name, std::string_view value);
/// A plain JSON number; null for NaN and the infinities.
void number(JsonWriter& json, double value);

/// Prints a value as Prometheus' API does: the shortest form that reads back the same, with an exponent
/// below 1e-6 and from 1e21 on, "+Inf", "-Inf", "NaN".
std::string formatValue(double value);
/// Milliseconds as decimal seconds: 1500 -> 1.500, 2000 -> 2.
std::string formatTimestamp(TimestampMs time);
/// [1.500,"2"]
void point(JsonWriter& json, const Sample& sample);
/// {"__name__":"up",...}
void labels(JsonWriter& json, const Labels& value);

}  // namespace lapwing::api
