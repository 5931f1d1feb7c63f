// The grammar of builtin:stories: a constant of the program. Whoever changes a word here changes
// the floor of every run; the tests say what must hold.
//
// What there is to learn: the child's name and pronoun, the animal, the toy, the place and the
// relative are decided once and needed again sentences later; an animal's voice and food and a
// place's water follow from the word. A model that sees two words back cannot know them. These
// lists are short, so that a small model finds out within minutes; what is not needed again
// comes from longer ones.
#include "apps/data/story_grammar.h"

namespace lookback {
namespace {

const std::vector<StoryWords> word_lists = {
    {"name",
     "he him his child",
     {"Tom he him his boy", "Ben he him his boy", "Max he him his boy", "Leo he him his boy",
      "Lily she her her girl", "Mia she her her girl", "Anna she her her girl",
      "Rose she her her girl"}},
    {"relative", "", {"mother", "father", "aunt", "uncle"}},
    {"pet",
     "called food",
     {"dog barked bones", "cat meowed fish", "duck quacked bread", "pig grunted corn",
      "goat bleated grass", "mouse squeaked cheese"}},
    {"toy", "", {"ball", "kite", "boat", "hat", "drum", "doll"}},
    {"place",
     "water",
     {"park pond", "beach sea", "farm well", "forest stream", "castle moat", "valley river"}},
    {"trait",
     "",
     {"kind", "brave", "clever", "shy", "gentle", "curious", "polite", "quiet", "cheerful",
      "careful"}},
    {"colour",
     "",
     {"red", "blue", "green", "yellow", "purple", "white", "black", "pink", "brown", "golden"}},
    {"size", "", {"big", "small", "fat", "thin", "young", "old", "lazy", "funny"}},
    {"weather",
     "",
     {"sunny", "windy", "rainy", "snowy", "foggy", "stormy", "cloudy", "warm", "cold", "lovely"}},
    {"person",
     "",
     {"farmer", "baker", "sailor", "teacher", "painter", "doctor", "singer", "hunter", "king",
      "queen"}},
    {"mood",
     "",
     {"sad", "tired", "lonely", "worried", "bored", "angry", "happy", "sleepy", "busy", "proud"}},
    {"food",
     "",
     {"soup", "cake", "pie", "rice", "pizza", "salad", "pudding", "noodles", "pancakes",
      "cookies"}},
    {"hiding",
     "",
     {"bench", "rock", "tree", "bush", "log", "fence", "wagon", "table", "wall", "bridge"}},
    {"manner",
     "",
     {"happily", "quickly", "slowly", "loudly", "softly", "proudly", "suddenly", "twice"}},
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
     "one {weather=weather} day , {hero.he} took {hero.his} {size=size} {pet=pet} to the "
     "{place=place} ."},
    {"trip", 1, "meeting",
     "on a {weather=weather} morning , {hero} and {hero.his} {size=size} {pet=pet} walked to the "
     "{place=place} ."},
    // and meets somebody.
    {"meeting", 1, "plot", "there {hero.he} met a {mood=mood} {person=person} ."},
    {"meeting", 1, "plot",
     "near the {place.water} {hero.he} saw a {person=person} who looked very {mood=mood} ."},

    // The toy is lost.
    {"plot", 2, "rescue", "then the {toy} fell into the {place.water} ."},
    {"plot", 1, "rescue", "“ oh no , my {toy} fell into the {place.water} ! ” said {hero} ."},
    {"rescue", 1, "close",
     "the {pet} {pet.called} {manner=manner} and brought it back to {hero.him} ."},
    {"rescue", 1, "close",
     "with a long stick {hero.he} pulled it out while the {pet} {pet.called} {manner=manner} ."},

    // Everyone eats.
    {"plot", 2, "feed", "“ do you want some {food=food} ? ” said {hero} with a smile ."},
    {"plot", 1, "feed", "{hero} opened {hero.his} bag and found some {food=food} ."},
    {"feed", 1, "close", "then {hero.he} gave {pet.food} to the {pet} ."},
    {"feed", 1, "close",
     "the {pet} {pet.called} {manner=manner} , so {hero.he} gave it some {pet.food} too ."},

    // The animal hides.
    {"plot", 2, "found", "but the {pet} ran away and hid behind the {spot=hiding} ."},
    {"plot", 1, "found", "“ where is my {pet} ? ” said {hero} by the {spot=hiding} ."},
    {"found", 1, "close", "soon {hero.he} heard how it {pet.called} {manner=manner} ."},
    {"found", 1, "close",
     "the {pet} {pet.called} {manner=manner} when {hero.he} looked under a {wrong=hiding-spot} ."},

    // Home.
    {"close", 1, "end", "in the evening {hero} and the {pet} went home ."},
    {"close", 1, "end", "at home {hero.he} told {hero.his} {relative} all about the {place} ."},
    {"close", 1, "end", "{hero.his} {relative} came and took {hero.him} and the {toy} home ."},
    {"close", 1, "end",
     "“ what a {weather} day ! ” said {hero} to {hero.his} {relative} before bed ."},
};

}  // namespace

const StoryGrammar& StoryGrammar::built_in() {
  static const StoryGrammar grammar{word_lists, rules, "\n"};
  return grammar;
}

}  // namespace lookback
