#include "apps/data/data_flags.h"

namespace lookback {

void DataFlags::declare(Flags& flags) {
  flags.add_choice(
      "bin-dtype", bin_dtype, std::vector<TokenType>(token_types.begin(), token_types.end()),
      "numbers of a .bin or .npy without a header; without it uint16, unless they look "
      "wider");
  flags.add("text-field", text_field, "NAME",
            "where records of JSON (.jsonl, .json) have their text");
  add_bos_flag(flags, add_bos,
               "whether the tokenizer's first token (<s>) stands in front of each document; auto: "
               "no, or as the run has it");
}

void DataFlags::set(DataOptions& options) const {
  options.bin_dtype = bin_dtype;
  options.text_field = text_field;
  options.add_bos = add_bos;
}

void DataFlags::take_those_of_run(DataOptions& options, const DataFlags& of_run) const {
  if (!bin_dtype) options.bin_dtype = of_run.bin_dtype;
  if (text_field == DataFlags().text_field) options.text_field = of_run.text_field;
  if (add_bos == AddBos::automatic) options.add_bos = of_run.add_bos;
}

}  // namespace lookback
