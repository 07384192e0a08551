#pragma once

#include <Poco/DeflatingStream.h>

#include <atomic>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "collector/api/answer_body.h"
#include "collector/api/exchange.h"

namespace lapwing::api {

using HeaderFields = std::vector<std::pair<std::string, std::string>>;

/// A request whose head, and later whose body, the server has read. The server fills its members; they are
/// not synchronised, because the server and a handler never use it at the same time, except `hung_up`.
class BufferedRequest : public Request {
  public:
    std::string header(const std::string& name) const override;
    Expected<std::string> body(std::size_t limit) override;
    const std::atomic<bool>& gone() const override { return hung_up; }

    enum class Body { read, too_large, ended_early };

    HeaderFields fields;
    std::string text;  ///< the body
    Body state = Body::read;
    bool has_length = false;
    std::size_t longest = 0;  ///< the server reads no longer body
    std::atomic<bool> hung_up{false};
};

/// The answer to it. Used by one thread at a time.
class BufferedResponder : public Responder {
  public:
    BufferedResponder(const BufferedRequest& request, Room& room, std::string holder, std::size_t most);

    void header(const std::string& name, const std::string& value) override;
    void send(int status, const std::string& content_type, std::string_view body) override;
    std::ostream& stream(int status, const std::string& content_type) override;
    void later(std::chrono::milliseconds pause) override { pause_ = pause; }

    /// Call when the handler has returned: completes the body. Replaces an answer that has no room by an
    /// error, and a missing one by 500.
    void finish();
    /// Drops what has been answered so far and answers in plain text.
    void replace(int status, const std::string& text, unsigned retry_after_s = 0);
    /// After later(): the pause, once.
    std::optional<std::chrono::milliseconds> takePause() { return std::exchange(pause_, std::nullopt); }

    bool sent() const { return status_ != 0; }
    int status() const { return status_; }
    AnswerBody::Trouble trouble() const { return trouble_; }
    /// The lines of the answer before its body.
    std::string head(bool keep_alive) const;
    AnswerBody& body() { return body_; }

  private:
    bool takesGzip() const;
    void begin(int status, const std::string& content_type);

    const BufferedRequest& request_;
    AnswerBody body_;
    std::ostream out_;
    std::optional<Poco::DeflatingOutputStream> deflating_;
    HeaderFields fields_;
    std::optional<std::chrono::milliseconds> pause_;
    int status_ = 0;
    AnswerBody::Trouble trouble_ = AnswerBody::Trouble::none;
};

}  // namespace lapwing::api
