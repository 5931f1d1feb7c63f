// Where in the data the rows of a step of training lie, for who has to look at them.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/data/token_source.h"
#include "apps/train/train_options.h"

namespace lookback {

struct RowPlace {
  std::int64_t row = 0;  // of all rows of the step
  std::string document;  // its file, and the record in it; of data that are drawn, their name
  std::optional<std::int64_t> token = {};  // of the file, from 0, with which the row begins
};

struct StepPlaces {
  std::vector<RowPlace> first = {};  // of the rows, at most 4
  std::int64_t rows = 0;             // there are
};

// Of step `step`, from 0.
StepPlaces places_of_step(const TokenSource& training, const TrainOptions& options,
                          std::int64_t step);

// "row 0 is text.txt from token 120, row 1 ..; 6 more rows"
std::string in_words(const StepPlaces& places);
// [{"row":0,"document":"text.txt","token":120}, ..]
nlohmann::ordered_json to_json(const StepPlaces& places);

}  // namespace lookback
