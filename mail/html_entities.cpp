#include "mail/html_entities.hpp"

#include "base/text.hpp"
#include "mail/charset.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>

namespace wicket {
namespace {

struct HtmlName {
    std::string_view name;
    char32_t character;
    bool needs_no_semicolon;
};

// HTML 4's names, and those of HTML 5 for ASCII, white space and what takes no room: with them words can be
// hidden. In the order of their octets.
// clang-format off
constexpr HtmlName html_names[] = {
    HtmlName{"AElig", 0xC6, true}, HtmlName{"AMP", 0x26, true}, HtmlName{"Aacute", 0xC1, true},
    HtmlName{"Acirc", 0xC2, true}, HtmlName{"Agrave", 0xC0, true}, HtmlName{"Alpha", 0x391, false},
    HtmlName{"ApplyFunction", 0x2061, false}, HtmlName{"Aring", 0xC5, true}, HtmlName{"Atilde", 0xC3, true},
    HtmlName{"Auml", 0xC4, true}, HtmlName{"Beta", 0x392, false}, HtmlName{"Ccedil", 0xC7, true},
    HtmlName{"Chi", 0x3A7, false}, HtmlName{"Dagger", 0x2021, false}, HtmlName{"Delta", 0x394, false},
    HtmlName{"DiacriticalGrave", 0x60, false}, HtmlName{"ETH", 0xD0, true}, HtmlName{"Eacute", 0xC9, true},
    HtmlName{"Ecirc", 0xCA, true}, HtmlName{"Egrave", 0xC8, true}, HtmlName{"Epsilon", 0x395, false},
    HtmlName{"Eta", 0x397, false}, HtmlName{"Euml", 0xCB, true}, HtmlName{"GT", 0x3E, true},
    HtmlName{"Gamma", 0x393, false}, HtmlName{"Hat", 0x5E, false}, HtmlName{"Iacute", 0xCD, true},
    HtmlName{"Icirc", 0xCE, true}, HtmlName{"Igrave", 0xCC, true},
    HtmlName{"InvisibleComma", 0x2063, false}, HtmlName{"InvisibleTimes", 0x2062, false},
    HtmlName{"Iota", 0x399, false}, HtmlName{"Iuml", 0xCF, true}, HtmlName{"Kappa", 0x39A, false},
    HtmlName{"LT", 0x3C, true}, HtmlName{"Lambda", 0x39B, false}, HtmlName{"MediumSpace", 0x205F, false},
    HtmlName{"Mu", 0x39C, false}, HtmlName{"NegativeMediumSpace", 0x200B, false},
    HtmlName{"NegativeThickSpace", 0x200B, false}, HtmlName{"NegativeThinSpace", 0x200B, false},
    HtmlName{"NegativeVeryThinSpace", 0x200B, false}, HtmlName{"NewLine", 0xA, false},
    HtmlName{"NoBreak", 0x2060, false}, HtmlName{"NonBreakingSpace", 0xA0, false},
    HtmlName{"Ntilde", 0xD1, true}, HtmlName{"Nu", 0x39D, false}, HtmlName{"OElig", 0x152, false},
    HtmlName{"Oacute", 0xD3, true}, HtmlName{"Ocirc", 0xD4, true}, HtmlName{"Ograve", 0xD2, true},
    HtmlName{"Omega", 0x3A9, false}, HtmlName{"Omicron", 0x39F, false}, HtmlName{"Oslash", 0xD8, true},
    HtmlName{"Otilde", 0xD5, true}, HtmlName{"Ouml", 0xD6, true}, HtmlName{"Phi", 0x3A6, false},
    HtmlName{"Pi", 0x3A0, false}, HtmlName{"Prime", 0x2033, false}, HtmlName{"Psi", 0x3A8, false},
    HtmlName{"QUOT", 0x22, true}, HtmlName{"Rho", 0x3A1, false}, HtmlName{"Scaron", 0x160, false},
    HtmlName{"Sigma", 0x3A3, false}, HtmlName{"THORN", 0xDE, true}, HtmlName{"Tab", 0x9, false},
    HtmlName{"Tau", 0x3A4, false}, HtmlName{"Theta", 0x398, false}, HtmlName{"ThinSpace", 0x2009, false},
    HtmlName{"Uacute", 0xDA, true}, HtmlName{"Ucirc", 0xDB, true}, HtmlName{"Ugrave", 0xD9, true},
    HtmlName{"UnderBar", 0x5F, false}, HtmlName{"Upsilon", 0x3A5, false}, HtmlName{"Uuml", 0xDC, true},
    HtmlName{"VerticalLine", 0x7C, false}, HtmlName{"VeryThinSpace", 0x200A, false},
    HtmlName{"Xi", 0x39E, false}, HtmlName{"Yacute", 0xDD, true}, HtmlName{"Yuml", 0x178, false},
    HtmlName{"ZeroWidthSpace", 0x200B, false}, HtmlName{"Zeta", 0x396, false},
    HtmlName{"aacute", 0xE1, true}, HtmlName{"acirc", 0xE2, true}, HtmlName{"acute", 0xB4, true},
    HtmlName{"aelig", 0xE6, true}, HtmlName{"af", 0x2061, false}, HtmlName{"agrave", 0xE0, true},
    HtmlName{"alefsym", 0x2135, false}, HtmlName{"alpha", 0x3B1, false}, HtmlName{"amp", 0x26, true},
    HtmlName{"and", 0x2227, false}, HtmlName{"ang", 0x2220, false}, HtmlName{"apos", 0x27, false},
    HtmlName{"aring", 0xE5, true}, HtmlName{"ast", 0x2A, false}, HtmlName{"asymp", 0x2248, false},
    HtmlName{"atilde", 0xE3, true}, HtmlName{"auml", 0xE4, true}, HtmlName{"bdquo", 0x201E, false},
    HtmlName{"beta", 0x3B2, false}, HtmlName{"brvbar", 0xA6, true}, HtmlName{"bsol", 0x5C, false},
    HtmlName{"bull", 0x2022, false}, HtmlName{"cap", 0x2229, false}, HtmlName{"ccedil", 0xE7, true},
    HtmlName{"cedil", 0xB8, true}, HtmlName{"cent", 0xA2, true}, HtmlName{"chi", 0x3C7, false},
    HtmlName{"circ", 0x2C6, false}, HtmlName{"clubs", 0x2663, false}, HtmlName{"colon", 0x3A, false},
    HtmlName{"comma", 0x2C, false}, HtmlName{"commat", 0x40, false}, HtmlName{"cong", 0x2245, false},
    HtmlName{"copy", 0xA9, true}, HtmlName{"crarr", 0x21B5, false}, HtmlName{"cup", 0x222A, false},
    HtmlName{"curren", 0xA4, true}, HtmlName{"dArr", 0x21D3, false}, HtmlName{"dagger", 0x2020, false},
    HtmlName{"darr", 0x2193, false}, HtmlName{"dash", 0x2010, false}, HtmlName{"deg", 0xB0, true},
    HtmlName{"delta", 0x3B4, false}, HtmlName{"diams", 0x2666, false}, HtmlName{"divide", 0xF7, true},
    HtmlName{"dollar", 0x24, false}, HtmlName{"eacute", 0xE9, true}, HtmlName{"ecirc", 0xEA, true},
    HtmlName{"egrave", 0xE8, true}, HtmlName{"empty", 0x2205, false}, HtmlName{"emsp", 0x2003, false},
    HtmlName{"emsp13", 0x2004, false}, HtmlName{"emsp14", 0x2005, false}, HtmlName{"ensp", 0x2002, false},
    HtmlName{"epsilon", 0x3B5, false}, HtmlName{"equals", 0x3D, false}, HtmlName{"equiv", 0x2261, false},
    HtmlName{"eta", 0x3B7, false}, HtmlName{"eth", 0xF0, true}, HtmlName{"euml", 0xEB, true},
    HtmlName{"euro", 0x20AC, false}, HtmlName{"excl", 0x21, false}, HtmlName{"exist", 0x2203, false},
    HtmlName{"fnof", 0x192, false}, HtmlName{"forall", 0x2200, false}, HtmlName{"frac12", 0xBD, true},
    HtmlName{"frac14", 0xBC, true}, HtmlName{"frac34", 0xBE, true}, HtmlName{"frasl", 0x2044, false},
    HtmlName{"gamma", 0x3B3, false}, HtmlName{"ge", 0x2265, false}, HtmlName{"grave", 0x60, false},
    HtmlName{"gt", 0x3E, true}, HtmlName{"hArr", 0x21D4, false}, HtmlName{"hairsp", 0x200A, false},
    HtmlName{"harr", 0x2194, false}, HtmlName{"hearts", 0x2665, false}, HtmlName{"hellip", 0x2026, false},
    HtmlName{"hyphen", 0x2010, false}, HtmlName{"iacute", 0xED, true}, HtmlName{"ic", 0x2063, false},
    HtmlName{"icirc", 0xEE, true}, HtmlName{"iexcl", 0xA1, true}, HtmlName{"igrave", 0xEC, true},
    HtmlName{"image", 0x2111, false}, HtmlName{"infin", 0x221E, false}, HtmlName{"int", 0x222B, false},
    HtmlName{"iota", 0x3B9, false}, HtmlName{"iquest", 0xBF, true}, HtmlName{"isin", 0x2208, false},
    HtmlName{"it", 0x2062, false}, HtmlName{"iuml", 0xEF, true}, HtmlName{"kappa", 0x3BA, false},
    HtmlName{"lArr", 0x21D0, false}, HtmlName{"lambda", 0x3BB, false}, HtmlName{"lang", 0x2329, false},
    HtmlName{"laquo", 0xAB, true}, HtmlName{"larr", 0x2190, false}, HtmlName{"lbrace", 0x7B, false},
    HtmlName{"lbrack", 0x5B, false}, HtmlName{"lceil", 0x2308, false}, HtmlName{"lcub", 0x7B, false},
    HtmlName{"ldquo", 0x201C, false}, HtmlName{"le", 0x2264, false}, HtmlName{"lfloor", 0x230A, false},
    HtmlName{"lowast", 0x2217, false}, HtmlName{"lowbar", 0x5F, false}, HtmlName{"loz", 0x25CA, false},
    HtmlName{"lpar", 0x28, false}, HtmlName{"lrm", 0x200E, false}, HtmlName{"lsaquo", 0x2039, false},
    HtmlName{"lsqb", 0x5B, false}, HtmlName{"lsquo", 0x2018, false}, HtmlName{"lt", 0x3C, true},
    HtmlName{"macr", 0xAF, true}, HtmlName{"mdash", 0x2014, false}, HtmlName{"micro", 0xB5, true},
    HtmlName{"midast", 0x2A, false}, HtmlName{"middot", 0xB7, true}, HtmlName{"minus", 0x2212, false},
    HtmlName{"mu", 0x3BC, false}, HtmlName{"nabla", 0x2207, false}, HtmlName{"nbsp", 0xA0, true},
    HtmlName{"ndash", 0x2013, false}, HtmlName{"ne", 0x2260, false}, HtmlName{"ni", 0x220B, false},
    HtmlName{"not", 0xAC, true}, HtmlName{"notin", 0x2209, false}, HtmlName{"nsub", 0x2284, false},
    HtmlName{"ntilde", 0xF1, true}, HtmlName{"nu", 0x3BD, false}, HtmlName{"num", 0x23, false},
    HtmlName{"numsp", 0x2007, false}, HtmlName{"oacute", 0xF3, true}, HtmlName{"ocirc", 0xF4, true},
    HtmlName{"oelig", 0x153, false}, HtmlName{"ograve", 0xF2, true}, HtmlName{"oline", 0x203E, false},
    HtmlName{"omega", 0x3C9, false}, HtmlName{"omicron", 0x3BF, false}, HtmlName{"oplus", 0x2295, false},
    HtmlName{"or", 0x2228, false}, HtmlName{"ordf", 0xAA, true}, HtmlName{"ordm", 0xBA, true},
    HtmlName{"oslash", 0xF8, true}, HtmlName{"otilde", 0xF5, true}, HtmlName{"otimes", 0x2297, false},
    HtmlName{"ouml", 0xF6, true}, HtmlName{"para", 0xB6, true}, HtmlName{"part", 0x2202, false},
    HtmlName{"percnt", 0x25, false}, HtmlName{"period", 0x2E, false}, HtmlName{"permil", 0x2030, false},
    HtmlName{"perp", 0x22A5, false}, HtmlName{"phi", 0x3C6, false}, HtmlName{"pi", 0x3C0, false},
    HtmlName{"piv", 0x3D6, false}, HtmlName{"plus", 0x2B, false}, HtmlName{"plusmn", 0xB1, true},
    HtmlName{"pound", 0xA3, true}, HtmlName{"prime", 0x2032, false}, HtmlName{"prod", 0x220F, false},
    HtmlName{"prop", 0x221D, false}, HtmlName{"psi", 0x3C8, false}, HtmlName{"puncsp", 0x2008, false},
    HtmlName{"quest", 0x3F, false}, HtmlName{"quot", 0x22, true}, HtmlName{"rArr", 0x21D2, false},
    HtmlName{"radic", 0x221A, false}, HtmlName{"rang", 0x232A, false}, HtmlName{"raquo", 0xBB, true},
    HtmlName{"rarr", 0x2192, false}, HtmlName{"rbrace", 0x7D, false}, HtmlName{"rbrack", 0x5D, false},
    HtmlName{"rceil", 0x2309, false}, HtmlName{"rcub", 0x7D, false}, HtmlName{"rdquo", 0x201D, false},
    HtmlName{"real", 0x211C, false}, HtmlName{"reg", 0xAE, true}, HtmlName{"rfloor", 0x230B, false},
    HtmlName{"rho", 0x3C1, false}, HtmlName{"rlm", 0x200F, false}, HtmlName{"rpar", 0x29, false},
    HtmlName{"rsaquo", 0x203A, false}, HtmlName{"rsqb", 0x5D, false}, HtmlName{"rsquo", 0x2019, false},
    HtmlName{"sbquo", 0x201A, false}, HtmlName{"scaron", 0x161, false}, HtmlName{"sdot", 0x22C5, false},
    HtmlName{"sect", 0xA7, true}, HtmlName{"semi", 0x3B, false}, HtmlName{"shy", 0xAD, true},
    HtmlName{"sigma", 0x3C3, false}, HtmlName{"sigmaf", 0x3C2, false}, HtmlName{"sim", 0x223C, false},
    HtmlName{"sol", 0x2F, false}, HtmlName{"spades", 0x2660, false}, HtmlName{"sub", 0x2282, false},
    HtmlName{"sube", 0x2286, false}, HtmlName{"sum", 0x2211, false}, HtmlName{"sup", 0x2283, false},
    HtmlName{"sup1", 0xB9, true}, HtmlName{"sup2", 0xB2, true}, HtmlName{"sup3", 0xB3, true},
    HtmlName{"supe", 0x2287, false}, HtmlName{"szlig", 0xDF, true}, HtmlName{"tau", 0x3C4, false},
    HtmlName{"there4", 0x2234, false}, HtmlName{"theta", 0x3B8, false}, HtmlName{"thetasym", 0x3D1, false},
    HtmlName{"thinsp", 0x2009, false}, HtmlName{"thorn", 0xFE, true}, HtmlName{"tilde", 0x2DC, false},
    HtmlName{"times", 0xD7, true}, HtmlName{"trade", 0x2122, false}, HtmlName{"uArr", 0x21D1, false},
    HtmlName{"uacute", 0xFA, true}, HtmlName{"uarr", 0x2191, false}, HtmlName{"ucirc", 0xFB, true},
    HtmlName{"ugrave", 0xF9, true}, HtmlName{"uml", 0xA8, true}, HtmlName{"upsih", 0x3D2, false},
    HtmlName{"upsilon", 0x3C5, false}, HtmlName{"uuml", 0xFC, true}, HtmlName{"verbar", 0x7C, false},
    HtmlName{"vert", 0x7C, false}, HtmlName{"weierp", 0x2118, false}, HtmlName{"xi", 0x3BE, false},
    HtmlName{"yacute", 0xFD, true}, HtmlName{"yen", 0xA5, true}, HtmlName{"yuml", 0xFF, true},
    HtmlName{"zeta", 0x3B6, false}, HtmlName{"zwj", 0x200D, false}, HtmlName{"zwnj", 0x200C, false},
};
// clang-format on

constexpr std::size_t longest_html_name = 24;
constexpr std::size_t longest_name_without_semicolon = 6;

static_assert(std::ranges::is_sorted(html_names, {}, &HtmlName::name));
static_assert(std::ranges::all_of(html_names, [](const HtmlName& row) {
    return row.name.size() <= longest_html_name &&
           (!row.needs_no_semicolon || row.name.size() <= longest_name_without_semicolon);
}));

// The HTML standard, section 13.2.5.80: numbers of C1 controls are those of windows-1252.
constexpr std::array<char16_t, 32> c1_characters = {
    0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021, 0x2C6,  0x2030, 0x160,
    0x2039, 0x152,  0x8D,   0x17D,  0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178,
};

const HtmlName* find_html_name(std::string_view name) {
    const auto* const at = std::ranges::lower_bound(html_names, name, {}, &HtmlName::name);
    return at != std::end(html_names) && at->name == name ? at : nullptr;
}

struct CharacterReference {
    char32_t character;
    std::size_t length;  // octets, with the "&"
};

std::optional<CharacterReference> read_number(std::string_view text) {
    std::size_t at = 2;
    const bool is_hex = text.size() > at && lower_case(text[at]) == 'x';
    if (is_hex) ++at;
    const std::size_t begin = at;
    char32_t value = 0;
    for (; at < text.size(); ++at) {
        const int digit = hex_digit(text[at]);
        if (digit < 0 || (!is_hex && digit > 9)) break;
        // Beyond all characters it stays there.
        value = std::min<char32_t>(value * (is_hex ? 16 : 10) + static_cast<char32_t>(digit), 0x110000);
    }
    if (at == begin) return std::nullopt;
    if (at < text.size() && text[at] == ';') ++at;
    if (value >= 0x80 && value < 0xA0) value = c1_characters[value - 0x80];
    if (value == 0) value = 0xFFFD;
    return CharacterReference{value, at};
}

std::optional<CharacterReference> read_name(std::string_view text, HtmlPlace place) {
    std::size_t length = 0;
    while (length < longest_html_name && length + 1 < text.size() && is_letter_or_digit(text[length + 1]))
        ++length;
    const std::string_view run = text.substr(1, length);
    const char next = length + 1 < text.size() ? text[length + 1] : '\0';
    if (next == ';') {
        if (const HtmlName* const row = find_html_name(run))
            return CharacterReference{row->character, length + 2};
    }
    for (std::size_t size = std::min(length, longest_name_without_semicolon); size >= 2; --size) {
        const HtmlName* const row = find_html_name(run.substr(0, size));
        if (row == nullptr || !row->needs_no_semicolon) continue;
        const bool goes_on = size < length || next == '=';
        if (place == HtmlPlace::attribute && goes_on) return std::nullopt;
        return CharacterReference{row->character, size + 1};
    }
    return std::nullopt;
}

}  // namespace

std::string decode_html_entities(std::string_view text, HtmlPlace place) {
    std::string decoded;
    decoded.reserve(text.size());
    while (true) {
        const std::size_t plain = std::min(text.find('&'), text.size());
        decoded += text.substr(0, plain);
        text.remove_prefix(plain);
        if (text.empty()) return decoded;
        const bool is_number = text.size() > 1 && text[1] == '#';
        const auto reference = is_number ? read_number(text) : read_name(text, place);
        if (reference)
            append_utf8(reference->character, decoded);
        else
            decoded += '&';
        text.remove_prefix(reference ? reference->length : 1);
    }
}

}  // namespace wicket
