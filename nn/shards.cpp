#include "nn/shards.h"

#include <algorithm>

#include "kernels/chunk_squares.h"

namespace lookback {
namespace {

constexpr std::int64_t bucket_elements = std::int64_t{4} << 20;
// Chunks of both backends end where these do.
constexpr auto stretch = kernels::chunk_elements(Backend::cpu);
static_assert(stretch % kernels::chunk_elements(Backend::cuda) == 0);

// The stretches of one bucket, in order.
using Stretches = std::vector<ParameterRange>;

void add_stretches(Stretches& all, std::size_t parameter, std::int64_t elements) {
  for (std::int64_t begin = 0; begin < elements; begin += stretch)
    all.push_back({parameter, begin, std::min(elements, begin + stretch)});
}

// Neighbors in one parameter are one range.
std::vector<ParameterRange> merged(const Stretches& all, std::size_t begin, std::size_t end) {
  std::vector<ParameterRange> ranges;
  for (auto i = begin; i < end; ++i) {
    const auto& next = all[i];
    const bool goes_on = !ranges.empty() && ranges.back().parameter == next.parameter &&
                         ranges.back().end == next.begin;
    if (goes_on) {
      ranges.back().end = next.end;
    } else {
      ranges.push_back(next);
    }
  }
  return ranges;
}

Shards::Bucket dealt_out(const Stretches& all, int owners) {
  Shards::Bucket bucket;
  const auto count = all.size(), parts = static_cast<std::size_t>(owners);
  for (std::size_t owner = 0; owner < parts; ++owner)
    bucket.push_back(merged(all, count * owner / parts, count * (owner + 1) / parts));
  return bucket;
}

}  // namespace

Tensor part_of(const Tensor& whole, const ParameterRange& range) {
  return whole.alias({range.size()}, {1}, range.begin);
}

Shards::Shards(const std::vector<NamedParameter>& parameters, int owners) {
  Stretches stretches;
  std::int64_t elements = 0;
  const auto close_bucket = [&] {
    if (!stretches.empty()) buckets_.push_back(dealt_out(stretches, owners));
    stretches.clear();
    elements = 0;
  };
  for (auto i = parameters.size(); i-- > 0;) {
    const auto size = parameters[i].tensor.numel();
    if (elements > 0 && elements + size > bucket_elements) close_bucket();
    add_stretches(stretches, i, size);
    elements += size;
  }
  close_bucket();
}

std::vector<ParameterRange> Shards::of(int owner) const {
  std::vector<ParameterRange> all;
  for (const auto& bucket : buckets_) {
    const auto& own = bucket[static_cast<std::size_t>(owner)];
    all.insert(all.end(), own.begin(), own.end());
  }
  return all;
}

}  // namespace lookback
