// Which of a run's options decide what its steps compute.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "apps/cli/flags.h"

namespace lookback {

// Values by their key in options.toml. Left out are where things lie (a run knows its data and its
// tokenizer by what is in them) and what it runs on.
using RunSettings = std::map<std::string, std::string>;
RunSettings settings_of(const Flags& flags);

// Options files and checkpoints of earlier versions have other names for some keys.
std::string current_key(std::string_view key);
RunSettings with_current_keys(const RunSettings& settings);

// Whether a resumed run may be given another value. By the flag's name or the option's key.
bool may_change(std::string_view name);

// The flag of an option: learning_rate is --learning-rate.
std::string flag_of(std::string_view key);

// An options.toml as it was read.
struct OptionsFile {
  std::string path = {};
  RunSettings settings = {};        // what it comes to, with the defaults
  std::set<std::string> keys = {};  // that it has a line for
};

// Throws Error, with both values, where the file lacks a line that was there when `checkpoint` was
// written, or says otherwise in one that decides a step.
void check_settings(const OptionsFile& options, const RunSettings& recorded,
                    const std::string& checkpoint);

}  // namespace lookback
