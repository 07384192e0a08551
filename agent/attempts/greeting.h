#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "agent/attempts/connect.h"

namespace lapwing::agent {

/// What a MySQL or MariaDB server says first: "accepted" (a greeting), "host_not_allowed" (error 1130),
/// "host_blocked" (1129), "error" (another); "" for what is no such server's first packet. Pure.
std::string greetingOf(std::string_view packet);

/// Reads the first packet, and after a greeting ends the conversation so that the server does not count it
/// against this host: a connection that breaks off during the handshake counts towards max_connect_errors,
/// beyond which the server refuses the host altogether (measured on MariaDB 10.11: closing after the greeting
/// and COM_QUIT do count). A login that is denied does not, so it tries the user `lapwing-attempt`, without a
/// password. Returns what greetingOf() says. Ends within twice `longest`.
std::string readGreeting(const Connection& connection, std::chrono::milliseconds longest);

/// What an HTTP server's answer to a GET shows: "haproxy_stats" (HAProxy's statistics),
/// "haproxy_stats_admin" (and forms that change the servers' state), else "http_" and the status; "" for what
/// is no HTTP. Pure.
std::string httpGreetingOf(std::string_view answer);

/// Asks for a path without credentials. Returns what httpGreetingOf() says. Ends within `longest`.
std::string readHttpGreeting(const Connection& connection, const std::string& path,
                             std::chrono::milliseconds longest);

}  // namespace lapwing::agent
