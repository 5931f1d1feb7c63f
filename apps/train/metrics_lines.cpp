#include "apps/train/metrics_lines.h"

#include <limits>
#include <optional>

#include "apps/cli/console.h"
#include "runtime/check.h"
#include "runtime/json.h"
#include "runtime/read_file.h"

namespace lookback {
namespace {

std::optional<std::int64_t> step_of(const nlohmann::json& values) {
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const auto found = values.find("step");
  if (found == values.end() || !found->is_number_unsigned()) return std::nullopt;
  const auto step = found->get<std::uint64_t>();
  return step <= most ? std::optional(static_cast<std::int64_t>(step)) : std::nullopt;
}

std::optional<MetricsLine> read_line(std::int64_t number, const std::string& text) {
  MetricsLine line{.number = number, .text = text, .values = {}};
  try {
    line.values = parse_json(text, "metrics", "line");
  } catch (const Error&) {
    return std::nullopt;
  }
  const auto step = line.values.is_object() ? step_of(line.values) : std::nullopt;
  if (!step) return std::nullopt;
  line.step = *step;
  return line;
}

}  // namespace

std::vector<MetricsLine> read_metrics_lines(const std::filesystem::path& path,
                                            std::string_view operation) {
  const auto content = read_file(path, operation);
  std::vector<MetricsLine> lines;
  std::int64_t number = 0, damaged = 0, first_damaged = 0;
  for (std::size_t begin = 0; begin < content.size();) {
    const auto end = content.find('\n', begin);
    const auto text = content.substr(begin, end - begin);
    begin = end == content.npos ? content.size() : end + 1;
    ++number;
    if (auto line = read_line(number, text)) {
      lines.push_back(std::move(*line));
    } else if (end != content.npos) {
      if (damaged++ == 0) first_damaged = number;
    }
  }
  if (damaged > 0) {
    print_warning(fmt::format(
        "{}: line {}{} is no line of a run, and is left out: has the file been damaged?",
        path.string(), first_damaged, damaged == 1 ? "" : fmt::format(" of {} such", damaged)));
  }
  return lines;
}

}  // namespace lookback
