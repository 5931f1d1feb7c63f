// lookback presets: the model variants that --preset takes, and the faults that --fault takes.
#include "nn/llama/preset.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"

namespace lookback {
namespace {

class Presets final : public Command {
 public:
  void declare(Flags& flags) override {
    flags.add_toggle("faults", faults, "lists the known faults in place of the presets");
  }

  ExitCode run(const Session& session) override {
    std::size_t width = 0;
    for (const auto& [name, preset] : presets()) width = std::max(width, name.size());
    std::string lines;
    auto listed = nlohmann::ordered_json::array();
    for (const auto& [name, preset] : presets()) {
      lines +=
          fmt::format("{}{:<{}}  {}", lines.empty() ? "" : "\n", name, width, preset.description);
      listed.push_back({{"name", name},
                        {"description", preset.description},
                        {"config", nlohmann::ordered_json::parse(preset.config)}});
    }
    const nlohmann::ordered_json object{{"presets", listed},
                                        {"faults", nlohmann::ordered_json::array()}};
    session.console.result(faults ? "" : lines, object);
    return ExitCode::good;
  }

 private:
  bool faults = false;
};

const CommandRegistration<Presets> registered{"presets", "lists the model variants, one a line"};

}  // namespace
}  // namespace lookback
