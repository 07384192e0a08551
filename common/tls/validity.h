#pragma once

#include <openssl/types.h>

namespace lapwing::tls {

/// For SSL_CTX_set_verify, where the CA is the site's: a certificate counts from before its first day, and
/// until its last day by the program's time (nowMs). No certificate can come from the future, but a clock may
/// be wrong, and the clocks can only be compared once the connection is there.
int acceptByProgramTime(int accepted, X509_STORE_CTX* store);

/// The same for a server whose clock may be the wrong one: a client's own certificate counts at any time, and
/// the server judges its end where it knows how far its clock is confirmed.
int acceptAtAnyTime(int accepted, X509_STORE_CTX* store);

}  // namespace lapwing::tls
