#include "apps/train/trainer_state.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <type_traits>
#include <utility>

#include "apps/model/sealed_json.h"
#include "runtime/check.h"
#include "runtime/json.h"
#include "runtime/nearest_name.h"
#include "runtime/read_file.h"

namespace lookback {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr std::string_view operation = "checkpoint";

// The keys of one object; every one that is there must have been asked for.
class StateReader {
 public:
  StateReader(const Json& read_object, std::string file, std::string path)
      : object_(read_object), where_(std::move(file)), prefix_(std::move(path)) {
    check_(object_.is_object(), "{}: {} must be an object", where_,
           prefix_.empty() ? "the whole" : prefix_);
  }

  const Json& at(const std::string& key) {
    known_.insert(key);
    check_(object_.contains(key), "{}: {}{} is missing", where_, prefix_, key);
    return object_.at(key);
  }

  bool has(const std::string& key) const { return object_.contains(key); }

  // A count of at least 0, or a finite number of at least 0.
  template <class Number>
  Number number(const std::string& key) {
    const auto& value = at(key);
    const bool right_kind =
        std::is_integral_v<Number> ? value.is_number_integer() : value.is_number();
    const bool fits = right_kind && value >= 0 && value == Json(value.get<Number>());
    check_(fits, "{}: {}{} is {}: must be {} of at least 0", where_, prefix_, key, value.dump(),
           std::is_integral_v<Number> ? "an integer" : "a number");
    return value.get<Number>();
  }

  bool flag(const std::string& key) {
    const auto& value = at(key);
    check_(value.is_boolean(), "{}: {}{} is {}: must be true or false", where_, prefix_, key,
           value.dump());
    return value.get<bool>();
  }

  std::string text(const std::string& key) {
    const auto& value = at(key);
    check_(value.is_string(), "{}: {}{} is {}: must be a string", where_, prefix_, key,
           value.dump());
    return value.get<std::string>();
  }

  std::map<std::string, std::string> texts(const std::string& key) {
    const auto& values = at(key);
    const bool fits = values.is_object() && std::ranges::all_of(values, [](const Json& value) {
                        return value.is_string();
                      });
    check_(fits, "{}: {}{} is {}: must be an object of strings", where_, prefix_, key,
           values.dump());
    return values.get<std::map<std::string, std::string>>();
  }

  std::vector<double> numbers(const std::string& key) {
    const auto& values = at(key);
    const bool fits = values.is_array() && std::ranges::all_of(values, &Json::is_number);
    check_(fits, "{}: {}{} is {}: must be a list of numbers", where_, prefix_, key, values.dump());
    return values.get<std::vector<double>>();
  }

  StateReader inside(const std::string& key) { return {at(key), where_, prefix_ + key + "."}; }

  std::vector<std::int64_t> counts(const std::string& key) {
    const auto& values = at(key);
    const bool fits = values.is_array() && std::ranges::all_of(values, [](const Json& value) {
                        return value.is_number_integer() && value >= 0;
                      });
    check_(fits, "{}: {}{} is {}: must be a list of integers of at least 0", where_, prefix_, key,
           values.dump());
    return values.get<std::vector<std::int64_t>>();
  }

  void refuse_others() const {
    for (const auto& [key, value] : object_.items()) {
      check_(known_.contains(key), "{}: unknown key {}{}: the nearest is {}", where_, prefix_,
             in_quotes(key), nearest_name(key, known_));
    }
  }

 private:
  const Check check_{operation};
  const Json& object_;
  std::string where_, prefix_;
  std::set<std::string> known_;
};

OrderedJson json_of(const CheckpointTies& ties) {
  OrderedJson object{
      {"settings", ties.settings},
      {"config", OrderedJson::parse(ties.config)},
      {"data", {{"training", to_json(ties.data.training)}, {"validation", nullptr}}},
      {"tokenizer", nullptr},
      {"metrics", {{"lines", ties.metrics.count}, {"checksum", to_string(ties.metrics.checksum)}}},
      {"files", to_json(ties.files)}};
  if (ties.data.validation) object["data"]["validation"] = to_json(*ties.data.validation);
  if (ties.tokenizer) object["tokenizer"] = to_string(*ties.tokenizer);
  return object;
}

OrderedJson json_of(const SpikeHistory& spikes) {
  return {{"losses", spikes.losses},
          {"grad_norms", spikes.grad_norms},
          {"steps_since_spike", spikes.steps_since_spike},
          {"any_spike", spikes.any_spike},
          {"left_out_lately", spikes.left_out_lately},
          {"left_out", spikes.left_out}};
}

SpikeHistory read_spikes(StateReader spikes) {
  SpikeHistory history{.losses = spikes.numbers("losses"),
                       .grad_norms = spikes.numbers("grad_norms"),
                       .steps_since_spike = spikes.number<std::int64_t>("steps_since_spike"),
                       .any_spike = spikes.flag("any_spike"),
                       .left_out_lately = spikes.number<std::int64_t>("left_out_lately"),
                       .left_out = spikes.number<std::int64_t>("left_out")};
  spikes.refuse_others();
  return history;
}

BestModel read_best(StateReader best) {
  const BestModel model{.step = best.number<std::int64_t>("step"),
                        .loss = best.number<double>("loss")};
  best.refuse_others();
  return model;
}

CheckpointTies read_ties(StateReader& all, const std::string& file) {
  CheckpointTies ties{.config = all.at("config").dump()};
  ties.settings = with_current_keys(all.texts("settings"));
  auto data = all.inside("data");
  ties.data.training = parse_data_record(data.at("training"), file);
  if (const auto& validation = data.at("validation"); !validation.is_null()) {
    ties.data.validation = parse_data_record(validation, file);
  }
  data.refuse_others();
  if (!all.at("tokenizer").is_null()) ties.tokenizer = parse_checksum(all.text("tokenizer"));
  auto metrics = all.inside("metrics");
  ties.metrics = {.count = metrics.number<std::int64_t>("lines"),
                  .checksum = parse_checksum(metrics.text("checksum"))};
  metrics.refuse_others();
  ties.files = parse_file_checksums(all.at("files"), file);
  return ties;
}

}  // namespace

std::vector<std::int64_t> kept_checkpoints(const TrainerState& state) {
  std::vector<std::int64_t> steps;
  if (state.best) steps.push_back(state.best->step);
  if (state.way_back) steps.push_back(*state.way_back);
  return steps;
}

std::string to_json(const TrainerState& state) {
  OrderedJson object{{"step", state.step},
                     {"tokens", state.tokens},
                     {"seconds", state.seconds},
                     {"seed", state.seed},
                     {"instruction_set", state.instruction_set},
                     {"unlogged",
                      {{"steps", state.unlogged.steps},
                       {"loss", state.unlogged.loss},
                       {"seconds", state.unlogged.seconds},
                       {"tokens", state.unlogged.tokens},
                       {"targets", state.unlogged.targets},
                       {"correct", state.unlogged.correct}}},
                     {"training_tokens", nullptr},
                     {"next_tokens", state.next_tokens}};
  if (const auto& sum = state.unlogged.auxiliary_loss) object["unlogged"]["auxiliary_loss"] = *sum;
  if (const auto count = state.unlogged.left_out; count > 0) object["unlogged"]["left_out"] = count;
  if (state.training_tokens) object["training_tokens"] = *state.training_tokens;
  object["spikes"] = json_of(state.spikes);
  if (const auto& best = state.best) object["best"] = {{"step", best->step}, {"loss", best->loss}};
  if (state.way_back) object["way_back"] = *state.way_back;
  if (!state.ties) return object.dump();  // as of the time before there were checksums
  object.update(json_of(*state.ties));
  return sealed_text(object);
}

TrainerState read_trainer_state(const std::filesystem::path& path) {
  return parse_trainer_state(read_file(path, operation), path.string());
}

TrainerState parse_trainer_state(const std::string& text, const std::string& where) {
  const auto [object, sealed] = unsealed(text, operation, where);
  StateReader all(object, where, "");
  TrainerState state{.step = all.number<std::int64_t>("step"),
                     .tokens = all.number<std::int64_t>("tokens"),
                     .seconds = all.number<double>("seconds"),
                     .seed = all.number<std::uint64_t>("seed"),
                     .next_tokens = all.counts("next_tokens"),
                     .instruction_set = all.text("instruction_set")};
  auto unlogged = all.inside("unlogged");
  state.unlogged = {.loss = unlogged.number<double>("loss"),
                    .seconds = unlogged.number<double>("seconds"),
                    .steps = unlogged.number<std::int64_t>("steps"),
                    .tokens = unlogged.number<std::int64_t>("tokens"),
                    .targets = unlogged.number<std::int64_t>("targets"),
                    .correct = unlogged.number<std::int64_t>("correct")};
  if (unlogged.has("auxiliary_loss")) {
    state.unlogged.auxiliary_loss = unlogged.number<double>("auxiliary_loss");
  }
  if (unlogged.has("left_out")) state.unlogged.left_out = unlogged.number<std::int64_t>("left_out");
  unlogged.refuse_others();
  if (!all.at("training_tokens").is_null()) {
    state.training_tokens = all.number<std::int64_t>("training_tokens");
  }
  // Earlier versions had none of these.
  if (all.has("spikes")) state.spikes = read_spikes(all.inside("spikes"));
  if (all.has("best")) state.best = read_best(all.inside("best"));
  if (all.has("way_back")) state.way_back = all.number<std::int64_t>("way_back");
  // Without a checksum it is of the time before there were any, and has none of these keys.
  if (sealed) state.ties = read_ties(all, where);
  all.refuse_others();
  return state;
}

}  // namespace lookback
