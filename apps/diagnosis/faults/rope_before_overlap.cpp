// Heads that overlap are turned by their positions before they take their neighbors' columns: these
// come without the other halves of their rotary pairs, and scores hang on absolute positions.
#include <nlohmann/json.hpp>

#include "apps/diagnosis/faults/attention_of_type.h"
#include "apps/diagnosis/faults/fault.h"

namespace lookback {
namespace {

class RopeBeforeOverlap final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "overlapping heads are turned by positions before they take their neighbors' columns";
  }
  Verdict verdict() const override { return Verdict::not_the_named_model; }
  Changes changes() const override { return forward_changes(); }
  std::string_view attention_mechanism() const override {
    return R"({"type": "mohsa", "overlap_dim": 2})";
  }
  std::string_view missing_in(const LlamaConfig& config) const override {
    const bool turned = has_attention(config, "mohsa") &&
                        std::ranges::all_of(config.attention, [](const auto& each) {
                          return each.options->positions == Positions::rope &&
                                 each.options->to_json().at("overlap_dim") > 0;
                        });
    return turned ? ""
                  : "attention_mechanism mohsa with overlap_dim above 0 and rotary positions in "
                    "every layer";
  }
  Tensor overlapped(const Tensor& x, const TensorStep& widen,
                    const TensorStep& turn) const override {
    return widen(turn(x));
  }
};

const AddFault<RopeBeforeOverlap> registered{"rope_before_overlap"};

}  // namespace
}  // namespace lookback
