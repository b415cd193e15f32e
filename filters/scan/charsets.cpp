#include "filters/scan/charsets.hpp"

#include "base/text.hpp"

#include <array>
#include <cerrno>
#include <iconv.h>
#include <map>
#include <utility>

namespace wicket {
namespace {

/// A charset as mail names it, and as iconv does where that differs.
struct CharsetName {
    const char* in_mail;
    const char* in_iconv = nullptr;
};

// What the Encoding standard has for mail, with the names that mail programs have used.
constexpr CharsetName charset_names[] = {
    {"iso-8859-2"},
    {"iso-8859-3"},
    {"iso-8859-4"},
    {"iso-8859-5"},
    {"iso-8859-6"},
    {"iso-8859-7"},
    {"iso-8859-8"},
    {"iso-8859-8-i", "ISO-8859-8"},
    {"iso-8859-9"},
    {"iso-8859-10"},
    {"iso-8859-11"},
    {"iso-8859-13"},
    {"iso-8859-14"},
    {"iso-8859-15"},
    {"iso-8859-16"},
    {"windows-1250"},
    {"windows-1251"},
    {"windows-1253"},
    {"windows-1254"},
    {"windows-1255"},
    {"windows-1256"},
    {"windows-1257"},
    {"windows-1258"},
    {"cp1250"},
    {"cp1251"},
    {"windows-874", "CP874"},
    {"tis-620"},
    {"koi8-r"},
    {"koi8-u"},
    {"koi8-ru", "KOI8-U"},
    {"ibm437"},
    {"ibm850"},
    {"ibm852"},
    {"ibm866"},
    {"cp866"},
    {"macintosh"},
    {"x-mac-roman", "MACINTOSH"},
    {"x-mac-cyrillic", "MAC-CYRILLIC"},
    // Their successors hold all of them, and are what is meant.
    {"gb2312", "GB18030"},
    {"gbk", "GB18030"},
    {"gb18030"},
    {"big5", "BIG5-HKSCS"},
    {"big5-hkscs"},
    {"shift_jis", "CP932"},
    {"shift-jis", "CP932"},
    {"sjis", "CP932"},
    {"x-sjis", "CP932"},
    {"cp932"},
    {"windows-31j", "CP932"},
    {"euc-jp"},
    {"iso-2022-jp", "ISO-2022-JP-2"},
    {"iso-2022-jp-2"},
    {"euc-kr", "CP949"},
    {"ks_c_5601-1987", "CP949"},
    {"cp949"},
    {"iso-2022-kr"},
    {"utf-7"},
};

// Text with more octets that are none of its charset is not in that charset, and looking at each costs time.
constexpr std::size_t bad_octets_limit = 1000;
constexpr std::size_t block_octets = 4096;

class Descriptor {
public:
    explicit Descriptor(iconv_t value) : value_(value) {}
    Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, none())) {}
    Descriptor& operator=(Descriptor&&) = delete;
    ~Descriptor() {
        if (is_open()) iconv_close(value_);
    }

    bool is_open() const { return value_ != none(); }
    iconv_t get() const { return value_; }

private:
    // NOLINTNEXTLINE(performance-no-int-to-ptr): that is how iconv says it.
    static iconv_t none() { return reinterpret_cast<iconv_t>(-1); }
    iconv_t value_;
};

}  // namespace

struct IconvCharsets::Tables {
    std::map<std::string, Descriptor, std::less<>> by_name;
};

IconvCharsets::IconvCharsets() : tables_(std::make_unique<Tables>()) {
    for (const CharsetName& name : charset_names) {
        // A system may have fewer tables; what is not there is read as if nobody knew it.
        Descriptor opened(iconv_open("UTF-8", name.in_iconv != nullptr ? name.in_iconv : name.in_mail));
        if (opened.is_open()) tables_->by_name.emplace(name.in_mail, std::move(opened));
    }
}

IconvCharsets::~IconvCharsets() = default;

std::size_t IconvCharsets::size() const {
    return tables_->by_name.size();
}

std::optional<std::string> IconvCharsets::decode(std::string_view charset, std::string_view octets) const {
    const auto found = tables_->by_name.find(charset);
    if (found == tables_->by_name.end()) return std::nullopt;
    iconv_t const table = found->second.get();
    iconv(table, nullptr, nullptr, nullptr, nullptr);
    std::string text;
    std::size_t bad_octets = 0;
    std::array<char, block_octets> block{};
    char* in = const_cast<char*>(octets.data());
    std::size_t in_left = octets.size();
    for (bool is_flushed = false; !is_flushed;) {
        char* out = block.data();
        std::size_t out_left = block.size();
        is_flushed = in_left == 0;
        const std::size_t result = is_flushed ? iconv(table, nullptr, nullptr, &out, &out_left)
                                              : iconv(table, &in, &in_left, &out, &out_left);
        const int error = result == static_cast<std::size_t>(-1) ? errno : 0;
        text.append(block.data(), block.size() - out_left);
        if (error == EINVAL) in_left = 0;  // a character that the end cuts off
        if (error != EILSEQ) continue;
        if (++bad_octets > bad_octets_limit) return std::nullopt;
        append_utf8(0xFFFD, text);
        ++in;
        --in_left;
    }
    return text;
}

}  // namespace wicket
