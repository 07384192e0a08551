// Texts of an Nginx configuration.
#include <cstddef>
#include <cstdint>

#include "agent/probes/inventory/nginx_routes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace lapwing;
    const std::string text(reinterpret_cast<const char*>(data), size);
    const agent::NginxFiles files{[&](const std::string& path) -> Expected<std::string> {
                                      return path == "/nginx.conf" ? Expected<std::string>(text)
                                                                   : fail(ErrorKind::not_found, "none");
                                  },
                                  [](const std::string&) { return std::vector<std::string>(); }};
    static_cast<void>(agent::inventory::readNginx("/nginx.conf", files, agent::inventory::parseHosts(text)));
    return 0;
}
