// What depends on where a token stands: rotary positions, biases that fall with the distance, and
// which keys a query may look at.
#pragma once

#include <cstddef>
#include <vector>

#include "apps/diagnosis/reference/config.h"
#include "apps/diagnosis/reference/matrix.h"

namespace lookback::reference {

// Turns each pair (x[t, d], x[t, d + width / 2]) by the angle t w_d, where w_d falls with d from 1
// to about 1 / rope_theta (Su et al. 2021), slowed down as rope_scaling says.
Matrix with_rotary_positions(const Matrix& x, const Config& config);
// What yarn multiplies the scores of latent attention by, beside their scale; 1 without it.
double yarn_score_factor(const Config& config);

// The slope of each head: the bias of key j at query i is -slope (i - j) (Press et al. 2022).
std::vector<double> alibi_slopes(std::size_t heads, double bias_max);

// Whether query i of a head sees each key of 0 .. i; `layer` and `head` pick the random blocks.
std::vector<bool> visible_keys(const std::optional<Pattern>& pattern, std::size_t layer,
                               std::size_t head, std::size_t query);

}  // namespace lookback::reference
