#include "mail/dkim_tags.hpp"

#include <gtest/gtest.h>

#include <map>

namespace wicket {
namespace {

const std::string body_hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

/// A valid list with the given tags in place of its own; an empty value drops the tag.
std::string with(std::initializer_list<std::pair<std::string, std::string>> changes) {
    std::map<std::string, std::string> tags = {
        {"v",  "1"          },
        {"a",  "rsa-sha256" },
        {"d",  "example.org"},
        {"s",  "sel"        },
        {"h",  "from:to"    },
        {"bh", body_hash    },
        {"b",  "AAAA"       },
    };
    for (const auto& [name, value] : changes)
        tags[name] = value;
    std::string list;
    for (const auto& [name, value] : tags) {
        if (!value.empty()) list += name + "=" + value + "; ";
    }
    return list;
}

TEST(DkimTags, ReadsWhatASignatureSays) {
    const DkimSignatureHeader header = parse_dkim_signature(
        " v=1; a=RSA-SHA256; c=relaxed/simple; d=Example.ORG;\r\n"
        "\t s=Sel.2026; t=1700000000; x=1700003600; q=dns/txt;\r\n"
        "\t h=From : To:\r\n\t Subject; i=joe=20b=40x@mail.example.org; l=123; z=From:x|To:y;\r\n"
        "\t bh=47DEQpj8HBSa+/TImW+5JCeuQeRk\r\n\t m5NMpJWZG3hSuFU= ; unknown=any thing = goes;\r\n"
        "\t b=AAAA\r\n\t BBBB=="
    );
    ASSERT_EQ(header.fault, DkimTagFault::bad_signature);  // eight digits and two pads
    const DkimSignatureHeader good = parse_dkim_signature(
        " v=1; a=RSA-SHA256; c=relaxed/simple; d=Example.ORG;\r\n"
        "\t s=Sel.2026; t=1700000000; x=1700003600; q=dns/txt;\r\n"
        "\t h=From : To:\r\n\t Subject; i=joe=20b=40x@mail.example.org; l=123; z=From:x|To:y;\r\n"
        "\t bh=47DEQpj8HBSa+/TImW+5JCeuQeRk\r\n\t m5NMpJWZG3hSuFU= ; unknown=any thing = goes;\r\n"
        "\t b=AAAA\r\n\t BBBBCC=="
    );
    ASSERT_FALSE(good.fault);
    EXPECT_EQ(good.domain, "example.org");
    EXPECT_EQ(good.selector, "sel.2026");
    EXPECT_EQ(good.algorithm, "rsa-sha256");
    EXPECT_EQ(good.identity, "joe b@x@mail.example.org");
    EXPECT_EQ(good.signed_fields, (std::vector<std::string>{"from", "to", "subject"}));
    EXPECT_EQ(good.body_length, 123U);
    EXPECT_EQ(good.time, 1'700'000'000U);
    EXPECT_EQ(good.expiry, 1'700'003'600U);
    EXPECT_EQ(good.key_question, "sel.2026._domainkey.example.org");
}

TEST(DkimTags, RefusesWhatTheGrammarDoesNotAllow) {
    struct Row {
        std::string_view name;
        std::string list;
        std::optional<DkimTagFault> fault;
    };
    using enum DkimTagFault;
    const std::string label(63, 'a');
    const std::string long_name = label + '.' + label + '.' + label + '.' + std::string(61, 'b');
    const Row table[] = {
        {"the least",                        with({}),                                                           {}                     },
        {"without the last semicolon",       "v=1;a=rsa-sha256;d=example.org;s=s;h=from;b=AAAA;bh=" + body_hash, {}
        },
        {"space after the last semicolon",   with({}) + "\r\n ",                                                 {}                     },
        {"ed25519",                          with({{"a", "ed25519-sha256"}}),                                    {}                     },
        {"nothing",                          "",                                                                 bad_syntax             },
        {"white space",                      " \r\n ",                                                           bad_syntax             },
        {"a semicolon",                      ";",                                                                bad_syntax             },
        {"two semicolons",                   with({}) + ";;",                                                    bad_syntax             },
        {"no equals sign",                   with({}) + "foo",                                                   bad_syntax             },
        {"no name",                          with({}) + "=foo",                                                  bad_syntax             },
        {"a name that begins with a digit",  with({}) + "1x=foo",                                                bad_syntax             },
        {"a space in a name",                with({}) + "a b=foo",                                               bad_syntax             },
        {"an octet that is not ASCII",       with({}) + "x=\xC3\xA4",                                            bad_syntax             },
        {"a control octet",                  with({}) + "x=\x01",                                                bad_syntax             },
        {"a bare CR",                        with({}) + "x=a\rb",                                                bad_syntax             },
        {"a line end without a fold",        with({}) + "x=a\r\nb",                                              bad_syntax             },
        {"a duplicate",                      with({}) + "d=example.com",                                         duplicate_tag          },
        {"a duplicate of an unknown tag",    with({}) + "x1=1;x1=2",                                             duplicate_tag          },
        {"names have case",                  with({}) + "D=example.com",                                         {}                     },
        {"no v=",                            with({{"v", ""}}),                                                  missing_tag            },
        {"no a=",                            with({{"a", ""}}),                                                  missing_tag            },
        {"no b=",                            with({{"b", ""}}),                                                  missing_tag            },
        {"no bh=",                           with({{"bh", ""}}),                                                 missing_tag            },
        {"no d=",                            with({{"d", ""}}),                                                  missing_tag            },
        {"no h=",                            with({{"h", ""}}),                                                  missing_tag            },
        {"no s=",                            with({{"s", ""}}),                                                  missing_tag            },
        {"v=2",                              with({{"v", "2"}}),                                                 bad_version            },
        {"v=1.0",                            with({{"v", "1.0"}}),                                               bad_version            },
        {"rsa-sha1",                         with({{"a", "rsa-sha1"}}),                                          rsa_sha1               },
        {"rsa-sha512",                       with({{"a", "rsa-sha512"}}),                                        unknown_algorithm      },
        {"a fold in a=",                     with({{"a", "rsa- sha256"}}),                                       unknown_algorithm      },
        {"b= is no base64",                  with({{"b", "AA*A"}}),                                              bad_signature          },
        {"b= has the wrong length",          with({{"b", "AAA"}}),                                               bad_signature          },
        {"b= is padding",                    with({{"b", "===="}}),                                              bad_signature          },
        {"b= goes on after padding",         with({{"b", "AA==AAAA"}}),                                          bad_signature          },
        {"bh= is short",                     with({{"bh", "AAAA"}}),                                             bad_body_hash          },
        {"bh= is url-safe",                  with({{"bh", "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU="}}),     bad_body_hash          },
        {"c= once",                          with({{"c", "relaxed"}}),                                           {}                     },
        {"c= unknown",                       with({{"c", "nofws"}}),                                             bad_canonicalization   },
        {"c= thrice",                        with({{"c", "simple/simple/simple"}}),                              bad_canonicalization   },
        {"c= ends with a slash",             with({{"c", "simple/"}}),                                           bad_canonicalization   },
        {"d= with one label",                with({{"d", "org"}}),                                               bad_domain             },
        {"d= with a dot at the end",         with({{"d", "example.org."}}),                                      bad_domain             },
        {"d= with an empty label",           with({{"d", "example..org"}}),                                      bad_domain             },
        {"d= with a hyphen at an end",       with({{"d", "-example.org"}}),                                      bad_domain             },
        {"d= with a space",                  with({{"d", "exam ple.org"}}),                                      bad_domain             },
        {"d= with a long label",             with({{"d", label + "a.org"}}),                                     bad_domain             },
        {"d= too long",                      with({{"d", long_name + "b"}}),                                     bad_domain             },
        {"s= with a slash",                  with({{"s", "a/b"}}),                                               bad_selector           },
        {"s= with a dot at the start",       with({{"s", ".a"}}),                                                bad_selector           },
        {"the key's name is too long",       with({{"d", long_name}}),                                           too_long               },
        {"h= with an empty name",            with({{"h", "from::to"}}),                                          bad_signed_fields      },
        {"h= with a space in a name",        with({{"h", "from:a b"}}),                                          bad_signed_fields      },
        {"h= without From",                  with({{"h", "to:subject"}}),                                        from_not_signed        },
        {"i= of the domain",                 with({{"i", "@example.org"}}),                                      {}                     },
        {"i= below the domain",              with({{"i", "x@A.Example.org"}}),                                   {}                     },
        {"i= above the domain",              with({{"i", "x@org.example"}}),                                     identity_outside_domain},
        {"i= beside the domain",             with({{"i", "x@badexample.org"}}),                                  identity_outside_domain},
        {"i= without @",                     with({{"i", "example.org"}}),                                       bad_identity           },
        {"i= ends in an escape",             with({{"i", "x@example.org="}}),                                    bad_identity           },
        {"i= ends in half an escape",        with({{"i", "x@example.org=4"}}),                                   bad_identity           },
        {"i= with an escape of no hex",      with({{"i", "=GGx@example.org"}}),                                  bad_identity           },
        {"i= with an escape of its at sign", with({{"i", "x=40example.org"}}),                                   {}                     },
        {"l= with a sign",                   with({{"l", "-1"}}),                                                bad_length             },
        {"l= beyond 64 bits",                with({{"l", "18446744073709551616"}}),                              bad_length             },
        {"l= of 64 bits",                    with({{"l", "18446744073709551615"}}),                              {}                     },
        {"l= of 77 digits",                  with({{"l", std::string(77, '0')}}),                                bad_length             },
        {"t= of 13 digits",                  with({{"t", "1234567890123"}}),                                     bad_time               },
        {"t= of 12 digits",                  with({{"t", "123456789012"}}),                                      {}                     },
        {"t= with letters",                  with({{"t", "12x"}}),                                               bad_time               },
        {"x= of 13 digits",                  with({{"x", "1234567890123"}}),                                     bad_time               },
        {"x= before t=",                     with({{"t", "200"}, {"x", "199"}}),                                 bad_time               },
        {"x= at t=",                         with({{"t", "200"}, {"x", "200"}}),                                 bad_time               },
        {"q= with a known method",           with({{"q", "foo : DNS/TXT"}}),                                     {}                     },
        {"q= without one",                   with({{"q", "dns/aaaa"}}),                                          unknown_query          },
        {"a field that is too long",
         with({{"h", "from:" + std::string(dkim_field_limit_octets, 'x')}}),
         too_long                                                                                                                       },
    };
    for (const Row& row : table) {
        SCOPED_TRACE(row.name);
        const DkimSignatureHeader header = parse_dkim_signature(row.list);
        EXPECT_EQ(header.fault, row.fault) << (header.fault ? describe(*header.fault) : "no fault");
        EXPECT_EQ(header.key_question.has_value(), !row.fault);
    }
}

TEST(DkimTags, TellsWhoseSignatureItWouldBeInSpiteOfAFault) {
    struct Row {
        std::string list;
        DkimTagFault fault;
        std::string domain, selector;
    };
    using enum DkimTagFault;
    const Row table[] = {
        {with({{"a", "rsa-sha1"}}),          rsa_sha1,        "example.org", "sel"},
        {with({{"v", "2"}}),                 bad_version,     "example.org", "sel"},
        {with({{"b", "?"}}),                 bad_signature,   "example.org", "sel"},
        {with({{"bh", ""}}),                 missing_tag,     "example.org", "sel"},
        {with({{"h", "to"}}),                from_not_signed, "example.org", "sel"},
        {with({{"v", "2"}, {"d", "org"}}),   bad_version,     "",            "sel"},
        {with({{"d", "org"}, {"s", "a/b"}}), bad_domain,      "",            ""   },
    };
    for (const auto& [list, fault, domain, selector] : table) {
        SCOPED_TRACE(list);
        const DkimSignatureHeader header = parse_dkim_signature(list);
        EXPECT_EQ(header.fault, fault) << "the first one";
        EXPECT_EQ(header.domain, domain);
        EXPECT_EQ(header.selector, selector);
        EXPECT_FALSE(header.key_question);
    }
}

TEST(DkimTags, LooksAtAFewSignaturesAlone) {
    std::string message = "Subject: x\r\n";
    for (int count = 0; count < 100; ++count)
        message += "dkim-signature : " +
                   with({
                       {"s", "s" + std::to_string(count)}
        }) +
                   "\r\n";
    message += "\r\nDKIM-Signature: body\r\n";
    const DkimSignatureHeaders found = find_dkim_signatures(message);
    EXPECT_EQ(found.total, 100U);
    ASSERT_EQ(found.signatures.size(), dkim_signatures_limit);
    EXPECT_EQ(found.signatures.front().key_question, "s0._domainkey.example.org");
    EXPECT_EQ(found.signatures.back().selector, "s7");
    EXPECT_EQ(found.signatures.front().field.offset, 12U);
    EXPECT_TRUE(find_dkim_signatures("").signatures.empty());
}

}  // namespace
}  // namespace wicket
