#pragma once

#include <Poco/Net/Context.h>
#include <openssl/types.h>

#include <string>

#include "common/error.h"

namespace lapwing::tls {

/// Whether a client must present a certificate, where certificates are asked for.
enum class ClientCertificate { required, optional };

/// The TLS context of a server: TLS 1.2 at least. With `client_ca_file`, a client presents a client
/// certificate signed by that CA, or the handshake fails; with `optional`, a client may present none at all.
/// With "", clients stay anonymous. A server with a `client_ca_file` sends the certificate of its own CA
/// along, if that file has it. The files are PEM; all of them may be one file that holds certificate, key and
/// CA (the certificate first). Keys with a passphrase are not supported. Errors: `not_found`, `denied` (may
/// not be read), `invalid` (malformed, or the key does not belong to the certificate). A context is
/// reference-counted and may be shared by threads; renewed files need a new context.
Expected<Poco::Net::Context::Ptr> serverContext(const std::string& cert_file, const std::string& key_file,
                                                const std::string& client_ca_file = "",
                                                ClientCertificate client = ClientCertificate::required);

/// SHA-256 of a certificate, in lower-case hexadecimal.
std::string fingerprint(const X509* certificate);

}  // namespace lapwing::tls
