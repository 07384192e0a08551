#pragma once

#include <optional>
#include <string>

#include "collector/analysis/judgement.h"

namespace lapwing::analysis::redundancy {

/// One of the two hosts. Texts are for a shell: a value, or a variable.
struct Side {
    std::string host;  ///< "" if the site has no such host yet
    std::optional<reach::Address> address;
    std::string interface;
    std::string address_text;
    std::string interface_text;
    int priority = 100;
};

/// The fixed address of a host: `near` itself, else one of the same network. `variable`: its name in the
/// shell if it is not known.
Side sideOf(const Context& context, const std::string& name, const reach::Address& near,
            const std::string& variable);

/// An address near the present one that the site does not use; nothing for a public IPv4 address: only the
/// provider assigns those.
std::optional<reach::Address> freeAddress(const Context& context, const reach::Address& near);

/// A virtual_router_id that no known keepalived uses.
int freeRouter(const Context& context);

}  // namespace lapwing::analysis::redundancy
