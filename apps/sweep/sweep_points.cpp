#include "apps/sweep/sweep_points.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <set>

#include "apps/cli/exit_code.h"
#include "apps/cli/toml.h"
#include "apps/model/model_choice.h"
#include "apps/sweep/train_flags.h"
#include "apps/train/absolute_paths.h"

namespace lookback {
namespace {

constexpr std::size_t max_name_bytes = 200;  // file systems take 255, with ".log" behind it

struct Axis {
  std::string flag;
  std::vector<std::string> values;  // as the flag gives them back: 1e-3 is 0.001
};

// What goes wrong with the flags is said of the file.
template <class Function>
auto in_sweep(const std::string& path, const Function& function) {
  try {
    return function();
  } catch (const UsageError& error) {
    usage_error("{}: {}", path, error.what());
  }
}

Axis axis_of(const std::string& path, const TomlList& entry, const Flags& given) {
  TrainFlags reader;
  const auto& flag = reader.flags.saved_flag(path, entry.key);
  const auto dashed = flag.dashed();
  if (flag.name == "output-dir") {
    usage_error(
        "{}: output_dir: the runs lie in the sweep's own --output-dir, named by what "
        "differs",
        path);
  }
  if (flag.name == "threads") {
    usage_error("{}: threads: those of --threads are shared out between the runs", path);
  }
  if (given.given(flag.name)) {
    usage_error("{} is given on the command line and in {}: only one of them", dashed, path);
  }
  if (entry.values.empty()) usage_error("{}: {} is an empty list", path, entry.key);
  Axis axis{.flag = flag.name, .values = {}};
  for (const auto& value : entry.values) {
    auto read = in_sweep(path, [&] {
      flag.set(value);
      make_paths_absolute(reader.options);
      return flag.get().value_or("");
    });
    if (std::ranges::find(axis.values, read) != axis.values.end()) {
      usage_error("{}: {} lists {} twice", path, entry.key, value);
    }
    axis.values.push_back(std::move(read));
  }
  return axis;
}

void check_count(const std::string& path, const std::vector<Axis>& axes) {
  if (axes.empty()) {
    usage_error("{}: lists no flag: a line such as learning_rate = [3e-4, 1e-3] makes two runs",
                path);
  }
  std::size_t count = 1;
  bool too_many = false;
  for (const auto& axis : axes) {
    count *= axis.values.size();
    too_many = too_many || count > max_sweep_points;
    if (too_many) break;
  }
  if (too_many) {
    double points = 1;
    for (const auto& axis : axes) points *= static_cast<double>(axis.values.size());
    usage_error(
        "{}: its lists make {:.0f} runs, at most {} are one sweep: shorter lists, or several "
        "files",
        path, points, max_sweep_points);
  }
}

// Of a path the file's name; what a shell or a file system would stumble over as a dash.
std::string part_of_name(const std::string& value) {
  std::string part = value.substr(value.find_last_of('/') + 1);
  for (char& c : part) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                       std::string_view("._-+:").find(c) != std::string_view::npos;
    if (c == ' ')
      c = '+';
    else if (!plain)
      c = '-';
  }
  return part;
}

std::string name_of_point(const std::vector<Axis>& axes, const std::vector<std::size_t>& at) {
  const bool all_alike =
      std::ranges::all_of(axes, [](const Axis& axis) { return axis.values.size() == 1; });
  std::string name;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    if (axes[i].values.size() == 1 && !all_alike) continue;
    name += fmt::format("{}{}={}", name.empty() ? "" : ",", axes[i].flag,
                        part_of_name(axes[i].values[at[i]]));
  }
  return name;
}

// The next combination, the last axis first; false: that was the last one.
bool next_combination(const std::vector<Axis>& axes, std::vector<std::size_t>& at) {
  for (auto i = axes.size(); i-- > 0;) {
    if (++at[i] < axes[i].values.size()) return true;
    at[i] = 0;
  }
  return false;
}

// Before hours have gone into the points before it.
void check_model(const std::string& path, const SweepPoint& point) {
  const TrainFlags train(point.arguments);
  const auto& options = train.options;
  if (options.data.empty()) usage_error("--data is missing, on the command line and in {}", path);
  if (options.config.empty() && options.init_from.empty())
    usage_error("--config is missing, on the command line and in {}", path);
  if (options.config.empty()) return;
  try {
    static_cast<void>(choose_model(options.config, options.presets, options.fault));
  } catch (const Error& error) {
    usage_error("{}: {}: {}", path, point.name, error.what());
  }
}

std::string argument(std::string_view flag, std::string_view value) {
  return fmt::format("--{}={}", flag, value);
}

std::vector<std::string> arguments_of_all(const Flags& flags) {
  constexpr std::array<std::string_view, 2> own = {"output-dir", "threads"};
  std::vector<std::string> arguments;
  for (const auto& [name, value] : flags.saved_values()) {
    if (flags.given(name) && std::ranges::find(own, name) == own.end())
      arguments.push_back(argument(name, value));
  }
  return arguments;
}

}  // namespace

std::vector<SweepPoint> read_sweep_points(const std::string& path, const Flags& flags) {
  std::vector<Axis> axes;
  std::set<std::string> seen;
  for (const auto& entry : read_toml_lists(path)) {
    axes.push_back(axis_of(path, entry, flags));
    if (!seen.insert(axes.back().flag).second)
      usage_error("{}: {} stands twice", path, axes.back().flag);
  }
  check_count(path, axes);
  const auto common = arguments_of_all(flags);
  std::vector<SweepPoint> points;
  std::map<std::string, std::string> named;  // by a point's name, what it is
  std::vector<std::size_t> at(axes.size());
  do {
    SweepPoint point{.name = name_of_point(axes, at), .arguments = common};
    std::string values;
    for (std::size_t i = 0; i < axes.size(); ++i) {
      point.arguments.push_back(argument(axes[i].flag, axes[i].values[at[i]]));
      values += (values.empty() ? "" : " ") + point.arguments.back();
    }
    if (point.name.size() > max_name_bytes) {
      usage_error(
          "{}: {}...: a folder of {} bytes is more than {}: fewer keys with lists, or "
          "shorter values",
          path, point.name.substr(0, 60), point.name.size(), max_name_bytes);
    }
    const auto [other, is_new] = named.emplace(point.name, values);
    if (!is_new) {
      usage_error("{}: two runs would lie in {}: {} and {}; rename what the values name", path,
                  point.name, other->second, values);
    }
    check_model(path, point);
    points.push_back(std::move(point));
  } while (next_combination(axes, at));
  return points;
}

}  // namespace lookback
