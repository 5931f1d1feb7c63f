#include "apps/sweep/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <system_error>
#include <utility>

#include "apps/cli/exit_code.h"
#include "runtime/check.h"
#include "runtime/system_files.h"

namespace lookback {
namespace {

constexpr auto own_program = "/proc/self/exe";  // also where the file has been replaced since

int code_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : static_cast<int>(ended_by(WTERMSIG(status)));
}

// Between fork and exec: calls to the system alone.
[[noreturn]] void become(char* const* words, int log, int empty, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  const bool parent_is_gone = getppid() != parent;
  if (!parent_is_gone && dup2(empty, STDIN_FILENO) >= 0 && dup2(log, STDOUT_FILENO) >= 0 &&
      dup2(log, STDERR_FILENO) >= 0) {
    execv(own_program, words);
  }
  _exit(static_cast<int>(ExitCode::failure));
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& arguments,
                           const std::filesystem::path& log) {
  const FileDescriptor output(log, O_WRONLY | O_CREAT | O_APPEND);
  if (!output.is_open()) {
    fail("sweep", "{}: cannot be written: {}", log.string(),
         std::generic_category().message(output.open_error()));
  }
  const FileDescriptor empty("/dev/null", O_RDONLY);
  auto words = arguments;
  words.insert(words.begin(), "lookback");
  std::vector<char*> pointers;
  for (auto& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const auto parent = getpid();
  process_ = fork();
  if (process_ == 0) become(pointers.data(), output.get(), empty.get(), parent);
  if (process_ < 0) {
    process_ = 0;
    fail("sweep", "the system makes no process: {}", std::generic_category().message(errno));
  }
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : process_(std::exchange(other.process_, 0)), exit_code_(other.exit_code_) {}

ChildProcess::~ChildProcess() {
  if (process_ == 0 || exit_code_) return;
  send(SIGTERM);
  int status = 0;
  while (waitpid(process_, &status, 0) < 0 && errno == EINTR) {
  }
}

std::optional<int> ChildProcess::exit_code() {
  int status = 0;
  if (!exit_code_ && waitpid(process_, &status, WNOHANG) == process_) exit_code_ = code_of(status);
  return exit_code_;
}

void ChildProcess::send(int signal) const {
  if (!exit_code_) kill(process_, signal);
}

std::int64_t ChildProcess::peak_bytes() const {
  std::ifstream status("/proc/" + std::to_string(process_) + "/status");
  for (std::string word; status >> word;) {
    std::int64_t kilobytes = 0;
    if (word == "VmHWM:" && status >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

}  // namespace lookback
