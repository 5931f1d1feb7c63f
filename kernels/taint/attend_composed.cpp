#include <algorithm>

#include "kernels/taint/cells.h"
#include "kernels/taint/dependency_call.h"

namespace lookback::kernels::taint {
namespace {

// What all of x[b, t] holds of a list of operands, [B, T].
class PositionSets {
 public:
  explicit PositionSets(const InList& operands) : positions_(operands.front().size(1)) {
    sets_.resize(static_cast<std::size_t>(operands.front().size(0) * positions_));
    for (const auto& x : operands) {
      const Cells cells(x);
      const auto starts = offsets_over(x, 0, 2);
      const auto inside = offsets_over(x, 2, x.rank());
      for (std::size_t i = 0; i < sets_.size(); ++i) {
        for (const auto offset : inside) sets_[i] |= cells.set(starts[i] + offset);
      }
    }
  }
  SourceSet at(std::int64_t batch, std::int64_t position) const {
    return sets_[static_cast<std::size_t>(batch * positions_ + position)];
  }

 private:
  std::int64_t positions_;
  std::vector<SourceSet> sets_;
};

// One row: what its pairs depend on, and the keys that it sees.
struct Row {
  std::int64_t batch, t;
  SourceSet set;
  std::vector<std::int64_t> seen;  // by some head: composing makes numbers of all
  bool sees(std::int64_t key) const { return std::ranges::binary_search(seen, key); }
};

void write_weights(const Out& weights, const Row& row) {
  const Cells cells(weights);
  for (std::int64_t head = 0; head < weights.size(1); ++head) {
    const auto out =
        row.batch * weights.stride(0) + head * weights.stride(1) + row.t * weights.stride(2);
    for (std::int64_t s = 0; s < weights.size(3); ++s) {
      if (row.sees(s)) {
        cells.depend(out + s * weights.stride(3), row.set);
      } else {
        cells.become(out + s * weights.stride(3), 0);
      }
    }
  }
}

void write_attended(const Out& y, const In& v, const Row& row) {
  const Cells cells(y), values(v);
  const auto group = y.size(2) / v.size(2);
  for (std::int64_t head = 0; head < y.size(2); ++head) {
    const auto from = row.batch * v.stride(0) + head / group * v.stride(2);
    const auto out = row.batch * y.stride(0) + row.t * y.stride(1) + head * y.stride(2);
    for (std::int64_t d = 0; d < y.size(3); ++d) {
      auto set = row.set;
      for (const auto s : row.seen) {
        set |= values.set(from + s * v.stride(1) + d * v.stride(3));
      }
      cells.depend(out + d * y.stride(3), set);
    }
  }
}

}  // namespace

void run(const AttendComposedCall& call, const OnCpu&) {
  const PositionSets queries(call.queries), keys(call.keys);
  SourceSet everywhere = call.slopes.present() ? union_of(call.slopes) : 0;
  for (const auto& x : call.shared) everywhere |= union_of(x);
  const auto& q = call.queries.front();
  const auto key_count = call.keys.front().size(1);
  const auto mask = call.mask.rule();
  for (std::int64_t batch = 0; batch < q.size(0); ++batch) {
    for (std::int64_t t = 0; t < q.size(1); ++t) {
      Row row{batch, t, 0, {}};
      for (std::int64_t s = 0; s < key_count; ++s) {
        bool seen = false;
        for (std::int64_t head = 0; head < q.size(2) && !seen; ++head) {
          seen = mask.visible(batch, head, t, s, key_count);
        }
        if (seen) row.seen.push_back(s);
      }
      if (!row.seen.empty()) row.set = everywhere | queries.at(batch, t);
      for (const auto s : row.seen) row.set |= keys.at(batch, s);
      if (call.weights.present()) write_weights(call.weights, row);
      if (call.y.present()) write_attended(call.y, call.v, row);
    }
  }
}

}  // namespace lookback::kernels::taint
