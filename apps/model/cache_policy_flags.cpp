#include "apps/model/cache_policy_flags.h"

#include <limits>

#include "apps/cli/exit_code.h"

namespace lookback {
namespace {

constexpr auto sink_flag = "num-sink-tokens", recent_flag = "recent-size",
               heavy_flag = "heavy-hitter-size";
constexpr IntegerRule not_negative{.min = 0, .max = std::numeric_limits<std::int32_t>::max()};

}  // namespace

void CachePolicyFlags::declare(Flags& flags) {
  flags.add_choice("cache-policy", policy_.kind, {cache_policies.begin(), cache_policies.end()},
                   "the tokens that the cache keeps: all, the first and the last, or the last and "
                   "those attended to most");
  flags.add(sink_flag, policy_.sinks, not_negative, "first tokens that streaming_llm keeps");
  flags.add(recent_flag, policy_.recent, not_negative,
            "last tokens that streaming_llm and h2o keep");
  flags.add(heavy_flag, policy_.heavy, not_negative,
            "tokens that h2o keeps for having been attended to most");
}

CachePolicy CachePolicyFlags::policy(const Flags& flags) const {
  using Kind = CachePolicy::Kind;
  const auto kind = policy_.kind;
  const auto goes_with = [&](const char* flag, bool has_it, const char* owner) {
    if (!has_it && flags.given(flag)) {
      usage_error("--{}: --cache-policy {} has no such size; it goes with {}", flag, name_of(kind),
                  owner);
    }
  };
  goes_with(sink_flag, kind == Kind::streaming_llm, "streaming_llm");
  goes_with(recent_flag, kind != Kind::full, "streaming_llm and h2o");
  goes_with(heavy_flag, kind == Kind::h2o, "h2o");
  const auto first = kind == Kind::h2o ? policy_.heavy : policy_.sinks;
  if (kind != Kind::full && first + policy_.recent == 0) {
    usage_error("--{} 0: the cache would hold no token: --{} must be above 0", recent_flag,
                kind == Kind::h2o ? heavy_flag : sink_flag);
  }
  return policy_;
}

}  // namespace lookback
