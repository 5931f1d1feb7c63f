// What files add by themselves, under a name, so that a new one needs no edit elsewhere: entries of
// any type (subcommands, benchmarks, presets), and families of exchangeable parts (attention
// mechanisms, score schemes, residual schemes, faults, checks).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/check.h"

namespace lookback {

template <class Entry>
class Registered {
 public:
  using Map = std::map<std::string, Entry, std::less<>>;

  static const Map& all() { return entries(); }
  static std::vector<std::string> names() {
    std::vector<std::string> result;
    for (const auto& [name, entry] : entries()) result.push_back(name);
    return result;
  }

  // A file-level object of this type adds an entry before main; one in a function (a test's) adds
  // it for its own lifetime.
  class Add {
   public:
    Add(std::string name, Entry entry) : name_(std::move(name)) {
      entries().emplace(name_, std::move(entry));
    }
    ~Add() { entries().erase(name_); }
    Add(const Add&) = delete;
    Add& operator=(const Add&) = delete;

   private:
    std::string name_;
  };

 private:
  static Map& entries() {
    static auto& map = *new Map;
    return map;
  }
};

// Part: the abstract class, with `static constexpr std::string_view family` for messages.
template <class Part, class... Arguments>
class Registry {
 public:
  using Factory = std::function<std::unique_ptr<Part>(const Arguments&...)>;

  // Throws Error, listing the known names, for another one.
  static std::unique_ptr<Part> make(std::string_view name, const Arguments&... arguments) {
    const auto found = Factories::all().find(name);
    if (found == Factories::all().end()) {
      std::string known;
      for (const auto& each : names()) known += (known.empty() ? "" : ", ") + each;
      fail(Part::family, "unknown name \"{}\": known are {}", name, known);
    }
    return found->second(arguments...);
  }

  static std::vector<std::string> names() { return Factories::names(); }
  using Add = typename Registered<Factory>::Add;

 private:
  using Factories = Registered<Factory>;
};

}  // namespace lookback
