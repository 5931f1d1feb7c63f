// Sums of lanes, joined as a binary counter carries: whenever two neighboring sums stand for
// equally many lanes they are joined, left with right; at the end what is left is joined from the
// smallest up. The inner nodes of that tree are aligned blocks of 2^k lanes, and the tree over
// blocks of equal size has the shape of the tree over lanes. So who holds R / N neighboring lanes,
// with R / N a power of two or N = 1, can join them alone, and what N such holders have joined the
// same way is what one would have: with additions that round, to the bit
// (tests/runtime/binary_counter_test.cpp tries all R up to 64).
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace lookback {

template <class Sum>
class BinaryCounter {
 public:
  // The next lane. join(left, right) gives the sum of both.
  template <class Join>
  void add(Sum lane, const Join& join) {
    parts_.push_back({1, std::move(lane)});
    while (parts_.size() > 1 && parts_[parts_.size() - 2].lanes == parts_.back().lanes)
      join_last_two(join);
  }

  // The sum of all lanes, of which there was at least one; none are left.
  template <class Join>
  Sum total(const Join& join) {
    while (parts_.size() > 1) join_last_two(join);
    auto sum = std::move(parts_.back().sum);
    parts_.clear();
    return sum;
  }

 private:
  struct Part {
    std::int64_t lanes;
    Sum sum;
  };

  template <class Join>
  void join_last_two(const Join& join) {
    auto right = std::move(parts_.back());
    parts_.pop_back();
    auto& left = parts_.back();
    left.sum = join(std::move(left.sum), std::move(right.sum));
    left.lanes += right.lanes;
  }

  std::vector<Part> parts_;  // from the largest to the smallest
};

}  // namespace lookback
