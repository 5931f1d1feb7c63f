// How far a long job has come, on stderr: a bar that is drawn over itself on a terminal, plain
// lines anywhere else, nothing at all with --quiet.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "apps/cli/console.h"

namespace lookback {

class Progress {
 public:
  Progress(const Console& console, std::int64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // The bar at `done` of the total, with a text and the time left behind it, and what is least
  // missed where the terminal is narrow; at most ten times a second.
  void show(std::int64_t done, std::string_view text, double seconds_left,
            std::string_view at_the_end = {});
  // A line that takes the bar's place where there is none.
  void plain_line(std::string_view line);
  // A line that stays, above the bar.
  void line(std::string_view line);

 private:
  enum class Form { hidden, lines, bar };
  void clear();

  Form form_;
  std::int64_t total_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point next_drawing_;
};

// "0:07", "12:34", "3:00:00".
std::string duration_text(double seconds);
// "about 50 seconds", "about 12 minutes", "about 5 hours", "about 4 days": three of a unit or more,
// where it is not seconds.
std::string rough_duration_text(double seconds);
// "   [======>             ]  30%  text" cut to `columns`; for `done` of `total`.
std::string bar_text(std::int64_t done, std::int64_t total, std::string_view text, int columns);

}  // namespace lookback
