#include "apps/train/ranks.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <nlohmann/json.hpp>
#include <ranges>

#include "apps/cli/exit_code.h"
#include "nn/llama/config_file.h"
#include "runtime/checksum.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

using Json = nlohmann::json;

// runtime/binary_counter.h: whose sums join as those of one process would.
bool can_share(std::int64_t lanes, std::int64_t ranks) {
  return lanes % ranks == 0 &&
         (ranks == 1 || std::has_single_bit(static_cast<std::uint64_t>(lanes / ranks)));
}

std::string named(const Communicator& ranks, int rank) {
  return fmt::format("rank {} on {}", rank, ranks.host_of(rank));
}

Checksum checksum_of_weights(const Llama& llama) {
  RunningChecksum sum;
  for (const auto& parameter : llama.parameters()) {
    const auto x = on_host(parameter.tensor);
    sum.add(std::span(static_cast<const std::byte*>(x.raw_data()),
                      static_cast<std::size_t>(x.numel()) * size_of(x.dtype())));
  }
  return sum.value();
}

}  // namespace

void check_rank_count(const Communicator& ranks, std::int64_t lanes) {
  if (can_share(lanes, ranks.size())) return;
  std::vector<std::int64_t> possible;
  for (std::int64_t n = 1; n <= lanes; ++n) {
    if (can_share(lanes, n)) possible.push_back(n);
  }
  usage_error(
      "{} ranks cannot share the {} lanes of this run to the same bits (--gradient-lanes): {} can",
      ranks.size(), lanes, fmt::join(possible, ", "));
}

CommonValues config_values(const LlamaConfig& config) {
  CommonValues values;
  const auto keys = Json::parse(to_json(config));
  for (const auto& [key, value] : keys.items())
    values.emplace_back(key + " of the config", value.dump());
  return values;
}

void check_common(Communicator& ranks, const CommonValues& values) {
  const auto all = ranks.all_gather_texts(Json(values).dump(), "what the ranks have in common");
  const auto values_of = [&](int rank) {
    const auto list = Json::parse(all[static_cast<std::size_t>(rank)]).get<CommonValues>();
    return std::map<std::string, std::string>(list.begin(), list.end());
  };
  const auto first = values_of(0);
  for (int rank = 1; rank < ranks.size(); ++rank) {
    const auto other = values_of(rank);
    auto names = first;
    names.insert(other.begin(), other.end());
    for (const auto& name : names | std::views::keys) {
      const auto value_in = [&](const auto& known) {
        const auto found = known.find(name);
        return found == known.end() ? std::string("missing") : found->second;
      };
      if (value_in(first) == value_in(other)) continue;
      fail("ranks", "{} is {} for {}, and {} for {}: all ranks of a run must have the same", name,
           value_in(other), named(ranks, rank), value_in(first), named(ranks, 0));
    }
  }
}

std::string text_of_first(Communicator& ranks, const std::function<std::string()>& load) {
  return ranks.broadcast_text(is_first(ranks) ? load() : std::string(), 0, "text of rank 0");
}

TrainerState state_of_first(Communicator& ranks, const std::function<TrainerState()>& load) {
  if (ranks.size() == 1) return load();
  return parse_trainer_state(text_of_first(ranks, [&] { return to_json(load()); }),
                             "the state of " + named(ranks, 0));
}

void take_resumed_run(Communicator& ranks, Flags& flags, ResumedRun& run) {
  if (ranks.size() == 1) return;
  run.state = state_of_first(ranks, [&] { return run.state; });
  run.checkpoint.step = run.state.step;
  const auto text = text_of_first(ranks, [&] {
    return Json{{"flags", flags.saved_values()},
                {"checkpoint", run.checkpoint.path.string()},
                {"tokenizer", run.tokenizer},
                {"device", run.device}}
        .dump();
  });
  if (is_first(ranks)) return;
  const auto shared = Json::parse(text);
  run.checkpoint.path = shared.at("checkpoint").get<std::string>();
  run.tokenizer = shared.at("tokenizer");
  run.device = shared.at("device");
  // Each has threads and a device of its own.
  constexpr std::array<std::string_view, 2> own = {"threads", "device"};
  for (const auto& [name, value] :
       shared.at("flags").get<std::vector<std::pair<std::string, std::string>>>()) {
    if (std::ranges::find(own, name) == own.end()) flags.assign(name, value);
  }
  if (run.device == "cpu" && !flags.given("device")) flags.assign("device", run.device);
}

Wishes agreed(Communicator& ranks, const Wishes& own) {
  if (ranks.size() == 1) return own;
  const std::array mine{static_cast<std::int32_t>(own.end), std::int32_t{own.checkpoint}};
  std::vector<std::int32_t> all(mine.size() * static_cast<std::size_t>(ranks.size()));
  ranks.all_gather(std::as_bytes(std::span(mine)), std::as_writable_bytes(std::span(all)),
                   "wishes");
  Wishes wishes;
  for (std::size_t i = 0; i < all.size(); i += mine.size()) {
    if (wishes.end == 0) wishes.end = all[i];
    wishes.checkpoint = wishes.checkpoint || all[i + 1] != 0;
  }
  return wishes;
}

void check_same_weights(Communicator& ranks, const Llama& llama, std::int64_t step) {
  if (ranks.size() == 1) return;
  const auto own = checksum_of_weights(llama);
  std::vector<std::uint64_t> all(static_cast<std::size_t>(ranks.size()));
  ranks.all_gather(std::as_bytes(std::span(&own.bits, 1)), std::as_writable_bytes(std::span(all)),
                   "checksums of weights");
  for (int rank = 1; rank < ranks.size(); ++rank) {
    const auto other = all[static_cast<std::size_t>(rank)];
    if (other == all[0]) continue;
    fail("ranks",
         "after step {} {} has other weights than {}, though they were sent to both: its memory or "
         "its processor is not to be trusted, or theirs",
         step, named(ranks, rank), named(ranks, 0));
  }
}

}  // namespace lookback
