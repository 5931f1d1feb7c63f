// The same program once more, as a process of its own.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace lookback {

class ChildProcess {
 public:
  // Runs `lookback ARGUMENTS`, stdin empty, stdout and stderr behind the end of `log`. When this
  // process dies, however it does, the child gets SIGTERM. Throws Error where the log cannot be
  // written or the system makes no process.
  ChildProcess(const std::vector<std::string>& arguments, const std::filesystem::path& log);
  // Waits for its end, after a SIGTERM where it is still running.
  ~ChildProcess();
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&&) = delete;

  // Its exit code once it has ended, 128 and the signal's number where one killed it. Does not
  // wait.
  std::optional<int> exit_code();
  void send(int signal) const;
  // The largest resident size that it has had so far; 0: not known.
  std::int64_t peak_bytes() const;

 private:
  pid_t process_ = 0;  // 0: moved from
  std::optional<int> exit_code_;
};

}  // namespace lookback
