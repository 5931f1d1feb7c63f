// Rows of a view picked by integers, on a GPU: what embedding, index_select and gather share.
#pragma once

#include <cstdint>

#include "kernels/core/operand.h"
#include "kernels/cuda/device/index_report.h"

namespace lookback::kernels {

//   y[o, j, i] = x[o, index[j], i],  o < outer, j < picked, i < inner
// x [outer, limit, inner], y [outer, picked, inner]: dense, of one dtype; limit: the check's. An
// index out of range is reported and picks row 0; where there is none, y is 0.
struct PickedRows {
  const void* x;
  const std::int64_t* index;
  void* y;
  std::int64_t outer, picked, inner;
  DType dtype;
  IndexCheck check;
};
void pick_rows(const PickedRows& rows);

// The other way, for backward:
//   y[o, n, i] = sum of x[o, j, i] over the j with index[j] = n, in their order
// and 0 where there is no such j. x [outer, picked, inner], y [outer, limit, inner]; y of x's
// dtype, or its accumulator's, in which the sums are kept. picked and limit below 2^32. A row that
// many positions pick is added up in parts of neighboring positions, cut where `index` alone says,
// and then the parts in order: the same bits each time. An index out of range counts as 0.
struct SummedRows {
  const void* x;
  const std::int64_t* index;
  Out y;
  std::int64_t outer, picked, limit, inner;
  DType dtype;
  void* workspace;  // summed_rows_workspace_bytes() of them
};
std::size_t summed_rows_workspace_bytes(const SummedRows& rows);
void sum_rows(const SummedRows& rows);

// The same for single numbers, each with an index of its own:
//   y[o, n, i] = sum of x[o, j, i] over the j with index[o, j, i] = n
// index like x. x and y have fewer than 2^32 elements.
struct SummedElements {
  const void* x;
  const std::int64_t* index;
  Out y;
  std::int64_t outer, picked, limit, inner;
  DType dtype;
  void* workspace;  // summed_elements_workspace_bytes() of them
};
std::size_t summed_elements_workspace_bytes(const SummedElements& elements);
void sum_elements(const SummedElements& elements);

}  // namespace lookback::kernels
