// Names of weights as other programs leave them: with a prefix that a wrapper put in front, or
// without the model. that a Llama with a head has.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace lookback {

struct WrappedNames {
  std::string fault;                         // "all 12 names begin with _orig_mod. (torch.compile)"
  std::map<std::string, std::string> names;  // as they are -> as a Llama has them
};

// None where nothing is known to be around the names.
std::optional<WrappedNames> wrapped_names(const std::vector<std::string>& names);

}  // namespace lookback
