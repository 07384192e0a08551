#pragma once

#include <string_view>

namespace lapwing::web {

/// One file of the built-in page, embedded when the program is built.
struct Asset {
    std::string_view path;  ///< "/", "/app.js"
    std::string_view content_type;
    std::string_view etag;  ///< quoted, of the content
    std::string_view bytes;
};

/// Null if the page has no such file.
const Asset* find(std::string_view path);

}  // namespace lapwing::web
