// Initial values of a fresh model.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/module.h"

namespace lookback {

// Fills every parameter: normal(0, standard_deviation) or its constant. Element i of a parameter is
// a function of (seed, the parameter's name, i) alone: adding a parameter changes no other, and
// every backend and dtype starts from the same numbers (rounded).
void initialize(const std::vector<NamedParameter>& parameters, double standard_deviation,
                std::uint64_t seed);

}  // namespace lookback
