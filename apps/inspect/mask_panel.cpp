// The path of the mask: where it is made, what applies it, where masked weights are used again.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "apps/inspect/inspect_report.h"

namespace lookback {
namespace {

constexpr std::size_t max_rows = 1500;

std::string line_of(const std::source_location& place) {
  return fmt::format("{}:{}", project_file(place), place.line());
}

// What a mask shows, in words.
std::string shown_by(const CausalMask& mask, std::int64_t tokens) {
  if (mask.offset >= tokens) return "every key to every query";
  std::string text = mask.offset == 0 ? "to query t the keys 0 to t"
                                      : fmt::format("to query t the keys 0 to t + {}", mask.offset);
  if (mask.pattern.dilation.defined()) {
    text += fmt::format(", {} of them at a distance of its own for each head", mask.window);
  } else if (mask.window > 0) {
    text += fmt::format(", the last {} of them", mask.window);
  }
  if (mask.pattern.global_keys.defined()) {
    text += fmt::format(", {} global ones", mask.pattern.global_keys.numel());
  }
  if (mask.pattern.random_blocks.defined()) {
    text += fmt::format(", {} random blocks of {}", mask.pattern.random_blocks.size(2),
                        mask.pattern.block_size);
  }
  if (mask.document_start.defined()) text += ", of its own document";
  return text;
}

std::string reason(const MaskUse& use) {
  static const std::map<std::string_view, std::string_view> reasons = {
      {"attention", "hidden keys are left out of softmax and sum; their scores are never read"},
      {"attention_replay",
       "the recorded scores and sums, under the mask that the replay carries: hidden keys are "
       "never "
       "read"},
      {"attention_weights", "hidden keys are left out of the softmax; their weights are exactly 0"},
      {"apply_attention_weights",
       "weights that were made under a mask, and the mask with them: what it hides is not read"},
      {"mask_scores", "hidden scores become -inf, which the softmax makes exactly 0"}};
  const auto found = reasons.find(use.operation);
  std::string text(found == reasons.end() ? "takes the mask" : found->second);
  if (use.pieces > 1) {
    text = fmt::format("the scores of {} layers are added up first, unmasked, then: {}", use.pieces,
                       text);
  }
  return text;
}

// Uses by the line that made their mask, in the order of the first.
std::vector<std::pair<const MaskUse*, std::int64_t>> makers(const std::vector<MaskUse>& uses) {
  std::vector<std::pair<const MaskUse*, std::int64_t>> result;
  for (const auto& use : uses) {
    const auto same = std::ranges::find_if(result, [&](const auto& known) {
      return line_of(known.first->mask.made) == line_of(use.mask.made);
    });
    if (same == result.end()) {
      result.emplace_back(&use, 1);
    } else {
      ++same->second;
    }
  }
  return result;
}

class Rows {
 public:
  explicit Rows(const Inspection& inspection) : inspection_(inspection) {
    for (const auto& replay : inspection_.replays) replays_[replay.scope] = &replay;
  }

  void add_maker(const MaskUse& first, std::int64_t uses) {
    const auto tokens = static_cast<std::int64_t>(inspection_.tokens.size());
    add({"made", "", "", line_of(first.mask.made),
         fmt::format("shows {}; taken by {} operations", shown_by(first.mask, tokens), uses), ""});
  }

  void add_use(const MaskUse& use) {
    const auto again = replays_.find(use.scope);
    if (again != replays_.end()) return add_reuse(use, *again->second);
    const bool attends = use.operation == "attention" || use.operation == "attention_weights";
    std::string largest;
    // The first that attends in a scope is its layer's own run.
    if (attends && layers_seen_.size() < inspection_.attention.size() &&
        layers_seen_.insert(use.scope).second) {
      const auto& weights = inspection_.attention[layers_seen_.size() - 1];
      largest = fmt::format("{:.3g}", largest_hidden_weight(weights));
    }
    add({"applied", use.scope, std::string(use.operation), line_of(use.where), reason(use),
         largest});
  }

  std::vector<std::vector<ReportTable::Cell>> rows;

 private:
  void add_reuse(const MaskUse& use, const InspectedReplay& replay) {
    add({"used again", use.scope, "replay", line_of(replay.where),
         fmt::format(
             "layer {} runs the attention of layer {} again on its own values; the mask made "
             "at {} travels inside the replay, which can do nothing but apply these weights",
             replay.layer, replay.source, line_of(use.mask.made)),
         fmt::format("{:.3g}", replay.largest_hidden)});
    add({"applied", use.scope, std::string(use.operation), line_of(use.where), reason(use), ""});
  }

  void add(std::vector<std::string> cells) { rows.emplace_back(cells.begin(), cells.end()); }

  const Inspection& inspection_;
  std::map<std::string, const InspectedReplay*, std::less<>> replays_;
  std::set<std::string, std::less<>> layers_seen_;
};

}  // namespace

void add_mask_path(HtmlReport& report, const Inspection& inspection) {
  report.section(
      "mask", "The path of the mask",
      "Look for one line that makes the mask, and 0 in the last column of every row. A second "
      "line that makes one, or a weight on a later token, is where a model begins to "
      "look ahead.");
  Rows rows(inspection);
  for (const auto& [use, count] : makers(inspection.mask_uses)) rows.add_maker(*use, count);
  for (const auto& use : inspection.mask_uses) rows.add_use(use);
  ReportTable table{.columns = {"step", "module", "operation", "source", "why it holds",
                                "weight on later tokens"},
                    .rows = std::move(rows.rows)};
  if (table.rows.size() > max_rows) {
    report.text(fmt::format("The first {} of {} rows are shown.", max_rows, table.rows.size()));
    table.rows.resize(max_rows);
  }
  report.table(table);
}

}  // namespace lookback
