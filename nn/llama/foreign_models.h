// Models that are no Llama, by the names that their config.json has: what they compute that a Llama
// does not.
#pragma once

#include <string_view>

namespace lookback {

struct ForeignModel {
  std::string_view model_type;
  std::string_view class_name;  // without ForCausalLM
  std::string_view reason;      // "its norms ..."
};

// Null: none that is known.
const ForeignModel* foreign_model_of_type(std::string_view model_type);
const ForeignModel* foreign_model_of_class(std::string_view class_name);

}  // namespace lookback
