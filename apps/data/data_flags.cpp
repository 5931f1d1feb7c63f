#include "apps/data/data_flags.h"

namespace lookback {

void DataFlags::declare(Flags& flags) {
  flags.add_choice(
      "bin-dtype", bin_dtype, std::vector<TokenType>(token_types.begin(), token_types.end()),
      "numbers of a .bin or .npy without a header; without it uint16, unless they look "
      "wider");
  flags.add("text-field", text_field, "NAME",
            "where records of JSON (.jsonl, .json) have their text");
}

void DataFlags::take_those_of_run(DataOptions& options, const DataFlags& of_run) const {
  if (!bin_dtype) options.bin_dtype = of_run.bin_dtype;
  if (text_field == DataFlags().text_field) options.text_field = of_run.text_field;
}

}  // namespace lookback
