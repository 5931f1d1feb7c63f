#pragma once

#include "runtime/tensor.h"

namespace lookback {

// Rows of a table: y[i.., d] = table[ids[i..], d]. ids [..] i64, table [V, D] floating -> [.., D].
// Saves the ids. Throws for an id outside [0, V), naming its position, and for other shapes.
Tensor embedding(const Tensor& ids, const Tensor& table);

}  // namespace lookback
