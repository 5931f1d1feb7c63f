#include "apps/cli/session.h"

#include <algorithm>

#include "apps/cli/process.h"
#include "runtime/device_runtime.h"
#include "runtime/parallel.h"
#include "runtime/usable_cores.h"

namespace lookback {
namespace {

// More threads than any machine of today has cores; the operating system gives up far above.
constexpr IntegerRule thread_rule{.min = 1, .max = 1024};

// What --device auto came to. A machine with a GPU that is not used says why.
std::string note_of_chosen(Device device) {
  const auto* runtime = device_runtime(Backend::cuda);
  if (device.backend == Backend::cuda) {
    return fmt::format("on {}, {}", to_string(device), runtime->describe(device.index));
  }
  const auto reason = runtime == nullptr ? "" : runtime->why_passed_over();
  return reason.empty() ? "on the CPU" : "on the CPU, though a GPU is here: " + reason;
}

// What this process may use, less what others of its host do on the same cores. (Launchers may have
// given each cores of its own.)
std::int64_t threads_beside(Communicator& ranks) {
  const auto cores = fmt::format("{} {}", ranks.host_of(ranks.rank()), allowed_cores());
  const auto all = ranks.all_gather_texts(cores, "cores");
  return std::max<std::int64_t>(1, num_threads() / std::ranges::count(all, cores));
}

// Of the GPUs of a host each of its ranks takes one.
Device device_beside(const Communicator& ranks, Device device, const std::string& wanted) {
  if (device.backend != Backend::cuda || ranks.size() == 1) return device;
  int before = 0, all = 0;
  for (int rank = 0; rank < ranks.size(); ++rank) {
    if (ranks.host_of(rank) != ranks.host_of(ranks.rank())) continue;
    ++all;
    before += rank < ranks.rank() ? 1 : 0;
  }
  const int count = device_runtime(Backend::cuda)->count();
  if (all > count || (all > 1 && wanted.starts_with("cuda:"))) {
    usage_error(
        "--device {}: {} ranks on {}, which has {} GPUs: each rank takes one of its own, "
        "with --device cuda",
        wanted, all, ranks.host_of(ranks.rank()), count);
  }
  return wanted.starts_with("cuda:") ? device : Device{Backend::cuda, before};
}

}  // namespace

void SessionFlags::declare(Flags& flags) {
  flags.add("device", device, "NAME", "auto, cpu, cuda or cuda:N (auto: a GPU where there is one)");
  flags.add("threads", threads, thread_rule, "CPU threads; without it one per core");
  flags.add("seed", seed, at_least_zero, "of everything drawn at random");
  flags.add_toggle("tf32", tf32,
                   "a GPU rounds the operands of float32 products to TF32: faster, 1e-3 away");
  flags.add_toggle("json", json, "stdout holds one JSON object and nothing else")
      .not_saved_to_options();
  flags.add_toggle("quiet", quiet, "no progress on stderr").not_saved_to_options();
}

Device parse_device(const std::string& text) {
  if (text == "cpu") return cpu_device;
  if (text == "auto") {
    const auto* runtime = device_runtime(Backend::cuda);
    return runtime != nullptr && runtime->count() > 0 ? Device{Backend::cuda, 0} : cpu_device;
  }
  const bool is_cuda =
      text == "cuda" ||
      (text.starts_with("cuda:") && text.size() > 5 && text.size() < 9 &&
       std::all_of(text.begin() + 5, text.end(), [](char c) { return c >= '0' && c <= '9'; }));
  if (!is_cuda) usage_error("--device {}: must be auto, cpu, cuda or cuda:N", text);
  const Device device{Backend::cuda, text == "cuda" ? 0 : std::stoi(text.substr(5))};
  try {
    check_device(device);
  } catch (const Error& error) {
    usage_error("--device {}: {}", text, error.what());
  }
  return device;
}

Session SessionFlags::start(Communicator& ranks) {
  Session session;
  session.console.form = json ? Console::Form::json : Console::Form::text;
  session.console.notes = quiet ? Console::Notes::hidden : Console::Notes::shown;
  session.device = device_beside(ranks, parse_device(device), device);
  if (device == "auto") session.device_note = note_of_chosen(session.device);
  device = to_string(session.device);
  session.default_device = std::make_shared<DefaultDevice>(session.device);
  if (tf32 && session.device.backend != Backend::cuda) {
    usage_error("--tf32: only a GPU has it, and --device is {}: leave it out", device);
  }
  session.matmul_precision =
      std::make_shared<UseFloatProducts>(tf32 ? FloatProducts::tf32 : FloatProducts::full);
  if (threads || ranks.size() > 1)
    set_num_threads(static_cast<int>(threads.value_or(threads_beside(ranks))));
  check_threads(num_threads());
  threads = num_threads();
  session.threads = *threads;
  session.ranks = &ranks;
  session.seed = static_cast<std::uint64_t>(seed);
  return session;
}

}  // namespace lookback
