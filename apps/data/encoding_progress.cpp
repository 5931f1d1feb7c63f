#include "apps/data/encoding_progress.h"

#include <algorithm>
#include <filesystem>

#include "apps/cli/size_text.h"

namespace lookback {
namespace {

using Clock = std::chrono::steady_clock;

std::int64_t bytes_of(const std::string& path) {
  return static_cast<std::int64_t>(std::filesystem::file_size(path));
}

std::int64_t bytes_of(std::span<const std::string> files) {
  std::int64_t bytes = 0;
  for (const auto& file : files) bytes += bytes_of(file);
  return bytes;
}

}  // namespace

EncodingProgress::EncodingProgress(const Console& console, std::span<const std::string> files,
                                   std::chrono::milliseconds without_lines)
    : progress_(console, bytes_of(files)),
      all_(bytes_of(files)),
      has_several_(files.size() > 1),
      without_lines_(without_lines),
      start_(Clock::now()),
      last_line_(start_) {}

void EncodingProgress::begin_file(const std::string& path) {
  const std::lock_guard lock(telling_);
  path_ = path;
  position_ = 0;
  file_bytes_ = bytes_of(path);
}

void EncodingProgress::had_encoded(FileBytes part) {
  const std::lock_guard lock(telling_);
  had_ += part.end - position_;
  position_ = part.end;
}

void EncodingProgress::has_read(std::int64_t bytes) {
  const std::lock_guard lock(telling_);
  show(bytes);
}

void EncodingProgress::has_encoded(FileBytes part, double share) {
  const std::lock_guard lock(telling_);
  const auto bytes = static_cast<double>(part.end - part.begin);
  // Threads come in any order.
  position_ = std::max(position_, part.begin + static_cast<std::int64_t>(share * bytes));
  show(0);
}

void EncodingProgress::end_file(std::int64_t tokens) {
  const std::lock_guard lock(telling_);
  before_ += file_bytes_;
  position_ = file_bytes_ = 0;
  if (has_several_) progress_.plain_line(fmt::format("{}: {} tokens so far", path_, tokens));
  if (all_ > 0) tenths_ = std::max(tenths_, 10 * before_ / all_);
}

double EncodingProgress::seconds() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

// The rate is that of this process.
void EncodingProgress::show(std::int64_t read) {
  const auto done = before_ + position_;
  const auto here = static_cast<double>(done - had_);
  if (here <= 0 && read > 0) {
    const auto text =
        fmt::format("decompressing {} of {}", size_text(read), size_text(file_bytes_));
    const auto left =
        seconds() * static_cast<double>(file_bytes_ - read) / static_cast<double>(read);
    return progress_.show(done, text, left, path_);
  }
  if (here <= 0) return;
  const auto rate = here / seconds();
  const auto text =
      fmt::format("{} of {}, {:.3g} MB/s", size_text(done), size_text(all_), rate / 1e6);
  const auto left = static_cast<double>(all_ - done) / rate;
  progress_.show(done, text, left, path_);
  if (done < all_)
    say_in_the_middle(fmt::format("{}: {}, {} left", path_, text, duration_text(left)));
}

void EncodingProgress::say_in_the_middle(const std::string& text) {
  const auto tenths = 10 * (before_ + position_) / all_;
  const auto now = Clock::now();
  if (now - start_ < without_lines_) return;
  if (tenths == tenths_ && now - last_line_ < std::chrono::minutes(1)) return;
  tenths_ = tenths;
  last_line_ = now;
  progress_.plain_line(text);
}

}  // namespace lookback
