#include "common/tls/validity.h"

#include <openssl/x509.h>

#include <ctime>

#include "common/model/sample.h"

namespace lapwing::tls {

int acceptByProgramTime(int accepted, X509_STORE_CTX* store) {
    const int reason = X509_STORE_CTX_get_error(store);
    bool valid = false;
    if (accepted == 0 && reason == X509_V_ERR_CERT_NOT_YET_VALID) {
        valid = true;
    } else if (accepted == 0 && reason == X509_V_ERR_CERT_HAS_EXPIRED) {
        std::time_t now = nowMs() / 1000;
        valid = X509_cmp_time(X509_get0_notAfter(X509_STORE_CTX_get_current_cert(store)), &now) > 0;
    }
    if (valid) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    return accepted;
}

int acceptAtAnyTime(int accepted, X509_STORE_CTX* store) {
    const bool own_certificate = X509_STORE_CTX_get_error_depth(store) == 0;
    if (accepted == 0 && own_certificate && X509_STORE_CTX_get_error(store) == X509_V_ERR_CERT_HAS_EXPIRED) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    return acceptByProgramTime(accepted, store);
}

}  // namespace lapwing::tls
