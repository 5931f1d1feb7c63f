// The control groups of Linux that limit this process: containers, batch systems, systemd.
#pragma once

#include <filesystem>
#include <functional>

namespace lookback {

// Calls body(folder) for this process's group of the second version and for each that it lies in,
// from the inside out: where memory.max, cpu.max and the like are. `root` is / but in tests.
void each_control_group(const std::filesystem::path& root,
                        const std::function<void(const std::filesystem::path&)>& body);
// The folder of one of the first version's controllers, as a container sees it: "cpu", "memory".
std::filesystem::path first_version_group(const std::filesystem::path& root,
                                          const char* controller);

}  // namespace lookback
