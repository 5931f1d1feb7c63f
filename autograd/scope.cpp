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

thread_local const std::string* current_path = nullptr;

}  // namespace

const std::string* Scope::current() {
  if (current_path == nullptr) current_path = interned("");
  return current_path;
}

Scope::Scope(std::string_view name) : previous(current()) {
  auto path = *previous;
  if (!path.empty() && !name.empty()) path += '.';
  path += name;
  current_path = interned(std::move(path));
}

Scope::~Scope() { current_path = previous; }

RestoredScope::RestoredScope(const std::string* path)
    : previous(std::exchange(current_path, path)) {}

RestoredScope::~RestoredScope() { current_path = previous; }

}  // namespace lookback
