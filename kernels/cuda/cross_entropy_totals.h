// What all rows of a cross entropy add up to, on a GPU.
#pragma once

#include "kernels/core/operand.h"
#include "kernels/cuda/device/device.h"

namespace lookback::kernels {

// loss_sum [] = the sum of nats in f64, rounded once; count [] = targets that are not ignored;
// correct [], where present, the sum of right[r] (1 where row r's prediction is right). nats and
// loss_sum in one accumulator dtype; all in the order of the rows.
struct CrossEntropyRows {
  const void* nats;
  const std::int64_t* targets;
  const std::uint8_t* right;
  std::int64_t rows;
  std::int64_t ignore_index;
};
void add_up_rows(const CrossEntropyRows& rows, const Out& loss_sum, const Out& count,
                 const Out& correct);

}  // namespace lookback::kernels
