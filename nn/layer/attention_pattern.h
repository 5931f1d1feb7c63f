// The opening for patterns: which of the keys before it a query sees.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "autograd/ops/causal_mask.h"
#include "nn/layer/cache_reach.h"
#include "nn/layer/config.h"
#include "nn/layer/config_reader.h"
#include "runtime/device.h"
#include "runtime/registry.h"

namespace lookback {

// Whose queries a pattern is asked for.
struct PatternSite {
  std::int64_t layer = 0, heads = 0;
  std::int64_t end = 0;        // the position behind the last query
  Device device = cpu_device;  // where the queries are
};

// The object `pattern` of config.json, and the model it stands in.
struct PatternText {
  const ConfigReader& reader;
  const LlamaConfig& config;
};

// A rule of `pattern`, one file each. A query sees the union of what the rules show to it; the mask
// that says so is the one that every path, replay and cache of the layer obeys.
class PatternRule {
 public:
  static constexpr std::string_view family = "attention pattern";
  virtual ~PatternRule() = default;
  // Its keys in the object.
  virtual std::vector<std::string_view> keys() const = 0;
  virtual void show(CausalMask& mask, const PatternSite& site) const = 0;
  // Widens what a cache keeps to what the rule shows to later queries, in sequences of at most so
  // many positions.
  virtual void widen(CacheReach& reach, std::int64_t positions) const = 0;
  // Whether all heads see the same of it.
  virtual bool same_for_heads() const { return true; }
  // Those of its keys that are not at their defaults.
  virtual void write(nlohmann::ordered_json& pattern) const = 0;
  // "sliding_window 128"; empty where it shows nothing.
  virtual std::string described() const = 0;
};
// By the name of the rule. The object may name none of its keys.
using PatternRules = Registry<PatternRule, PatternText>;

// All rules that the object has, which may be empty.
using Pattern = std::vector<std::shared_ptr<const PatternRule>>;
Pattern read_pattern(const PatternText& text);
bool same_for_heads(const Pattern& pattern);
// The mask with the pattern in it; without a rule the mask itself.
CausalMask with_pattern(CausalMask mask, const Pattern& pattern, const PatternSite& site);
// What a cache must keep under the pattern, in sequences of at most so many positions.
CacheReach reach_of(const Pattern& pattern, std::int64_t positions);
// "sliding_window 48, global_tokens 16"
std::string described(const Pattern& pattern);

// A table of a rule, made once for each layer and device, and again when it must reach further.
class PatternTable {
 public:
  // `make` [..] of positions 0 .. reach - 1, on the host; reach is at least site.end.
  Tensor at(const PatternSite& site, const std::function<Tensor(std::int64_t reach)>& make) const;

 private:
  struct Made {
    std::int64_t reach = 0;
    Tensor table;
  };
  mutable std::mutex mutex_;
  mutable std::map<std::tuple<std::int64_t, std::int64_t, Backend, int>, Made> made_;
};

// Numbers as a tensor on the host.
Tensor integers(const std::vector<std::int64_t>& values, const Shape& shape);

}  // namespace lookback
