#include "engine/data/normal_form.h"

#include <algorithm>
#include <cstdint>

#include "engine/core/foreign_text.h"
#include "engine/core/utf8.h"

namespace tessera {
namespace {

// A mark that letters are composed with: letter composed[i] is base[i] and the mark.
struct Mark {
  char32_t mark;
  int combining_class;  // order among the marks of one letter; 0: it keeps its place
  std::u32string_view composed, base;
};

// From UnicodeData.txt: all two-part canonical decompositions that no composition exclusion names.
// clang-format off
constexpr Mark marks[] = {
    {0x0300, 230, U"ÀÈÌÒÙàèìòùǛǜǸǹЀЍѐѝḔḕṐṑẀẁẦầẰằỀềỒồỜờỪừỲỳἂἃἊἋἒἓἚἛἢἣἪἫἲἳἺἻὂὃὊὋὒὓὛὢὣὪὫὰὲὴὶὸὺὼᾺῈῊ῍ῒῚ῝ῢῪ῭ῸῺ", U"AEIOUaeiouÜüNnЕИеиĒēŌōWwÂâĂăÊêÔôƠơƯưYyἀἁἈἉἐἑἘἙἠἡἨἩἰἱἸἹὀὁὈὉὐὑὙὠὡὨὩαεηιουωΑΕΗ᾿ϊΙ῾ϋΥ¨ΟΩ"},
    {0x0301, 230, U"ÁÉÍÓÚÝáéíóúýĆćĹĺŃńŔŕŚśŹźǗǘǴǵǺǻǼǽǾǿ΅ΆΈΉΊΌΎΏΐάέήίΰόύώϓЃЌѓќḈḉḖḗḮḯḰḱḾḿṌṍṒṓṔṕṸṹẂẃẤấẮắẾếỐốỚớỨứἄἅἌἍἔἕἜἝἤἥἬἭἴἵἼἽὄὅὌὍὔὕὝὤὥὬὭ῎῞", U"AEIOUYaeiouyCcLlNnRrSsZzÜüGgÅåÆæØø¨ΑΕΗΙΟΥΩϊαεηιϋουωϒГКгкÇçĒēÏïKkMmÕõŌōPpŨũWwÂâĂăÊêÔôƠơƯưἀἁἈἉἐἑἘἙἠἡἨἩἰἱἸἹὀὁὈὉὐὑὙὠὡὨὩ᾿῾"},
    {0x0302, 230, U"ÂÊÎÔÛâêîôûĈĉĜĝĤĥĴĵŜŝŴŵŶŷẐẑẬậỆệỘộ", U"AEIOUaeiouCcGgHhJjSsWwYyZzẠạẸẹỌọ"},
    {0x0303, 230, U"ÃÑÕãñõĨĩŨũṼṽẪẫẴẵẼẽỄễỖỗỠỡỮữỸỹ", U"ANOanoIiUuVvÂâĂăEeÊêÔôƠơƯưYy"},
    {0x0304, 230, U"ĀāĒēĪīŌōŪūǕǖǞǟǠǡǢǣǬǭȪȫȬȭȰȱȲȳӢӣӮӯḠḡḸḹṜṝᾱᾹῑῙῡῩ", U"AaEeIiOoUuÜüÄäȦȧÆæǪǫÖöÕõȮȯYyИиУуGgḶḷṚṛαΑιΙυΥ"},
    {0x0306, 230, U"ĂăĔĕĞğĬĭŎŏŬŭЎЙйўӁӂӐӑӖӗḜḝẶặᾰᾸῐῘῠῨ", U"AaEeGgIiOoUuУИиуЖжАаЕеȨȩẠạαΑιΙυΥ"},
    {0x0307, 230, U"ĊċĖėĠġİŻżȦȧȮȯḂḃḊḋḞḟḢḣṀṁṄṅṖṗṘṙṠṡṤṥṦṧṨṩṪṫẆẇẊẋẎẏẛ", U"CcEeGgIZzAaOoBbDdFfHhMmNnPpRrSsŚśŠšṢṣTtWwXxYyſ"},
    {0x0308, 230, U"ÄËÏÖÜäëïöüÿŸΪΫϊϋϔЁЇёїӒӓӚӛӜӝӞӟӤӥӦӧӪӫӬӭӰӱӴӵӸӹḦḧṎṏṺṻẄẅẌẍẗ", U"AEIOUaeiouyYΙΥιυϒЕІеіАаӘәЖжЗзИиОоӨөЭэУуЧчЫыHhÕõŪūWwXxt"},
    {0x0309, 230, U"ẢảẨẩẲẳẺẻỂểỈỉỎỏỔổỞởỦủỬửỶỷ", U"AaÂâĂăEeÊêIiOoÔôƠơUuƯưYy"},
    {0x030a, 230, U"ÅåŮůẘẙ", U"AaUuwy"},
    {0x030b, 230, U"ŐőŰűӲӳ", U"OoUuУу"},
    {0x030c, 230, U"ČčĎďĚěĽľŇňŘřŠšŤťŽžǍǎǏǐǑǒǓǔǙǚǦǧǨǩǮǯǰȞȟ", U"CcDdEeLlNnRrSsTtZzAaIiOoUuÜüGgKkƷʒjHh"},
    {0x030f, 230, U"ȀȁȄȅȈȉȌȍȐȑȔȕѶѷ", U"AaEeIiOoRrUuѴѵ"},
    {0x0311, 230, U"ȂȃȆȇȊȋȎȏȒȓȖȗ", U"AaEeIiOoRrUu"},
    {0x0313, 230, U"ἀἈἐἘἠἨἰἸὀὈὐὠὨῤ", U"αΑεΕηΗιΙοΟυωΩρ"},
    {0x0314, 230, U"ἁἉἑἙἡἩἱἹὁὉὑὙὡὩῥῬ", U"αΑεΕηΗιΙοΟυΥωΩρΡ"},
    {0x031b, 216, U"ƠơƯư", U"OoUu"},
    {0x0323, 220, U"ḄḅḌḍḤḥḲḳḶḷṂṃṆṇṚṛṢṣṬṭṾṿẈẉẒẓẠạẸẹỊịỌọỢợỤụỰựỴỵ", U"BbDdHhKkLlMmNnRrSsTtVvWwZzAaEeIiOoƠơUuƯưYy"},
    {0x0324, 220, U"Ṳṳ", U"Uu"},
    {0x0325, 220, U"Ḁḁ", U"Aa"},
    {0x0326, 220, U"ȘșȚț", U"SsTt"},
    {0x0327, 202, U"ÇçĢģĶķĻļŅņŖŗŞşŢţȨȩḐḑḨḩ", U"CcGgKkLlNnRrSsTtEeDdHh"},
    {0x0328, 202, U"ĄąĘęĮįŲųǪǫ", U"AaEeIiUuOo"},
    {0x032d, 220, U"ḒḓḘḙḼḽṊṋṰṱṶṷ", U"DdEeLlNnTtUu"},
    {0x032e, 220, U"Ḫḫ", U"Hh"},
    {0x0330, 220, U"ḚḛḬḭṴṵ", U"EeIiUu"},
    {0x0331, 220, U"ḆḇḎḏḴḵḺḻṈṉṞṟṮṯẔẕẖ", U"BbDdKkLlNnRrTtZzh"},
    {0x0342, 230, U"ἆἇἎἏἦἧἮἯἶἷἾἿὖὗὟὦὧὮὯᾶ῁ῆ῏ῖῗ῟ῦῧῶ", U"ἀἁἈἉἠἡἨἩἰἱἸἹὐὑὙὠὡὨὩα¨η᾿ιϊ῾υϋω"},
    {0x0345, 240, U"ᾀᾁᾂᾃᾄᾅᾆᾇᾈᾉᾊᾋᾌᾍᾎᾏᾐᾑᾒᾓᾔᾕᾖᾗᾘᾙᾚᾛᾜᾝᾞᾟᾠᾡᾢᾣᾤᾥᾦᾧᾨᾩᾪᾫᾬᾭᾮᾯᾲᾳᾴᾷᾼῂῃῄῇῌῲῳῴῷῼ", U"ἀἁἂἃἄἅἆἇἈἉἊἋἌἍἎἏἠἡἢἣἤἥἦἧἨἩἪἫἬἭἮἯὠὡὢὣὤὥὦὧὨὩὪὫὬὭὮὯὰαάᾶΑὴηήῆΗὼωώῶΩ"},
    {0x0653, 230, U"\u0622", U"\u0627"},
    {0x0654, 230, U"\u0623\u0624\u0626\u06C0\u06C2\u06D3", U"\u0627\u0648\u064A\u06D5\u06C1\u06D2"},
    {0x0655, 220, U"\u0625", U"\u0627"},
    {0x093c, 7, U"\u0929\u0931\u0934", U"\u0928\u0930\u0933"},
    {0x09be, 0, U"\u09CB", U"\u09C7"},
    {0x09d7, 0, U"\u09CC", U"\u09C7"},
    {0x0b3e, 0, U"\u0B4B", U"\u0B47"},
    {0x0b56, 0, U"\u0B48", U"\u0B47"},
    {0x0b57, 0, U"\u0B4C", U"\u0B47"},
    {0x0bbe, 0, U"\u0BCA\u0BCB", U"\u0BC6\u0BC7"},
    {0x0bd7, 0, U"\u0B94\u0BCC", U"\u0B92\u0BC6"},
    {0x0c56, 91, U"\u0C48", U"\u0C46"},
    {0x0cc2, 0, U"\u0CCA", U"\u0CC6"},
    {0x0cd5, 0, U"\u0CC0\u0CC7\u0CCB", U"\u0CBF\u0CC6\u0CCA"},
    {0x0cd6, 0, U"\u0CC8", U"\u0CC6"},
    {0x0d3e, 0, U"\u0D4A\u0D4B", U"\u0D46\u0D47"},
    {0x0d57, 0, U"\u0D4C", U"\u0D46"},
    {0x0dca, 9, U"\u0DDA\u0DDD", U"\u0DD9\u0DDC"},
    {0x0dcf, 0, U"\u0DDC", U"\u0DD9"},
    {0x0ddf, 0, U"\u0DDE", U"\u0DD9"},
    {0x102e, 0, U"\u1026", U"\u1025"},
    {0x1b35, 0, U"\u1B06\u1B08\u1B0A\u1B0C\u1B0E\u1B12\u1B3B\u1B3D\u1B40\u1B41\u1B43", U"\u1B05\u1B07\u1B09\u1B0B\u1B0D\u1B11\u1B3A\u1B3C\u1B3E\u1B3F\u1B42"},
    {0x3099, 8, U"がぎぐげござじずぜぞだぢづでどばびぶべぼゔゞガギグゲゴザジズゼゾダヂヅデドバビブベボヴヷヸヹヺヾ", U"かきくけこさしすせそたちつてとはひふへほうゝカキクケコサシスセソタチツテトハヒフヘホウワヰヱヲヽ"},
    {0x309a, 8, U"ぱぴぷぺぽパピプペポ", U"はひふへほハヒフヘホ"},
    {0x110ba, 7, U"\U0001109A\U0001109C\U000110AB", U"\U00011099\U0001109B\U000110A5"},
    {0x11127, 0, U"\U0001112E\U0001112F", U"\U00011131\U00011132"},
    {0x1133e, 0, U"\U0001134B", U"\U00011347"},
    {0x11357, 0, U"\U0001134C", U"\U00011347"},
    {0x114b0, 0, U"\U000114BC", U"\U000114B9"},
    {0x114ba, 0, U"\U000114BB", U"\U000114B9"},
    {0x114bd, 0, U"\U000114BE", U"\U000114B9"},
    {0x115af, 0, U"\U000115BA\U000115BB", U"\U000115B8\U000115B9"},
    {0x11930, 0, U"\U00011938", U"\U00011935"},
};
// clang-format on

int combining_class(char32_t c) {
  const auto* found = std::lower_bound(std::begin(marks), std::end(marks), c,
                                       [](const Mark& mark, char32_t value) { return mark.mark < value; });
  return found != std::end(marks) && found->mark == c ? found->combining_class : 0;
}

// Hangul syllables are composed by rule: 19 leading consonants, 21 vowels, 28 trailing ones (the first is none).
constexpr char32_t first_syllable = 0xAC00, leading = 0x1100, vowel = 0x1161, trailing = 0x11A7;
constexpr std::uint32_t vowels = 21, trailings = 28, syllables = 19 * vowels * trailings;

void append_decomposed(char32_t c, std::u32string& to) {
  if (c >= first_syllable && c < first_syllable + syllables) {
    const std::uint32_t i = c - first_syllable;
    to += {leading + i / (vowels * trailings), vowel + i / trailings % vowels};
    if (i % trailings != 0) to += trailing + i % trailings;
    return;
  }
  if (c >= 0x80)
    for (const Mark& mark : marks)
      if (const std::size_t at = mark.composed.find(c); at != mark.composed.npos) {
        append_decomposed(mark.base[at], to);
        to += mark.mark;
        return;
      }
  to += c;
}

void append_utf8(char32_t c, std::string& to) {
  const auto tail = [&](int shift) { to += static_cast<char>(0x80 | (c >> shift & 0x3f)); };
  if (c < 0x80) {
    to += static_cast<char>(c);
  } else if (c < 0x800) {
    to += static_cast<char>(0xC0 | c >> 6), tail(0);
  } else if (c < 0x10000) {
    to += static_cast<char>(0xE0 | c >> 12), tail(6), tail(0);
  } else {
    to += static_cast<char>(0xF0 | c >> 18), tail(12), tail(6), tail(0);
  }
}

}  // namespace

std::string normal_form(std::string_view text) {
  if (!is_utf8(text)) return std::string(text);
  std::u32string points;
  for (std::string_view rest = text; !rest.empty();) {
    const Character c = first_character(rest);
    append_decomposed(c.code, points);
    rest.remove_prefix(c.size);
  }
  const auto is_mark = [](char32_t c) { return combining_class(c) != 0; };
  for (auto at = points.begin(); at != points.end();) {
    at = std::find_if(at, points.end(), is_mark);
    const auto end = std::find_if_not(at, points.end(), is_mark);
    std::stable_sort(at, end, [](char32_t a, char32_t b) { return combining_class(a) < combining_class(b); });
    at = end;
  }
  std::string out;
  for (const char32_t c : points) append_utf8(c, out);
  return out;
}

}  // namespace tessera
