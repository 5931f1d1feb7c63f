#include "apps/profile/profile.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

namespace lookback {
namespace {

using Json = nlohmann::ordered_json;

std::vector<std::string> parts_of(const std::string& path) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin < path.size();) {
    const auto end = std::min(path.find('.', begin), path.size());
    parts.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// "model.layers.3.mlp": "model.layers.*.mlp".
std::string without_numbers(const std::string& path) {
  std::string general;
  for (const auto& part : parts_of(path)) {
    const bool is_number =
        std::ranges::all_of(part, [](unsigned char c) { return std::isdigit(c); });
    general += (general.empty() ? "" : ".") + (is_number ? "*" : part);
  }
  return general;
}

// In microseconds, to the nanosecond.
double written(double seconds) { return std::round(seconds * 1e9) / 1e3; }

Json event(const std::string& name, const char* category, double start, double end) {
  return {{"name", name},
          {"cat", category},
          {"ph", "X"},
          {"pid", 1},
          {"tid", 1},
          {"ts", written(start)},
          {"dur", written(end - start)}};
}

// Modules that run: each lasts as long as calls follow one another whose scope lies in it.
class OpenModules {
 public:
  explicit OpenModules(Json& events) : events_(events) {}

  void go_to(const std::string& scope, double now) {
    const auto parts = parts_of(scope);
    std::size_t same = 0;
    while (same < std::min(parts.size(), open_.size()) && open_[same].first == parts[same]) ++same;
    close_to(same, now);
    for (auto i = same; i < parts.size(); ++i) open_.emplace_back(parts[i], now);
  }
  void close_to(std::size_t depth, double now) {
    for (; open_.size() > depth; open_.pop_back())
      events_.push_back(event(open_.back().first, "module", open_.back().second, now));
  }

 private:
  Json& events_;
  std::vector<std::pair<std::string, double>> open_;  // and since when
};

}  // namespace

std::vector<ProfileRow> profile_rows(std::span<const std::vector<TimedCall>> steps) {
  std::map<std::pair<std::string, std::string>, ProfileRow> found;
  for (const auto& step : steps) {
    for (const auto& call : step) {
      const auto scope = without_numbers(call.scope);
      auto& row = found[{call.name, scope}];
      row.name = call.name;
      row.scope = scope;
      row.calls += 1;
      row.seconds += call.seconds;
      row.flops += call.flops;
      row.bytes += call.bytes;
    }
  }
  std::vector<ProfileRow> rows;
  for (auto& [key, row] : found) {
    for (auto* sum : {&row.calls, &row.seconds, &row.flops, &row.bytes})
      *sum /= static_cast<double>(steps.size());
    rows.push_back(std::move(row));
  }
  std::ranges::stable_sort(rows, std::greater{}, &ProfileRow::seconds);
  return rows;
}

double of_limit(const ProfileRow& row, const MachineLimits& limits) {
  if (row.seconds <= 0) return 0;
  return std::max(row.flops / limits.gflops, row.bytes / limits.gbps) / row.seconds / 1e9;
}

Json profile_json(std::span<const ProfileRow> rows, const MachineLimits& limits) {
  auto list = Json::array();
  for (const auto& row : rows) {
    list.push_back({{"name", row.name},
                    {"scope", row.scope},
                    {"calls", row.calls},
                    {"seconds", row.seconds},
                    {"flops", row.flops},
                    {"bytes", row.bytes},
                    {"of_limit", of_limit(row, limits)}});
  }
  return list;
}

Json chrome_trace(std::span<const std::vector<TimedCall>> steps) {
  auto events = Json::array();
  OpenModules modules(events);
  double start_of_step = 0;
  for (const auto& step : steps) {
    double now = start_of_step;
    for (const auto& call : step) {
      const double start = start_of_step + call.start;
      modules.go_to(call.scope, start);
      now = start + call.seconds;
      auto one = event(call.name, "kernel", start, now);
      one["args"] = {{"scope", call.scope},
                     {"shape", call.shape},
                     {"flops", call.flops},
                     {"bytes", call.bytes}};
      events.push_back(std::move(one));
    }
    modules.close_to(0, now);
    start_of_step = now;
  }
  return {{"traceEvents", std::move(events)}, {"displayTimeUnit", "ms"}};
}

void write_trace(ReplacingFile& file, std::span<const std::vector<TimedCall>> steps) {
  file.write(chrome_trace(steps).dump());
  file.commit();
}

}  // namespace lookback
