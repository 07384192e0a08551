#include <array>

#include "collector/rules/links.h"
#include "collector/rules/template/functions.h"

namespace lapwing::rules {
namespace {

/// Without the port, and without the brackets of an IPv6 address that has one. A text that Go's
/// net.SplitHostPort refuses stays as it is.
std::string stripPort(const std::string& address) {
    if (!address.empty() && address.front() == '[') {
        const auto close = address.find(']');
        return close == std::string::npos || close + 1 == address.size() ? address
                                                                         : address.substr(1, close - 1);
    }
    const auto colon = address.find(':');
    if (colon == std::string::npos || address.find(':', colon + 1) != std::string::npos) {
        return address;
    }
    return address.substr(0, colon);
}

/// The first label of a host name, with the port; addresses stay as they are.
std::string stripDomain(const std::string& address) {
    const std::string host = stripPort(address);
    const bool ip =
        host.find(':') != std::string::npos || host.find_first_not_of("0123456789.") == std::string::npos;
    if (ip) {
        return address;
    }
    const auto dot = host.find('.');
    const std::string port = address.size() > host.size() ? address.substr(host.size()) : "";
    return host.substr(0, dot) + port;
}

/// "/path" of "http://host/path/".
std::string pathPrefix(const std::string& url) {
    const auto scheme = url.find("://");
    const auto slash = url.find('/', scheme == std::string::npos ? 0 : scheme + 3);
    return slash == std::string::npos ? "" : url.substr(slash);
}

std::string graphPath(const std::string& expression) {
    return expressionPath(expression, ExpressionTab::graph);
}

std::string tablePath(const std::string& expression) {
    return expressionPath(expression, ExpressionTab::table);
}

TemplateResult externalUrl(const TemplateArguments& /*arguments*/, const TemplateData& data) {
    return TemplateValue{data.external_url};
}

TemplateResult externalPath(const TemplateArguments& /*arguments*/, const TemplateData& data) {
    return TemplateValue{pathPrefix(data.external_url)};
}

constexpr std::array kFunctions = {
    TemplateFunction{"externalURL", 0, 0, externalUrl},
    TemplateFunction{"graphLink", 1, 1, ofText<graphPath>},
    TemplateFunction{"pathPrefix", 0, 0, externalPath},
    TemplateFunction{"stripDomain", 1, 1, ofText<stripDomain>},
    TemplateFunction{"stripPort", 1, 1, ofText<stripPort>},
    TemplateFunction{"tableLink", 1, 1, ofText<tablePath>},
};

}  // namespace

std::span<const TemplateFunction> linkFunctions() {
    return kFunctions;
}

}  // namespace lapwing::rules
