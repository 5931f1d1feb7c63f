// lookback presets: the model variants that --preset takes, and the faults that --fault takes.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "apps/cli/command.h"
#include "apps/diagnosis/faults/fault.h"
#include "nn/layer/preset.h"
#include "nn/llama/config_file.h"

namespace lookback {
namespace {

using Json = nlohmann::ordered_json;

class Presets final : public Command {
 public:
  void declare(Flags& flags) override {
    flags.add_toggle("faults", faults_, "lists the known faults in place of the presets");
  }

  ExitCode run(const Session& session) override {
    // Keys that follow from the sizes of a model are shown for this one.
    const auto sizes = built_in_llama_config("smoke");
    auto listed = Json::array();
    for (const auto& [name, preset] : in_order()) {
      listed.push_back({{"name", name},
                        {"description", preset.description},
                        {"config", Json::parse(preset.config.for_model(sizes))}});
    }
    auto listed_faults = Json::array();
    for (const auto& name : Faults::names()) {
      const auto fault = Faults::make(name);
      listed_faults.push_back({{"name", name},
                               {"description", fault->description()},
                               {"verdict", name_of(fault->verdict())}});
    }
    session.console.result(lines(faults_ ? listed_faults : listed),
                           {{"presets", listed}, {"faults", listed_faults}});
    return ExitCode::good;
  }

 private:
  // The plain Llama, the variants by name, and last what is broken on purpose.
  static std::vector<std::pair<std::string, Preset>> in_order() {
    const auto rank = [](const auto& entry) {
      return entry.first == "llama" ? 0 : entry.first.starts_with("fault-") ? 2 : 1;
    };
    std::vector<std::pair<std::string, Preset>> all(presets().begin(), presets().end());
    std::ranges::stable_sort(all, {}, rank);
    return all;
  }

  // A name and its description each.
  static std::string lines(const Json& entries) {
    std::size_t width = 0;
    for (const auto& entry : entries) {
      width = std::max(width, entry.at("name").get_ref<const std::string&>().size());
    }
    std::string result;
    for (const auto& entry : entries) {
      result += fmt::format("{}{:<{}}  {}", result.empty() ? "" : "\n",
                            entry.at("name").get_ref<const std::string&>(), width,
                            entry.at("description").get_ref<const std::string&>());
    }
    return result;
  }

  bool faults_ = false;
};

const AddCommand<Presets> registered{"presets", "lists the model variants, one a line"};

}  // namespace
}  // namespace lookback
