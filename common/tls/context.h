#pragma once

#include <Poco/Net/Context.h>

#include <string>

#include "common/error.h"

namespace lapwing::tls {

/// The name that every collector's own certificate carries (SAN DNS), whatever the host is called: agents ask
/// for it, so that a collector may be reached by any address and still proves who it is.
inline constexpr const char* kCollectorName = "lapwing-collector";

/// TLS contexts, TLS 1.2 at least. PEM files; all of them may be one file that holds certificate, key and CA
/// (the certificate first). Keys with a passphrase are not supported. Errors: `not_found`, `denied` (may not
/// be read), `invalid` (is not what it should be, the key does not fit the certificate). A context is
/// reference-counted and may be shared by threads; it keeps what it read, so renewed files need a new
/// context.

/// For clients. The server must prove a name (SecureStreamSocket::setPeerHostName, or the host of an
/// HTTPSClientSession) with a certificate for servers from `ca_file`; "" trusts the system's store.
/// `cert_file` and `key_file` identify the client; "" for none. There is no way to switch verification off.
Expected<Poco::Net::Context::Ptr> clientContext(const std::string& ca_file, const std::string& cert_file = "",
                                                const std::string& key_file = "");

/// For servers. With `client_ca_file`, a client must present a certificate for clients signed by that CA, or
/// the handshake fails; with "", clients stay anonymous.
Expected<Poco::Net::Context::Ptr> serverContext(const std::string& cert_file, const std::string& key_file,
                                                const std::string& client_ca_file = "");

}  // namespace lapwing::tls
