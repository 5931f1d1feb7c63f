#include "apps/cli/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "runtime/check.h"

namespace lookback {
namespace {

constexpr int bar_cells = 16;  // leaves room for the text on 80 columns
constexpr auto drawing_interval = std::chrono::milliseconds(100);
constexpr std::string_view clear_line = "\r\x1b[K";

int terminal_columns() {
  winsize size = {};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

}  // namespace

std::string duration_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::llround(std::clamp(seconds, 0.0, 3.6e6)));
  const auto hours = whole / 3600, minutes = whole / 60 % 60;
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, whole % 60);
  return fmt::format("{}:{:02}", minutes, whole % 60);
}

std::string rough_duration_text(double seconds) {
  struct Unit {
    const char* name;
    double seconds;
  };
  constexpr std::array units = {Unit{"days", 86400}, Unit{"hours", 3600}, Unit{"minutes", 60}};
  for (const auto& [name, length] : units) {
    if (seconds >= 3 * length) return fmt::format("about {:.0f} {}", seconds / length, name);
  }
  return fmt::format("about {:.0f} seconds", seconds);
}

std::string bar_text(std::int64_t done, std::int64_t total, std::string_view text, int columns) {
  const auto share =
      static_cast<double>(done) / static_cast<double>(std::max<std::int64_t>(total, 1));
  const auto full = static_cast<std::size_t>(share * bar_cells);
  std::string bar(full, '=');
  if (full < bar_cells) bar += '>';
  bar.resize(bar_cells, ' ');
  auto result = fmt::format("[{}] {:3.0f}%  {}", bar, std::floor(100 * share), text);
  result.resize(std::min(result.size(), static_cast<std::size_t>(std::max(columns - 1, 0))));
  return result;
}

Progress::Progress(const Console& console, std::int64_t total)
    : form_(console.notes == Console::Notes::hidden ? Form::hidden
            : isatty(STDERR_FILENO) == 1            ? Form::bar
                                                    : Form::lines),
      total_(total),
      next_drawing_(std::chrono::steady_clock::now()) {}

Progress::~Progress() { clear(); }

void Progress::clear() {
  if (drawn_) draw(clear_line);
  drawn_ = false;
}

void Progress::show(std::int64_t done, std::string_view text, double seconds_left,
                    std::string_view at_the_end) {
  const auto now = std::chrono::steady_clock::now();
  if (form_ != Form::bar || now < next_drawing_) return;
  next_drawing_ = now + drawing_interval;
  const auto whole = fmt::format("{}  {} left{}{}", text, duration_text(seconds_left),
                                 at_the_end.empty() ? "" : "  ", at_the_end);
  draw(std::string(clear_line) + bar_text(done, total_, whole, terminal_columns()));
  drawn_ = true;
}

void Progress::plain_line(std::string_view text) {
  if (form_ == Form::lines) print_error(std::string(text) + "\n");
}

void Progress::line(std::string_view text) {
  if (form_ == Form::hidden) return;
  clear();
  print_error(std::string(text) + "\n");
}

}  // namespace lookback
