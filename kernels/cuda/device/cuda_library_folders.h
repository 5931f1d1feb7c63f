// Where the libraries of the CUDA toolkit are kept.
#pragma once

#include <filesystem>
#include <vector>

namespace lookback {

// Where libraries of CUDA `major` lie: below CUDA_HOME and CUDA_PATH, where its installer puts
// them, and in the packages of every Python on PATH ("pip install nvidia-cublas").
std::vector<std::filesystem::path> cuda_library_folders(int major);

}  // namespace lookback
