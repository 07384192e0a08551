#include "tests/unit/fixtures.h"

#include <fstream>
#include <iterator>
#include <stdexcept>

namespace lapwing::test {

std::string fixturePath(const std::string& name) {
    return std::string(LAPWING_FIXTURES) + "/" + name;
}

std::string fixture(const std::string& name) {
    std::ifstream file(fixturePath(name), std::ios::binary);
    if (!file) {
        throw std::runtime_error("no fixture " + name);
    }
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace lapwing::test
