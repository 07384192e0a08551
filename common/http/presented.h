#pragma once

#include <chrono>
#include <string>

#include "common/error.h"

namespace lapwing::http {

/// The certificates that the server of a URL presents at a handshake, as PEM. Nothing is verified, and no
/// request is sent: it is for a program that knows the digest of a key and looks for the certificate.
/// `server_name` goes along as SNI. Errors as Client::request().
Expected<std::string> presentedCertificates(const std::string& url, const std::string& server_name,
                                            std::chrono::milliseconds deadline);

}  // namespace lapwing::http
