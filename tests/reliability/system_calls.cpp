// Loaded before the C library (LD_PRELOAD): writes down what a program asks of the system about the
// files below one folder, and lets one of these calls fail.
//
//   LOOKBACK_CALLS_BELOW=/folder    the files that count
//   LOOKBACK_CALLS_RECORD=file      recorded_calls.h reads it
//   LOOKBACK_CALLS_FAIL=CALL:K:HOW[:TEXT]   the K-th CALL (from 1) on a path that holds TEXT fails;
//                                   K+: that one and all later ones; 0: none. CALL is open, write,
//                                   fsync, ftruncate, rename, unlink, mkdir, close, lseek, flock,
//                                   opendir or mmap. HOW is the number of an error; short: half is
//                                   written; kill, kill-after: the process is killed in place of
//                                   the call, or behind it; end: it gets SIGTERM before the call
//   LOOKBACK_CALLS_FREE=BYTES,..    the free bytes that its file system is said to have, call by
//                                   call; the last number stands for all later ones
//   LOOKBACK_CALLS_NOTE=file        gets a line CALL PATH for each that failed; where K is 0, for
//                                   each that could
//
// Nothing of the C++ library is used: calls come before its constructors have run.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

namespace {

constexpr size_t max_path_bytes = 4096;
constexpr int max_descriptors = 1024;

char below[max_path_bytes], fails_at[max_path_bytes], failing_call[32];
enum class Fate { goes_on, fails, falls_short, dies, dies_after, is_ended };

int record_file = -1, note_file = -1, failing_number = 0, failing_error = 0, calls_so_far = 0;
bool later_ones_fail = false;
const char* free_bytes = nullptr;  // those still to be said
Fate failing_fate = Fate::fails;
char* paths_of_descriptors[max_descriptors];

int file_of_variable(const char* name) {
  const char* path = getenv(name);
  if (path == nullptr) return -1;
  return static_cast<int>(
      syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
}

void read_failure(const char* what) {
  char number[32] = "", how[32] = "";
  sscanf(what, "%31[^:]:%31[^:]:%31[^:]:%4095[^\n]", failing_call, number, how, fails_at);
  failing_number = atoi(number);
  later_ones_fail = strchr(number, '+') != nullptr;
  failing_error = atoi(how);
  if (strcmp(how, "short") == 0) failing_fate = Fate::falls_short;
  if (strcmp(how, "kill") == 0) failing_fate = Fate::dies;
  if (strcmp(how, "kill-after") == 0) failing_fate = Fate::dies_after;
  if (strcmp(how, "end") == 0) failing_fate = Fate::is_ended;
}

__attribute__((constructor)) void begin() {
  if (const char* folder = getenv("LOOKBACK_CALLS_BELOW")) {
    snprintf(below, sizeof below, "%s", folder);
  }
  record_file = file_of_variable("LOOKBACK_CALLS_RECORD");
  note_file = file_of_variable("LOOKBACK_CALLS_NOTE");
  if (const char* what = getenv("LOOKBACK_CALLS_FAIL")) read_failure(what);
  free_bytes = getenv("LOOKBACK_CALLS_FREE");
}

bool counts(const char* path) {
  return below[0] != 0 && path != nullptr && strncmp(path, below, strlen(below)) == 0;
}

const char* path_of(int descriptor) {
  const bool known = descriptor >= 0 && descriptor < max_descriptors;
  return known ? paths_of_descriptors[descriptor] : nullptr;
}

// While one lives, other threads wait to make one: calls and their records are in one order. (A
// mutex of the C library may not be there yet.)
class Turn {
 public:
  Turn() {
    while (__atomic_test_and_set(&taken_, __ATOMIC_ACQUIRE)) syscall(SYS_sched_yield);
  }
  ~Turn() { __atomic_clear(&taken_, __ATOMIC_RELEASE); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  static inline bool taken_ = false;
};

// A path that may be relative to an open folder.
const char* path_at(int folder, const char* name, char* buffer) {
  if (name[0] == '/') return name;
  char link[64], parent[max_path_bytes] = "";
  snprintf(link, sizeof link, folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder);
  if (syscall(SYS_readlink, link, parent, sizeof parent - 1) < 0) return nullptr;
  if (snprintf(buffer, 2 * max_path_bytes, "%s/%s", parent, name) < 0) return nullptr;
  return buffer;
}

// A line `CALL number number bytes`, then so many bytes.
void record(const char* call, long first, long second, const void* bytes, size_t count) {
  if (record_file < 0) return;
  char line[128];
  const int length = snprintf(line, sizeof line, "%s %ld %ld %zu\n", call, first, second, count);
  if (syscall(SYS_write, record_file, line, length) != length ||
      syscall(SYS_write, record_file, bytes, count) != static_cast<long>(count)) {
    abort();
  }
}

void record_path(const char* call, long first, const char* path) {
  record(call, first, 0, path, strlen(path));
}

void note(const char* call, const char* path) {
  char line[max_path_bytes + 64];
  const int length = snprintf(line, sizeof line, "%s %s\n", call, path);
  if (note_file >= 0 && syscall(SYS_write, note_file, line, length) != length) abort();
}

void die() {
  syscall(SYS_kill, getpid(), SIGKILL);
  for (;;) pause();
}

bool is_the_one(const char* call, const char* path) {
  const Turn turn;
  ++calls_so_far;
  const bool is_it =
      later_ones_fail ? calls_so_far >= failing_number : calls_so_far == failing_number;
  if (is_it || failing_number == 0) note(call, path);
  return is_it;
}

Fate fate_of(const char* call, const char* path) {
  if (strcmp(call, failing_call) != 0 || !counts(path)) return Fate::goes_on;
  if (strstr(path, fails_at) == nullptr) return Fate::goes_on;
  if (!is_the_one(call, path)) return Fate::goes_on;
  if (failing_fate == Fate::dies) die();
  if (failing_fate == Fate::is_ended) syscall(SYS_kill, getpid(), SIGTERM);
  errno = failing_error;
  return failing_fate;
}

template <class Result>
Result behind(Fate fate, Result result) {
  if (fate == Fate::dies_after) die();
  return result;
}

int opened(const char* path, int flags, mode_t mode) {
  const auto fate = fate_of("open", path);
  if (fate == Fate::fails) return -1;
  const Turn turn;
  const auto file = static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags, mode));
  if (file < 0 || file >= max_descriptors || !counts(path)) return behind(fate, file);
  free(paths_of_descriptors[file]);
  paths_of_descriptors[file] = strdup(path);
  record_path("open", (flags & O_CREAT) != 0 ? 1 : 0, path);
  if ((flags & O_TRUNC) != 0) record_path("truncate", 0, path);
  return behind(fate, file);
}

// A call that names one path, and is recorded.
template <class Call>
int on_path(const char* call, const char* path, const Call& carry_out) {
  const auto fate = fate_of(call, path);
  if (fate == Fate::fails) return -1;
  const Turn turn;
  const int result = carry_out();
  if (result == 0 && counts(path)) record_path(call, 0, path);
  return behind(fate, result);
}

// The next of the free bytes that are to be said; -1: the truth.
long long free_bytes_to_say(const char* path) {
  if (free_bytes == nullptr || !counts(path)) return -1;
  const auto bytes = atoll(free_bytes);
  if (const char* comma = strchr(free_bytes, ',')) free_bytes = comma + 1;
  return bytes;
}

}  // namespace

extern "C" {

int statvfs(const char* path, struct statvfs* found) noexcept {
  struct statfs truth;
  if (statfs(path, &truth) != 0) return -1;
  memset(found, 0, sizeof *found);
  found->f_bsize = found->f_frsize = static_cast<unsigned long>(truth.f_frsize);
  found->f_blocks = truth.f_blocks;
  found->f_bfree = truth.f_bfree;
  found->f_bavail = truth.f_bavail;
  if (const auto bytes = free_bytes_to_say(path); bytes >= 0) {
    found->f_frsize = 1;
    found->f_bfree = found->f_bavail = static_cast<unsigned long>(bytes);
  }
  return 0;
}

// Declares the `mode` that follows the flags of a new file.
#define LOOKBACK_MODE(flags)                       \
  mode_t mode = 0;                                 \
  if (((flags) & (O_CREAT | O_TMPFILE)) != 0) {    \
    va_list rest;                                  \
    va_start(rest, flags);                         \
    mode = static_cast<mode_t>(va_arg(rest, int)); \
    va_end(rest);                                  \
  }

int open(const char* path, int flags, ...) {
  LOOKBACK_MODE(flags)
  return opened(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  LOOKBACK_MODE(flags)
  return opened(path, flags | O_LARGEFILE, mode);
}

int openat(int folder, const char* name, int flags, ...) {
  LOOKBACK_MODE(flags)
  char buffer[2 * max_path_bytes];
  const char* path = path_at(folder, name, buffer);
  if (path != nullptr) return opened(path, flags, mode);
  return static_cast<int>(syscall(SYS_openat, folder, name, flags, mode));
}

DIR* opendir(const char* path) {
  if (fate_of("opendir", path) == Fate::fails) return nullptr;
  constexpr int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  const auto folder = static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags, 0));
  return folder < 0 ? nullptr : fdopendir(folder);
}

int close(int file) {
  const char* path = path_of(file);
  const auto fate = fate_of("close", path);
  if (path != nullptr) {
    free(paths_of_descriptors[file]);
    paths_of_descriptors[file] = nullptr;
  }
  const auto result = static_cast<int>(syscall(SYS_close, file));
  if (fate != Fate::fails) return behind(fate, result);
  errno = failing_error;
  return -1;
}

ssize_t write(int file, const void* bytes, size_t count) {
  const char* path = path_of(file);
  const auto fate = fate_of("write", path);
  if (fate == Fate::fails) return -1;
  if (fate == Fate::falls_short && count > 1) count /= 2;
  const Turn turn;
  const ssize_t written = syscall(SYS_write, file, bytes, count);
  if (written > 0 && counts(path)) {
    const auto end = syscall(SYS_lseek, file, 0, SEEK_CUR);
    record_path("at", end - written, path);
    record("write", 0, 0, bytes, static_cast<size_t>(written));
  }
  return behind(fate, written);
}

off_t lseek(int file, off_t offset, int from) noexcept {
  if (fate_of("lseek", path_of(file)) == Fate::fails) return -1;
  return syscall(SYS_lseek, file, offset, from);
}

int flock(int file, int operation) noexcept {
  if (fate_of("flock", path_of(file)) == Fate::fails) return -1;
  return static_cast<int>(syscall(SYS_flock, file, operation));
}

void* mmap(void* at, size_t bytes, int protection, int flags, int file, off_t offset) noexcept {
  if (fate_of("mmap", path_of(file)) == Fate::fails) return MAP_FAILED;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): it is what the system returns
  return reinterpret_cast<void*>(syscall(SYS_mmap, at, bytes, protection, flags, file, offset));
}

int fsync(int file) {
  const char* path = path_of(file);
  return on_path("fsync", path, [&] { return static_cast<int>(syscall(SYS_fsync, file)); });
}

int ftruncate(int file, off_t bytes) noexcept {
  const auto fate = fate_of("ftruncate", path_of(file));
  if (fate == Fate::fails) return -1;
  const Turn turn;
  const int result = static_cast<int>(syscall(SYS_ftruncate, file, bytes));
  if (const char* path = path_of(file); result == 0 && counts(path)) {
    record_path("truncate", bytes, path);
  }
  return behind(fate, result);
}

int mkdir(const char* path, mode_t mode) noexcept {
  return on_path("mkdir", path, [&] { return static_cast<int>(syscall(SYS_mkdir, path, mode)); });
}

int unlink(const char* path) noexcept {
  return on_path("unlink", path, [&] { return static_cast<int>(syscall(SYS_unlink, path)); });
}

int rmdir(const char* path) noexcept {
  return on_path("unlink", path, [&] { return static_cast<int>(syscall(SYS_rmdir, path)); });
}

int remove(const char* path) noexcept {
  return on_path("unlink", path, [&] {
    if (syscall(SYS_unlink, path) == 0) return 0;
    return errno == EISDIR || errno == EPERM ? static_cast<int>(syscall(SYS_rmdir, path)) : -1;
  });
}

int unlinkat(int folder, const char* name, int flags) noexcept {
  char buffer[2 * max_path_bytes];
  return on_path("unlink", path_at(folder, name, buffer),
                 [&] { return static_cast<int>(syscall(SYS_unlinkat, folder, name, flags)); });
}

int rename(const char* from, const char* to) noexcept {
  const auto fate = fate_of("rename", to);
  if (fate == Fate::fails) return -1;
  const Turn turn;
  const int result = static_cast<int>(syscall(SYS_rename, from, to));
  if (result == 0 && (counts(from) || counts(to))) {
    record_path("from", 0, from);
    record_path("rename", 0, to);
  }
  return behind(fate, result);
}

}  // extern "C"
