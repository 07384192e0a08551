#include "agent/probes/nginx/parse.h"

#include <algorithm>
#include <optional>

#include "agent/probes/text.h"
#include "common/metric_names.h"
#include "common/model/families.h"

namespace lapwing::agent::nginx {
namespace {

/// Walks over the page; after the first unexpected text everything reads as nothing.
class Page {
  public:
    explicit Page(std::string_view text) : rest_(text) {}
    bool good() const { return good_; }

    void word(std::string_view expected) { good_ = good_ && next() == expected; }
    double number() {
        const auto value = toNumber(next());
        good_ = good_ && value && *value >= 0;
        return good_ ? *value : 0;
    }
    bool atEnd() { return next().empty(); }

  private:
    std::string_view next() {
        rest_ = rest_.substr(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
        const auto out = rest_.substr(0, rest_.find_first_of(" \t\r\n"));
        rest_.remove_prefix(out.size());
        return out;
    }

    std::string_view rest_;
    bool good_ = true;
};

}  // namespace

Expected<std::vector<prometheus::MetricFamily>> parseStubStatus(std::string_view text) {
    Page page(text);
    page.word("Active");
    page.word("connections:");
    const double active = page.number();
    for (const char* word : {"server", "accepts", "handled", "requests"}) {
        page.word(word);
    }
    const double accepted = page.number();
    const double handled = page.number();
    const double requests = page.number();
    page.word("Reading:");
    const double reading = page.number();
    page.word("Writing:");
    const double writing = page.number();
    page.word("Waiting:");
    const double waiting = page.number();
    if (!page.good() || !page.atEnd()) {
        return fail(ErrorKind::protocol, "the answer is not what stub_status prints");
    }
    std::vector<prometheus::MetricFamily> out = {
        gauge("nginx_connections_active", "Connections open, waiting ones included."),
        counter("nginx_connections_accepted", "Connections accepted."),
        counter("nginx_connections_handled",
                "Connections handled; fewer than accepted where a limit was reached."),
        counter(exporter::kNginxHttpRequestsTotal, "Requests."),
        gauge("nginx_connections_reading", "Connections whose request is being read."),
        gauge("nginx_connections_writing", "Connections to which an answer is being written."),
        gauge("nginx_connections_waiting", "Connections idle between requests."),
    };
    std::size_t i = 0;
    for (const double value : {active, accepted, handled, requests, reading, writing, waiting}) {
        add(out[i++], {}, value);
    }
    return out;
}

}  // namespace lapwing::agent::nginx
