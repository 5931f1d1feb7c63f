// What is begun and not whole goes when a signal ends the program.
//
// SIGINT, SIGTERM and SIGHUP end it at once, as where nobody handles them, but that a handler first
// removes what `Unfinished` names, and the temporary files of ReplacingFile that are open. It runs
// on the main thread, which makes and changes these and stands still meanwhile, and calls nothing
// that may not be called in the middle of anything else: neither memory is asked for nor a lock.
// Where a wish to end is remembered (InterruptWatch), that comes first.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "apps/cli/interrupt.h"

namespace lookback {

// For its lifetime. One at a time, made by the main thread.
class DiscardWhenEnded {
 public:
  DiscardWhenEnded();

 private:
  std::optional<HandledSignals> handled_;  // once it is known whose process that is
};

// One entry that a signal's end would leave half done, for the lifetime of the object. It need not
// be there yet. Made and destroyed by the main thread.
class Unfinished {
 public:
  enum class Kind {
    file,
    folder,      // with all in it
    bare_folder  // as long as nothing is in it
  };
  // Names in a folder with all in it. Empty: there is none such.
  struct Special {
    std::string last;    // goes behind all others
    std::string keeper;  // while it is there, nothing goes
  };

  Unfinished(const std::filesystem::path& path, Kind kind, Special special = {});
  ~Unfinished();
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;

  // It is there: of a folder, no other goes that takes its place.
  void is_made();

 private:
  friend class UnfinishedEntries;

  std::string path_, keeper_;
  Kind kind_;
  Special special_;
  std::atomic<ino_t> inode_ = 0;  // 0: any
  Unfinished* older_ = nullptr;
};

// The process whose temporary file of ReplacingFile bears such a name (or path), if it is one. It
// may be called in a handler.
std::optional<pid_t> process_of_temporary(std::string_view name) noexcept;

// On this machine.
bool has_ended(pid_t process);

// Steps of which none may be the last: for its lifetime a signal that would end the program is put
// off. For moments.
class UnendedSteps {
 public:
  UnendedSteps();
  ~UnendedSteps();
  UnendedSteps(const UnendedSteps&) = delete;
  UnendedSteps& operator=(const UnendedSteps&) = delete;
};

}  // namespace lookback
