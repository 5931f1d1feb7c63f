// Some entries of a folder give way to others: all of them or none, whatever ends the process.
//
// The old ones go to WORK/kept/aside, each in one step; from there file by file to WORK/kept/old,
// which only what may be removed can do; then the new ones take their places. Until that is done
// and durable, what is in WORK/kept is enough to put the old ones back, also for another process.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "apps/folder/work_folder.h"

namespace lookback {

inline constexpr auto kept_entries_name = "kept";  // in a work folder

// The entries of the folder `staged`, each durable, become entries of work.parent(), in the place
// of those that `old_names` names and of those of the same names. Returns when that is durable and
// the old ones are removed. Throws Error, naming the entry, where one of the old ones cannot be
// moved and removed, or a new one not be put in place; the old ones are then back.
void replace_entries(const WorkFolder& work, const std::filesystem::path& staged,
                     std::vector<std::string> old_names);

// Whether a process was killed in the middle of that, or is at it.
bool is_half_replaced(const std::filesystem::path& folder);
// Puts the old entries back then. The caller owns the folder. Throws Error where that cannot be.
void restore_replaced(const std::filesystem::path& folder);
// For who reads the folder: waits for the end of a replacement, some seconds, and throws Error,
// which says how to get out of it, where it does not come: the process was killed.
void refuse_half_replaced(const std::filesystem::path& folder);

}  // namespace lookback
