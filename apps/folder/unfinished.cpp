#include "apps/folder/unfinished.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <mutex>

namespace lookback {

// The newest first. The handler reads it; each change is one store.
class UnfinishedEntries {
 public:
  static void add(Unfinished& entry) {
    const std::lock_guard lock(changing_);
    entry.older_ = newest_;
    newest_ = &entry;
  }
  static void forget(const Unfinished& entry) {
    const std::lock_guard lock(changing_);
    if (newest_ == &entry) {
      newest_ = entry.older_;
      return;
    }
    for (auto* each = newest_.load(); each != nullptr; each = each->older_) {
      if (each->older_ == &entry) each->older_ = entry.older_;
    }
  }
  static void discard_all();

 private:
  static void discard(const Unfinished& entry);

  static inline std::mutex changing_;
  static inline std::atomic<Unfinished*> newest_ = nullptr;
  static_assert(std::atomic<Unfinished*>::is_always_lock_free);
};

namespace {

// From here to end() all is called within the handler: calls to the system alone.

template <class Body>
void each_entry(int folder, const Body& body) {
  alignas(dirent64) std::array<char, 2048> buffer;
  lseek(folder, 0, SEEK_SET);
  for (;;) {
    const auto bytes = getdents64(folder, buffer.data(), buffer.size());
    if (bytes <= 0) return;
    for (ssize_t at = 0; at < bytes;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer.data() + at);
      at += entry->d_reclen;
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") body(entry->d_name);
    }
  }
}

int open_folder(int parent, const char* name) {
  return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

void remove_from(int parent, const char* name);

void empty_but_for(int folder, std::string_view kept) {
  bool found = true;
  // What is removed may move others past the place of reading.
  for (int pass = 0; found && pass < 3; ++pass) {
    found = false;
    each_entry(folder, [&](const char* name) {
      if (name == kept) return;
      found = true;
      remove_from(folder, name);
    });
  }
}

void remove_from(int parent, const char* name) {
  if (unlinkat(parent, name, 0) == 0) return;
  const int folder = open_folder(parent, name);
  if (folder < 0) return;
  empty_but_for(folder, {});
  close(folder);
  unlinkat(parent, name, AT_REMOVEDIR);
}

void discard_open_temporaries() {
  const int files = open_folder(AT_FDCWD, "/proc/self/fd");
  if (files < 0) return;
  each_entry(files, [&](const char* name) {
    std::array<char, 4096> path;  // the system's longest, and room for the 0
    const auto length = readlinkat(files, name, path.data(), path.size() - 1);
    if (length <= 0) return;
    path[static_cast<std::size_t>(length)] = 0;
    if (process_of_temporary(path.data()) == getpid()) unlink(path.data());
  });
  close(files);
}

std::atomic<pid_t> owner = 0;
std::atomic<int> steps_that_go_on = 0, put_off = 0;
static_assert(std::atomic<int>::is_always_lock_free);  // pid_t is one as well

void end(int signal) {
  if (getpid() != owner) return end_by(signal);  // a child that has not become a program yet
  if (gettid() != getpid()) {
    tgkill(getpid(), getpid(), signal);
    return;
  }
  if (steps_that_go_on > 0) {
    put_off = signal;
    return;
  }
  UnfinishedEntries::discard_all();
  end_by(signal);
}

}  // namespace

void UnfinishedEntries::discard(const Unfinished& entry) {
  const char* const path = entry.path_.c_str();
  switch (entry.kind_) {
    case Unfinished::Kind::file: unlink(path); return;
    case Unfinished::Kind::bare_folder: rmdir(path); return;
    case Unfinished::Kind::folder: break;
  }
  if (!entry.keeper_.empty() && access(entry.keeper_.c_str(), F_OK) == 0) return;
  const int folder = open_folder(AT_FDCWD, path);
  if (folder < 0) return;
  struct stat found {};
  const auto expected = entry.inode_.load();
  if (expected == 0 || (fstat(folder, &found) == 0 && found.st_ino == expected)) {
    empty_but_for(folder, entry.special_.last);
    if (!entry.special_.last.empty()) unlinkat(folder, entry.special_.last.c_str(), 0);
    rmdir(path);
  }
  close(folder);
}

void UnfinishedEntries::discard_all() {
  discard_open_temporaries();
  for (const auto* each = newest_.load(); each != nullptr; each = each->older_) discard(*each);
}

void Unfinished::is_made() {
  struct stat found {};
  if (stat(path_.c_str(), &found) == 0) inode_ = found.st_ino;
}

DiscardWhenEnded::DiscardWhenEnded() {
  owner = getpid();
  handled_.emplace(std::initializer_list<int>{SIGINT, SIGTERM, SIGHUP}, end);
}

// It ends in .PROCESS-NUMBER.partial.
std::optional<pid_t> process_of_temporary(std::string_view name) noexcept {
  constexpr std::string_view ending = ".partial", digits = "0123456789";
  if (!name.ends_with(ending)) return {};
  name.remove_suffix(ending.size());
  const auto dash = name.find_last_not_of(digits);
  if (dash == name.npos || dash + 1 == name.size() || name[dash] != '-') return {};
  name.remove_suffix(name.size() - dash);
  const auto dot = name.find_last_not_of(digits);
  if (dot == name.npos || dot + 1 == name.size() || name[dot] != '.') return {};
  std::int64_t process = 0;
  for (const char digit : name.substr(dot + 1)) {
    process = 10 * process + (digit - '0');
    if (process > std::numeric_limits<pid_t>::max()) return {};
  }
  return static_cast<pid_t>(process);
}

bool has_ended(pid_t process) { return kill(process, 0) != 0 && errno == ESRCH; }

Unfinished::Unfinished(const std::filesystem::path& path, Kind kind, Special special)
    : path_(path.string()), kind_(kind), special_(std::move(special)) {
  if (!special_.keeper.empty()) keeper_ = (path / special_.keeper).string();
  UnfinishedEntries::add(*this);
}

Unfinished::~Unfinished() { UnfinishedEntries::forget(*this); }

UnendedSteps::UnendedSteps() { ++steps_that_go_on; }

UnendedSteps::~UnendedSteps() {
  if (--steps_that_go_on > 0) return;
  if (const int signal = put_off.exchange(0)) end(signal);
}

}  // namespace lookback
