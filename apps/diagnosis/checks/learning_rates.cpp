// The learning rate of every step of the run, as training asks for it, against the formula of its
// schedule (step_book.h); and those of short runs of every kind of schedule.
#include <algorithm>
#include <cmath>
#include <limits>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/ladder.h"
#include "apps/diagnosis/recorded_steps.h"
#include "apps/diagnosis/thresholds.h"
#include "apps/train/trainer.h"

namespace lookback {
namespace {

// A longer run is looked at in so many steps, evenly, and around the end of its warm-up.
constexpr std::int64_t most_steps = 100000;

std::vector<std::int64_t> steps_to_look_at(const TrainOptions& options) {
  const auto all = *options.max_steps;
  std::vector<std::int64_t> steps;
  for (std::int64_t s = 0; s < all; s += 1 + all / most_steps) steps.push_back(s);
  for (const auto s : {*options.warmup_steps - 1, *options.warmup_steps, all - 1}) {
    if (0 <= s && s < all) steps.push_back(s);
  }
  return steps;
}

struct WrongRate {
  double off = 0;  // of the peak
  std::int64_t step = 0;
  double found = 0, expected = 0;
};

struct Rates {
  double largest = 0;                // of all rates
  WrongRate worst = {}, first = {};  // the first that is no rounding
  std::size_t looked_at = 0;
};

constexpr double bound = thresholds::rate_roundings * std::numeric_limits<double>::epsilon();

Rates rates_of(const Llama& llama, const TrainOptions& options) {
  Rates result;
  const auto schedule = schedule_of(options);
  const double unit = std::max(options.learning_rate, std::numeric_limits<double>::min());
  for (const auto step : steps_to_look_at(options)) {
    WrongRate here{.step = step,
                   .found = learning_rate_at(llama, schedule, step),
                   .expected = book_rate(options, step)};
    here.off = std::fabs(here.found - here.expected) / unit;
    result.largest = std::fmax(result.largest, here.found);
    if (!(here.off <= bound) && result.worst.off <= bound) result.first = here;
    if (!(here.off <= result.worst.off)) result.worst = here;
    ++result.looked_at;
  }
  return result;
}

std::vector<TrainOptions> short_runs() {
  std::vector<TrainOptions> all;
  for (const auto kind : {ScheduleKind::cosine, ScheduleKind::linear, ScheduleKind::constant,
                          ScheduleKind::warmup_stable_decay}) {
    for (const std::int64_t steps : {1, 2, 60}) {
      for (const std::int64_t warmup : {std::int64_t{0}, std::int64_t{1}, std::int64_t{7}, steps}) {
        if (warmup > steps) continue;
        TrainOptions options;
        options.lr_scheduler_type = kind;
        options.max_steps = steps;
        options.warmup_steps = warmup;
        options.min_learning_rate_ratio = 0.1;
        if (kind == ScheduleKind::warmup_stable_decay) options.decay_steps = (steps + 2) / 3;
        all.push_back(options);
      }
    }
  }
  return all;
}

class LearningRates final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::frozen; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const auto llama = shrunk(subject).fresh_model();
    const auto own = planned_options(subject);
    report("learning rates of the run", {own}, *llama, diagnosis);
    report("learning rates of every schedule", short_runs(), *llama, diagnosis);
  }

 private:
  static void report(const std::string& name, const std::vector<TrainOptions>& runs,
                     const Llama& llama, Diagnosis& diagnosis) {
    double worst = 0;
    std::size_t looked_at = 0;
    for (const auto& options : runs) {
      const auto rates = rates_of(llama, options);
      if (rates.largest == 0) return frozen(name, options, diagnosis);
      if (!(rates.worst.off <= bound)) return refuse(name, options, rates.first, diagnosis);
      worst = std::fmax(worst, rates.worst.off);
      looked_at += rates.looked_at;
    }
    diagnosis.compared(
        Verdict::wrong_step, name, "the formula of the schedule", worst, bound,
        fmt::format("the rate of each of {} steps is that of the schedule's formula, "
                    "but for {:.2g} of the peak",
                    looked_at, worst));
  }

  static void frozen(const std::string& name, const TrainOptions& options, Diagnosis& diagnosis) {
    diagnosis.failed(Verdict::frozen, name, 0, 0,
                     fmt::format("the learning rate is 0 in all {} steps", *options.max_steps));
  }

  static void refuse(const std::string& name, const TrainOptions& options, const WrongRate& wrong,
                     Diagnosis& diagnosis) {
    const auto& [off, step, found, expected] = wrong;
    diagnosis.failed(
        Verdict::wrong_step, name, off, bound,
        fmt::format("learning rate: step {} of {} has {:.6g}, and by the formula of the {} "
                    "schedule, with a warm-up of {} steps, {:.6g}",
                    step + 1, *options.max_steps, found,
                    lookback::name_of(options.lr_scheduler_type), *options.warmup_steps, expected));
  }
};

const DiagnosisChecks::Add registered{"learning_rates",
                                      [] { return std::make_unique<LearningRates>(); }};

}  // namespace
}  // namespace lookback
