#include "autograd/mask_watch.h"

#include "autograd/scope.h"

namespace lookback {

MaskWatch::MaskWatch() : watching_(innermost, this) {}

MaskWatch::Pause::Pause() : paused_(innermost, nullptr) {}

void MaskWatch::note(std::string_view operation, const CausalMask& mask,
                     const std::source_location& where, std::size_t pieces) {
  noted_.push_back({operation, *Scope::current(), where, static_cast<std::int64_t>(pieces), mask});
}

std::string project_file(const std::source_location& place) {
  // Compilers name all files of a build from one place: what stands before this file's name stands
  // before the others'.
  constexpr std::string_view own = "autograd/mask_watch.cpp";
  const std::string_view own_path = std::source_location::current().file_name();
  const auto root = own_path.ends_with(own) ? own_path.substr(0, own_path.size() - own.size()) : "";
  std::string_view path = place.file_name();
  if (path.starts_with(root)) path.remove_prefix(root.size());
  return std::string(path);
}

}  // namespace lookback
