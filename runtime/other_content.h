// What a file holds instead of what its name says, by its first bytes.
#pragma once

#include <string_view>

namespace lookback {

// "is a Git LFS pointer, not the file itself: run git lfs pull in its folder", with what to do
// where something can be done; empty: nothing that is known here.
std::string_view other_content(std::string_view first_bytes);

}  // namespace lookback
