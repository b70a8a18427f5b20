// model-cpp is the operator of ../model in C++: it learns what readings of each sensor are
// like and gives out those that are not. All it knows is in an unordered_map; wasmill keeps
// the whole program.
#include "wasmill.h"

#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>

namespace {

// What is known of a sensor: the mean and the spread of its readings (Welford 1962).
struct sensor {
    int64_t readings = 0;
    double mean = 0, spread = 0;

    // Takes a reading, and tells whether it is odd: more than 2.5 standard deviations off,
    // once there is something to compare it with.
    bool learn(double reading) {
        double off = reading - mean;
        bool odd = readings >= 30 && std::fabs(off) > 2.5 * std::sqrt(spread / double(readings));
        readings++;
        mean += off / double(readings);
        spread += off * (reading - mean);
        return odd;
    }
};

std::unordered_map<std::string, sensor> sensors;

// Makes a number of what the generator writes: the sum of its last eight letters.
double reading_of(std::string_view value) {
    int sum = 0;
    for (size_t i = value.size() > 8 ? value.size() - 8 : 0; i < value.size(); i++) sum += (unsigned char)value[i];
    return double(sum);
}

std::string number(const char *name, int64_t n) { return ",\"" + std::string(name) + "\":" + std::to_string(n); }

int process(wasmill::context *c, const wasmill::record *r) {
    std::string name(std::string_view(r->key));
    sensor &s = sensors[name];
    double reading = reading_of(r->value);
    if (!s.learn(reading)) return WASMILL_OK;
    std::string row = "{\"sensor\":\"" + name + "\"" + number("odd", int64_t(reading)) + number("after", s.readings) + number("mean", int64_t(s.mean)) + "}";
    return c->emit(wasmill::record{.timestamp = r->timestamp, .key = r->key, .value = row});
}

int end(wasmill::context *c) {
    std::map<std::string, sensor> ordered(sensors.begin(), sensors.end());
    for (const auto &[name, s] : ordered) {
        std::string row = "{\"sensor\":\"" + name + "\"" + number("readings", s.readings) + number("mean", int64_t(s.mean)) + "}";
        if (c->emit(wasmill::record{.timestamp = WASMILL_NO_TIMESTAMP, .key = name, .value = row})) return WASMILL_FAILED;
    }
    return WASMILL_OK;
}

} // namespace

WASMILL_OPERATOR(.name = "model", .version = "1.0.0", .inputs = {"readings"}, .process = process, .end = end);
