#include "mail/html_text.hpp"

#include "mail/html_entities.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace wicket {
namespace {

class Collector : public HtmlVisitor {
public:
    void link(std::string_view value) override { links += '<' + std::string(value) + '>'; }
    void hidden(std::string_view text) override { hidden_text += '{' + std::string(text) + '}'; }

    std::string links;
    std::string hidden_text;
};

TEST(HtmlText, ShowsWhatAPersonSees) {
    struct Case {
        std::string_view html, want;
        std::string_view links = "";
        std::string_view hidden = "";
    };
    const std::vector<Case> cases = {
        {"plain", "plain"},
        {"<p>one</p><p>two</p>", "one\ntwo"},
        {"V<b></b>ia<span style=\"x\">gr</span>a", "Viagra", "", "{x}"},
        {"V<!-- hidden -->ia<!---->gra", "Viagra"},
        {"buy<br>now<BR/>here", "buy now here"},
        {"<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"},
        {"a &lt;b&gt; &amp;amp; &#65;&#x42;&nbsp;&copy &copyx", "a <b> &amp; AB © ©x"},
        {"<script>evil('<p>no</p>')</script>yes", "yes", "", "{evil('<p>no</p>')}"},
        {"<STYLE type=x>p{}</Style >yes", "yes", "", "{p{}}"},
        {"<script>no </scrip> end", "", "", "{no </scrip> end}"},
        {"<div style='display:none'>hidden</div>shown", "hidden\nshown", "", "{display:none}"},
        {"a < b <3 <", "a < b <3 <"},
        {"<a href=\"http://x/?a=1&amp;b=2&copy=3\">go</a>", "go", "<http://x/?a=1&b=2&copy=3>"},
        {"<a href='http://x'>go</a><img src=http://y/z.png alt=\"x>y\">", "go", "<http://x><http://y/z.png>"},
        {"<a\nhref = http://x >go</a >", "go", "<http://x>"},
        {"<a/href=http://x/y/>go", "go", "<http://x/y/>"},
        {"<a href=\"http://x", "", "<http://x>"},
        {"<a href=\"&#104;ttp:&sol;&sol;x\">", "", "<http://x>"},
        {"<form action=http://f><input src=i><a title=no href>", "", "<http://f><i>"},
        {"<meta http-equiv=refresh content=\"0;url=http://m\">", "", "", "{0;url=http://m}"},
        {"</a href=http://x>", ""},
        {"<!DOCTYPE html><?xml x?></ x>y", "y"},
        {"<!-->a<!--->b<!-- --!>c<!-- -- > no", "abc"},
        {"<!-- never closed <p>x", ""},
        {"<b", ""},
        {"<b x=", ""},
        {"<b ==x y>z", "z"},
        {"<averyverylongelementname>x", "x"},
        {"", ""},
        {"<title>t</title>body", "t\nbody"},
    };
    for (const Case& one : cases) {
        SCOPED_TRACE(one.html);
        ShownText shown;
        Collector collector;
        read_html(one.html, shown, collector);
        EXPECT_EQ(shown.text(), one.want);
        EXPECT_EQ(collector.links, one.links);
        EXPECT_EQ(collector.hidden_text, one.hidden);
    }
}

TEST(HtmlText, DecodesCharacterReferences) {
    struct Case {
        std::string_view text, in_text, in_attribute;
    };
    const std::vector<Case> cases = {
        {"&eacute;&Eacute;",                      "éÉ",                 "éÉ"                                   },
        {"&euro;&euro",                           "€&euro",             "€&euro"                               },
        {"&ampx",                                 "&x",                 "&ampx"                                },
        {"&amp=1",                                "&=1",                "&amp=1"                               },
        {"&amp",                                  "&",                  "&"                                    },
        {"&unknown;",                             "&unknown;",          "&unknown;"                            },
        {"&notit;",                               "¬it;",               "&notit;"                              },
        {"&#0;&#xD800;&#99999999999;",            "\uFFFD\uFFFD\uFFFD", "\uFFFD\uFFFD\uFFFD"                   },
        {"&#x80;&#150;",                          "€–",                 "€–"                                   },
        {"&#;&#x;&#xg;& &",                       "&#;&#x;&#xg;& &",    "&#;&#x;&#xg;& &"                      },
        {"&#65&#66 ",                             "AB ",                "AB "                                  },
        {"&zwnj;&Tab;&NewLine;&colon;",           "\u200C\t\n:",        "\u200C\t\n:"                          },
        {"&aVeryLongNameThatNobodyKnowsOfAtAll;",
         "&aVeryLongNameThatNobodyKnowsOfAtAll;",                       "&aVeryLongNameThatNobodyKnowsOfAtAll;"},
    };
    for (const Case& one : cases) {
        SCOPED_TRACE(one.text);
        EXPECT_EQ(decode_html_entities(one.text, HtmlPlace::text), one.in_text);
        EXPECT_EQ(decode_html_entities(one.text, HtmlPlace::attribute), one.in_attribute);
    }
}

TEST(HtmlText, FindsTheCharset) {
    EXPECT_EQ(charset_in_html("<meta charset=utf-8>"), "utf-8");
    EXPECT_EQ(charset_in_html("<META CHARSET = \"koi8-r\" />"), "koi8-r");
    EXPECT_EQ(
        charset_in_html("<meta http-equiv=x content=\"text/html; charset=windows-1251\">"), "windows-1251"
    );
    EXPECT_EQ(charset_in_html("<a b=c>"), "");
    EXPECT_EQ(charset_in_html("charset="), "");
    EXPECT_EQ(charset_in_html(std::string(2000, ' ') + "charset=utf-8"), "");
}

}  // namespace
}  // namespace wicket
