// Flags of run_clm.py and of transformers' TrainingArguments that need no more than a word, with
// dashes between their words.
#pragma once

#include <functional>
#include <map>
#include <string>

namespace lookback {

using FlagWords = std::map<std::string, std::string, std::less<>>;

// Flags that set nothing here, whatever they say, and what is in their place.
const FlagWords& idle_flags();
// The same under another name.
const FlagWords& other_names();
// Flags of something that is not here, and what is.
const FlagWords& refused_flags();
// Switches that must be off, and why.
const FlagWords& switches_that_are_off();

}  // namespace lookback
