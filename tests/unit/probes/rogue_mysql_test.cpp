#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "agent/probes/mysql/connection.h"
#include "agent/probes/mysql/mysql.h"
#include "agent/probes/mysql/variables.h"
#include "tests/unit/catch.h"
#include "tests/unit/probes/samples.h"

using namespace lapwing;
using namespace lapwing::agent::mysql;

namespace {

constexpr const char* kPassword = "S3cret-of-the-monitor";
const std::string kSalt = "abcdefghijklmnopqrst";
const std::string kOk("\0\0\0\2\0\0\0", 7);
const std::string kEof("\xfe\0\0\2\0", 5);

std::string little(std::uint64_t number, int bytes) {
    std::string out;
    for (int i = 0; i < bytes; ++i) {
        out += static_cast<char>(number >> (8 * i));
    }
    return out;
}

std::string text(const std::string& value) {
    return value.size() < 251 ? little(value.size(), 1) + value : "\xfc" + little(value.size(), 2) + value;
}

/// The packets of one client, in the protocol of MySQL 4.1 and later.
class Client {
  public:
    explicit Client(int fd) : fd_(fd) {}

    bool send(const std::string& payload) {
        return sendRaw(little(payload.size(), 3) + little(sequence_++, 1) + payload);
    }
    bool sendRaw(const std::string& bytes) {
        return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
    }
    /// The next packet; "" at the end.
    std::string receive() {
        const auto header = read(4);
        if (header.size() < 4) {
            return "";
        }
        const auto byte = [&](int at) {
            return static_cast<std::size_t>(static_cast<unsigned char>(header[at]));
        };
        sequence_ = static_cast<unsigned>(byte(3)) + 1;
        auto out = read(byte(0) | byte(1) << 8U | byte(2) << 16U);
        heard += out;
        return out;
    }
    void greet(const std::string& plugin) {
        const std::uint32_t capabilities = 0xffffffffU & ~0x800U & ~0x20U;  // neither TLS nor compression
        send("\x0a" + std::string("8.0.40") + '\0' + little(7, 4) + kSalt.substr(0, 8) + '\0' +
             little(capabilities & 0xffffU, 2) + '\x2d' + little(2, 2) + little(capabilities >> 16U, 2) +
             little(21, 1) + std::string(10, '\0') + kSalt.substr(8) + '\0' + plugin + '\0');
        receive();
    }
    static std::string column(const std::string& name) {
        return text("def") + text("") + text("") + text("") + text(name) + text(name) +
               std::string("\x0c\x2d\0\xff\xff\0\0\xfd\0\0\0\0\0", 13);
    }

    std::string heard;  ///< everything that the client has sent

  private:
    std::string read(std::size_t size) {
        std::string out(size, '\0');
        std::size_t have = 0;
        while (have < size) {
            const auto got = ::recv(fd_, out.data() + have, size - have, 0);
            if (got <= 0) {
                return "";
            }
            have += static_cast<std::size_t>(got);
        }
        return out;
    }

    int fd_;
    unsigned sequence_ = 0;
};

/// Serves one client on loopback, then ends.
class Rogue {
  public:
    explicit Rogue(const std::function<void(Client&)>& serve) {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in place{};
        place.sin_family = AF_INET;
        place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::bind(listener_, reinterpret_cast<const sockaddr*>(&place), sizeof place) == 0);
        socklen_t length = sizeof place;
        REQUIRE(::getsockname(listener_, reinterpret_cast<sockaddr*>(&place), &length) == 0);
        REQUIRE(::listen(listener_, 1) == 0);
        port = ntohs(place.sin_port);
        thread_ = std::thread([this, serve] {
            const int fd = ::accept(listener_, nullptr, nullptr);
            if (fd < 0) {
                return;
            }
            Client client(fd);
            serve(client);
            ::close(fd);
            heard_ = client.heard;
        });
    }
    ~Rogue() {
        finish();
        ::close(listener_);
    }
    Rogue(const Rogue&) = delete;
    Rogue& operator=(const Rogue&) = delete;

    /// What the client has sent, once it has gone.
    const std::string& heard() {
        finish();
        return heard_;
    }

    std::uint16_t port = 0;

  private:
    void finish() {
        if (thread_.joinable()) {
            ::shutdown(listener_, SHUT_RDWR);
            thread_.join();
        }
    }

    int listener_ = -1;
    std::string heard_;
    std::thread thread_;
};

class PasswordFile {
  public:
    PasswordFile() {
        std::string pattern = (std::filesystem::temp_directory_path() / "lapwing-rogue-XXXXXX").string();
        const int fd = ::mkstemp(pattern.data());
        REQUIRE(fd >= 0);
        ::close(fd);
        path = pattern;
        std::ofstream(path) << kPassword << "\n";
    }
    ~PasswordFile() { std::filesystem::remove(path); }
    PasswordFile(const PasswordFile&) = delete;
    PasswordFile& operator=(const PasswordFile&) = delete;
    std::string path;
};

Connection connectionTo(const Rogue& rogue, const PasswordFile& password) {
    Settings settings;
    settings.host = "127.0.0.1";
    settings.port = rogue.port;
    settings.user = "lapwing";
    settings.password_file = password.path;
    return Connection(settings);
}

Connection::Clock::time_point soon() {
    return Connection::Clock::now() + std::chrono::seconds(20);
}

/// The answer to the first statement of a server that accepts every account.
Expected<Table> ask(const std::function<void(Client&)>& answer) {
    const PasswordFile password;
    Rogue rogue([&](Client& client) {
        client.greet("mysql_native_password");
        client.send(kOk);
        // The library first sets the character set, maybe.
        while (true) {
            const auto packet = client.receive();
            if (packet.empty() || packet.front() == '\x01') {
                return;
            }
            if (packet.find("SELECT 1") != std::string::npos) {
                answer(client);
                return;
            }
            client.send(kOk);
        }
    });
    auto connection = connectionTo(rogue, password);
    REQUIRE(connection.ready(soon()));
    auto out = connection.query("SELECT 1", soon());
    connection.close();
    return out;
}

using Rows = std::vector<std::vector<std::string>>;

void sendTable(Client& client, const std::vector<std::string>& columns, const Rows& rows) {
    client.send(little(columns.size(), 1));
    for (const auto& name : columns) {
        client.send(Client::column(name));
    }
    client.send(kEof);
    for (const auto& row : rows) {
        std::string fields;
        for (const auto& field : row) {
            fields += text(field);
        }
        client.send(fields);
    }
    client.send(kEof);
}

/// A MariaDB without replication whose status is `status`; all other answers are short.
void serveMariadb(Client& client, const Rows& status) {
    client.greet("mysql_native_password");
    client.send(kOk);
    while (true) {
        const auto packet = client.receive();
        const auto begins = [&](const char* statement) { return packet.rfind(statement, 1) == 1; };
        if (packet.empty() || packet.front() == '\x01') {
            return;
        }
        if (packet.front() != '\x03' || begins("SET")) {
            client.send(kOk);
        } else if (begins("SELECT VERSION()")) {
            sendTable(client, {"a", "b", "c", "d"}, {{"10.11.6-MariaDB", "rogue", "lapwing@%", "1"}});
        } else if (begins("SHOW GLOBAL STATUS")) {
            sendTable(client, {"Variable_name", "Value"}, status);
        } else {
            sendTable(client, {"utc"}, {{"2026-11-25 16:00:00"}});
        }
    }
}

}  // namespace

// It attacks "variables of a database: of its status, and of its settings".
TEST_CASE("mysql: variables that a server invents are bounded, and what is left out is told") {
    constexpr auto most = VariableFamilies::kMostVariables;
    Rows status;
    for (std::size_t i = 0; i < most + 100; ++i) {
        status.push_back({"Invented_" + std::to_string(i), "1"});
    }
    const PasswordFile password;
    Rogue rogue([&](Client& client) { serveMariadb(client, status); });
    Settings settings;
    settings.host = "127.0.0.1";
    settings.port = rogue.port;
    settings.user = "lapwing";
    settings.password_file = password.path;
    MysqlProbe probe(settings, {HeartbeatMode::off, "", ""});
    auto result = probe.collect(lapwing::agent::Deadline(std::chrono::seconds(20)));
    REQUIRE(result);
    REQUIRE_FALSE(result->failure);
    CHECK(result->note.find("100 values of SHOW GLOBAL STATUS left out") != std::string::npos);
    const lapwing::test::Samples samples(result->takeAll());
    CHECK(samples.value("lapwing_mysql_values_left_out", {{"statement", "SHOW GLOBAL STATUS"}}) == 100);
    std::size_t invented = 0;
    for (const auto& series : samples.series()) {
        invented += series.labels.metricName().find("_status_invented_") != std::string::npos ? 1 : 0;
    }
    CHECK(invented == most);
}

TEST_CASE("mysql: a server that is not verified never gets the password") {
    const PasswordFile password;
    const std::string plugin = GENERATE("caching_sha2_password", "sha256_password", "mysql_clear_password",
                                        "dialog", "mysql_old_password");
    const bool at_once = GENERATE(true, false);
    INFO(plugin << (at_once ? " in the greeting" : " by a switch"));
    Rogue rogue([&](Client& client) {
        client.greet(at_once ? plugin : "mysql_native_password");
        const auto login = client.heard.size();
        if (at_once) {
            client.send("\x01\x04");  // caching_sha2_password: the password itself, please
        } else {
            client.send("\xfe" + plugin + '\0' + kSalt + '\0');
        }
        client.receive();
        client.heard = client.heard.substr(login);
    });
    auto connection = connectionTo(rogue, password);
    const auto ready = connection.ready(soon());
    REQUIRE_FALSE(ready);
    INFO(ready.error().message);
    connection.close();
    // Neither a request for the server's key, nor an answer by that plugin.
    CHECK(rogue.heard().empty());
    if (plugin == "caching_sha2_password" && !at_once) {
        CHECK(ready.error().message.find("`ca`") != std::string::npos);
    }
}

TEST_CASE("mysql: an answer without end is cut off") {
    SECTION("rows") {
        const auto answer = ask([](Client& client) {
            client.send("\x01");
            client.send(Client::column("a"));
            client.send(kEof);
            while (client.send(text(std::string(100, 'x')))) {
            }
        });
        REQUIRE_FALSE(answer);
        CHECK(answer.error().kind == ErrorKind::exhausted);
        CHECK(answer.error().message.find("more than 4 MiB") != std::string::npos);
    }
    SECTION("one row") {
        const auto answer = ask([](Client& client) {
            client.send("\x01");
            client.send(Client::column("a"));
            client.send(kEof);
            std::string part;
            part.resize(0xffffff, 'A');
            while (client.send(part)) {
            }
        });
        REQUIRE_FALSE(answer);
    }
    SECTION("columns, of a quick server") {
        std::atomic<std::size_t> sent{0};
        const auto answer = ask([&](Client& client) {
            client.send("\xfd\xff\xff\xff");
            const auto column = Client::column("c");
            while (client.send(column)) {
                sent += column.size();
            }
        });
        REQUIRE_FALSE(answer);
        CHECK(answer.error().kind == ErrorKind::exhausted);
        // A megabyte, and what the kernel keeps of both sides.
        CHECK(sent < 12U << 20);
    }
    SECTION("many small rows, which an honest server sends") {
        constexpr int row_count = 20'000;
        const auto answer = ask([](Client& client) {
            client.send("\x01");
            client.send(Client::column("a"));
            client.send(kEof);
            for (int i = 0; i < row_count; ++i) {
                client.send(text(std::to_string(i)));
            }
            client.send(kEof);
            client.receive();
        });
        REQUIRE(answer);
        REQUIRE(answer->rows.size() == row_count);
        CHECK(answer->rows.back().front() == std::to_string(row_count - 1));
    }
}

TEST_CASE("mysql: a server's words cannot begin a line of the log or colour it") {
    const auto answer = ask([](Client& client) {
        client.send(std::string("\xff\x15\x04#28000") + "no\n\x1b[31mCRITICAL\r\n\xc2\x9b" + "X: y");
        client.receive();
    });
    REQUIRE_FALSE(answer);
    CHECK(answer.error().message.find("no  [31mCRITICAL    X: y") != std::string::npos);
}
