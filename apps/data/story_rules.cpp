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
    {"relative",
     "he him his",
     {"mother she her her", "father he him his", "grandmother she her her",
      "grandfather he him his", "aunt she her her", "uncle he him his", "sister she her her",
      "brother he him his"}},
    {"trait",
     "",
     {"kind", "brave", "clever", "shy", "gentle", "curious", "polite", "quiet", "cheerful",
      "careful"}},
    {"colour",
     "",
     {"red", "blue", "green", "yellow", "purple", "orange", "white", "black", "pink", "golden"}},
    {"toy",
     "",
     {"ball", "kite", "boat", "hat", "scarf", "drum", "doll", "truck", "robot", "whistle", "flute",
      "puppet"}},
    {"place",
     "water",
     {"park pond", "beach sea", "farm well", "forest stream", "garden fountain", "castle moat",
      "meadow brook", "valley river", "village lake", "hill spring"}},
    {"pet",
     "called food",
     {"dog barked bones", "cat meowed fish", "duck quacked bread", "pig grunted corn",
      "horse neighed hay", "goat bleated grass", "mouse squeaked cheese", "bird chirped seeds",
      "frog croaked flies", "owl hooted worms"}},
    {"weather",
     "cause",
     {"sunny sun", "windy wind", "rainy rain", "snowy snow", "foggy fog", "cloudy clouds"}},
    {"mood", "", {"sad", "tired", "lonely", "hungry", "worried", "bored"}},
    {"food",
     "",
     {"soup", "cake", "pie", "rice", "pizza", "salad", "pudding", "pancakes", "cookies",
      "noodles"}},
    {"hiding",
     "",
     {"bench", "rock", "tree", "bush", "log", "fence", "wagon", "table", "box", "bridge"}},
};

const std::vector<StoryRule> rules = {
    // A child,
    {"start", 3, "gift", "once upon a time , {hero=name} was a {trait=trait} {hero.child} ."},
    {"start", 2, "gift", "there once was a {trait=trait} child named {hero=name} ."},
    {"start", 2, "gift", "{hero=name} was the most {trait=trait} {hero.child} in the world ."},
    // with something to hold,
    {"gift", 2, "trip",
     "{hero.he} had a {colour=colour} {toy=toy} from {hero.his} {relative=relative} ."},
    {"gift", 2, "trip",
     "{hero.his} {relative=relative} gave {hero.him} a {colour=colour} {toy=toy} ."},
    {"gift", 1, "trip",
     "{hero.he} loved the {colour=colour} {toy=toy} that {hero.his} {relative=relative} made ."},
    // goes out with an animal
    {"trip", 2, "meeting",
     "one {weather=weather} day , {hero.he} went to the {place=place} with {hero.his} {pet=pet} ."},
    {"trip", 2, "meeting",
     "on a {weather=weather} morning , {hero} and {hero.his} {pet=pet} walked to the "
     "{place=place} ."},
    {"trip", 1, "meeting",
     "it was a {weather=weather} day , so {hero.he} took {hero.his} {pet=pet} to the "
     "{place=place} ."},
    // and meets another.
    {"meeting", 2, "plot", "there {hero.he} met {friend=name-hero} , who was {mood=mood} ."},
    {"meeting", 2, "plot",
     "near the {place.water} {hero.he} saw {friend=name-hero} . the {friend.child} looked "
     "{mood=mood} ."},
    {"meeting", 1, "plot",
     "“ hello ! I am {friend=name-hero} and I am {mood=mood} , ” said a {friend.child} ."},

    // The toy is lost.
    {"plot", 2, "cry", "they played with the {toy} until it fell into the {place.water} ."},
    {"plot", 1, "cry", "but the {toy} fell into the {place.water} and {hero} could not reach it ."},
    {"cry", 1, "rescue", "“ oh no , my {toy} ! ” said {hero} ."},
    {"cry", 1, "rescue", "{hero} began to cry , but {friend} told {hero.him} not to worry ."},
    {"rescue", 1, "thanks", "the {pet} {pet.called} and jumped in to get the {colour} {toy} ."},
    {"rescue", 1, "thanks",
     "{friend} pulled the {colour} {toy} out with a long stick while the {pet} {pet.called} ."},

    // Everyone eats.
    {"plot", 2, "meal", "“ do you want some {food=food} ? ” said {hero} ."},
    {"plot", 1, "meal", "{hero} opened {hero.his} bag and found some {food=food} ."},
    {"meal", 1, "feed", "“ yes , I love {food} , ” said {friend} with a smile ."},
    {"meal", 1, "feed", "{friend} ate all of the {food} and then {friend.he} laughed ."},
    {"feed", 1, "thanks", "the {pet} got {pet.food} and {pet.called} for more ."},
    {"feed", 1, "thanks",
     "because the {pet} {pet.called} at them , they gave it some {pet.food} too ."},

    // They hide and seek.
    {"plot", 2, "seek", "they played a game and {friend} hid behind the {spot=hiding} ."},
    {"plot", 1, "seek", "“ find me ! ” said {friend} and hid under the {spot=hiding} ."},
    {"seek", 1, "found", "{hero} looked by the {wrong=hiding-spot} , but {friend} was not there ."},
    {"seek", 1, "found", "{hero} put down the {toy} and looked by the {wrong=hiding-spot} first ."},
    {"found", 1, "thanks",
     "then the {pet} ran to the {spot} and {pet.called} , so {hero.he} found {friend.him} ."},
    {"found", 1, "thanks", "at last {hero.he} saw {friend.him} near the {spot} with the {pet} ."},

    // The friend is well,
    {"thanks", 1, "home", "now {friend} was not {mood} any more ."},
    {"thanks", 1, "home", "{friend} thanked {hero} and {friend.he} was no longer {mood} ."},
    {"thanks", 1, "home", "soon the {friend.child} forgot that {friend.he} had been {mood} ."},
    // and everyone goes home.
    {"home", 2, "close",
     "when the {weather.cause} made them cold , {hero} went home from the {place} ."},
    {"home", 1, "close",
     "{hero.his} {relative} came to the {place} and took {hero.him} and the {pet} home ."},
    {"home", 1, "close",
     "at home {hero.he} told {hero.his} {relative} about {friend} and the {place} ."},
    {"close", 1, "end",
     "that night the {trait} {hero.child} slept with the {colour} {toy} in {hero.his} bed ."},
    {"close", 1, "end",
     "“ what a {weather} day , ” said {hero.his} {relative} to the {trait} {hero.child} ."},
    {"close", 1, "end", "from that day on , {hero} and {friend} were the best friends ."},
};

}  // namespace

const StoryGrammar& StoryGrammar::built_in() {
  static const StoryGrammar grammar{word_lists, rules, "\n"};
  return grammar;
}

}  // namespace lookback
