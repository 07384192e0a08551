#include "agent/probes/units/bus.h"

#include <systemd/sd-bus.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>

#include "common/text.h"

namespace lapwing::agent::units {

namespace {

constexpr const char* kService = "org.freedesktop.systemd1";
constexpr const char* kManagerPath = "/org/freedesktop/systemd1";
constexpr std::size_t kMostNameBytes = 256;  ///< systemd's UNIT_NAME_MAX
constexpr std::size_t kMostTextBytes = 256;  ///< of a property, and of an error's text

struct FreeMessage {
    void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
};
using Message = std::unique_ptr<sd_bus_message, FreeMessage>;

/// An error of the bus, freed with it.
class BusError {
  public:
    BusError() = default;
    ~BusError() { sd_bus_error_free(&error_); }
    BusError(const BusError&) = delete;
    BusError& operator=(const BusError&) = delete;

    sd_bus_error* out() { return &error_; }
    /// The object or the property has gone: a unit that systemd has unloaded since it listed it.
    bool isMissing() const {
        return std::any_of(std::begin(kMissing), std::end(kMissing),
                           [&](const char* name) { return sd_bus_error_has_name(&error_, name) > 0; });
    }
    Error asError(const std::string& what, int result) const {
        const auto kind = result == -ETIMEDOUT                    ? ErrorKind::timeout
                          : result == -EACCES || result == -EPERM ? ErrorKind::denied
                                                                  : ErrorKind::unavailable;
        const std::string why = error_.message != nullptr ? error_.message : std::strerror(-result);
        return {kind, what + ": " + std::string(utf8Prefix(printable(why), kMostTextBytes))};
    }

  private:
    static constexpr const char* kMissing[] = {SD_BUS_ERROR_UNKNOWN_OBJECT, SD_BUS_ERROR_UNKNOWN_PROPERTY,
                                               SD_BUS_ERROR_UNKNOWN_INTERFACE,
                                               "org.freedesktop.systemd1.NoSuchUnit"};
    sd_bus_error error_ = SD_BUS_ERROR_NULL;
};

tl::unexpected<Error> badAnswer(const std::string& what) {
    return fail(ErrorKind::protocol, what + ": systemd answers in another form");
}

}  // namespace

void ManagerBus::Close::operator()(sd_bus* bus) const {
    sd_bus_close(bus);  // without a flush, which would wait
    sd_bus_unref(bus);
}

Expected<ManagerBus> ManagerBus::connect(const std::string& address, const Deadline& deadline) {
    sd_bus* made = nullptr;
    int result = sd_bus_new(&made);
    ManagerBus out(result < 0 ? nullptr : made, Deadline::Clock::now() + deadline.budget());
    if (result >= 0 && (result = sd_bus_set_address(made, address.c_str())) >= 0 &&
        (result = sd_bus_set_bus_client(made, 1)) >= 0) {
        result = sd_bus_start(made);
    }
    if (result >= 0) {
        result = out.becomeReady();
    }
    if (result < 0) {
        return fail(BusError().asError("the system bus, " + address, result));
    }
    return out;
}

int ManagerBus::becomeReady() {
    for (;;) {
        int result = sd_bus_is_ready(bus_.get());
        if (result != 0) {
            return result;
        }
        if (Deadline::Clock::now() >= end_) {
            return -ETIMEDOUT;
        }
        result = sd_bus_process(bus_.get(), nullptr);
        if (result == 0) {
            result = sd_bus_wait(bus_.get(), timeLeft());
        }
        if (result < 0 && result != -EINTR) {
            return result;
        }
    }
}

std::uint64_t ManagerBus::timeLeft() const {
    const auto left =
        std::chrono::duration_cast<std::chrono::microseconds>(end_ - Deadline::Clock::now()).count();
    return static_cast<std::uint64_t>(std::max<std::int64_t>(left, 1));
}

Expected<std::vector<Unit>> ManagerBus::listUnits() {
    const std::string what = "systemd's list of units";
    BusError error;
    sd_bus_message* request = nullptr;
    int result = sd_bus_message_new_method_call(bus_.get(), &request, kService, kManagerPath,
                                                "org.freedesktop.systemd1.Manager", "ListUnits");
    const Message asked(request);
    sd_bus_message* reply = nullptr;
    if (result >= 0) {
        result = sd_bus_call(bus_.get(), request, timeLeft(), error.out(), &reply);
    }
    const Message answer(reply);
    if (result < 0) {
        return fail(error.asError(what, result));
    }
    if (sd_bus_message_enter_container(reply, 'a', "(ssssssouso)") < 0) {
        return badAnswer(what);
    }
    std::vector<Unit> out;
    const char *name = nullptr, *description = nullptr, *load = nullptr, *active = nullptr, *sub = nullptr,
               *following = nullptr, *path = nullptr, *job_type = nullptr, *job_path = nullptr;
    std::uint32_t job = 0;
    while ((result = sd_bus_message_read(reply, "(ssssssouso)", &name, &description, &load, &active, &sub,
                                         &following, &path, &job, &job_type, &job_path)) > 0) {
        if (std::string_view(name).size() <= kMostNameBytes) {
            out.push_back({name, load, active, sub, path});
        }
    }
    if (result < 0) {
        return badAnswer(what);
    }
    return out;
}

Expected<Property> ManagerBus::manager(const char* name) {
    return get(kManagerPath, "org.freedesktop.systemd1.Manager", name);
}

Expected<Property> ManagerBus::unit(const Unit& unit, const char* interface, const char* name) {
    return get(unit.path, std::string("org.freedesktop.systemd1.") + interface, name);
}

Expected<Property> ManagerBus::get(const std::string& path, const std::string& interface, const char* name) {
    const std::string what = "systemd's property " + interface + "." + name;
    BusError error;
    sd_bus_message* request = nullptr;
    int result = sd_bus_message_new_method_call(bus_.get(), &request, kService, path.c_str(),
                                                "org.freedesktop.DBus.Properties", "Get");
    const Message asked(request);
    sd_bus_message* reply = nullptr;
    if (result >= 0) {
        result = sd_bus_message_append(request, "ss", interface.c_str(), name);
    }
    if (result >= 0) {
        result = sd_bus_call(bus_.get(), request, timeLeft(), error.out(), &reply);
    }
    const Message answer(reply);
    if (result < 0 && error.isMissing()) {
        return Property();
    }
    if (result < 0) {
        return fail(error.asError(what, result));
    }
    char type = 0;
    const char* contents = nullptr;
    if (sd_bus_message_peek_type(reply, &type, &contents) <= 0 || type != 'v' || contents == nullptr) {
        return badAnswer(what);
    }
    const std::string_view form = contents;
    if (form == "s") {
        const char* text = nullptr;
        return sd_bus_message_read(reply, "v", "s", &text) < 0
                   ? Expected<Property>(badAnswer(what))
                   : Property(std::string(utf8Prefix(text, kMostTextBytes)));
    }
    if (form == "u") {
        std::uint32_t number = 0;
        return sd_bus_message_read(reply, "v", "u", &number) < 0 ? Expected<Property>(badAnswer(what))
                                                                 : Property(std::uint64_t{number});
    }
    if (form == "t") {
        std::uint64_t number = 0;
        return sd_bus_message_read(reply, "v", "t", &number) < 0 ? Expected<Property>(badAnswer(what))
                                                                 : Property(number);
    }
    return badAnswer(what);
}

}  // namespace lapwing::agent::units
