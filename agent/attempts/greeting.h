#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "agent/attempts/connect.h"

namespace lapwing::agent {

/// Classifies the first packet of a MySQL or MariaDB server: "accepted" (a greeting), "host_not_allowed"
/// (error 1130), "host_blocked" (1129), "error" (another); "" for any other data. Pure.
std::string greetingOf(std::string_view packet);

/// Reads the first packet. After a greeting it ends the conversation in a way that the server does not count
/// against this host: a connection that breaks off during the handshake counts towards max_connect_errors,
/// beyond which the server refuses the host altogether (measured on MariaDB 10.11: closing after the
/// greeting and COM_QUIT do count). A denied login does not count, so this tries the user `lapwing-attempt`,
/// without a password. Returns the result of greetingOf(). Ends within twice `longest`.
std::string readGreeting(const Connection& connection, std::chrono::milliseconds longest);

/// Classifies an HTTP server's answer to a GET: "haproxy_stats" (HAProxy's statistics),
/// "haproxy_stats_admin" (statistics with forms that change the servers' state), else "http_" and the
/// status; "" for any other data. Pure.
std::string httpGreetingOf(std::string_view answer);

/// Asks for a path without credentials. Returns the result of httpGreetingOf(). Ends within `longest`.
std::string readHttpGreeting(const Connection& connection, const std::string& path,
                             std::chrono::milliseconds longest);

}  // namespace lapwing::agent
