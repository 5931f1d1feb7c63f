#include "apps/sweep/sweep_run.h"

#include <fmt/ranges.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <list>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <thread>

#include "apps/cli/interrupt.h"
#include "apps/compare/comparison.h"
#include "apps/compare/find_runs.h"
#include "apps/folder/claimed_folder.h"
#include "apps/folder/work_folder.h"
#include "apps/model/machine_memory.h"
#include "apps/sweep/child_process.h"
#include "apps/sweep/point_plan.h"
#include "runtime/check.h"
#include "runtime/read_file.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using FileTime = fs::file_time_type;

constexpr auto pause = std::chrono::milliseconds(20);

struct Failure {
  std::string name;
  int code = 0;
  std::string error;
  fs::path log;
};

// The last line of a log that is an error, from `begin` on; empty: there is none.
std::string error_in(const fs::path& log, std::size_t begin) {
  constexpr std::string_view mark = "lookback: error: ";
  const auto text = read_file(log, "sweep");
  const auto at = text.rfind(mark);
  if (at == text.npos || at < begin) return {};
  const auto start = at + mark.size();
  return text.substr(start, text.find('\n', start) - start);
}

std::size_t size_of_file(const fs::path& path) {
  std::error_code problem;
  const auto size = fs::file_size(path, problem);
  return problem ? 0 : static_cast<std::size_t>(size);
}

class SweepRun {
 public:
  SweepRun(const Sweep& sweep, const Session& session)
      : sweep_(sweep), session_(session), claimed_(sweep.output_dir) {
    const Check check{"sweep"};
    check(!is_run_folder(claimed_.path()),
          "{}: holds a run itself, and a sweep's folder has its runs in folders: choose another "
          "--output-dir",
          claimed_.path().string());
    const auto plans = plan_points(sweep_);
    claimed_.keep();
    for (std::size_t i = 0; i < plans.size(); ++i) {
      if (plans[i].start == PointPlan::Start::kept) {
        ++ended_;
        say("{}: has ended before, and is kept", sweep_.points[i].name);
      } else {
        waiting_.push_back(i);
      }
    }
    const auto at_once = std::min(sweep_.jobs, std::max<std::int64_t>(std::ssize(waiting_), 1));
    threads_ = std::max<std::int64_t>(1, session_.threads / at_once);
    if (!waiting_.empty()) {
      say("{} of {} runs to train, {} at once with {} {} each, in {}", waiting_.size(),
          plans.size(), at_once, threads_, threads_ == 1 ? "thread" : "threads",
          claimed_.path().string());
    }
  }

  ExitCode run() {
    CheckpointWatch checkpoint_wish;
    while (!waiting_.empty() || !running_.empty()) {
      if (interrupt_.requested()) {
        waiting_.clear();
        pass_on(interrupt_.signal());
      }
      if (checkpoint_wish.take()) {
        for (const auto& each : running_) {
          if (has_begun(each)) each.process.send(SIGUSR1);  // before that it would end it
        }
      }
      while (has_room()) {
        const auto point = next_point();
        if (!point) break;
        start(*point);
      }
      reap();
      std::this_thread::sleep_for(pause);
    }
    report();
    if (ended_ == sweep_.points.size()) return ExitCode::good;
    if (failures_.empty() && interrupt_.requested()) return stopped_by(interrupt_.signal());
    tell_failures();
    return interrupt_.requested() ? ended_by(interrupt_.signal()) : ExitCode::failure;
  }

 private:
  struct Running {
    std::size_t point;
    ChildProcess process;
    FileTime started;
    std::size_t log_begin;
  };

  template <class... Values>
  void say(fmt::format_string<Values...> text, const Values&... values) const {
    session_.console.note(fmt::vformat(fmt::string_view(text), fmt::make_format_args(values...)));
  }
  fs::path folder_of(std::size_t point) const {
    return claimed_.path() / sweep_.points[point].name;
  }
  fs::path log_of(std::size_t point) const {
    return claimed_.path() / (sweep_.points[point].name + ".log");
  }

  // Once per signal: a run takes a second one as the wish to end at once.
  void pass_on(int signal) {
    if (passed_on_) return;
    passed_on_ = true;
    for (const auto& each : running_) each.process.send(signal);
  }

  // A run's memory is charged once its first step is taken; then it writes its options.
  bool has_begun(const Running& each) const {
    std::error_code problem;
    const auto written = fs::last_write_time(folder_of(each.point) / "options.toml", problem);
    return !problem && written >= each.started;
  }

  // Whether another may begin: those before it have, and what it needs would be left beside them.
  bool has_room() {
    if (waiting_.empty() || std::ssize(running_) >= sweep_.jobs) return false;
    if (running_.empty()) return true;
    if (!std::ranges::all_of(running_, [&](const auto& each) { return has_begun(each); }))
      return false;
    for (const auto& each : running_) largest_ = std::max(largest_, each.process.peak_bytes());
    const auto available = available_bytes();
    if (!available || *available >= largest_) return true;
    if (!waits_for_memory_) {
      say("a run takes up to {:.3g} GB of memory, and {:.3g} GB are free: the next begins when one "
          "has ended",
          static_cast<double>(largest_) / 1e9, static_cast<double>(*available) / 1e9);
    }
    waits_for_memory_ = true;
    return false;
  }

  // The first of those that wait, but for those that another process is at: a run of a sweep that
  // was killed, which is still writing its checkpoint.
  std::optional<std::size_t> next_point() {
    for (const auto point : waiting_) {
      const auto folder = folder_of(point);
      if (!has_work_folder(folder) || !is_claimed(folder)) return point;
      if (held_.insert(point).second) {
        say("{}: another lookback is still at work there: waiting for its end",
            sweep_.points[point].name);
      }
    }
    return std::nullopt;
  }

  void start(std::size_t point) {
    std::erase(waiting_, point);
    const auto& name = sweep_.points[point].name;
    std::vector<std::string> arguments = {"train"};
    const auto add = [&](const std::vector<std::string>& more) {
      arguments.insert(arguments.end(), more.begin(), more.end());
    };
    // What was at work there may have got further since the sweep began.
    const auto plan = plan_point(sweep_, sweep_.points[point]);
    add(plan.arguments);
    add({"--output-dir=" + folder_of(point).string(), fmt::format("--threads={}", threads_)});
    switch (plan.start) {
      case PointPlan::Start::kept: ++ended_; return say("{}: has ended, and is kept", name);
      case PointPlan::Start::fresh: say("{}: begins", name); break;
      case PointPlan::Start::replaced:
        add({"--overwrite"});
        say("{}: begins anew{}", name, plan.why.empty() ? "" : ", " + plan.why);
        break;
      case PointPlan::Start::resumed:
        add(sweep_.resume_arguments);
        say("{}: goes on", name);
        break;
    }
    const auto log = log_of(point);
    const auto log_begin = size_of_file(log);
    // Times of files are those of the system's last tick.
    const auto started = FileTime::clock::now() - std::chrono::milliseconds(20);
    running_.push_back({point, ChildProcess(arguments, log), started, log_begin});
  }

  void reap() {
    for (auto each = running_.begin(); each != running_.end();) {
      const auto code = each->process.exit_code();
      if (!code) {
        ++each;
        continue;
      }
      finish(*each, *code);
      each = running_.erase(each);
    }
  }

  void finish(const Running& each, int code) {
    const auto& name = sweep_.points[each.point].name;
    waits_for_memory_ = false;
    if (code == 0) {
      ++ended_;
      return say("{}: has ended ({} of {})", name, ended_, sweep_.points.size());
    }
    // A terminal tells the whole group.
    const bool stopped = code == 128 + SIGINT || code == 128 + SIGTERM || code == 128 + SIGHUP;
    if (stopped && interrupt_.requested()) return say("{}: was stopped, and can go on", name);
    auto error = error_in(log_of(each.point), each.log_begin);
    if (error.empty()) error = fmt::format("it ended with exit code {}", code);
    print_warning(fmt::format("{}: failed: {}", name, error));
    failures_.push_back({name, code, std::move(error), log_of(each.point)});
  }

  void report() const {
    std::vector<fs::path> folders;
    for (std::size_t i = 0; i < sweep_.points.size(); ++i) {
      if (is_run_folder(folder_of(i))) folders.push_back(folder_of(i));
    }
    Json object{{"runs", Json::array()}, {"comparable", true}, {"best", nullptr}};
    std::string text = "no run has begun";
    if (!folders.empty()) {
      const auto comparison = compare_runs(folders);
      write_comparison(comparison, claimed_.path());
      const auto page = (claimed_.path() / "report.html").string();
      object = comparison_json(comparison, ComparisonDetail::summary);
      object["report"] = page;
      text = fmt::format("{}; open {}", summary_of(comparison), page);
    }
    object["failed"] = Json::array();
    for (const auto& [name, code, error, log] : failures_) {
      object["failed"].push_back(
          {{"name", name}, {"exit_code", code}, {"error", error}, {"log", log.string()}});
    }
    object["output_dir"] = claimed_.path().string();
    session_.console.summary(text, object);
  }

  ExitCode stopped_by(int signal) const {
    print_error(
        fmt::format("stopped when {} of {} runs had ended: the same command with --resume "
                    "goes on\n",
                    ended_, sweep_.points.size()));
    return ended_by(signal);
  }

  void tell_failures() const {
    constexpr std::size_t most = 10;
    std::vector<std::string> names;
    for (const auto& failure : failures_) {
      if (names.size() < most) names.push_back(failure.name);
    }
    print_error(fmt::format(
        "lookback: error: {} of {} runs failed: {}{}; {} says why each did, and the same command "
        "with --resume tries them again\n",
        failures_.size(), sweep_.points.size(), fmt::join(names, "; "),
        failures_.size() > most ? fmt::format("; and {} more", failures_.size() - most) : "",
        (claimed_.path() / "NAME.log").string()));
  }

  const Sweep& sweep_;
  const Session& session_;
  const InterruptWatch interrupt_;
  ClaimedFolder claimed_;
  std::vector<std::size_t> waiting_;
  std::list<Running> running_;
  std::vector<Failure> failures_;
  std::size_t ended_ = 0;
  std::int64_t threads_ = 1, largest_ = 0;
  std::set<std::size_t> held_;  // that have been waited for
  bool passed_on_ = false, waits_for_memory_ = false;
};

}  // namespace

ExitCode run_sweep(const Sweep& sweep, const Session& session) {
  return SweepRun(sweep, session).run();
}

}  // namespace lookback
