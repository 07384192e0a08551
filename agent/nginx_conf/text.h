#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace lapwing::agent {

/// One directive of Nginx's configuration: "listen 80 default_server;", or a block, "location / { ... }".
struct NginxDirective {
    std::vector<std::string> words;  ///< its name and its arguments, without quotes; never empty
    std::vector<NginxDirective> block;

    const std::string& name() const { return words.front(); }
};

/// The directives of one file, tokenized like ngx_conf_read_token() of Nginx; the content of a
/// `..._by_lua_block` is left out. Pure. Error `protocol`, with the line, for an unterminated quote or
/// block.
Expected<std::vector<NginxDirective>> parseNginx(std::string_view text);

}  // namespace lapwing::agent
