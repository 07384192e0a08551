#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/json.h"

namespace lapwing::agent::logs {

/// The variables of Nginx that are counted; no other one leaves the line.
enum class Field {
    server_name,
    request,
    request_method,
    status,
    body_bytes_sent,
    bytes_sent,
    request_length,
    request_time,
    upstream_addr,
    upstream_status,
    upstream_response_time,
};
inline constexpr std::size_t kFields = 11;

/// The variable's name without the dollar sign.
std::string_view nameOf(Field field);

/// One line of an access log: the value of each field, nothing where the line has none. Points into the line
/// or into the reader, until the reader's next line.
class AccessLine {
  public:
    std::optional<std::string_view> operator[](Field field) const {
        return values_[static_cast<std::size_t>(field)];
    }
    void set(Field field, std::string_view value) { values_[static_cast<std::size_t>(field)] = value; }

  private:
    std::array<std::optional<std::string_view>, kFields> values_;
};

/// Nginx's predefined format (ngx_http_log_module).
inline constexpr const char* kCombined =
    "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent "
    "\"$http_referer\" \"$http_user_agent\"";

/// Reads lines of one format. Not synchronised.
class AccessReader {
  public:
    /// A format in the syntax of `log_format`. Error `invalid`: two variables without text between them,
    /// whose values cannot be told apart.
    static Expected<AccessReader> ofFormat(std::string_view format);
    /// One JSON object a line. `keys`: the key of a field; by default it is the variable's name.
    static AccessReader ofJson(std::map<Field, std::string> keys);

    /// Nothing for a line of another format, and for JSON without a status.
    std::optional<AccessLine> read(std::string_view line);

  private:
    /// A variable and the text behind it.
    struct Piece {
        std::optional<Field> field;
        std::string after;
    };

    bool match(std::string_view line, std::size_t piece, std::size_t at, int& steps, AccessLine& out) const;
    std::optional<AccessLine> readJson(std::string_view line);

    bool is_json_ = false;
    std::string begin_;
    std::vector<Piece> pieces_;
    std::map<Field, std::string> keys_;
    json::Document document_;
    std::array<std::string, kFields> numbers_;  ///< of the line's JSON, as text
};

/// A list of Nginx, "192.0.2.1:80, 192.0.2.2:80 : unix:/run/app.sock": the servers that a request went to, or
/// their states or times. Empty for "" and "-".
std::vector<std::string_view> upstreamList(std::string_view text);

/// "0.004": finite, not negative, and at most 10^15. Nothing for another text.
std::optional<double> amountOf(std::string_view text);

}  // namespace lapwing::agent::logs
