// Loaded before the C library (LD_PRELOAD): writes down what a program asks of the system about the
// files below one folder, and lets one of these calls fail.
//
//   LOOKBACK_CALLS_BELOW=/folder    the files that count
//   LOOKBACK_CALLS_RECORD=file      recorded_calls.h reads it
//   LOOKBACK_CALLS_FAIL=CALL:K:ERRNO[:TEXT]
//                                   the K-th CALL (write, fsync, rename, unlink, mkdir, open; from
//                                   1) on a path that holds TEXT fails; ERRNO is a number, or
//                                   short: half is written
//
// Nothing of the C++ library is used: calls come before its constructors have run.
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

namespace {

constexpr size_t most_path_bytes = 4096;
constexpr int most_descriptors = 1024;

char below[most_path_bytes], fails_at[most_path_bytes], failing_call[32];
int record_file = -1, failing_number = 0, failing_error = 0, calls_so_far = 0;
bool half_is_written = false;
char* paths_of_descriptors[most_descriptors];

__attribute__((constructor)) void begin() {
  if (const char* folder = getenv("LOOKBACK_CALLS_BELOW")) {
    snprintf(below, sizeof below, "%s", folder);
  }
  if (const char* file = getenv("LOOKBACK_CALLS_RECORD")) {
    record_file = static_cast<int>(
        syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  }
  if (const char* what = getenv("LOOKBACK_CALLS_FAIL")) {
    char error[32] = "";
    sscanf(what, "%31[^:]:%d:%31[^:]:%4095[^\n]", failing_call, &failing_number, error, fails_at);
    half_is_written = strcmp(error, "short") == 0;
    failing_error = atoi(error);
  }
}

bool counts(const char* path) {
  return below[0] != 0 && path != nullptr && strncmp(path, below, strlen(below)) == 0;
}

const char* path_of(int descriptor) {
  const bool known = descriptor >= 0 && descriptor < most_descriptors;
  return known ? paths_of_descriptors[descriptor] : nullptr;
}

// A path that may be relative to an open folder.
const char* path_at(int folder, const char* name, char* buffer) {
  if (name[0] == '/') return name;
  char link[64], parent[most_path_bytes] = "";
  snprintf(link, sizeof link, folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder);
  if (syscall(SYS_readlink, link, parent, sizeof parent - 1) < 0) return nullptr;
  if (snprintf(buffer, 2 * most_path_bytes, "%s/%s", parent, name) < 0) return nullptr;
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

enum class Fate { goes_on, fails, falls_short };

Fate fate_of(const char* call, const char* path) {
  if (failing_number == 0 || strcmp(call, failing_call) != 0 || !counts(path)) return Fate::goes_on;
  if (strstr(path, fails_at) == nullptr) return Fate::goes_on;
  if (++calls_so_far != failing_number) return Fate::goes_on;
  errno = failing_error;
  return half_is_written ? Fate::falls_short : Fate::fails;
}

int opened(const char* path, int flags, mode_t mode) {
  if (fate_of("open", path) == Fate::fails) return -1;
  const auto file = static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags, mode));
  if (file < 0 || file >= most_descriptors || !counts(path)) return file;
  free(paths_of_descriptors[file]);
  paths_of_descriptors[file] = strdup(path);
  record_path("open", (flags & O_CREAT) != 0 ? 1 : 0, path);
  if ((flags & O_TRUNC) != 0) record_path("truncate", 0, path);
  return file;
}

// The same for a call that names one path.
template <class Call>
int on_path(const char* call, const char* path, const Call& carry_out) {
  if (fate_of(call, path) == Fate::fails) return -1;
  const int result = carry_out();
  if (result == 0 && counts(path)) record_path(call, 0, path);
  return result;
}

}  // namespace

extern "C" {

#define LOOKBACK_MODE(flags, mode)                 \
  mode_t mode = 0;                                 \
  if (((flags) & (O_CREAT | O_TMPFILE)) != 0) {    \
    va_list rest;                                  \
    va_start(rest, flags);                         \
    mode = static_cast<mode_t>(va_arg(rest, int)); \
    va_end(rest);                                  \
  }

int open(const char* path, int flags, ...) {
  LOOKBACK_MODE(flags, mode)
  return opened(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  LOOKBACK_MODE(flags, mode)
  return opened(path, flags | O_LARGEFILE, mode);
}

int close(int file) {
  if (path_of(file) != nullptr) {
    free(paths_of_descriptors[file]);
    paths_of_descriptors[file] = nullptr;
  }
  return static_cast<int>(syscall(SYS_close, file));
}

ssize_t write(int file, const void* bytes, size_t count) {
  const char* path = path_of(file);
  const auto fate = fate_of("write", path);
  if (fate == Fate::fails) return -1;
  if (fate == Fate::falls_short) count /= 2;
  const ssize_t written = syscall(SYS_write, file, bytes, count);
  if (written > 0 && counts(path)) {
    const auto end = syscall(SYS_lseek, file, 0, SEEK_CUR);
    record_path("at", end - written, path);
    record("write", 0, 0, bytes, static_cast<size_t>(written));
  }
  return written;
}

int fsync(int file) {
  const char* path = path_of(file);
  return on_path("fsync", path, [&] { return static_cast<int>(syscall(SYS_fsync, file)); });
}

int ftruncate(int file, off_t bytes) noexcept {
  const int result = static_cast<int>(syscall(SYS_ftruncate, file, bytes));
  if (const char* path = path_of(file); result == 0 && counts(path)) {
    record_path("truncate", bytes, path);
  }
  return result;
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
  char buffer[2 * most_path_bytes];
  return on_path("unlink", path_at(folder, name, buffer),
                 [&] { return static_cast<int>(syscall(SYS_unlinkat, folder, name, flags)); });
}

int rename(const char* from, const char* to) noexcept {
  if (fate_of("rename", to) == Fate::fails) return -1;
  const int result = static_cast<int>(syscall(SYS_rename, from, to));
  if (result == 0 && (counts(from) || counts(to))) {
    record_path("from", 0, from);
    record_path("rename", 0, to);
  }
  return result;
}

}  // extern "C"
