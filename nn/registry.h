// Families of exchangeable parts (attention mechanisms, score schemes, residual schemes): each part
// is one file that registers itself under its name, so that a new one needs no edit elsewhere.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/check.h"

namespace lookback {

// Part: the abstract class, with `static constexpr std::string_view family` for messages.
template <class Part, class... Arguments>
class Registry {
 public:
  using Factory = std::function<std::unique_ptr<Part>(const Arguments&...)>;

  // Throws Error, listing the known names, for a name nobody registered.
  static std::unique_ptr<Part> make(std::string_view name, const Arguments&... arguments) {
    const auto found = factories().find(name);
    if (found == factories().end()) {
      std::string known;
      for (const auto& each : names()) known += (known.empty() ? "" : ", ") + each;
      fail(Part::family, "unknown name \"{}\": known are {}", name, known);
    }
    return found->second(arguments...);
  }

  static std::vector<std::string> names() {
    std::vector<std::string> result;
    for (const auto& [name, factory] : factories()) result.push_back(name);
    return result;
  }

  // A file-level object of this type adds a part before main; one in a function (a test's) adds it
  // for its own lifetime.
  class Add {
   public:
    Add(std::string part_name, Factory factory) : name(std::move(part_name)) {
      factories().emplace(name, std::move(factory));
    }
    ~Add() { factories().erase(name); }
    Add(const Add&) = delete;
    Add& operator=(const Add&) = delete;

   private:
    std::string name;
  };

 private:
  static std::map<std::string, Factory, std::less<>>& factories() {
    static auto& map = *new std::map<std::string, Factory, std::less<>>;
    return map;
  }
};

}  // namespace lookback
