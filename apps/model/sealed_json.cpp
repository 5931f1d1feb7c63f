#include "apps/model/sealed_json.h"

#include "runtime/check.h"
#include "runtime/checksum.h"
#include "runtime/json.h"

namespace lookback {
namespace {

constexpr std::string_view time_key = "\"seconds\": ", checksum_start = ",\n  \"checksum\": ";
constexpr auto checksum_key = "checksum";

// Of all lines but those of a member that does not count: as they are written, each has its own.
Checksum content_of(std::string_view text) {
  RunningChecksum sum;
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n') + 1);  // behind the last break: all of it
    const auto counted = line.empty() ? text : line;
    const auto start = counted.find_first_not_of(' ');
    if (start == counted.npos || !counted.substr(start).starts_with(time_key)) sum.add(counted);
    text.remove_prefix(counted.size());
  }
  return sum.value();
}

std::string with_checksum(std::string_view members) {
  return fmt::format("{}{}\"{}\"\n}}\n", members, checksum_start, to_string(content_of(members)));
}

}  // namespace

std::string sealed_text(const nlohmann::ordered_json& object) {
  auto members = object.dump(2);
  members.resize(members.rfind("\n}"));
  return with_checksum(members);
}

UnsealedJson unsealed(std::string_view text, std::string_view operation, std::string_view source) {
  const Check check{operation};
  UnsealedJson result{.object = parse_json(text, operation, source)};
  check(result.object.is_object(), "{}: must be a JSON object", source);
  result.sealed = result.object.erase(checksum_key) > 0;
  const auto end = text.rfind(checksum_start);
  const bool as_written =
      !result.sealed || (end != text.npos && with_checksum(text.substr(0, end)) == text);
  check(as_written,
        "{}: is not as it was written, by the checksum at its end: it is damaged, or was edited",
        source);
  return result;
}

}  // namespace lookback
