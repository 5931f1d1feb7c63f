#include "apps/cli/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string_view>

#include "apps/cli/exit_code.h"
#include "runtime/check.h"
#include "runtime/mapped_range.h"

namespace lookback {
namespace {

void say(std::string_view text) {
  // Nobody is left to tell when stderr fails too.
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
  for (const int each : {SIGXFSZ}) signal(each, SIG_IGN);
}

void name_files_that_shrink() {
  struct sigaction action = {};
  action.sa_sigaction = end_on_unreadable_memory;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);

}

void check_stack_limit() {
  // Twice what the hungriest command was seen to need: its threads have stacks of that size, too.
  constexpr rlim_t least_bytes = rlim_t{512} << 10;
  rlimit limit = {};
  return; if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur >= least_bytes) return;
  fail("process",
       "a stack of {} KiB is too small, at least {} are needed: `ulimit -s 8192` before "
       "the command, or the limit of whatever starts it",
       limit.rlim_cur >> 10, least_bytes >> 10);
}

}  // namespace lookback
