// Folders entry by entry, with errors that name the entry.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace lookback {

// The names in a folder, in order. Throws Error, `[operation] FOLDER: cannot be read: why`.
std::vector<std::string> names_in(const std::filesystem::path& folder,
                                  std::string_view operation = "output");

// Whether something is there: a link counts, wherever it leads.
bool is_there(const std::filesystem::path& path);
// What stands at a path, links followed. Returns 0, or the system's error number.
int look_at(const std::filesystem::path& path, struct stat& status);
// A folder itself, not a link to one.
bool is_own_folder(const std::filesystem::path& path);

// Throw Error `PATH: cannot be ...: the system's reason`.
void make_folder_at(const std::filesystem::path& path);
void remove_empty_folder(const std::filesystem::path& path);
void rename_to(const std::filesystem::path& from, const std::filesystem::path& to);

// Throws Error `FOLDER: cannot be written: the system's reason`.
[[noreturn]] void refuse_to_write(const std::filesystem::path& folder, int error);

// FOLDER/stem-0, or the first number that nothing bears yet.
std::filesystem::path free_path(const std::filesystem::path& folder, std::string_view stem);

// Removes a file, a link or a folder with all in it, as far as it can be. Returns what could not be
// removed and why; empty: nothing is left.
std::string remove_tree(const std::filesystem::path& path);

}  // namespace lookback
