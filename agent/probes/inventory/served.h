#pragma once

#include <prometheus/metric_family.h>

#include <chrono>
#include <ctime>
#include <string>

#include "agent/configtest/configtest.h"
#include "common/error.h"

namespace lapwing::agent::inventory {

/// The certificate that a server of this host presents.
struct Served {
    std::string digest;    ///< SHA-256 of its DER form, in lower-case hexadecimal
    std::time_t ends = 0;  ///< seconds since 1970
};

/// A TLS handshake (1.2 upwards) that accepts any certificate, and nothing more. `address`: "127.0.0.1:443".
/// `name`: asked for by SNI; "" for none. Errors: of the connection; `tls`; `invalid` for no address;
/// `unreachable` for an address that is not this host's.
Expected<Served> askServed(const std::string& address, const std::string& name,
                           std::chrono::steady_clock::time_point until);

/// `lapwing_stale_certificate_end_timestamp_seconds`: asks the servers whose certificate's file changed after
/// they had loaded it, a second each, until `until` in all. A server that presents a certificate of the disk
/// is not stale; one that does not answer is unknown, and `note` says why.
prometheus::MetricFamily staleFamily(const configtest::Certificates& certificates,
                                     std::chrono::steady_clock::time_point until, std::string& note);

}  // namespace lapwing::agent::inventory
