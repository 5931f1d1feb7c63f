// Command lines of other trainers, as they stand in scripts: the flags of transformers'
// examples/pytorch/language-modeling/run_clm.py and of its TrainingArguments, in those of `train`.
// docs/coming-from.md has the list.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace lookback {

struct ScriptFlags {
  std::vector<std::string> arguments;  // of `train`
  std::vector<std::string> notes;      // what was left out, and what it is here; a line each
};

// Arguments of `train` itself stay as they are. Throws UsageError for a flag that asks for
// something that is not here, with what is.
ScriptFlags read_script_flags(std::span<const std::string> arguments);

}  // namespace lookback
