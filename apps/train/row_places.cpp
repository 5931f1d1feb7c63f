#include "apps/train/row_places.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/data/batch_rows.h"
#include "runtime/check.h"

namespace lookback {
namespace {

constexpr std::int64_t most_rows = 4;

// The token of its file that token `position` of the source is.
std::int64_t token_in_file(const std::vector<FilePart>& parts, std::int64_t position) {
  for (const auto& part : parts) {
    const auto here = part.end - part.begin;
    if (position < here) return part.begin + position;
    position -= here;
  }
  return position;
}

// The first rows of a micro-step.
std::vector<RowPlace> first_rows(const TokenSource& training, const TrainOptions& options,
                                 std::int64_t step, std::int64_t micro_step, std::int64_t most) {
  const auto rows = options.batch_size, columns = options.block_size;
  const auto starts = training.training_starts(step, micro_step, rows, columns);
  std::vector<RowPlace> places;
  for (std::int64_t row = 0; row < std::min(rows, most); ++row)
    places.push_back({.row = row_of_step(micro_step, rows, row), .document = options.data});
  if (!starts) return places;
  const auto documents = training.training_documents(step, micro_step, rows, columns);
  const auto parts = training.file_parts();
  for (std::size_t row = 0; row < places.size(); ++row) {
    const auto document = documents[row * static_cast<std::size_t>(columns + 1)];
    places[row].document = training.document_name(document);
    places[row].token = token_in_file(parts, (*starts)[row]);
  }
  return places;
}

}  // namespace

StepPlaces places_of_step(const TokenSource& training, const TrainOptions& options,
                          std::int64_t step) {
  const auto micro_steps = options.gradient_accumulation_steps;
  StepPlaces places{.rows = micro_steps * options.batch_size};
  for (std::int64_t i = 0; i < micro_steps && std::ssize(places.first) < most_rows; ++i) {
    const auto more = first_rows(training, options, step, i, most_rows - std::ssize(places.first));
    places.first.insert(places.first.end(), more.begin(), more.end());
  }
  return places;
}

std::string in_words(const StepPlaces& places) {
  std::string text;
  for (const auto& place : places.first) {
    text += fmt::format("{}row {} is {}", text.empty() ? "" : ", ", place.row, place.document);
    if (place.token) text += fmt::format(" from token {}", *place.token);
  }
  const auto more = places.rows - std::ssize(places.first);
  if (more > 0) text += fmt::format(", and {} more", more);
  return text;
}

nlohmann::ordered_json to_json(const StepPlaces& places) {
  auto rows = nlohmann::ordered_json::array();
  for (const auto& place : places.first) {
    nlohmann::ordered_json row{{"row", place.row}, {"document", place.document}};
    if (place.token) row["token"] = *place.token;
    rows.push_back(row);
  }
  return rows;
}

}  // namespace lookback
