#include "apps/train/metrics_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <system_error>

#include "runtime/check.h"
#include "runtime/read_file.h"

namespace lookback {
namespace {

[[noreturn]] void refuse(const std::filesystem::path& path, int error) {
  fail("write", "{}: cannot be written: {}", path.string(), std::generic_category().message(error));
}

std::optional<double> number(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

}  // namespace

MetricsFile::MetricsFile(std::filesystem::path file_path)
    : path(std::move(file_path)),
      descriptor(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
  if (descriptor < 0) refuse(path, errno);
}

MetricsFile::~MetricsFile() { close(descriptor); }

void MetricsFile::append(std::string_view object) {
  const auto line = std::string(object) + "\n";
  const auto whole_bytes = lseek(descriptor, 0, SEEK_END);
  const auto written = write(descriptor, line.data(), line.size());
  if (written == static_cast<ssize_t>(line.size())) return;
  const int error = written < 0 ? errno : ENOSPC;
  if (written > 0 && ftruncate(descriptor, whole_bytes) != 0) refuse(path, errno);
  refuse(path, error);
}

LoggedRun read_metrics(const std::filesystem::path& path, std::int64_t step,
                       std::int64_t logged_step) {
  LoggedRun logged;
  if (!exists(path)) return logged;
  std::istringstream file(read_file(path, "metrics"));
  for (std::string line; std::getline(file, line);) {
    const auto object = nlohmann::json::parse(line, nullptr, false);
    if (!object.is_object()) continue;
    const auto at = static_cast<std::int64_t>(number(object, "step").value_or(0));
    const auto loss = number(object, "loss"), validation_loss = number(object, "validation_loss");
    if (at > step || (loss && at > logged_step)) continue;
    logged.lines += line + "\n";
    if (loss) logged.loss = *loss;
    if (!validation_loss) continue;
    logged.evaluation = {.loss = *validation_loss,
                         .accuracy = number(object, "validation_accuracy").value_or(0),
                         .floor = number(object, "floor"),
                         .floor_error = number(object, "floor_error")};
  }
  return logged;
}

}  // namespace lookback
