// What the program needs of the process that it runs in.
#pragma once

namespace lookback {

// Opens the null device for reading where stdin, stdout or stderr is closed, as daemons and some
// launchers leave them: the next file to be opened would take its number, and lines for the
// terminal would be written into it. Writing to one fails as it does where it is closed.
void open_standard_streams();

// Neither a pipe whose reader is gone (SIGPIPE) nor a file that may grow no further (SIGXFSZ) ends
// the program: both are errors of the write.
void ignore_signals_of_writes();

// A file that is cut short while it is mapped into memory ends the program with the one line of any
// error, which names it, and exit code 1.
void name_files_that_shrink();

// Throws Error where the limit of the stack (ulimit -s) is too small to work in.
void check_stack_limit();

// Throws Error where the system does not let this process have `count` threads: work would go on
// with those that there are (runtime/thread_team.h), slower than was asked for.
void check_threads(int count);

}  // namespace lookback
