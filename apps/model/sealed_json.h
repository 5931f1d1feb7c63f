// JSON files of our own that carry a checksum of what is in them, as their last key.
//
// Members called "seconds", at any depth, do not count for it: they are measured, and all else in
// the files of two runs that are alike is alike.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace lookback {

// The text of such a file: the object's members, of which there must be one, then "checksum".
std::string sealed_text(const nlohmann::ordered_json& object);

struct UnsealedJson {
  nlohmann::json object;  // without "checksum"; by name: an ordered object would look through all
                          // its names for each that is read
  bool sealed = false;    // whether there was one
};

// Reads such a text, named `source` in errors. Throws Error for what parse_json() refuses, for
// anything but an object, and where there is a checksum for every text but the one that
// sealed_text() wrote.
UnsealedJson unsealed(std::string_view text, std::string_view operation, std::string_view source);

}  // namespace lookback
