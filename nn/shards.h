// Which process of several moves which weights (ZeRO stage 1, Rajbhandari et al. 2020): each holds
// the optimizer's moments of its own elements alone.
//
// Parameters are put into buckets of about 4 Mi elements, the last registered first, which is about
// the order in which backward completes their gradients. Each bucket's elements are cut into runs,
// one for each owner, nearly equal, that end where chunks of kernels/chunk_squares.h do: the norm
// of all gradients is then the sum of the same chunks at any number of owners.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/module.h"

namespace lookback {

// Elements of one parameter, row by row.
struct ParameterRange {
  std::size_t parameter;  // in the list
  std::int64_t begin, end;

  std::int64_t size() const { return end - begin; }
};

// The elements of the range, [size]: `whole` is contiguous, and its memory is shared.
Tensor part_of(const Tensor& whole, const ParameterRange& range);

class Shards {
 public:
  Shards(const std::vector<NamedParameter>& parameters, int owners);

  // Ranges by their owner. An owner may have none.
  using Bucket = std::vector<std::vector<ParameterRange>>;
  const std::vector<Bucket>& buckets() const { return buckets_; }
  // All of one owner's, bucket by bucket.
  std::vector<ParameterRange> of(int owner) const;

 private:
  std::vector<Bucket> buckets_;
};

}  // namespace lookback
