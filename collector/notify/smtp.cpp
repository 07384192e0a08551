#include <Poco/Exception.h>
#include <Poco/Net/MailMessage.h>
#include <Poco/Net/MailRecipient.h>
#include <Poco/Net/MailStream.h>
#include <Poco/Net/NetException.h>
#include <Poco/Net/SMTPClientSession.h>
#include <Poco/Net/SocketStream.h>
#include <Poco/Net/StreamSocket.h>
#include <Poco/String.h>
#include <Poco/UUIDGenerator.h>
#include <unistd.h>

#include <array>

#include "collector/notify/http_delivery.h"
#include "collector/notify/receivers.h"
#include "common/endpoint.h"
#include "common/http/resolver.h"
#include "common/http/timed_socket.h"
#include "common/http/tls.h"

namespace lapwing::notify {
namespace {

using Clock = std::chrono::steady_clock;
using http::TimedSocketImpl;

std::string ownHostName() {
    std::array<char, 256> buffer{};
    if (::gethostname(buffer.data(), buffer.size() - 1) != 0 || buffer[0] == '\0') {
        return "localhost";
    }
    return buffer.data();
}

using Kind = DeliveryFailure::Kind;

tl::unexpected<DeliveryFailure> failure(Kind kind, std::string message) {
    return tl::unexpected(DeliveryFailure{kind, std::move(message), std::nullopt});
}

/// Poco's SMTP dialogue over sockets whose waits all end at one deadline.
class Session : public Poco::Net::SMTPClientSession {
  public:
    explicit Session(const Poco::Net::StreamSocket& socket) : SMTPClientSession(socket) {}

    std::string hello(const std::string& host) {
        std::string capabilities;
        login(host, capabilities);
        return capabilities;
    }

    bool askForTls() {
        std::string answer;
        return isPositiveCompletion(sendCommand("STARTTLS", answer));
    }

    /// Sends a message to one recipient, whomever its header names.
    void send(const Poco::Net::MailMessage& message, const std::string& from, const std::string& to) {
        demand("MAIL FROM:", "<" + from + ">");
        demand("RCPT TO:", "<" + to + ">");
        std::string answer;
        const int status = sendCommand("DATA", answer);
        if (!isPositiveIntermediate(status)) {
            throw Poco::Net::SMTPException("DATA", answer, status);
        }
        Poco::Net::SocketOutputStream wire(socket());
        Poco::Net::MailOutputStream dotted(wire);
        message.write(dotted);
        dotted.close();
        wire.flush();
        const int done = socket().receiveStatusMessage(answer);
        if (!isPositiveCompletion(done)) {
            throw Poco::Net::SMTPException("The server refused the message", answer, done);
        }
    }

    void continueOn(const Poco::Net::StreamSocket& secured) { socket() = secured; }

    void authenticate(const std::string& capabilities, const std::string& username,
                      const std::string& password) {
        if (capabilities.find("PLAIN") != std::string::npos) {
            loginUsingPlain(username, password);
        } else if (capabilities.find("LOGIN") != std::string::npos) {
            loginUsingLogin(username, password);
        } else {
            loginUsingCRAMMD5(username, password);
        }
    }

  private:
    void demand(const std::string& command, const std::string& argument) {
        std::string answer;
        const int status = sendCommand(command + argument, answer);
        if (!isPositiveCompletion(status)) {
            throw Poco::Net::SMTPException(command, answer, status);
        }
    }
};

struct Connection {
    TimedSocketImpl* impl = nullptr;  ///< owned by `socket`
    Poco::Net::StreamSocket socket;
};

/// Takes over the descriptor; with `context`, starts TLS first.
Expected<Connection> makeConnection(int descriptor, SSL_CTX* context, const std::string& host,
                                    Clock::time_point until) {
    http::SslPtr ssl;
    Error tls_error;
    if (context != nullptr) {
        auto made = http::makeClientSession(context, host);
        if (made) {
            ssl = std::move(*made);
        } else {
            tls_error = made.error();
        }
    }
    const bool usable = context == nullptr || ssl;
    auto* impl = new TimedSocketImpl(descriptor, std::move(ssl));
    Connection out{impl, Poco::Net::StreamSocket(impl)};
    if (!usable) {
        return fail(tls_error);
    }
    if (auto done = impl->handshake(until); !done) {
        return fail(done.error());
    }
    impl->begin(until);
    return out;
}

void compose(const EmailConfig& config, const std::string& subject, const std::string& body,
             Poco::Net::MailMessage& message) {
    message.setSender(config.from);
    for (const auto& address : config.to) {
        message.addRecipient(Poco::Net::MailRecipient(Poco::Net::MailRecipient::PRIMARY_RECIPIENT, address));
    }
    message.setSubject(Poco::Net::MailMessage::encodeWord(subject, "UTF-8"));
    message.setContentType("text/plain; charset=UTF-8");
    message.set("Message-ID", "<" + Poco::UUIDGenerator::defaultGenerator().createRandom().toString() + "@" +
                                  ownHostName() + ">");
    message.set("Auto-Submitted", "auto-generated");
    message.setContent(Poco::replace(body, std::string("\n"), std::string("\r\n")),
                       Poco::Net::MailMessage::ENCODING_QUOTED_PRINTABLE);
}

}  // namespace

Delivered sendMail(const EmailConfig& config, const std::string& to, const std::string& subject,
                   const std::string& body, std::chrono::milliseconds deadline) {
    const auto until = Clock::now() + deadline;
    const std::string what = "smtp://" + config.smtp + ": ";
    const auto failed = [&](const Error& error) {
        return failure(error.kind == ErrorKind::timeout ? Kind::later : Kind::unreached,
                       what + error.message);
    };
    const auto server = Endpoint::parse(config.smtp);
    if (!server) {
        return failure(Kind::unreached, what + "is not HOST:PORT");
    }
    const std::string& host = server->host;

    http::SslContextPtr context;
    if (config.security != SmtpSecurity::none) {
        auto made = http::makeClientContext({config.ca_file, "", "", ""});
        if (!made) {
            return failed(made.error());
        }
        context = std::move(*made);
    }
    std::string password;
    if (!config.password_file.empty()) {
        auto secret = readSecret(config.password_file);
        if (!secret) {
            return failure(Kind::unreached, secret.error().message);
        }
        password = std::move(*secret);
    }
    const auto addresses = http::resolve(host, server->port, until);
    if (!addresses) {
        return failed(addresses.error());
    }
    const auto descriptor = http::connectTo(*addresses, until);
    if (!descriptor) {
        return failed(descriptor.error());
    }
    auto connection = makeConnection(
        *descriptor, config.security == SmtpSecurity::tls ? context.get() : nullptr, host, until);
    if (!connection) {
        return failed(connection.error());
    }

    TimedSocketImpl* impl = connection->impl;
    std::optional<Connection> secured;
    bool logging_in = false;
    try {
        Session session(connection->socket);
        auto capabilities = session.hello(ownHostName());
        if (config.security == SmtpSecurity::starttls) {
            if (!session.askForTls()) {
                return failure(Kind::unreached, what + "the server does not offer STARTTLS");
            }
            auto upgraded = makeConnection(::dup(impl->sockfd()), context.get(), host, until);
            if (!upgraded) {
                return failed(upgraded.error());
            }
            secured = std::move(*upgraded);
            impl = secured->impl;
            session.continueOn(secured->socket);
            capabilities = session.hello(ownHostName());
        }
        if (!config.username.empty()) {
            logging_in = true;
            session.authenticate(capabilities, config.username, password);
            logging_in = false;
        }
        Poco::Net::MailMessage message;
        compose(config, subject, body, message);
        session.send(message, config.from, to);
        // The server has accepted the mail: a failure of QUIT does not matter.
        try {
            session.close();
        } catch (const Poco::Exception&) {
            return {};
        }
        return {};
    } catch (const Poco::Net::SMTPException& error) {
        // The server's answer to a login may repeat the credentials.
        if (logging_in) {
            return failure(Kind::denied, what + "the server refused the login");
        }
        // RFC 5321, 4.2.1: 5yz is permanent.
        const bool permanent = error.code() / 100 == 5;
        return failure(permanent ? Kind::refused : Kind::later, what + error.displayText());
    } catch (const Poco::Exception& error) {
        if (impl->failure()) {
            return failed(*impl->failure());
        }
        // The server's answer to a login may repeat the credentials.
        if (logging_in) {
            return failure(Kind::denied, what + "the server refused the login");
        }
        return failure(Kind::later, what + error.displayText());
    } catch (const std::exception& error) {
        return failure(Kind::later, what + error.what());
    }
}

}  // namespace lapwing::notify
