#pragma once

#include <string>

#include "agent/configtest/configtest.h"
#include "agent/configtest/helper/services.h"

namespace lapwing::agent::configtest {

/// The first certificate of a PEM file, without what else is in it.
struct Leaf {
    std::string digest;  ///< SHA-256 of its DER form; "" without a certificate
    std::string name;    ///< its first DNS name that is no pattern, or ""
};
Leaf leafOf(const std::string& pem);

/// Adds the certificates on the disk that the service's configuration names, and which of their files changed
/// after the service had loaded them. Adds nothing that is incomplete: beyond 256 files of at most 1 MiB, all
/// of it is unknown.
void addCertificates(const Service& service, Certificates& out);

}  // namespace lapwing::agent::configtest
