// Texts as gzip and zstd write them.
#pragma once

#include <string>

namespace lookback::tests {

std::string gzipped(const std::string& text);
std::string zstd_of(const std::string& text);

}  // namespace lookback::tests
