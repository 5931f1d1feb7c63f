// --cache-policy and its sizes, of the subcommands that read text token by token.
#pragma once

#include "apps/cli/flags.h"
#include "nn/layer/key_value_cache.h"

namespace lookback {

class CachePolicyFlags {
 public:
  void declare(Flags& flags);
  // Throws a usage error for a size that the policy has not, and for a budget of no token.
  CachePolicy policy(const Flags& flags) const;

 private:
  CachePolicy policy_;
};

}  // namespace lookback
