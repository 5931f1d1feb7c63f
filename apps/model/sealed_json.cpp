#include "apps/model/sealed_json.h"

#include <utility>

#include "runtime/check.h"
#include "runtime/checksum.h"
#include "runtime/json.h"

namespace lookback {
namespace {

using Json = nlohmann::ordered_json;

constexpr auto checksum_key = "checksum";

void leave_out_times(Json& value) {
  if (value.is_object()) value.erase("seconds");
  if (value.is_structured()) {
    for (auto& member : value) leave_out_times(member);
  }
}

Checksum content_of(Json object) {
  leave_out_times(object);
  return checksum_of(object.dump());
}

}  // namespace

std::string sealed_text(Json object) {
  const auto checksum = to_string(content_of(object));
  object[checksum_key] = checksum;
  return object.dump(2) + "\n";
}

UnsealedJson unsealed(std::string_view text, std::string_view operation, std::string_view source) {
  const Check check{operation};
  check(parse_json(text, operation, source).is_object(), "{}: must be a JSON object", source);
  UnsealedJson result{.object = Json::parse(text)};
  const auto found = result.object.find(checksum_key);
  if (found == result.object.end()) return result;
  result.sealed = true;
  result.object.erase(found);
  check(sealed_text(result.object) == text,
        "{}: is not as it was written, by the checksum at its end: it is damaged, or was edited",
        source);
  return result;
}

}  // namespace lookback
