#include "apps/cli/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <latch>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "apps/cli/exit_code.h"
#include "runtime/check.h"
#include "runtime/mapped_range.h"

namespace lookback {
namespace {

void say(std::string_view text) {
  // When stderr fails too, no stream is left to report it on.
  if (write(STDERR_FILENO, text.data(), text.size()) < 0) return;
}

void end_on_unreadable_memory(int signal, siginfo_t* fault, void*) {
  const char* const problem = problem_of_mapped(fault->si_addr);
  if (problem == nullptr) {
    ::signal(signal, SIG_DFL);
    ::raise(signal);  // comes when this handler has returned
    return;
  }
  say("lookback: error: ");
  say(problem);
  say("\n");
  _exit(static_cast<int>(ExitCode::failure));
}

}  // namespace

void open_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(stream, F_GETFD) >= 0) continue;
    // The lowest number that is free: this one. A root without devices still has a root.
    if (open("/dev/null", O_RDONLY) < 0) static_cast<void>(open("/", O_RDONLY | O_DIRECTORY));
  }
}

void ignore_signals_of_writes() {
  for (const int each : {SIGPIPE, SIGXFSZ}) signal(each, SIG_IGN);
}

void name_files_that_shrink() {
  struct sigaction action = {};
  action.sa_sigaction = end_on_unreadable_memory;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, nullptr);
}

void check_stack_limit() {
  // Twice what the hungriest command was seen to need: its threads have stacks of that size, too.
  constexpr rlim_t min_bytes = rlim_t{512} << 10;
  rlimit limit = {};
  if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur >= min_bytes) return;
  fail("process",
       "a stack of {} KiB is too small, at least {} are needed: `ulimit -s 8192` before "
       "the command, or the limit of whatever starts it",
       limit.rlim_cur >> 10, min_bytes >> 10);
}

void check_threads(int count) {
  std::latch all_asked_for(1);
  std::vector<std::thread> others;
  std::string problem;
  try {
    while (std::ssize(others) + 1 < count) others.emplace_back([&] { all_asked_for.wait(); });
  } catch (const std::system_error& error) {
    problem = error.code().message();
  }
  all_asked_for.count_down();
  for (auto& thread : others) thread.join();
  const Check check{"threads"};
  check(problem.empty(),
        "{} are asked for, and the system lets this process have {} ({}): take fewer, with "
        "--threads",
        count, others.size() + 1, problem);
}

}  // namespace lookback
