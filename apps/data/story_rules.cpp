// The grammar of builtin:stories: a constant of the program. Whoever changes a word here changes
// the floor of every run; the tests say what must hold.
//
// What there is to learn: who has which name, pronoun, toy, colour, pet, place and relative is
// decided once and needed again sentences later, and a pet's voice and food, a place's water and
// the weather's name follow from the word. A model that sees two words back cannot know them.
#include "apps/data/story_grammar.h"

namespace lookback {
namespace {

const std::vector<StoryWords> word_lists = {
    {"name",
     "he him his child",
     {"Tom he him his boy",    "Ben he him his boy",    "Max he him his boy",
      "Sam he him his boy",    "Leo he him his boy",    "Jack he him his boy",
      "Finn he him his boy",   "Noah he him his boy",   "Hugo he him his boy",
      "Oscar he him his boy",  "Lily she her her girl", "Mia she her her girl",
      "Anna she her her girl", "Ella she her her girl", "Rose she her her girl",
      "Lucy she her her girl", "Zoe she her her girl",  "Emma she her her girl",
      "Ivy she her her girl",  "Clara she her her girl"}},
    {"relative", "", {"mother", "father", "grandmother", "grandfather", "aunt", "uncle"}},
    {"trait", "", {"kind", "brave", "clever", "shy", "gentle", "curious", "polite", "quiet"}},
    {"colour", "", {"red", "blue", "green", "yellow", "purple", "white", "black", "pink"}},
    {"toy",
     "",
     {"ball", "kite", "boat", "hat", "scarf", "drum", "doll", "truck", "robot", "whistle", "flute",
      "puppet"}},
    {"place",
     "water",
     {"park pond", "beach sea", "farm well", "forest stream", "garden fountain", "castle moat",
      "valley river", "village lake"}},
    {"pet",
     "called food",
     {"dog barked bones", "cat meowed fish", "duck quacked bread", "pig grunted corn",
      "horse neighed hay", "goat bleated grass", "mouse squeaked cheese", "bird chirped seeds"}},
    {"weather",
     "cause",
     {"sunny sun", "windy wind", "rainy rain", "snowy snow", "foggy fog", "stormy storm"}},
    {"person",
     "",
     {"farmer", "baker", "sailor", "teacher", "painter", "doctor", "singer", "hunter"}},
    {"mood", "", {"sad", "tired", "lonely", "hungry", "worried", "bored"}},
    {"food", "", {"soup", "cake", "pie", "rice", "pizza", "salad", "pudding", "noodles"}},
    {"hiding", "", {"bench", "rock", "tree", "bush", "log", "fence", "wagon", "table"}},
};

const std::vector<StoryRule> rules = {
    // A child with something to hold
    {"start", 3, "gift", "once upon a time , {hero=name} was a {trait=trait} {hero.child} ."},
    {"start", 2, "gift", "there once was a {trait=trait} child named {hero=name} ."},
    {"gift", 2, "trip",
     "{hero.he} had a {colour=colour} {toy=toy} from {hero.his} {relative=relative} ."},
    {"gift", 2, "trip",
     "{hero.his} {relative=relative} gave {hero.him} a {colour=colour} {toy=toy} ."},
    // goes out with an animal
    {"trip", 2, "meeting",
     "one {weather=weather} day , {hero.he} went to the {place=place} with {hero.his} {pet=pet} ."},
    {"trip", 1, "meeting",
     "on a {weather=weather} morning , {hero} and {hero.his} {pet=pet} walked to the "
     "{place=place} ."},
    // and meets somebody.
    {"meeting", 2, "plot", "there {hero.he} met a {mood=mood} {person=person} ."},
    {"meeting", 1, "plot",
     "near the {place.water} {hero.he} saw a {person=person} who was very {mood=mood} ."},

    // The toy is lost.
    {"plot", 2, "rescue", "then the {toy} fell into the {place.water} ."},
    {"plot", 1, "rescue", "“ oh no , my {toy} fell into the {place.water} ! ” said {hero} ."},
    {"rescue", 1, "close", "the {pet} {pet.called} and brought back the {colour} {toy} ."},
    {"rescue", 1, "close",
     "the {person} pulled the {colour} {toy} out while the {pet} {pet.called} ."},

    // Everyone eats.
    {"plot", 2, "feed", "“ do you want some {food=food} ? ” said {hero} to the {person} ."},
    {"plot", 1, "feed", "{hero} opened {hero.his} bag and found some {food=food} ."},
    {"feed", 1, "close", "the {person} ate the {food} and gave {pet.food} to the {pet} ."},
    {"feed", 1, "close", "the {pet} {pet.called} , so {hero.he} gave it some {pet.food} too ."},

    // The animal hides.
    {"plot", 2, "found", "but the {pet} ran away and hid behind the {spot=hiding} ."},
    {"plot", 1, "found", "“ where is my {pet} ? ” said {hero} by the {spot=hiding} ."},
    {"found", 1, "close", "the {pet} {pet.called} , and the {person} looked under the {spot} ."},
    {"found", 1, "close", "soon {hero.he} heard how it {pet.called} near the {spot} ."},

    // Home.
    {"close", 1, "end", "when the {weather.cause} was gone , {hero} left the {place} ."},
    {"close", 1, "end",
     "at home the {trait} {hero.child} told {hero.his} {relative} about the {mood} {person} ."},
    {"close", 1, "end", "{hero.his} {relative} came and took {hero.him} and the {toy} home ."},
    {"close", 1, "end", "“ what a {weather} day ! ” said {hero} to {hero.his} {relative} ."},
};

}  // namespace

const StoryGrammar& StoryGrammar::built_in() {
  static const StoryGrammar grammar{word_lists, rules, "\n"};
  return grammar;
}

}  // namespace lookback
