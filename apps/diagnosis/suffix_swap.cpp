#include "apps/diagnosis/suffix_swap.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "apps/diagnosis/model_run.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

// Row c: the tokens of `ids` up to the c-th cut and of `other` behind it; or those of `ids` alone.
enum class Suffix { kept, swapped };
Tensor rows_of(const Tensor& ids, const Tensor& other, const std::vector<std::int64_t>& cuts,
               Suffix suffix) {
  const auto tokens = ids.size(1);
  const auto kept = on_host(ids), swapped = on_host(other);
  const auto rows = empty({static_cast<std::int64_t>(cuts.size()), tokens}, DType::i64, cpu_device);
  auto* to = rows.data<std::int64_t>();
  for (const auto cut : cuts) {
    for (std::int64_t t = 0; t < tokens; ++t) {
      const bool behind = suffix == Suffix::swapped && t > cut;
      *to++ = (behind ? swapped : kept).data<std::int64_t>()[t];
    }
  }
  return to_device(rows, ids.device());
}

// Between two rows of logits; 0 where they are equal bit for bit.
template <class T>
double difference(const T* a, const T* b, std::int64_t count) {
  if (std::memcmp(a, b, static_cast<std::size_t>(count) * sizeof(T)) == 0) return 0;
  double largest = std::numeric_limits<double>::min();  // other bits are a difference, NaN or not
  for (std::int64_t i = 0; i < count; ++i) {
    const double each = std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (each > largest) largest = each;
  }
  return largest;
}

// All cuts in one batch.
std::optional<SwapDifference> first_difference(const Llama& llama, const RunPath& path,
                                               const Tensor& ids, const Tensor& other,
                                               const std::vector<std::int64_t>& cuts) {
  const auto kept = on_host(run_along(llama, path, rows_of(ids, other, cuts, Suffix::kept)));
  const auto swapped = on_host(run_along(llama, path, rows_of(ids, other, cuts, Suffix::swapped)));
  const auto tokens = ids.size(1), words = kept.size(2);
  std::optional<SwapDifference> first;
  visit_floating(kept.dtype(), [&]<class T>(TypeTag<T>) {
    std::int64_t row = 0;
    for (const auto cut : cuts) {
      const auto end = first ? std::min(cut + 1, first->target) : cut + 1;
      for (std::int64_t t = 0; t < end; ++t) {
        const auto at = (row * tokens + t) * words;
        const auto largest = difference(kept.data<T>() + at, swapped.data<T>() + at, words);
        if (largest == 0) continue;
        first = SwapDifference{t, cut, largest};
        break;
      }
      ++row;
    }
  });
  return first;
}

}  // namespace

std::optional<SwapDifference> suffix_swap(const Llama& llama, const RunPath& path,
                                          const Tensor& ids, const Tensor& other,
                                          const std::vector<std::int64_t>& cuts) {
  auto found = first_difference(llama, path, ids, other, cuts);
  if (found && cuts.size() > 1)
    found->alone = first_difference(llama, path, ids, other, {found->cut}).has_value();
  return found;
}

std::vector<std::int64_t> every_cut(std::int64_t tokens) {
  std::vector<std::int64_t> cuts;
  for (std::int64_t cut = 0; cut + 1 < tokens; ++cut) cuts.push_back(cut);
  return cuts;
}

std::vector<std::int64_t> some_cuts(std::int64_t tokens) {
  std::vector<std::int64_t> cuts;
  for (const auto cut : {std::int64_t{0}, std::int64_t{1}, tokens / 2, tokens - 2}) {
    if (cut >= 0 && cut + 1 < tokens && (cuts.empty() || cut > cuts.back())) cuts.push_back(cut);
  }
  return cuts;
}

}  // namespace lookback
