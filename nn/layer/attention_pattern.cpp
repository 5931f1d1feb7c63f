#include "nn/layer/attention_pattern.h"

#include <algorithm>

#include "runtime/transfer.h"

namespace lookback {

Pattern read_pattern(const PatternText& text) {
  Pattern rules;
  std::vector<std::string_view> keys;
  for (const auto& name : PatternRules::names()) {
    rules.push_back(PatternRules::make(name, text));
    const auto own = rules.back()->keys();
    keys.insert(keys.end(), own.begin(), own.end());
  }
  text.reader.refuse_unknown(keys, [](std::string_view) { return false; });
  return rules;
}

bool same_for_heads(const Pattern& pattern) {
  return std::ranges::all_of(pattern, [](const auto& rule) { return rule->same_for_heads(); });
}

CausalMask with_pattern(CausalMask mask, const Pattern& pattern, const PatternSite& site) {
  for (const auto& rule : pattern) rule->show(mask, site);
  return mask;
}

CacheReach reach_of(const Pattern& pattern, std::int64_t positions) {
  CacheReach reach;
  reach.whole = pattern.empty();
  for (const auto& rule : pattern) rule->widen(reach, positions);
  return reach;
}

std::string described(const Pattern& pattern) {
  std::string all;
  for (const auto& rule : pattern) {
    const auto text = rule->described();
    if (!text.empty()) all += (all.empty() ? "" : ", ") + text;
  }
  return all;
}

Tensor PatternTable::at(const PatternSite& site,
                        const std::function<Tensor(std::int64_t reach)>& make) const {
  const std::scoped_lock lock(mutex_);
  auto& made = made_[{site.layer, site.heads, site.device.backend, site.device.index}];
  if (!made.table.defined() || made.reach < site.end) {
    made.reach = std::max(site.end, 2 * made.reach);
    // The proof that nothing looks ahead follows the numbers of a mask as they are.
    const bool stays = site.device.backend == Backend::taint;
    made.table = to_device(make(made.reach), stays ? cpu_device : site.device);
  }
  return made.table;
}

Tensor integers(const std::vector<std::int64_t>& values, const Shape& shape) {
  const auto x = empty(shape, DType::i64, cpu_device);
  std::copy(values.begin(), values.end(), x.data<std::int64_t>());
  return x;
}

}  // namespace lookback
