#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace lapwing {

/// What kind of failure an Error is: what a caller may decide on. The message is for people.
enum class ErrorKind {
    invalid,      ///< the input is wrong: configuration, query, request
    execution,    ///< the input is well-formed but cannot be evaluated (PromQL: execution)
    not_found,    ///< what was asked for is not there
    denied,       ///< permission, credentials or certificate refused
    timeout,      ///< no answer within the deadline
    refused,      ///< connection refused
    unreachable,  ///< no route, name does not resolve, host down
    tls,          ///< TLS handshake or verification failed
    protocol,     ///< the peer answered with what it must not
    exhausted,    ///< a limit was reached: size, rate, samples, disk
    unavailable,  ///< cannot be done now; trying again later may work
    internal,     ///< a fault of our own
};

/// The name of a kind, as metrics and APIs show it: "timeout".
const char* errorKindName(ErrorKind kind);

/// An expected failure, carried as a value. `message` is one line, without secrets, in the form
/// "what was tried: what went wrong".
struct Error {
    ErrorKind kind = ErrorKind::internal;
    std::string message;
};

template <class T>
using Expected = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(ErrorKind kind, std::string message) {
    return tl::unexpected<Error>(Error{kind, std::move(message)});
}

/// Passes an error on: `return fail(result.error());`
inline tl::unexpected<Error> fail(Error error) {
    return tl::unexpected<Error>(std::move(error));
}

inline const char* errorKindName(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::invalid:
            return "invalid";
        case ErrorKind::execution:
            return "execution";
        case ErrorKind::not_found:
            return "not_found";
        case ErrorKind::denied:
            return "denied";
        case ErrorKind::timeout:
            return "timeout";
        case ErrorKind::refused:
            return "refused";
        case ErrorKind::unreachable:
            return "unreachable";
        case ErrorKind::tls:
            return "tls";
        case ErrorKind::protocol:
            return "protocol";
        case ErrorKind::exhausted:
            return "exhausted";
        case ErrorKind::unavailable:
            return "unavailable";
        case ErrorKind::internal:
            return "internal";
    }
    return "internal";
}

}  // namespace lapwing
