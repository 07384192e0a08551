#include "agent/attempts/greeting.h"

#include <array>

namespace lapwing::agent {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kHeader = 4;
constexpr unsigned char kProtocol10 = 0x0a;
constexpr unsigned char kError = 0xff;
constexpr unsigned char kSwitchPlugin = 0xfe;
constexpr unsigned kHostBlocked = 1129;
constexpr unsigned kHostNotAllowed = 1130;
constexpr int kMostPackets = 4;

unsigned char byteAt(std::string_view packet, std::size_t at) {
    return static_cast<unsigned char>(packet[at]);
}

/// One whole packet, by its declared length; "" if it does not come in time.
std::string readPacket(const Connection& connection, Clock::time_point end) {
    constexpr std::size_t most = 4096;
    std::string packet;
    std::array<char, most> buffer{};
    for (;;) {
        if (packet.size() >= kHeader) {
            const std::size_t length = byteAt(packet, 0) | static_cast<std::size_t>(byteAt(packet, 1)) << 8U |
                                       static_cast<std::size_t>(byteAt(packet, 2)) << 16U;
            if (length > most) {
                return "";
            }
            if (packet.size() >= kHeader + length) {
                return packet.substr(0, kHeader + length);
            }
        }
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
        const auto got = left.count() > 0 ? connection.receive(buffer.data(), buffer.size(), left) : 0;
        if (got == 0) {
            return "";
        }
        packet.append(buffer.data(), got);
    }
}

std::string framed(unsigned char sequence, const std::string& payload) {
    std::string packet;
    packet += static_cast<char>(payload.size() & 0xffU);
    packet += static_cast<char>(payload.size() >> 8U & 0xffU);
    packet += static_cast<char>(payload.size() >> 16U & 0xffU);
    packet += static_cast<char>(sequence);
    return packet + payload;
}

/// HandshakeResponse41 of a user that does not exist.
std::string login() {
    // CLIENT_LONG_PASSWORD, CLIENT_PROTOCOL_41, CLIENT_SECURE_CONNECTION, CLIENT_PLUGIN_AUTH
    constexpr unsigned capabilities = 0x1U | 0x200U | 0x8000U | 0x80000U;
    std::string payload;
    for (unsigned shift = 0; shift < 32; shift += 8) {
        payload += static_cast<char>(capabilities >> shift & 0xffU);
    }
    payload += std::string("\x00\x00\x00\x01", 4);  // the longest packet: 16 MiB
    payload += '\x21';                              // utf8_general_ci
    payload += std::string(23, '\0');
    payload += std::string("lapwing-attempt") + '\0';
    payload += '\0';  // no password
    payload += std::string("mysql_native_password") + '\0';
    return framed(1, payload);
}

}  // namespace

std::string greetingOf(std::string_view packet) {
    if (packet.size() < kHeader + 3 || byteAt(packet, 3) != 0) {
        return "";
    }
    if (byteAt(packet, kHeader) == kProtocol10) {
        return "accepted";
    }
    if (byteAt(packet, kHeader) != kError) {
        return "";
    }
    const unsigned code = byteAt(packet, kHeader + 1) | static_cast<unsigned>(byteAt(packet, kHeader + 2))
                                                            << 8U;
    return code == kHostNotAllowed ? "host_not_allowed" : code == kHostBlocked ? "host_blocked" : "error";
}

std::string readGreeting(const Connection& connection, std::chrono::milliseconds longest) {
    auto greeting = greetingOf(readPacket(connection, Clock::now() + longest));
    if (greeting != "accepted" || !connection.send(login())) {
        return greeting;
    }
    const auto end = Clock::now() + longest;
    for (int i = 0; i < kMostPackets; ++i) {
        const auto answer = readPacket(connection, end);
        if (answer.size() <= kHeader) {
            break;
        }
        const auto sequence = static_cast<unsigned char>(byteAt(answer, 3) + 1U);
        if (byteAt(answer, kHeader) == kSwitchPlugin) {
            connection.send(framed(sequence, ""));
            continue;
        }
        if (byteAt(answer, kHeader) != kError) {
            connection.send(framed(0, "\x01"));  // an anonymous account accepted the login: COM_QUIT
        }
        break;
    }
    return greeting;
}

std::string httpGreetingOf(std::string_view answer) {
    constexpr std::size_t code_at = 9;  // behind "HTTP/1.1 "
    constexpr std::size_t code_size = 3;
    if (!answer.starts_with("HTTP/1.") || answer.size() < code_at + code_size) {
        return "";
    }
    const auto code = std::string(answer.substr(code_at, code_size));
    if (code == "200" && answer.find("Statistics Report for HAProxy") != std::string_view::npos) {
        return answer.find("Choose the action to perform") == std::string_view::npos ? "haproxy_stats"
                                                                                     : "haproxy_stats_admin";
    }
    return "http_" + code;
}

std::string readHttpGreeting(const Connection& connection, const std::string& path,
                             std::chrono::milliseconds longest) {
    constexpr std::size_t most = 1U << 18;
    if (!connection.send("GET " + path + " HTTP/1.0\r\nUser-Agent: lapwing-attempt\r\n\r\n")) {
        return "";
    }
    const auto end = Clock::now() + longest;
    std::string answer;
    std::array<char, 4096> buffer{};
    while (answer.size() < most) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
        const auto got = left.count() > 0 ? connection.receive(buffer.data(), buffer.size(), left) : 0;
        if (got == 0) {
            break;
        }
        answer.append(buffer.data(), got);
    }
    return httpGreetingOf(answer);
}

}  // namespace lapwing::agent
