#include "autograd/scope.h"

#include <functional>
#include <mutex>
#include <set>
#include <utility>

namespace lookback {
namespace {

const std::string* interned(std::string path) {
  static std::mutex mutex;
  static auto& paths = *new std::set<std::string, std::less<>>;
  const std::lock_guard guard(mutex);
  return &*paths.insert(std::move(path)).first;
}

const std::string* child_of(std::string path, std::string_view name) {
  if (!path.empty() && !name.empty()) path += '.';
  path += name;
  return interned(std::move(path));
}

thread_local const std::string* current_path = nullptr;

}  // namespace

const std::string* Scope::current() {
  if (current_path == nullptr) current_path = interned("");
  return current_path;
}

Scope::Scope(std::string_view name) : path_(current_path, child_of(*current(), name)) {}

RestoredScope::RestoredScope(const std::string* path) : path_(current_path, path) {}

}  // namespace lookback
