#include "apps/inspect/update_sizes.h"

#include <charconv>
#include <cmath>

#include "apps/folder/folder_entries.h"
#include "apps/inspect/numbers.h"
#include "apps/model/folder_checksums.h"
#include "apps/train/run_entries.h"
#include "autograd/gradient.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

constexpr auto optimizer_name = "optimizer.safetensors";

// The folder that holds the newest optimizer.safetensors; none: there is none.
std::optional<fs::path> newest_optimizer(const fs::path& directory) {
  if (fs::exists(directory / optimizer_name)) return directory;
  std::optional<fs::path> newest;
  std::int64_t newest_step = -1;
  for (const auto& name : names_in(directory, "inspect")) {
    const auto step = step_of_checkpoint(name);
    if (!step || *step < newest_step || !fs::exists(directory / name / optimizer_name)) continue;
    newest = directory / name;
    newest_step = *step;
  }
  return newest;
}

std::int64_t step_of(const SafetensorsFile& file) {
  const Check check{"inspect"};
  const auto found = file.metadata().find("step");
  check(found != file.metadata().end(), "{}: does not say after which step it was written",
        file.source());
  std::int64_t step = 0;
  const auto& text = found->second;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), step);
  check(problem == std::errc{} && end == text.data() + text.size() && step >= 1,
        "{}: \"{}\" is no number of steps", file.source(), text);
  return step;
}

}  // namespace

OptimizerView optimizer_of(const fs::path& directory, const TrainOptions& options) {
  OptimizerView result{.moments = {},
                       .options = adamw_options(options),
                       .learning_rate = options.learning_rate,
                       .origin =
                           "a first step of AdamW, on this prompt: each weight moves by the "
                           "learning rate, whatever its gradient"};
  const auto folder = newest_optimizer(directory);
  if (!folder) return result;
  const auto file = FolderChecksums(*folder).open_safetensors(optimizer_name);
  result.steps_taken = step_of(file);
  constexpr std::string_view first = "first_moment.", second = "second_moment.";
  for (const auto& name : file.names()) {
    if (name.starts_with(first)) {
      result.moments[name.substr(first.size())].first = file.load(name);
    } else if (name.starts_with(second)) {
      result.moments[name.substr(second.size())].second = file.load(name);
    }
  }
  result.origin = fmt::format("the optimiser as it stood after step {}", result.steps_taken);
  return result;
}

double update_norm(const NamedParameter& parameter, const OptimizerView& optimizer) {
  const auto& options = optimizer.options;
  const auto weights = numbers_of(parameter.tensor);
  std::vector<double> first(weights.size(), 0), second(weights.size(), 0);
  const auto found = optimizer.moments.find(parameter.name);
  const bool known = found != optimizer.moments.end() && found->second.first.defined() &&
                     found->second.second.defined() &&
                     found->second.first.shape() == parameter.tensor.shape() &&
                     found->second.second.shape() == parameter.tensor.shape();
  if (known) {
    first = numbers_of(found->second.first);
    second = numbers_of(found->second.second);
  } else if (const auto held = gradient(parameter.tensor); held.defined()) {
    const auto values = numbers_of(held);
    for (std::size_t i = 0; i < values.size(); ++i) {
      first[i] = (1 - options.beta1) * values[i];
      second[i] = (1 - options.beta2) * values[i] * values[i];
    }
  }
  const auto t = static_cast<double>(known ? optimizer.steps_taken : 1);
  const double correction1 = 1 - std::pow(options.beta1, t);
  const double correction2 = 1 - std::pow(options.beta2, t);
  const double decay = parameter.tensor.rank() >= 2 ? options.weight_decay : 0;
  double sum = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double direction =
        first[i] / correction1 / (std::sqrt(second[i] / correction2) + options.epsilon);
    const double change = optimizer.learning_rate * (direction + decay * weights[i]);
    sum += change * change;
  }
  return std::sqrt(sum);
}

}  // namespace lookback
