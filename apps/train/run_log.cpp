#include "apps/train/run_log.h"

#include <array>
#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/train/metrics_lines.h"
#include "runtime/replacing_file.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr auto metrics_name = "metrics.jsonl";

struct Tag {
  const char *key, *tag;
};
constexpr std::array tags = {Tag{"loss", "train/loss"},
                             Tag{"auxiliary_loss", "train/auxiliary_loss"},
                             Tag{"accuracy", "train/accuracy"},
                             Tag{"grad_norm", "train/grad_norm"},
                             Tag{"learning_rate", "train/learning_rate"},
                             Tag{"tokens_per_second", "train/tokens_per_second"},
                             Tag{"validation_loss", "validation/loss"},
                             Tag{"validation_accuracy", "validation/accuracy"},
                             Tag{"floor", "validation/floor"}};

std::optional<double> number(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

std::int64_t step_of(const Json& line) { return line.at("step").get<std::int64_t>(); }

std::vector<EventFile::Scalar> scalars_of(const Json& line) {
  std::vector<EventFile::Scalar> scalars;
  for (const auto& [key, tag] : tags) {
    if (const auto value = number(line, key)) scalars.emplace_back(tag, *value);
  }
  const auto learned = line.find("learned");
  if (learned == line.end()) return scalars;
  for (const auto& [name, values] : learned->items()) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!values[i].is_number()) continue;
      scalars.emplace_back(fmt::format("learned/{}/{}", name, i), values[i].get<double>());
    }
  }
  return scalars;
}

}  // namespace

LoggedRun read_log(const fs::path& folder, std::int64_t step, std::int64_t logged_step) {
  LoggedRun logged{.known_by = LineRecorder().so_far(), .step = logged_step};
  const auto path = folder / metrics_name;
  if (!exists(path)) return logged;
  LineRecorder recorder;
  for (const auto& line : read_metrics_lines(path, "metrics")) {
    const Json object = line.values;
    const auto loss = number(object, "loss"), validation_loss = number(object, "validation_loss");
    if (line.step > step || (loss && line.step > logged_step)) continue;
    logged.lines += line.text + "\n";
    recorder.add(line.values);
    if (loss) logged.loss = *loss;
    if (!validation_loss) continue;
    logged.evaluation = {.loss = *validation_loss,
                         .accuracy = number(object, "validation_accuracy").value_or(0),
                         .floor = number(object, "floor"),
                         .floor_error = number(object, "floor_error")};
  }
  logged.known_by = recorder.so_far();
  return logged;
}

void write_metrics(const fs::path& folder, const LoggedRun& earlier) {
  ReplacingFile file(folder / metrics_name);
  file.write(earlier.lines);
  file.commit();
}

RunLog::RunLog(const fs::path& folder, const LoggedRun& earlier)
    : metrics_(folder / metrics_name), events_(folder, earlier.step + 1) {
  // An evaluation after the last line about training stands, but the events file that has it is
  // void from there on.
  std::istringstream lines(earlier.lines);
  for (std::string line; std::getline(lines, line);) {
    const auto object = Json::parse(line);
    recorder_.add(object);
    const auto scalars = scalars_of(object);
    if (step_of(object) > earlier.step && !scalars.empty())
      events_.append(step_of(object), scalars);
  }
}

void RunLog::append(const Json& line, Line kind) {
  if (kind == Line::standing) recorder_.add(line);
  metrics_.append(line.dump() + "\n");
  if (const auto scalars = scalars_of(line); !scalars.empty())
    events_.append(step_of(line), scalars);
}

void RunLog::sync() {
  metrics_.sync();
  events_.sync();
}

}  // namespace lookback
